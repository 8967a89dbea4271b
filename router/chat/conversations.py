"""What is kept of conversations: those in use in memory, all of them in the store."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

import msgspec

from router.core.conversations import UNTITLED, Attachment, Entry, Turn, title_of
from router.core.errors import InvalidRequest
from router.store import ConversationLog
from router.store.recent import Recent

MAX_CONVERSATIONS = 200
"""Conversations kept in memory; older ones are reread from the store."""


class _Held(NamedTuple):
    """A conversation in memory; of its files, those that were used."""

    turns: Mapping[str, Turn] = {}
    files: Mapping[str, bytes] = {}

    @property
    def is_live(self) -> bool:
        return any(turn.state == "running" for turn in self.turns.values())


class Conversations:
    """Turns and files by conversation. May be used from any thread; holds no lock while the store is read."""

    def __init__(self, log: ConversationLog) -> None:
        self._log = log
        self._recent = Recent(self._read, lambda held: held.is_live, MAX_CONVERSATIONS)

    def turns(self, conversation: str) -> Mapping[str, Turn]:
        """All turns of a conversation by their ids, as they are now."""
        return (self._recent.get(conversation) or _Held()).turns

    def live(self) -> set[str]:
        """Those in which an answer is in progress."""
        return {name for name, held in self._recent.held().items() if held.is_live}

    def entries(self, search: str, limit: int) -> list[Entry]:
        """At most so many conversations as `Entry.order` sorts them; those alone that hold the words of `search`."""
        found = self._log.entries(search, limit=limit)
        if search.strip():
            return found
        # Where the list ends before an older one that is in memory, that one is sorted behind its end again.
        return sorted([*self._young({entry.id for entry in found}), *found], key=lambda entry: entry.order)[:limit]

    def _young(self, stored: set[str]) -> list[Entry]:
        """Conversations that the writer has yet to store."""
        young = [list(held.turns.values()) for name, held in self._recent.held().items() if name not in stored]
        return [
            Entry(id=turns[0].conversation, title=title_of(turns[0].prompt) or UNTITLED, updated=turns[-1].created)
            for turns in young
            if turns
        ]

    def file(self, conversation: str, file: str) -> bytes:
        """The bytes of a prompt's file.

        Raises:
            InvalidRequest: it is no longer stored.
        """
        held = self._recent.get(conversation) or _Held()
        data = held.files.get(file) or self._log.load_file(conversation, file)
        if data is None:
            raise InvalidRequest("A file of this conversation is no longer stored. Attach it again, in a new prompt.")
        if file not in held.files:
            self._hold_file(conversation, file, data)
        return data

    def keep(self, turn: Turn, known: Mapping[str, Turn] | None = None) -> None:
        """Keep a turn.

        Args:
            known: the turns of its conversation, as they were read before; None where the turn is one of them.
        """
        self._recent.change(
            turn.conversation,
            lambda held: held._replace(turns={**held.turns, turn.id: turn}),
            _Held(known) if known is not None else None,
        )
        self._log.save(turn)

    def amend(self, turn: Turn) -> None:
        """Keep a change of a turn that does not move its conversation to the front of the list."""
        self._recent.change(turn.conversation, lambda held: held._replace(turns={**held.turns, turn.id: turn}))
        self._log.amend(turn)

    def keep_files(self, conversation: str, files: Mapping[Attachment, bytes]) -> None:
        """Keep the files of prompts."""
        for attachment, data in files.items():
            self._hold_file(conversation, attachment.id, data)
            self._log.save_file(conversation, attachment, data)

    def drop(self, conversation: str) -> Mapping[str, Turn]:
        """Let go of a conversation that is about to be deleted. Returns its turns as far as they were in memory."""
        held = self._recent.held().get(conversation, _Held())
        self._recent.put(conversation, _Held())  # whoever reads it before it is deleted finds this
        return held.turns

    def clear(self) -> None:
        """Hold nothing in memory any more."""
        self._recent.clear()

    def _hold_file(self, conversation: str, file: str, data: bytes) -> None:
        self._recent.change(conversation, lambda held: held._replace(files={**held.files, file: data}))

    def _read(self, conversation: str) -> _Held:
        turns = self._log.load(conversation)
        stored = {turn.id for turn in turns}
        return _Held({turn.id: _as_read(turn, stored) for turn in turns})


def _as_read(turn: Turn, stored: Container[str]) -> Turn:
    """A turn from the store: one without its parent, lost with an earlier database, begins the conversation."""
    return msgspec.structs.replace(
        turn,
        parent=turn.parent if turn.parent is not None and turn.parent in stored else None,
        state="cut" if turn.state == "running" else turn.state,  # it has no request: its process ended first
    )
