"""Conversations: what is sent, what is kept, and which branch goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from router.chat.attachments import read_attachment
from router.chat.service import Chat
from router.core.attempts import Attempt
from router.core.conversations import Attachment, Settings, ToolResult, Turn
from router.core.errors import AllModelsFailed, ConfigError, InvalidRequest
from router.core.events import Began
from router.core.messages import Answer, ToolCall
from router.core.records import Feedback
from router.core.requests import Request
from router.core.snapshots import Snapshot
from router.core.tools import Tool
from router.engine.faults import Faults
from router.engine.options import Options
from router.store import MAX_TOKENS

CLOSED = {"type": "object", "additionalProperties": False}
SETTINGS = Settings(category="chat", system="Be brief.", temperature=0.5, max_tokens=9)
ATTEMPT = Attempt(model="a", provider="p", place=0, number=1, outcome="answered", started=0, offset=0)


class FakeHandle:
    """A request in progress that a test brings on by hand."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def watch(self, callback: Callable[[Snapshot], None], *, every: float) -> None:
        self._callback = callback

    def tell(self, state: Any, text: str = "", error: Any = None, calls: tuple[ToolCall, ...] = ()) -> None:
        attempts = () if state == "running" else (ATTEMPT,)
        self._callback(Snapshot(state, Answer(text=text, tool_calls=calls), attempts, Began("a", 1), 1.0, error))


class FakeLab:
    """Starts requests that a test brings on by hand."""

    def __init__(self) -> None:
        self.handles: list[FakeHandle] = []
        self.requests: list[Request] = []
        self.options: list[Options] = []
        self.targets: list[tuple[str | None, str | None]] = []

    def start(
        self, request: Request, *, category: str | None, model: str | None, options: Options, faults: Faults | None
    ) -> Any:
        if category == "nowhere":
            raise ConfigError("no such chain")
        self.requests.append(request)
        self.options.append(options)
        self.targets.append((category, model))
        self.handles.append(FakeHandle())
        return self.handles[-1]


