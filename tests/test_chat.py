"""Conversations: what is sent, what is kept, and which branch goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import router.chat
from router.chain import Options
from router.chat import Chat
from router.errors import AllModelsFailed, ConfigError, InvalidRequest
from router.events import Began
from router.faults import Faults
from router.handle import Snapshot
from router.messages import Answer, Attempt, Request
from router.store import Settings, Turn

SETTINGS = Settings(category="chat", system="Be brief.", temperature=0.5, max_tokens=9)
ATTEMPT = Attempt(model="a", provider="p", place=0, number=1, outcome="answered", started=0, offset=0)


class FakeHandle:
    """A request under way that a test brings on by hand."""

    def watch(self, callback: Callable[[Snapshot], None], *, every: float) -> None:
        self._callback = callback

    def tell(self, state: Any, text: str = "", error: Any = None) -> None:
        attempts = () if state == "running" else (ATTEMPT,)
        self._callback(Snapshot(state, Answer(text=text), attempts, Began("a", 1), 1.0, error))


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

    def save(self, turn: Turn) -> None:
        self.rows[turn.id] = msgspec.json.encode(turn)

    def load(self, conversation: str) -> list[Turn]:
        turns = [msgspec.json.decode(row, type=Turn) for row in self.rows.values()]
        return sorted((turn for turn in turns if turn.conversation == conversation), key=lambda turn: turn.created)


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
    return Chat(lab.start, log)


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


def test_a_second_prompt_is_refused_while_an_answer_is_under_way(chat: Chat) -> None:
    chat.ask("c", "one", SETTINGS)
    with pytest.raises(InvalidRequest, match="An answer is still under way"):
        chat.ask("c", "two", SETTINGS)


def test_asking_again_is_refused_while_the_answer_is_under_way(chat: Chat) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    with pytest.raises(InvalidRequest, match="An answer is still under way"):
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


# --- What is kept ----------------------------------------------------------------------------------


def test_a_prompt_is_kept_before_its_answer_comes(chat: Chat, log: FakeLog) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    assert (turn.state, log.load("c")) == ("running", [turn])


def test_an_answer_under_way_is_kept_as_far_as_it_has_come(chat: Chat, lab: FakeLab, log: FakeLog) -> None:
    chat.ask("c", "one", SETTINGS)
    lab.handles[0].tell("running", "fir")
    assert (log.load("c")[0].answer.text, log.load("c")[0].state) == ("fir", "running")


@pytest.mark.parametrize("state", ["answered", "cut", "failed"])
def test_an_end_is_kept_with_its_attempts_and_its_reason(chat: Chat, lab: FakeLab, log: FakeLog, state: str) -> None:
    chat.ask("c", "one", SETTINGS)
    lab.handles[0].tell(state, "fir", AllModelsFailed((), None) if state == "failed" else None)
    [kept] = log.load("c")
    error = "All models failed. Last error: the chain has no model" if state == "failed" else None
    assert (kept.state, kept.answer.text, kept.attempts, kept.error) == (state, "fir", (ATTEMPT,), error)


def test_a_request_is_held_while_it_runs(chat: Chat, lab: FakeLab) -> None:
    turn = chat.ask("c", "one", SETTINGS)
    during = chat.handle(turn)
    lab.handles[0].tell("answered", "first")
    assert (during, chat.handle(turn)) == (lab.handles[0], None)


def test_without_a_store_a_conversation_goes_on_in_memory(lab: FakeLab) -> None:
    chat = Chat(lab.start, None)
    asked(chat, lab, "one", "first")
    asked(chat, lab, "two", "second")
    assert texts(chat) == [("one", "first"), ("two", "second")]


# --- After a restart -------------------------------------------------------------------------------


def test_a_conversation_is_read_back(chat: Chat, lab: FakeLab, log: Any) -> None:
    asked(chat, lab, "one", "first")
    asked(chat, lab, "two", "second")
    assert Chat(lab.start, log).turns("c") == chat.turns("c")


def test_an_answer_whose_process_ended_is_read_back_as_cut(chat: Chat, lab: FakeLab, log: Any) -> None:
    chat.ask("c", "one", SETTINGS)
    lab.handles[0].tell("running", "fir")
    [turn] = Chat(lab.start, log).turns("c")
    assert (turn.state, turn.answer.text) == ("cut", "fir")


def test_an_answer_whose_process_ended_does_not_keep_the_next_prompt_out(chat: Chat, lab: FakeLab, log: Any) -> None:
    chat.ask("c", "one", SETTINGS)
    after = Chat(lab.start, log)
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
    assert texts(chat) == texts(Chat(lab.start, log)) == [("one", "better"), ("two", "second")]


# --- Memory ----------------------------------------------------------------------------------------


def test_only_the_newest_conversations_are_held_in_memory(
    chat: Chat, lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.chat, "MAX_CONVERSATIONS", 3)
    for number in range(10):
        asked(chat, lab, "one", "first", conversation=str(number))
    assert (len(chat._turns), texts(chat, "0")) == (3, [("one", "first")])


def test_a_conversation_whose_answer_is_under_way_stays_in_memory(
    chat: Chat, lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.chat, "MAX_CONVERSATIONS", 3)
    chat.ask("busy", "one", SETTINGS)
    for number in range(10):
        asked(chat, lab, "one", "first", conversation=str(number))
    assert [turn.state for turn in chat.turns("busy")] == ["running"]


def test_no_two_conversations_share_an_id(chat: Chat) -> None:
    assert len({chat.new() for _ in range(1000)}) == 1000
