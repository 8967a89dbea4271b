"""Running conversations: sending, regenerating, and storing them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from router.chat.attachments import read_attachment
from router.chat.conversations import Conversations
from router.chat.transcripts import branch, messages_of, path
from router.chat.transfer import Transfer, new_conversation, title_from
from router.core.attempts import Attempt
from router.core.conversations import Attachment, Entry, Settings, ToolResult, Turn
from router.core.errors import InvalidRequest
from router.core.records import Feedback
from router.core.requests import Request
from router.core.snapshots import Snapshot
from router.engine.faults import Faults
from router.engine.handle import Handle
from router.engine.options import CacheMode, Options
from router.store import MAX_TOKENS, ConversationLog

KEEP_EVERY = 0.5
"""Seconds between saves of an answer in progress."""

CONTINUE = "Continue."
"""The prompt that asks for the rest of an answer."""


class Chat:
    """All conversations of this process. Its methods may be called from any thread.

    Args:
        start: sends a request; `Lab.start`.
        log: where turns are stored.
        note: stores what people think of answers; never blocks.

    Attributes:
        transfer: conversations as files, and those that were begun elsewhere.
    """

    def __init__(self, start: Callable[..., Handle], log: ConversationLog, note: Callable[[Feedback], None]) -> None:
        self._start = start
        self._log = log
        self._note = note
        self._conversations = Conversations(log)
        self.transfer = Transfer(self._conversations, log)
        # Never held while anything is read or sent: answers in progress need it.
        self._lock = threading.Lock()
        self._handles: dict[str, Handle] = {}
        self._asking: dict[str, Turn] = {}

    # --- The list of conversations -----------------------------------------------------------------

    def new(self) -> str:
        """An id for a new conversation."""
        return new_conversation()

    def entries(self, search: str = "", current: str | None = None, *, limit: int = 200) -> list[Entry]:
        """At most so many conversations: the pinned ones, then the others, each the one used last first.

        Args:
            search: only those that hold its words.
            current: the one that is looked at. Others are left out while an answer is in progress in them: they are
                somebody else's until it is over.
        """
        live = self._conversations.live() - {current}
        found = self._conversations.entries(search, limit + len(live))
        return [entry for entry in found if entry.id not in live][:limit]

    def title(self, conversation: str) -> str | None:
        """The title of a conversation; None where it does not exist yet."""
        return self._log.title(conversation)

    def rename(self, conversation: str, title: str) -> None:
        """Give a conversation another title.

        Raises:
            InvalidRequest: the title is empty.
        """
        if not title.strip():
            raise InvalidRequest("Enter a title for the conversation.")
        self._log.rename(conversation, title_from(title))

    def pin(self, conversation: str, pinned: bool) -> None:
        """Pin a conversation to the top of the list, or unpin it."""
        self._log.pin(conversation, pinned)

    def delete(self, conversation: str) -> None:
        """Delete a conversation; an answer in progress is stopped."""
        with self._lock:
            self._asking.pop(conversation, None)
            for turn_id in self._conversations.drop(conversation):
                if handle := self._handles.pop(turn_id, None):
                    handle.cancel()
        self._log.delete(conversation)

    def forget(self) -> None:
        """Stop everything in progress and clear the memory."""
        with self._lock:
            for handle in self._handles.values():
                handle.cancel()
            self._handles, self._asking = {}, {}
            self._conversations.clear()

    # --- One conversation --------------------------------------------------------------------------

    def turns(self, conversation: str, through: str | None = None) -> list[Turn]:
        """The turns from the first to the last, along the branch of the turn `through`, else along the newest."""
        return path(self._conversations.turns(conversation), through)

    def turns_to(self, turn: Turn) -> list[Turn]:
        """The turns from the first to this one; none where it has been deleted."""
        known = self._conversations.turns(turn.conversation)
        return branch(known, turn) if turn.id in known else []

    def branches(self, turn: Turn) -> list[Turn]:
        """The alternatives to a turn, oldest first, including the turn itself."""
        turns = self._conversations.turns(turn.conversation).values()
        return sorted((other for other in turns if other.parent == turn.parent), key=lambda other: other.created)

    def attempts(self, conversation: str) -> list[Attempt]:
        """All attempts of all branches."""
        turns = list(self._conversations.turns(conversation).values())
        return [attempt for turn in turns for attempt in turn.attempts]

    def handle(self, turn: Turn) -> Handle | None:
        """The request of a turn in progress in this process."""
        with self._lock:
            return self._handles.get(turn.id)

    def file(self, turn: Turn, attachment: Attachment) -> bytes:
        """The bytes of a turn's file.

        Raises:
            InvalidRequest: it is no longer stored.
        """
        return self._conversations.file(turn.conversation, attachment.id)

    def request(self, turn: Turn) -> Request:
        """What a turn asks, as it was sent."""
        known = self._known(turn)
        return self._request(branch(known, known[turn.id]))

    def ask(
        self,
        conversation: str,
        prompt: str,
        settings: Settings,
        *,
        files: Sequence[tuple[str, bytes]] = (),
        through: str | None = None,
        faults: Faults | None = None,
    ) -> Turn:
        """Send a prompt at the end of a conversation's branch.

        Args:
            files: names and bytes of what is attached.
            through: a turn of the branch; None for the newest.

        Raises:
            InvalidRequest: it cannot be sent, or an answer is still in progress.
            ConfigError: its chain is no longer in models.yaml.
        """
        kept = {read_attachment(name, data): data for name, data in files}
        before = self.turns(conversation, through)
        turn = self._new(conversation, before[-1].id if before else None, prompt, settings, attachments=tuple(kept))
        return self._send(turn, faults, files=kept)

    def edit(self, turn: Turn, prompt: str, settings: Settings, *, faults: Faults | None = None) -> Turn:
        """Replace a turn's prompt: starts a new branch there.

        Raises:
            InvalidRequest, ConfigError: as `ask`.
        """
        self._known(turn)
        new = self._new(turn.conversation, turn.parent, prompt, settings, attachments=turn.attachments)
        return self._send(new, faults)

    def ask_again(self, turn: Turn, settings: Settings, *, faults: Faults | None = None) -> Turn:
        """Send a turn's request again, bypassing the cache; the earlier answer stays as a branch.

        Raises:
            InvalidRequest, ConfigError: as `ask`.
        """
        self._known(turn)
        new = self._new(
            turn.conversation, turn.parent, turn.prompt, settings, attachments=turn.attachments, results=turn.results
        )
        return self._send(new, faults, cache="refresh")

    def go_on(self, turn: Turn, settings: Settings, *, faults: Faults | None = None) -> Turn:
        """Ask for the rest of an answer that was cut at a token limit; the user's own limit is at least doubled.

        Raises:
            InvalidRequest, ConfigError: as `ask`.
        """
        before = turn.settings.max_tokens
        if settings.max_tokens is not None and before is not None:
            more = min(max(settings.max_tokens, 2 * before), MAX_TOKENS)
            settings = msgspec.structs.replace(settings, max_tokens=more)
        return self.ask(turn.conversation, CONTINUE, settings, through=turn.id, faults=faults)

    def answer_calls(
        self, turn: Turn, contents: Mapping[str, str], settings: Settings, *, faults: Faults | None = None
    ) -> Turn:
        """Continue after a turn that called tools.

        Args:
            contents: what each call gave, by the call's id.

        Raises:
            InvalidRequest: a call has no result; else as `ask`.
        """
        known = self._known(turn)
        turn = known[turn.id]
        calls = turn.answer.tool_calls if turn.state == "answered" else ()
        if not calls and turn.state != "running":
            raise InvalidRequest("This answer calls no tool. Regenerate it or send a prompt.")
        missing = [call.name for call in calls if call.id not in contents]
        if missing:
            raise InvalidRequest(f"The call of {missing[0]} has no result yet.")
        results = tuple(ToolResult(call=call.id, content=contents[call.id]) for call in calls)
        return self._send(self._new(turn.conversation, turn.id, "", settings, results=results), faults)

    def rate(self, turn: Turn, liked: bool | None) -> None:
        """Keep what somebody thinks of a turn's answer, with the turn and with its request; None removes it.

        Raises:
            InvalidRequest: the conversation has been deleted.
        """
        rated = msgspec.structs.replace(self._known(turn)[turn.id], liked=liked)
        with self._lock:  # the turn and its request agree also where two rate it at once
            self._conversations.amend(rated)
            self._note(Feedback(request_id=turn.id, score=None if liked is None else float(liked), at=time.time()))

    def _known(self, turn: Turn) -> Mapping[str, Turn]:
        """The turns of its conversation; a page may hold one that somebody else has deleted since."""
        known = self._conversations.turns(turn.conversation)
        if turn.id not in known:
            raise _deleted()
        return known

    def _new(
        self,
        conversation: str,
        parent: str | None,
        prompt: str,
        settings: Settings,
        *,
        attachments: tuple[Attachment, ...] = (),
        results: tuple[ToolResult, ...] = (),
    ) -> Turn:
        return Turn(
            id=uuid.uuid4().hex,
            conversation=conversation,
            parent=parent,
            created=time.time(),
            prompt=prompt,
            settings=settings,
            attachments=attachments,
            results=results,
        )

    def _send(
        self,
        turn: Turn,
        faults: Faults | None,
        *,
        files: Mapping[Attachment, bytes] = {},
        cache: CacheMode = "use",
    ) -> Turn:
        with self._alone(turn):
            if not (turn.prompt.strip() or turn.attachments or turn.results):
                raise InvalidRequest("The prompt is empty. Type something to send.")
            # Read now that nobody else asks here: an answer in progress when the turn was made may have ended since.
            known = self._conversations.turns(turn.conversation)
            if turn.parent is not None and turn.parent not in known:
                raise _deleted()
            attached = {file.id: data for file, data in files.items()}
            request = self._request(branch(known, turn), attached)
            request.canonical()  # refuses what cannot be sent before anything is stored
            handle = self._start(
                request,
                category=turn.settings.category,
                model=turn.settings.model,
                options=Options(cache=cache, request_id=turn.id),
                faults=faults,
            )
            self._begin(turn, known, files, handle)
        handle.watch(lambda snapshot: self._update(turn, snapshot), every=KEEP_EVERY)
        return turn

    @contextmanager
    def _alone(self, turn: Turn) -> Iterator[None]:
        """One turn is asked at a time in a conversation.

        Raises:
            InvalidRequest: an answer is in progress.
        """
        conversation = turn.conversation
        with self._lock:
            if conversation in self._asking or conversation in self._conversations.live():
                raise InvalidRequest("An answer is still in progress. Stop it or wait until it has finished.")
            self._asking[conversation] = turn
        try:
            yield
        finally:
            with self._lock:
                if self._asking.get(conversation) is turn:
                    del self._asking[conversation]

    def _begin(self, turn: Turn, known: Mapping[str, Turn], files: Mapping[Attachment, bytes], handle: Handle) -> None:
        with self._lock:
            if self._asking.get(turn.conversation) is not turn:
                handle.cancel()
                raise _deleted()
            self._conversations.keep(turn, known)
            self._conversations.keep_files(turn.conversation, files)
            self._handles[turn.id] = handle

    def _request(self, turns: Sequence[Turn], attached: Mapping[str, bytes] = {}) -> Request:
        settings, conversation = turns[-1].settings, turns[-1].conversation

        def load(file: str) -> bytes:
            return attached[file] if file in attached else self._conversations.file(conversation, file)

        return settings.request(list(messages_of(turns, settings.system, load)))

    def _update(self, turn: Turn, snapshot: Snapshot) -> None:
        with self._lock:
            if turn.id not in self._handles:  # its conversation has been deleted
                return
            self._conversations.keep(
                msgspec.structs.replace(
                    turn,
                    state=snapshot.state,
                    answer=snapshot.answer,
                    attempts=snapshot.attempts,
                    error=str(snapshot.error) if snapshot.error is not None else None,
                )
            )
            if snapshot.state != "running":
                del self._handles[turn.id]


def _deleted() -> InvalidRequest:
    return InvalidRequest("This conversation has been deleted. Start a new one.")
