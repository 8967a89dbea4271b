"""Conversations as they are stored: JSON, one row a turn; the files of their prompts apart."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.dialects.sqlite import insert

from router.attachments import Attachment
from router.messages import Answer, Attempt, Frozen
from router.store.database import Database
from router.store.tables import conversations, files, turns
from router.store.writer import Writer
from router.tools import Tool

TurnState = Literal["running", "answered", "failed", "cut"]

UNTITLED = "Untitled"

TITLE_LENGTH = 60
"""Characters of the first prompt that make a conversation's title."""

MAX_SEARCH = 200
"""Characters of a search that are looked for; SQLite has limits of its own, far above."""


class Settings(Frozen, frozen=True, kw_only=True):
    """How a conversation's prompts are asked.

    Attributes:
        category: the chain that answers; None where `model` does.
        model: a single model's reference.
        tools: functions that the model may call.
        schema: JSON schema that the answer has to fit.
        params: other fields of the body, such as top_p or reasoning_effort.
    """

    category: str | None = None
    model: str | None = None
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    schema: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = {}


class ToolResult(Frozen, frozen=True, kw_only=True):
    """What a tool call gave; `call` is the call's id."""

    call: str
    content: str


class Turn(Frozen, frozen=True, kw_only=True):
    """A prompt and what came back.

    Attributes:
        parent: the turn before it; two turns with one parent are branches.
        prompt: empty where the turn goes on with `results`.
        results: what the tool calls of the turn before gave.
        state: running, answered, failed, or cut where it was stopped or lost.
        error: why there is no answer, one sentence.
    """

    id: str
    conversation: str
    parent: str | None
    created: float
    prompt: str
    settings: Settings
    attachments: tuple[Attachment, ...] = ()
    results: tuple[ToolResult, ...] = ()
    state: TurnState = "running"
    answer: Answer = Answer()
    attempts: tuple[Attempt, ...] = ()
    error: str | None = None


class Entry(Frozen, frozen=True, kw_only=True):
    """A conversation in the list of them; `updated` is Unix time."""

    id: str
    title: str
    updated: float


_TURN = insert(turns)
_SAVE_TURN = _TURN.on_conflict_do_update(index_elements=["id"], set_={"turn": _TURN.excluded.turn})
_CONVERSATION = insert(conversations)
# The title is the first prompt's, or the one that somebody gave it.
_SAVE_CONVERSATION = _CONVERSATION.on_conflict_do_update(
    index_elements=["id"],
    set_={"updated": _CONVERSATION.excluded.updated, "settings": _CONVERSATION.excluded.settings},
)
_SAVE_FILE = insert(files).on_conflict_do_nothing()
_RENAME = text("UPDATE conversations SET title = :title WHERE id = :conversation")
_DELETE = (
    text("DELETE FROM turns WHERE conversation = :conversation"),
    text("DELETE FROM files WHERE conversation = :conversation"),
    text("DELETE FROM conversations WHERE id = :conversation"),
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
            {
                "id": turn.conversation,
                "created": turn.created,
                "updated": time.time(),
                "settings": settings,
                "title": title_of(turn.prompt),
            },
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

    def save_file(self, conversation: str, attachment: Attachment, data: bytes) -> None:
        """Accept a file of a prompt."""
        self._writer.put(_SAVE_FILE, {"conversation": conversation, "id": attachment.id, "data": data})

    def load(self, conversation: str) -> list[Turn]:
        """All turns of a conversation, oldest first."""
        rows = select(turns.c.turn).where(turns.c.conversation == conversation).order_by(turns.c.created, turns.c.id)
        with self._database.reading() as connection:
            return [msgspec.json.decode(row, type=Turn) for row in connection.execute(rows).scalars()]

    def load_file(self, conversation: str, file: str) -> bytes | None:
        """The bytes of a prompt's file."""
        row = select(files.c.data).where(files.c.conversation == conversation, files.c.id == file)
        with self._database.reading() as connection:
            return connection.execute(row).scalar()

    def entries(self, search: str = "", *, limit: int = 200) -> list[Entry]:
        """Conversations, the one used last first; those alone that hold the words of `search`, in any case."""
        found = select(conversations.c.id, conversations.c.title, conversations.c.updated)
        prompt, answer = func.json_extract(turns.c.turn, "$.prompt"), func.json_extract(turns.c.turn, "$.answer.text")
        for word in _encodable(search[:MAX_SEARCH]).split():
            said = select(turns.c.id).where(turns.c.conversation == conversations.c.id)
            said = said.where(or_(_holds(prompt, word), _holds(answer, word)))
            found = found.where(or_(_holds(conversations.c.title, word), said.exists()))
        found = found.order_by(conversations.c.updated.desc(), conversations.c.id).limit(limit)
        with self._database.reading() as connection:
            return [Entry(id=key, title=title or UNTITLED, updated=at) for key, title, at in connection.execute(found)]

    def title(self, conversation: str) -> str | None:
        """The title of a conversation; None where it is not stored yet."""
        with self._database.reading() as connection:
            return connection.execute(
                select(func.coalesce(func.nullif(conversations.c.title, ""), UNTITLED)).where(
                    conversations.c.id == conversation
                )
            ).scalar()

    def rename(self, conversation: str, title: str) -> None:
        """Give a conversation another title, and wait until the list shows it."""
        self._writer.put(_RENAME, {"conversation": conversation, "title": title})
        self._writer.flush(timeout=1)

    def delete(self, conversation: str) -> None:
        """Delete a conversation with its turns and files, and wait until the list shows it."""
        for statement in _DELETE:
            self._writer.put(statement, {"conversation": conversation})
        self._writer.flush(timeout=1)


def _holds(text: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    """Whether a text holds a word in any case; SQLite's own rules know the case of ASCII alone."""
    return func.instr(func.casefold(text), word.casefold()) > 0


def _encodable(search: str) -> str:
    """The text with U+FFFD for half a surrogate pair, which the driver refuses."""
    return search.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def title_of(prompt: str) -> str:
    """A title for the conversation that a prompt begins."""
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_LENGTH else f"{line[:TITLE_LENGTH].rsplit(' ', 1)[0]} …"
