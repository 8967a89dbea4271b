"""Conversations while they go on: asking, asking again, and what is kept of them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

import msgspec

from router.attachments import Attachment, read_attachment
from router.chain import CacheMode, Options
from router.errors import InvalidRequest
from router.faults import Faults
from router.handle import Handle, Snapshot
from router.messages import Request
from router.store import ConversationLog, Entry, Settings, ToolResult, Turn
from router.store.conversations import UNTITLED, title_of
from router.transcripts import export_json, export_markdown, import_file, messages_of, path

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
        self._files: dict[tuple[str, str], bytes] = {}
        self._handles: dict[str, Handle] = {}

    # --- The list of conversations -----------------------------------------------------------------

    def new(self) -> str:
        """An id for a conversation that does not exist yet."""
        return uuid.uuid4().hex[:12]

    def entries(self, search: str = "", current: str | None = None) -> list[Entry]:
        """Conversations, the one used last first; those alone that hold the words of `search`.

        Args:
            current: the one that is looked at. Others are left out while an answer is under way in them: they are
                somebody else's until it is over.
        """
        if self._log is None:
            return []
        found = self._log.entries(search)
        if not search.strip():
            found = sorted([*self._young(found), *found], key=lambda entry: -entry.updated)
        with self._lock:
            live = {name for name in self._turns if name != current and self._live(name)}
        return [entry for entry in found if entry.id not in live]

    def _young(self, stored: Sequence[Entry]) -> list[Entry]:
        """Conversations that the writer has yet to store."""
        known = {entry.id for entry in stored}
        with self._lock:
            young = [list(turns.values()) for name, turns in self._turns.items() if turns and name not in known]
        return [
            Entry(id=turns[0].conversation, title=title_of(turns[0].prompt) or UNTITLED, updated=turns[-1].created)
            for turns in young
        ]

    def title(self, conversation: str) -> str | None:
        """The title of a conversation; None where it does not exist yet."""
        return self._log.title(conversation) if self._log is not None else None

    def rename(self, conversation: str, title: str) -> None:
        """Give a conversation another title.

        Raises:
            InvalidRequest: the title is empty.
        """
        if not title.strip():
            raise InvalidRequest("A conversation needs a title. Type one.")
        if self._log is not None:
            self._log.rename(conversation, " ".join(title.split())[:200])

    def delete(self, conversation: str) -> None:
        """Delete a conversation; an answer under way is stopped."""
        with self._lock:
            for turn_id in self._turns.get(conversation, {}):
                if handle := self._handles.pop(turn_id, None):
                    handle.cancel()
        if self._log is not None:
            self._log.delete(conversation)  # waits for the disk: not under the lock, which answers under way need
        with self._lock:
            self._forget(conversation)

    def forget(self) -> None:
        """Stop what is under way, and hold nothing in memory any more."""
        with self._lock:
            for handle in self._handles.values():
                handle.cancel()
            self._handles, self._turns, self._files = {}, {}, {}

    def export(self, conversation: str) -> bytes:
        """The conversation as JSON, with all branches and files."""
        with self._lock:
            turns = list(self._load(conversation).values())
        return export_json(self.title(conversation) or "", turns, lambda file: self._file(conversation, file))

    def export_text(self, conversation: str, through: str | None = None) -> str:
        """One branch of the conversation as Markdown."""
        return export_markdown(self.title(conversation) or "", self.turns(conversation, through))

    def import_(self, data: bytes) -> str:
        """Take in an exported conversation; returns the id it gets.

        Raises:
            InvalidRequest: it cannot be read, in one sentence.
        """
        conversation = self.new()
        title, turns, files = import_file(data, conversation)
        if not turns:
            raise InvalidRequest("The file holds no prompt and no answer.")
        with self._lock:
            attachments = {attachment for turn in turns for attachment in turn.attachments}
            self._keep_files(conversation, {attachment: files[attachment.id] for attachment in attachments})
            for turn in turns:
                self._keep(turn)
        if title.strip():
            self.rename(conversation, title)
        return conversation

    # --- One conversation --------------------------------------------------------------------------

    def turns(self, conversation: str, through: str | None = None) -> list[Turn]:
        """The turns from the first to the last, along the branch of the turn `through`, else along the newest."""
        with self._lock:
            return path(self._load(conversation), through)

    def branches(self, turn: Turn) -> list[Turn]:
        """The turns that stand in the same place, oldest first; the turn itself is one of them."""
        with self._lock:
            turns = [other for other in self._load(turn.conversation).values() if other.parent == turn.parent]
        return sorted(turns, key=lambda other: other.created)

    def handle(self, turn: Turn) -> Handle | None:
        """The request of a turn that is under way in this process."""
        return self._handles.get(turn.id)

    def file(self, turn: Turn, attachment: Attachment) -> bytes:
        """The bytes of a turn's file.

        Raises:
            InvalidRequest: it is no longer stored.
        """
        with self._lock:
            return self._file(turn.conversation, attachment.id)

    def request(self, turn: Turn) -> Request:
        """What a turn asks, as it was sent."""
        with self._lock:
            return self._request([*self._before(turn), self._newest(turn)])

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
            InvalidRequest: it cannot be sent, or an answer is still under way.
            ConfigError: its chain is no longer in models.yaml.
        """
        kept = {read_attachment(name, data): data for name, data in files}
        with self._lock:
            before = self.turns(conversation, through)
            files_before = self._files
            self._files = {**files_before, **{(conversation, file.id): data for file, data in kept.items()}}
            try:
                turn = self._new(conversation, before, prompt, settings, attachments=tuple(kept))
                self._send(before, turn, faults)
            except Exception:
                self._files = files_before
                raise
            self._keep_files(conversation, kept)
            return turn

    def edit(self, turn: Turn, prompt: str, settings: Settings, *, faults: Faults | None = None) -> Turn:
        """Ask another prompt in a turn's place: a new branch begins there.

        Raises:
            InvalidRequest, ConfigError: as `ask`.
        """
        with self._lock:
            before = self._before(turn)
            new = self._new(turn.conversation, before, prompt, settings, attachments=turn.attachments)
            return self._send(before, new, faults)

    def ask_again(self, turn: Turn, settings: Settings, *, faults: Faults | None = None) -> Turn:
        """Ask what a turn asked anew, past the cache; what it answered before stays, as a branch.

        Raises:
            InvalidRequest, ConfigError: as `ask`.
        """
        with self._lock:
            before = self._before(turn)
            new = self._new(
                turn.conversation, before, turn.prompt, settings, attachments=turn.attachments, results=turn.results
            )
            return self._send(before, new, faults, cache="refresh")

    def answer_calls(
        self, turn: Turn, contents: Mapping[str, str], settings: Settings, *, faults: Faults | None = None
    ) -> Turn:
        """Go on after a turn that called tools.

        Args:
            contents: what each call gave, by the call's id.

        Raises:
            InvalidRequest: a call has no result; else as `ask`.
        """
        with self._lock:
            turn = self._newest(turn)
            calls = turn.answer.tool_calls if turn.state == "answered" else ()
            if not calls and not self._live(turn.conversation):
                raise InvalidRequest("This answer calls no tool. Ask it again, or go on with a prompt.")
            missing = [call.name for call in calls if call.id not in contents]
            if missing:
                raise InvalidRequest(f"The call of {missing[0]} has no result yet.")
            results = tuple(ToolResult(call=call.id, content=contents[call.id]) for call in calls)
            before = [*self._before(turn), turn]
            return self._send(before, self._new(turn.conversation, before, "", settings, results=results), faults)

    def _before(self, turn: Turn) -> list[Turn]:
        self._newest(turn)
        return list(takewhile(lambda other: other.id != turn.id, self.turns(turn.conversation, turn.id)))

    def _newest(self, turn: Turn) -> Turn:
        """A turn as it stands now; a page may hold an older one, or one that somebody else has deleted since."""
        found = self._load(turn.conversation).get(turn.id)
        if found is None:
            raise InvalidRequest("This conversation has been deleted. Begin a new one.")
        return found

    def _new(
        self,
        conversation: str,
        before: Sequence[Turn],
        prompt: str,
        settings: Settings,
        *,
        attachments: tuple[Attachment, ...] = (),
        results: tuple[ToolResult, ...] = (),
    ) -> Turn:
        return Turn(
            id=uuid.uuid4().hex,
            conversation=conversation,
            parent=before[-1].id if before else None,
            created=time.time(),
            prompt=prompt,
            settings=settings,
            attachments=attachments,
            results=results,
        )

    def _send(self, before: Sequence[Turn], turn: Turn, faults: Faults | None, cache: CacheMode = "use") -> Turn:
        if self._live(turn.conversation):
            raise InvalidRequest("An answer is still under way. Stop it, or wait for its end.")
        if not (turn.prompt.strip() or turn.attachments or turn.results):
            raise InvalidRequest("The prompt is empty. Type something to send.")
        request = self._request([*before, turn])
        request.canonical()  # refuses what cannot be sent, before anything is kept
        handle = self._start(
            request,
            category=turn.settings.category,
            model=turn.settings.model,
            options=Options(cache=cache),
            faults=faults,
        )
        self._handles[turn.id] = handle
        self._keep(turn)
        handle.watch(lambda snapshot: self._update(turn, snapshot), every=KEEP_EVERY)
        return turn

    def _request(self, turns: Sequence[Turn]) -> Request:
        settings, conversation = turns[-1].settings, turns[-1].conversation
        schema = settings.schema
        shaped = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        return Request(
            messages=tuple(messages_of(turns, settings.system, lambda file: self._file(conversation, file))),
            tools=tuple(tool.shape() for tool in settings.tools),
            response_format=shaped if schema is not None else None,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            params=settings.params,
        )

    def _update(self, turn: Turn, snapshot: Snapshot) -> None:
        with self._lock:
            if turn.id not in self._handles:  # its conversation has been deleted
                return
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

    def _keep_files(self, conversation: str, files: Mapping[Attachment, bytes]) -> None:
        for attachment, data in files.items():
            self._files[conversation, attachment.id] = data
            if self._log is not None:
                self._log.save_file(conversation, attachment, data)

    def _file(self, conversation: str, file: str) -> bytes:
        data = self._files.get((conversation, file))
        if data is None and self._log is not None:
            data = self._log.load_file(conversation, file)
        if data is None:
            raise InvalidRequest("A file of this conversation is no longer stored. Attach it again, in a new prompt.")
        with self._lock:
            self._files[conversation, file] = data
        return data

    def _load(self, conversation: str) -> dict[str, Turn]:
        turns = self._turns.pop(conversation, None)
        if turns is None:
            stored = self._log.load(conversation) if self._log is not None else []
            turns = {turn.id: _ended(turn) for turn in stored}
        self._turns[conversation] = turns  # last in the dictionary is the last used
        for idle in [name for name in self._turns if not self._live(name)][:-MAX_CONVERSATIONS]:
            self._forget(idle)
        return turns

    def _forget(self, conversation: str) -> None:
        self._turns.pop(conversation, None)
        self._files = {key: data for key, data in self._files.items() if key[0] != conversation}

    def _live(self, conversation: str) -> bool:
        return any(turn_id in self._handles for turn_id in self._turns.get(conversation, ()))


def _ended(turn: Turn) -> Turn:
    """A turn read from the store has no request any more: where it was running, its process ended first."""
    return msgspec.structs.replace(turn, state="cut") if turn.state == "running" else turn
