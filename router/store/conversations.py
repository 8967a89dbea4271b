"""Conversations as they are stored: JSON, one row a turn."""

from __future__ import annotations

import time
from typing import Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from router.messages import Answer, Attempt, Frozen
from router.store.database import Database
from router.store.tables import conversations, turns
from router.store.writer import Writer

TurnState = Literal["running", "answered", "failed", "cut"]


class Settings(Frozen, frozen=True, kw_only=True):
    """How a conversation's prompts are asked.

    Attributes:
        category: the chain that answers; None where `model` does.
        model: a single model's reference.
    """

    category: str | None = None
    model: str | None = None
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None


class Turn(Frozen, frozen=True, kw_only=True):
    """A prompt and what came back.

    Attributes:
        parent: the turn before it; two turns with one parent are branches.
        state: running, answered, failed, or cut where it was stopped or lost.
        error: why there is no answer, one sentence.
    """

    id: str
    conversation: str
    parent: str | None
    created: float
    prompt: str
    settings: Settings
    state: TurnState = "running"
    answer: Answer = Answer()
    attempts: tuple[Attempt, ...] = ()
    error: str | None = None


_TURN = insert(turns)
_SAVE_TURN = _TURN.on_conflict_do_update(index_elements=["id"], set_={"turn": _TURN.excluded.turn})
_CONVERSATION = insert(conversations)
_SAVE_CONVERSATION = _CONVERSATION.on_conflict_do_update(
    index_elements=["id"],
    set_={"updated": _CONVERSATION.excluded.updated, "settings": _CONVERSATION.excluded.settings},
)


class ConversationLog:
    """Stores conversations, and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def save(self, turn: Turn) -> None:
        """Accept a turn, new or changed; it is on disk within the second."""
        settings = msgspec.json.encode(turn.settings).decode()
        self._writer.put(
            _SAVE_CONVERSATION,
            {"id": turn.conversation, "created": turn.created, "updated": time.time(), "settings": settings},
        )
        self._writer.put(
            _SAVE_TURN,
            {
                "id": turn.id,
                "conversation": turn.conversation,
                "created": turn.created,
                "turn": msgspec.json.encode(turn).decode(),
            },
        )

    def load(self, conversation: str) -> list[Turn]:
        """All turns of a conversation, oldest first."""
        rows = select(turns.c.turn).where(turns.c.conversation == conversation).order_by(turns.c.created, turns.c.id)
        with self._database.reading() as connection:
            return [msgspec.json.decode(row, type=Turn) for row in connection.execute(rows).scalars()]
