"""A slow database: only those who read it wait; answers in progress do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from router.core.comparisons import Cell, Key, Plan, Prompt
from router.core.conversations import Settings
from router.core.requests import Request
from router.core.snapshots import Snapshot
from router.lab import Lab
from tests.conftest import MakeLab
from tests.upstream import Upstream, answer, chain_yaml

CHAT = Settings(category="chat")
WHOLE = "word1 word2 word3 "


class SlowReads:
    """Reads of a Lab's database wait from `start` on, until they are let go."""

    def __init__(self) -> None:
        self.waits, self._go_on = threading.Event(), threading.Event()

    def start(self, lab: Lab) -> None:
        event.listen(lab.store.database._engine, "before_cursor_execute", self._wait)

    def _wait(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            self.waits.set()
            assert self._go_on.wait(30)

    def let_go(self) -> None:
        self._go_on.set()


@pytest.fixture
def slow() -> Iterator[SlowReads]:
    reads = SlowReads()
    yield reads
    reads.let_go()


def prompt(text: str) -> Request:
    return Request(messages=({"role": "user", "content": text},))


def eventually(holds: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def lab(make_lab: MakeLab, upstream: Upstream) -> Lab:
    upstream.script("m", then=answer(tokens=3, token_delay=0.4))
    return make_lab(chain_yaml(upstream, "m"))


@pytest.fixture
def reader(slow: SlowReads) -> Iterator[Callable[[Callable[[], object]], None]]:
    """Starts a read in a thread of its own, and returns when it waits for the database."""
    with ThreadPoolExecutor(4) as pool:

        def start(read: Callable[[], object]) -> None:
            pool.submit(read)
            assert slow.waits.wait(10)

        yield start
        slow.let_go()


Reader = Callable[[Callable[[], object]], None]


def test_an_answer_in_a_chat_ends_while_another_conversation_is_being_read(
    lab: Lab, slow: SlowReads, reader: Reader
) -> None:
    turn = lab.chat.ask("one", "Hello", CHAT)
    slow.start(lab)
    reader(lambda: lab.chat.turns("two"))
    assert eventually(lambda: [each.answer.text for each in lab.chat.turns("one")] == [WHOLE])
    assert lab.chat.handle(turn) is None


def test_a_chat_is_asked_while_another_conversation_is_being_read(lab: Lab, slow: SlowReads, reader: Reader) -> None:
    lab.chat.turns("one")
    slow.start(lab)
    reader(lambda: lab.chat.turns("two"))
    lab.chat.ask("one", "Hello", CHAT)
    assert eventually(lambda: [each.state for each in lab.chat.turns("one")] == ["answered"])


@pytest.mark.parametrize(
    "read",
    [
        lambda lab: lab.comparisons.get("another"),
        lambda lab: lab.comparisons.newest(9),
        lambda lab: lab.comparisons.votes(),
    ],
    ids=["another comparison", "the list", "the votes"],
)
def test_a_comparison_goes_on_while_the_database_is_being_read(
    lab: Lab, slow: SlowReads, reader: Reader, read: Callable[[Lab], object]
) -> None:
    """Its second prompts are asked, too."""
    lanes = (CHAT, Settings(model="m"))
    prompts = tuple(Prompt(text=str(number)) for number in range(6))
    started = lab.comparisons.start(Plan(lanes=lanes, prompts=prompts))
    slow.start(lab)
    reader(lambda: read(lab))

    def cells() -> dict[Key, Cell]:
        found = lab.comparisons.get(started)
        return found.cells if found is not None else {}

    assert eventually(lambda: [cell.answer.text for cell in cells().values()] == [WHOLE] * 12)


def test_who_is_told_of_a_request_holds_up_no_other(lab: Lab) -> None:
    told, go_on = threading.Event(), threading.Event()

    def wait(_: Snapshot) -> None:
        told.set()
        assert go_on.wait(30)

    lab.start(prompt("one"), category="chat").watch(wait, every=0.01)
    try:
        assert told.wait(10)
        assert lab.start(prompt("two"), category="chat").result(10).answer.text == WHOLE
    finally:
        go_on.set()


def test_who_was_held_up_is_told_the_last_state_last_and_none_of_an_earlier_one(lab: Lab) -> None:
    seen: list[Snapshot] = []
    go_on = threading.Event()

    def wait(now: Snapshot) -> None:
        go_on.wait(30)
        seen.append(now)

    handle = lab.start(prompt("one"), category="chat")
    handle.watch(wait, every=0.01)
    handle.result(10)
    go_on.set()
    assert eventually(lambda: seen and seen[-1].state == "answered")
    lengths = [len(each.answer.text) for each in seen]
    assert lengths == sorted(lengths)
    assert len(seen) <= 3  # no queue of old news
