"""Conversations as they are stored: JSON, one row a turn; the files of their prompts apart."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.dialects.sqlite import insert

from router.core.conversations import UNTITLED, Entry, Turn, title_of
from router.store.files import FileLog
from router.store.tables import conversations, turns

MAX_TOKENS = 10_000_000
"""Largest limit of an answer's tokens that a page can set."""

MAX_SEARCH = 200
"""Characters of a search that are used; SQLite's own limits are far higher."""


_TURN = insert(turns)
_SAVE_TURN = _TURN.on_conflict_do_update(index_elements=["id"], set_={"turn": _TURN.excluded.turn})
_CONVERSATION = insert(conversations)
# The title is the first prompt's, or the one that somebody gave it.
_SAVE_CONVERSATION = _CONVERSATION.on_conflict_do_update(
    index_elements=["id"],
    set_={"updated": _CONVERSATION.excluded.updated, "settings": _CONVERSATION.excluded.settings},
)
_RENAME = text("UPDATE conversations SET title = :title WHERE id = :conversation")
_PIN = text("UPDATE conversations SET pinned = :pinned WHERE id = :conversation")
_DELETE = (
    text("DELETE FROM turns WHERE conversation = :conversation"),
    text("DELETE FROM files WHERE conversation = :conversation"),
    text("DELETE FROM conversations WHERE id = :conversation"),
)


class ConversationLog(FileLog):
    """Stores conversations, and reads them back."""

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
        self.amend(turn)

    def amend(self, turn: Turn) -> None:
        """Accept a change of a stored turn that does not move its conversation to the front."""
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

    def entries(self, search: str = "", *, limit: int = 200) -> list[Entry]:
        """Conversations: the pinned ones, then the others, each the one used last first.

        Args:
            search: only those that contain its words, in any case.
        """
        of = conversations.c
        found = select(of.id, of.title, of.updated, of.pinned)
        prompt, answer = func.json_extract(turns.c.turn, "$.prompt"), func.json_extract(turns.c.turn, "$.answer.text")
        for word in _encodable(search[:MAX_SEARCH]).split():
            said = select(turns.c.id).where(turns.c.conversation == conversations.c.id)
            said = said.where(or_(_holds(prompt, word), _holds(answer, word)))
            found = found.where(or_(_holds(conversations.c.title, word), said.exists()))
        found = found.order_by(of.pinned.desc(), of.updated.desc(), of.id).limit(limit)
        with self._database.reading() as connection:
            return [
                Entry(id=key, title=title or UNTITLED, updated=at, pinned=pinned)
                for key, title, at, pinned in connection.execute(found)
            ]

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

    def pin(self, conversation: str, pinned: bool) -> None:
        """Pin a conversation to the top of the list, or unpin it, and wait until the list shows it."""
        self._writer.put(_PIN, {"conversation": conversation, "pinned": pinned})
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