class FakeLog:
    """Holds turns as the store does: as JSON, by id."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.titles: dict[str, str] = {}
        self.files: list[tuple[str, str, bytes]] = []
        self.notes: list[Feedback] = []

    def save(self, turn: Turn) -> None:
        self.rows[turn.id] = msgspec.json.encode(turn)

    amend = save

    def load(self, conversation: str) -> list[Turn]:
        turns = [msgspec.json.decode(row, type=Turn) for row in self.rows.values()]
        return sorted((turn for turn in turns if turn.conversation == conversation), key=lambda turn: turn.created)

    def save_file(self, conversation: str, attachment: Attachment, data: bytes) -> None:
        self.files.append((conversation, attachment.id, data))

    def load_file(self, conversation: str, file: str) -> bytes | None:
        return next((data for *key, data in self.files if key == [conversation, file]), None)

    def title(self, conversation: str) -> str | None:
        return self.titles.get(conversation)

    def rename(self, conversation: str, title: str) -> None:
        self.titles[conversation] = title

    def delete(self, conversation: str) -> None:
        for turn in self.load(conversation):
            del self.rows[turn.id]
        self.files = [file for file in self.files if file[0] != conversation]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("time.time", lambda: float(next(ticks)))


@pytest.fixture
def lab() -> FakeLab:
    return FakeLab()


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def chat(lab: FakeLab, log: Any) -> Chat:
    return Chat(lab.start, log, log.notes.append)


def held(chat: Chat) -> dict[str, Any]:
    """The files that are in memory, by conversation."""
    return {name: held.files for name, held in chat._conversations._recent.held().items()}


def asked(
    chat: Chat, lab: FakeLab, prompt: str, text: str, state: str = "answered", *, conversation: str = "c"
) -> Turn:
    """Ask, and be answered."""
    turn = chat.ask(conversation, prompt, SETTINGS)
    lab.handles[-1].tell(state, text)
    return turn


def asked_again(chat: Chat, lab: FakeLab, turn: Turn, text: str) -> Turn:
    again = chat.ask_again(turn, SETTINGS)
    lab.handles[-1].tell("answered", text)
    return again


def texts(chat: Chat, conversation: str = "c") -> list[tuple[str, str]]:
    return [(turn.prompt, turn.answer.text) for turn in chat.turns(conversation)]


# --- What is sent ----------------------------------------------------------------------------------


def test_the_first_prompt_goes_out_with_the_settings(chat: Chat, lab: FakeLab) -> None:
    chat.ask("c", "Hello", SETTINGS)
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"})
    assert lab.requests == [Request(messages=messages, temperature=0.5, max_tokens=9)]
    assert lab.targets == [("chat", None)]


@pytest.mark.parametrize("state", ["answered", "cut"])
def test_later_prompts_go_out_with_all_that_was_said(chat: Chat, lab: FakeLab, state: str) -> None:
    asked(chat, lab, "one", "first", state)
    chat.ask("c", "two", Settings(category="chat"))
    assert [(message["role"], message["content"]) for message in lab.requests[-1].messages] == [
        ("user", "one"),
        ("assistant", "first"),
        ("user", "two"),
    ]


def test_an_answer_that_never_came_is_not_sent(chat: Chat, lab: FakeLab) -> None:
    asked(chat, lab, "one", "", "failed")
    chat.ask("c", "two", Settings(category="chat"))
    assert [message["role"] for message in lab.requests[-1].messages] == ["user", "user"]


def test_a_single_model_is_asked_by_name(chat: Chat, lab: FakeLab) -> None:
    chat.ask("c", "Hello", Settings(model="p:m"))
    assert lab.targets == [(None, "p:m")]


def test_a_second_prompt_is_refused_while_an_answer_is_in_progress(chat: Chat) -> None:
    chat.ask("c", "one", SETTINGS)
    with pytest.raises(InvalidRequest, match="An answer is still in progress"):
        chat.ask("c", "two", SETTINGS)


def test_asking_again_is_refused_while_the_answer_is_in_progress(chat: Chat) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    with pytest.raises(InvalidRequest, match="An answer is still in progress"):
        chat.ask_again(turn, SETTINGS)


def test_other_conversations_go_on_meanwhile(chat: Chat, lab: FakeLab) -> None:
    chat.ask("c", "one", SETTINGS)
    chat.ask("d", "two", SETTINGS)
    assert len(lab.handles) == 2


@pytest.mark.parametrize(("prompt", "settings"), [(" ", SETTINGS), ("one", Settings(category="nowhere"))])
def test_what_cannot_be_sent_leaves_nothing_behind(chat: Chat, log: FakeLog, prompt: str, settings: Settings) -> None:
    with pytest.raises((InvalidRequest, ConfigError)):
        chat.ask("c", prompt, settings)
    assert (chat.turns("c"), log.rows) == ([], {})


@pytest.mark.parametrize(
    ("before", "now", "asked_with"),
    [(9, 9, 18), (9, 100, 100), (None, 9, 9), (9, None, None), (MAX_TOKENS, MAX_TOKENS, MAX_TOKENS)],
)
def test_going_on_at_least_doubles_the_limit_that_cut(
    chat: Chat, lab: FakeLab, before: int | None, now: int | None, asked_with: int | None
) -> None:
    turn = chat.ask("c", "one", Settings(category="chat", max_tokens=before))
    lab.handles[-1].tell("answered", "first")
    chat.go_on(turn, Settings(category="chat", max_tokens=now))
    assert lab.requests[-1].max_tokens == asked_with


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_a_blank_prompt_is_refused_later_on_too(chat: Chat, lab: FakeLab, prompt: str) -> None:
    asked(chat, lab, "one", "first")
    with pytest.raises(InvalidRequest, match=r"^The prompt is empty\. Type something to send\.$"):
        chat.ask("c", prompt, SETTINGS)


def test_tools_a_schema_and_other_fields_go_out(chat: Chat, lab: FakeLab) -> None:
    tool = Tool(name="a", reply="mock", mock="m")
    chat.ask("c", "Hello", Settings(category="chat", tools=(tool,), schema=CLOSED, params={"top_p": 0.5}))
    schema = {"name": "answer", "schema": CLOSED, "strict": True}
    assert {name: value for name, value in lab.requests[0].body().items() if name != "messages"} == {
        "tools": (tool.shape(),),
        "response_format": {"type": "json_schema", "json_schema": schema},
        "top_p": 0.5,
    }


def test_a_schema_that_openai_would_refuse_as_strict_is_not_strict(chat: Chat, lab: FakeLab) -> None:
    chat.ask("c", "Hello", Settings(category="chat", schema={"type": "object"}))
    assert lab.requests[0].body()["response_format"]["json_schema"]["strict"] is False


def test_an_empty_schema_is_a_schema(chat: Chat, lab: FakeLab) -> None:
    chat.ask("c", "Hello", Settings(category="chat", schema={}))
    assert lab.requests[0].response_format is not None


def test_a_request_can_be_shown_as_it_was_sent(chat: Chat, lab: FakeLab) -> None:
    first = asked(chat, lab, "one", "first")
    second = chat.ask("c", "two", SETTINGS, files=[("a.txt", b"abc")])
    during = chat.request(second)
    lab.handles[-1].tell("answered", "second")
    again = asked_again(chat, lab, first, "better")
    shown = [chat.request(turn) for turn in (first, second, again)]
    assert (shown, during) == (lab.requests, lab.requests[1])


# --- What is kept ----------------------------------------------------------------------------------


def test_a_prompt_is_kept_before_its_answer_comes(chat: Chat, log: FakeLog) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    assert (turn.state, log.load("c")) == ("running", [turn])


def test_an_answer_in_progress_is_kept_as_far_as_it_has_come(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    chat.ask("c", "one", SETTINGS)
    lab.handles[0].tell("running", "fir")
    assert (log.load("c")[0].answer.text, log.load("c")[0].state) == ("fir", "running")


@pytest.mark.parametrize("state", ["answered", "cut", "failed"])
def test_an_end_is_kept_with_its_attempts_and_its_reason(chat: Chat, lab: FakeLab, log: FakeLog, state: str) -> None:
    chat.ask("c", "one", SETTINGS)
    lab.handles[0].tell(state, "fir", AllModelsFailed((), None) if state == "failed" else None)
    [kept] = log.load("c")
    error = "No model was called: the chain has no model." if state == "failed" else None
    assert (kept.state, kept.answer.text, kept.attempts, kept.error) == (state, "fir", (ATTEMPT,), error)


def test_a_request_is_held_while_it_runs(chat: Chat, lab: FakeLab) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    during = chat.handle(turn)
    lab.handles[0].tell("answered", "first")
    assert (during, chat.handle(turn)) == (lab.handles[0], None)


@pytest.mark.parametrize("liked", [True, False, None])
def test_what_somebody_thinks_of_an_answer_is_kept_with_it_and_with_its_request(
    chat: Chat, lab: FakeLab, log: Any, liked: bool | None
) -> None:
    turn = asked(chat, lab, "one", "first")
    chat.rate(turn, True)
    chat.rate(turn, liked)
    for each in (chat, Chat(lab.start, log, log.notes.append)):
        assert [kept.liked for kept in each.turns("c")] == [liked]
    assert (log.notes[-1].request_id, log.notes[-1].score) == (lab.options[0].request_id, liked)


def test_an_answer_of_a_deleted_conversation_cannot_be_rated(chat: Chat, lab: FakeLab, log: Any) -> None:
    turn = asked(chat, lab, "one", "first")
    chat.delete("c")
    with pytest.raises(InvalidRequest, match="deleted"):
        chat.rate(turn, True)
    assert (log.notes, log.rows) == ([], {})


# --- After a restart -------------------------------------------------------------------------------


def test_a_conversation_is_read_back(chat: Chat, lab: FakeLab, log: Any) -> None:
    asked(chat, lab, "one", "first")
    asked(chat, lab, "two", "second")
    assert Chat(lab.start, log, log.notes.append).turns("c") == chat.turns("c")


def test_an_answer_whose_process_ended_is_read_back_as_cut(chat: Chat, lab: FakeLab, log: Any) -> None:
    chat.ask("c", "one", SETTINGS)
    lab.handles[0].tell("running", "fir")
    [turn] = Chat(lab.start, log, log.notes.append).turns("c")
    assert (turn.state, turn.answer.text) == ("cut", "fir")


def test_an_answer_whose_process_ended_does_not_keep_the_next_prompt_out(chat: Chat, lab: FakeLab, log: Any) -> None:
    chat.ask("c", "one", SETTINGS)
    after = Chat(lab.start, log, log.notes.append)
    after.ask("c", "two", SETTINGS)
    assert [turn.prompt for turn in after.turns("c")] == ["one", "two"]


# --- Branches --------------------------------------------------------------------------------------


def test_asking_again_takes_the_place_of_the_answer_before(chat: Chat, lab: FakeLab) -> None:
    asked(chat, lab, "one", "first")
    asked_again(chat, lab, asked(chat, lab, "two", "bad"), "better")
    assert texts(chat) == [("one", "first"), ("two", "better")]


def test_asking_again_goes_past_the_cache(chat: Chat, lab: FakeLab) -> None:
    asked_again(chat, lab, asked(chat, lab, "one", "first"), "again")
    assert [options.cache for options in lab.options] == ["use", "refresh"]


def test_asking_again_does_not_send_the_answer_that_it_replaces(chat: Chat, lab: FakeLab) -> None:
    asked_again(chat, lab, asked(chat, lab, "one", "bad"), "better")
    assert lab.requests[0].messages == lab.requests[1].messages


def test_what_was_answered_before_stays_stored(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    asked_again(chat, lab, asked(chat, lab, "one", "bad"), "better")
    assert [turn.answer.text for turn in log.load("c")] == ["bad", "better"]


def test_a_conversation_goes_on_along_the_newest_branch(chat: Chat, lab: FakeLab, log: Any) -> None:
    asked_again(chat, lab, asked(chat, lab, "one", "bad"), "better")
    asked(chat, lab, "two", "second")
    assert texts(chat) == texts(Chat(lab.start, log, log.notes.append)) == [("one", "better"), ("two", "second")]


# --- Memory ----------------------------------------------------------------------------------------


def test_only_the_newest_conversations_are_held_in_memory(
    lab: FakeLab, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.chat.conversations.MAX_CONVERSATIONS", 3)
    chat = Chat(lab.start, log, log.notes.append)
    for number in range(10):
        asked(chat, lab, "one", "first", conversation=str(number))
    assert (len(held(chat)), texts(chat, "0")) == (3, [("one", "first")])


def test_a_conversation_whose_answer_is_in_progress_stays_in_memory(
    lab: FakeLab, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.chat.conversations.MAX_CONVERSATIONS", 3)
    chat = Chat(lab.start, log, log.notes.append)
    chat.ask("busy", "one", SETTINGS)
    for number in range(10):
        asked(chat, lab, "one", "first", conversation=str(number))
    assert [turn.state for turn in chat.turns("busy")] == ["running"]


def test_no_two_conversations_share_an_id(chat: Chat) -> None:
    assert len({chat.new() for _ in range(1000)}) == 1000


def test_an_edit_begins_a_branch_in_the_turn_s_place(chat: Chat, lab: FakeLab) -> None:
    asked(chat, lab, "one", "first")
    second = asked(chat, lab, "two", "second")
    asked(chat, lab, "three", "third")
    chat.edit(second, "zwei", SETTINGS)
    lab.handles[-1].tell("answered", "zweitens")
    assert texts(chat) == [("one", "first"), ("zwei", "zweitens")]


def test_an_edit_sends_what_came_before_it_alone(chat: Chat, lab: FakeLab) -> None:
    asked(chat, lab, "one", "first")
    chat.edit(asked(chat, lab, "two", "second"), "zwei", Settings(category="chat"))
    assert [message["content"] for message in lab.requests[-1].messages] == ["one", "first", "zwei"]


def test_an_edit_keeps_the_files(chat: Chat, lab: FakeLab) -> None:
    turn = chat.ask("c", "one", SETTINGS, files=[("a.txt", b"abc")])
    lab.handles[-1].tell("answered", "first")
    assert chat.edit(turn, "eins", SETTINGS).attachments == turn.attachments


def test_an_edit_may_be_answered_from_the_cache(chat: Chat, lab: FakeLab) -> None:
    chat.edit(asked(chat, lab, "one", "first"), "eins", SETTINGS)
    assert lab.options[-1].cache == "use"


def test_the_branches_of_a_turn_are_those_in_its_place_oldest_first(chat: Chat, lab: FakeLab) -> None:
    first = asked(chat, lab, "one", "first")
    second = asked(chat, lab, "two", "second")
    better = asked_again(chat, lab, second, "better")
    chat.edit(second, "zwei", SETTINGS)
    branches = [[turn.prompt for turn in chat.branches(turn)] for turn in (first, second, better)]
    assert branches == [["one"], ["two", "two", "zwei"], ["two", "two", "zwei"]]


def test_a_prompt_goes_on_with_the_branch_that_is_looked_at(chat: Chat, lab: FakeLab) -> None:
    old = asked(chat, lab, "one", "bad")
    asked_again(chat, lab, old, "better")
    chat.ask("c", "two", Settings(category="chat"), through=old.id)
    assert [message["content"] for message in lab.requests[-1].messages] == ["one", "bad", "two"]


def test_the_branch_that_was_gone_on_with_stays_the_one_looked_at(chat: Chat, lab: FakeLab) -> None:
    old = asked(chat, lab, "one", "bad")
    asked_again(chat, lab, old, "better")
    turn = chat.ask("c", "two", SETTINGS, through=old.id)
    assert [each.id for each in chat.turns("c", turn.id)] == [old.id, turn.id]


# --- Tools -----------------------------------------------------------------------------------------

CALLS = (ToolCall(id="1", name="clock", arguments="{}"), ToolCall(id="2", name="weather", arguments="{}"))


def calling(chat: Chat, lab: FakeLab) -> Turn:
    """A turn that calls tools, as it stood when it was sent: pages may hold it so."""
    turn = chat.ask("c", "one", Settings(category="chat"))
    lab.handles[-1].tell("answered", "", calls=CALLS)
    return turn


def test_results_of_calls_go_out_after_them(chat: Chat, lab: FakeLab) -> None:
    turn = chat.answer_calls(calling(chat, lab), {"2": "sunny", "1": "noon", "3": "odd"}, Settings(category="chat"))
    assert turn.results == (ToolResult(call="1", content="noon"), ToolResult(call="2", content="sunny"))
    assert [message["role"] for message in lab.requests[-1].messages] == ["user", "assistant", "tool", "tool"]


def test_an_empty_result_is_a_result(chat: Chat, lab: FakeLab) -> None:
    chat.answer_calls(calling(chat, lab), {"1": "", "2": ""}, SETTINGS)
    assert [message["content"] for message in lab.requests[-1].messages[-2:]] == ["", ""]


def test_results_asked_again_go_out_again(chat: Chat, lab: FakeLab) -> None:
    turn = chat.answer_calls(calling(chat, lab), {"1": "noon", "2": "sunny"}, Settings(category="chat"))
    lab.handles[-1].tell("answered", "bad")
    chat.ask_again(turn, Settings(category="chat"))
    assert lab.requests[-1] == lab.requests[-2]


def test_a_call_without_a_result_is_named(chat: Chat, lab: FakeLab) -> None:
    with pytest.raises(InvalidRequest, match=r"^The call of weather has no result yet\.$"):
        chat.answer_calls(calling(chat, lab), {"1": "noon"}, SETTINGS)


@pytest.mark.parametrize(("state", "calls"), [("answered", ()), ("cut", CALLS), ("failed", CALLS)])
def test_what_calls_nothing_is_not_gone_on_with(chat: Chat, lab: FakeLab, state: str, calls: Any) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    lab.handles[-1].tell(state, "first", calls=calls)
    with pytest.raises(InvalidRequest, match=r"^This answer calls no tool"):
        chat.answer_calls(turn, {"1": "noon", "2": "sunny"}, SETTINGS)


def test_calls_are_not_answered_while_their_answer_is_in_progress(chat: Chat, lab: FakeLab) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    lab.handles[-1].tell("running", "", calls=CALLS)
    with pytest.raises(InvalidRequest, match="An answer is still in progress"):
        chat.answer_calls(turn, {"1": "noon", "2": "sunny"}, SETTINGS)


# --- Files -----------------------------------------------------------------------------------------

FILE = ("a.txt", b"abc")


def test_files_go_out_and_are_kept(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    turn = chat.ask("c", "one", Settings(category="chat"), files=[FILE])
    assert turn.attachments == (read_attachment(*FILE),)
    assert lab.requests[0].messages[0]["content"][0]["text"] == "a.txt:\n\nabc"
    assert log.files == [("c", turn.attachments[0].id, b"abc")]


def test_a_file_alone_is_a_prompt(chat: Chat, lab: FakeLab) -> None:
    chat.ask("c", "", SETTINGS, files=[FILE])
    assert len(lab.requests) == 1


def test_a_file_attached_twice_goes_out_once(chat: Chat, log: FakeLog) -> None:
    turn = chat.ask("c", "one", SETTINGS, files=[FILE, FILE])
    assert (len(turn.attachments), len(log.files)) == (1, 1)


def test_files_of_later_turns_are_read_from_the_store_after_a_restart(chat: Chat, lab: FakeLab, log: Any) -> None:
    chat.ask("c", "one", SETTINGS, files=[FILE])
    lab.handles[-1].tell("answered", "first")
    Chat(lab.start, log, log.notes.append).ask("c", "two", SETTINGS)
    assert lab.requests[-1].messages[:2] == lab.requests[0].messages[:2]


def test_files_that_were_just_sent_go_out_from_memory(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    chat.ask("c", "one", SETTINGS, files=[FILE])
    log.files.clear()
    lab.handles[-1].tell("answered", "first")
    chat.ask("c", "two", SETTINGS)
    assert lab.requests[-1].messages[:2] == lab.requests[0].messages[:2]


def test_a_file_that_is_lost_is_said(chat: Chat, lab: FakeLab, log: Any) -> None:
    chat.ask("c", "one", SETTINGS, files=[FILE])
    log.files.clear()
    with pytest.raises(InvalidRequest, match=r"^A file of this conversation is no longer stored"):
        Chat(lab.start, log, log.notes.append).ask("c", "two", SETTINGS)


@pytest.mark.parametrize(
    ("files", "settings"),
    [([("b.png", b"\0")], SETTINGS), ([FILE, ("b", b"")], SETTINGS), ([FILE], Settings(category="nowhere"))],
)
def test_a_refused_prompt_leaves_no_file_behind(
    chat: Chat, log: FakeLog, files: list[tuple[str, bytes]], settings: Settings
) -> None:
    with pytest.raises((InvalidRequest, ConfigError)):
        chat.ask("c", "one", settings, files=files)
    assert (any(held(chat).values()), log.files, log.rows) == (False, [], {})


# --- Titles, deletion, import ----------------------------------------------------------------------


def test_a_title_is_one_line_of_some_length(chat: Chat, log: FakeLog) -> None:
    chat.rename("c", " My\n talk " + "x" * 1000)
    assert log.titles["c"] == "My talk " + "x" * 192


@pytest.mark.parametrize("title", ["", " \n"])
def test_an_empty_title_is_refused(chat: Chat, log: FakeLog, title: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^Enter a title for the conversation\.$"):
        chat.rename("c", title)
    assert log.titles == {}


def test_deleting_stops_the_answer_in_progress_and_leaves_nothing(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    chat.ask("c", "one", SETTINGS, files=[FILE])
    lab.handles[0].tell("running", "fir")
    chat.delete("c")
    lab.handles[0].tell("cut", "first")
    assert lab.handles[0].cancelled
    assert (chat.turns("c"), log.rows, log.files, held(chat)["c"], chat._handles) == ([], {}, [], {}, {})


def test_deleting_leaves_other_conversations_alone(chat: Chat, lab: FakeLab) -> None:
    chat.ask("d", "one", SETTINGS, files=[FILE])
    chat.ask("c", "one", SETTINGS, files=[FILE])
    chat.delete("c")
    lab.handles[0].tell("answered", "first")
    assert (lab.handles[0].cancelled, texts(chat, "d"), len(held(chat)["d"])) == (False, [("one", "first")], 1)


def test_what_is_read_while_it_is_being_deleted_does_not_come_back(
    chat: Chat, lab: FakeLab, log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(chat, lab, "one", "first")
    delete = log.delete
    monkeypatch.setattr(log, "delete", lambda conversation: (chat.turns(conversation), delete(conversation)))
    chat.delete("c")
    assert chat.turns("c") == []


def test_the_disk_is_not_waited_for_under_the_lock(
    chat: Chat, lab: FakeLab, log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.ask("d", "one", SETTINGS)
    told = threading.Thread(target=lambda: lab.handles[0].tell("answered", "first"), daemon=True)

    def slow(_: str) -> None:
        told.start()
        told.join(5)

    monkeypatch.setattr(log, "delete", slow)
    chat.delete("c")
    assert texts(chat, "d") == [("one", "first")]


def test_a_prompt_whose_conversation_is_deleted_while_it_is_sent_is_stopped(
    chat: Chat, lab: FakeLab, log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = lab.start
    monkeypatch.setattr(chat, "_start", lambda *args, **rest: (start(*args, **rest), chat.delete("c"))[0])
    with pytest.raises(InvalidRequest, match=r"^This conversation has been deleted\. Start a new one\.$"):
        chat.ask("c", "one", SETTINGS, files=[FILE])
    assert (lab.handles[0].cancelled, chat.turns("c"), log.rows, log.files) == (True, [], {}, [])


def test_two_tabs_that_ask_at_once_are_not_both_sent(chat: Chat, lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*args: Any, **rest: Any) -> Any:
        with pytest.raises(InvalidRequest, match="still in progress"):
            chat.ask("c", "two", SETTINGS)
        return lab.start(*args, **rest)

    monkeypatch.setattr(chat, "_start", start)
    chat.ask("c", "one", SETTINGS)
    assert len(lab.handles) == 1


def test_forgetting_stops_all_answers_in_progress_and_keeps_none(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    for conversation in "cd":
        chat.ask(conversation, "one", SETTINGS, files=[FILE])
    log.rows.clear()
    chat.forget()
    for handle in lab.handles:
        handle.tell("cut", "fir")
    assert [handle.cancelled for handle in lab.handles] == [True, True]
    assert (held(chat), chat._handles, log.rows) == ({}, {}, {})


@pytest.mark.parametrize(
    "act",
    [
        lambda chat, turn: chat.edit(turn, "two", SETTINGS),
        lambda chat, turn: chat.ask_again(turn, SETTINGS),
        lambda chat, turn: chat.answer_calls(turn, {"1": "a", "2": "b"}, SETTINGS),
        lambda chat, turn: chat.request(turn),
    ],
    ids=["edit", "ask again", "answer calls", "show the request"],
)
def test_a_turn_that_another_tab_deleted_is_said(chat: Chat, lab: FakeLab, act: Callable[[Chat, Turn], Any]) -> None:
    turn = calling(chat, lab)
    chat.delete("c")
    with pytest.raises(InvalidRequest, match=r"^This conversation has been deleted\. Start a new one\.$"):
        act(chat, turn)


def test_an_export_is_imported_beside_the_original(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    turn = chat.ask("c", "one", SETTINGS, files=[FILE])
    lab.handles[-1].tell("answered", "bad")
    asked_again(chat, lab, turn, "better")
    chat.rename("c", "My talk")
    new = chat.transfer.import_(chat.transfer.export("c"))
    assert (texts(chat, new), texts(chat)) == ([("one", "better")],) * 2
    assert [len(chat.branches(chat.turns(new)[0])), log.titles[new], len(log.files)] == [2, "My talk", 2]


def test_an_imported_conversation_can_be_gone_on_with(chat: Chat, lab: FakeLab) -> None:
    new = chat.transfer.import_(b'[{"role": "user", "content": "one"}, {"role": "assistant", "content": "first"}]')
    chat.ask(new, "two", Settings(category="chat"))
    assert [message["content"] for message in lab.requests[-1].messages] == ["one", "first", "two"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is not a conversation."),
        (b"{}", "The file is not a conversation."),
        (b"[]", "The file contains no prompt and no answer."),
        (b'{"format": "fallback-lab conversation 1", "title": "a", "turns": []}', "The file contains no prompt"),
    ],
)
def test_a_file_that_holds_no_conversation_leaves_nothing(chat: Chat, log: FakeLog, data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{sentence}"):
        chat.transfer.import_(data)
    assert (log.rows, log.titles, log.files) == ({}, {}, [])


def test_a_blank_title_is_not_taken_over(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    asked(chat, lab, "one", "first")
    log.titles["c"] = " "
    assert chat.transfer.import_(chat.transfer.export("c")) not in log.titles


def test_a_branch_is_exported_as_text(chat: Chat, lab: FakeLab) -> None:
    old = asked(chat, lab, "one", "bad")
    asked_again(chat, lab, old, "better")
    assert ["bad" in chat.transfer.export_text("c", through) for through in (None, old.id)] == [False, True]


def test_files_of_idle_conversations_leave_memory_with_them(
    lab: FakeLab, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.chat.conversations.MAX_CONVERSATIONS", 1)
    chat = Chat(lab.start, log, log.notes.append)
    for conversation in "cde":
        chat.ask(conversation, "one", SETTINGS, files=[FILE])
        lab.handles[-1].tell("answered", "first")
    assert {conversation for conversation, files in held(chat).items() if files} == {"e"}
