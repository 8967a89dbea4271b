"""Conversations while they go on: asking, asking again, and what is kept of them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import msgspec

from router.chain import Options
from router.errors import InvalidRequest
from router.handle import Handle, Snapshot
from router.messages import Message, Request
from router.store import ConversationLog, Settings, Turn

KEEP_EVERY = 0.5
"""Seconds between two saves of an answer under way."""

MAX_CONVERSATIONS = 200
"""Conversations held in memory; older ones are read from the store again."""


class Chat:
    """All conversations of this process. Its methods may be called from any thread.

    Args:
        start: sends a request; `Lab.start`.
        log: where turns are stored; None where nothing can be.
    """

    def __init__(self, start: Callable[..., Handle], log: ConversationLog | None) -> None:
        self._start = start
        self._log = log
        self._lock = threading.RLock()
        self._turns: dict[str, dict[str, Turn]] = {}
        self._handles: dict[str, Handle] = {}

    def new(self) -> str:
        """An id for a conversation that does not exist yet."""
        return uuid.uuid4().hex[:12]

    def turns(self, conversation: str) -> list[Turn]:
        """The turns from the first to the newest, along the newest branch."""
        with self._lock:
            return list(_branch(self._load(conversation)))

    def handle(self, turn: Turn) -> Handle | None:
        """The request of a turn that is under way in this process."""
        return self._handles.get(turn.id)

    def ask(self, conversation: str, prompt: str, settings: Settings) -> Turn:
        """Send a prompt at the end of a conversation.

        Raises:
            InvalidRequest: it cannot be sent, or an answer is still under way.
            ConfigError: its chain is no longer in models.yaml.
        """
        with self._lock:
            return self._send(conversation, self._ended_turns(conversation), prompt, settings, Options())

    def ask_again(self, turn: Turn, settings: Settings) -> Turn:
        """Ask the prompt of the newest turn anew, past the cache; what it answered before stays stored.

        Raises:
            InvalidRequest, ConfigError: as `ask`.
        """
        with self._lock:
            before = [earlier for earlier in self._ended_turns(turn.conversation) if earlier.id != turn.id]
            return self._send(turn.conversation, before, turn.prompt, settings, Options(cache="refresh"))

    def _ended_turns(self, conversation: str) -> list[Turn]:
        turns = self.turns(conversation)
        if turns and turns[-1].id in self._handles:
            raise InvalidRequest("An answer is still under way. Stop it, or wait for its end.")
        return turns

    def _send(
        self, conversation: str, before: Sequence[Turn], prompt: str, settings: Settings, options: Options
    ) -> Turn:
        request = Request(
            messages=tuple(_messages(before, prompt, settings.system)),
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
        )
        request.canonical()  # refuses what cannot be sent, before anything is kept
        turn = Turn(
            id=uuid.uuid4().hex,
            conversation=conversation,
            parent=before[-1].id if before else None,
            created=time.time(),
            prompt=prompt,
            settings=settings,
        )
        handle = self._start(request, category=settings.category, model=settings.model, options=options)
        self._handles[turn.id] = handle
        self._keep(turn)
        handle.watch(lambda snapshot: self._update(turn, snapshot), every=KEEP_EVERY)
        return turn

    def _update(self, turn: Turn, snapshot: Snapshot) -> None:
        with self._lock:
            self._keep(
                msgspec.structs.replace(
                    turn,
                    state=snapshot.state,
                    answer=snapshot.answer,
                    attempts=snapshot.attempts,
                    error=str(snapshot.error) if snapshot.error is not None else None,
                )
            )
            if snapshot.state != "running":
                self._handles.pop(turn.id, None)

    def _keep(self, turn: Turn) -> None:
        self._load(turn.conversation)[turn.id] = turn
        if self._log is not None:
            self._log.save(turn)

    def _load(self, conversation: str) -> dict[str, Turn]:
        turns = self._turns.pop(conversation, None)
        if turns is None:
            stored = self._log.load(conversation) if self._log is not None else []
            turns = {turn.id: _ended(turn) for turn in stored}
        self._turns[conversation] = turns  # last in the dictionary is the last used
        for idle in [name for name in self._turns if not self._live(name)][:-MAX_CONVERSATIONS]:
            del self._turns[idle]
        return turns

    def _live(self, conversation: str) -> bool:
        return any(turn_id in self._handles for turn_id in self._turns[conversation])


def _ended(turn: Turn) -> Turn:
    """A turn read from the store has no request any more: where it was running, its process ended first."""
    return msgspec.structs.replace(turn, state="cut") if turn.state == "running" else turn


def _branch(turns: dict[str, Turn]) -> Iterator[Turn]:
    newest: dict[str | None, Turn] = {}
    for turn in turns.values():
        if turn.parent not in newest or newest[turn.parent].created <= turn.created:
            newest[turn.parent] = turn
    at = newest.get(None)
    while at is not None:
        yield at
        at = newest.get(at.id)


def _messages(before: Sequence[Turn], prompt: str, system: str) -> Iterator[Message]:
    if system.strip():
        yield {"role": "system", "content": system}
    for turn in before:
        yield {"role": "user", "content": turn.prompt}
        if turn.answer.text:
            # Calls have no results here; what was cut holds reasoning that is not whole.
            left_out = {"tool_calls": ()} | ({} if turn.state == "answered" else {"reasoning_details": ()})
            yield msgspec.structs.replace(turn.answer, **left_out).message()
    yield {"role": "user", "content": prompt}
