"""What is held in memory: it is never older than the store, and nobody waits for somebody else's read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from router.store.recent import Recent


class SlowStore:
    """A store whose reads wait until the test lets them go on."""

    def __init__(self, **rows: str) -> None:
        self.rows = rows
        self.begun, self.go_on = threading.Event(), threading.Event()

    def read(self, key: str) -> str | None:
        found = self.rows.get(key)
        self.begun.set()
        assert self.go_on.wait(10)
        return found


def read_meanwhile(store: SlowStore, recent: Recent[str], act: Callable[[], object]) -> str | None:
    """What a read gives during which something happens."""
    with ThreadPoolExecutor(1) as pool:
        found: Future[str | None] = pool.submit(recent.get, "a")
        assert store.begun.wait(10)
        try:
            act()
        finally:
            store.go_on.set()
        return found.result(10)


def of(store: SlowStore, most: int = 9) -> Recent[str]:
    return Recent(store.read, lambda value: value == "live", most)


def test_others_are_read_and_changed_while_one_is_being_read() -> None:
    store = SlowStore(a="old")
    recent = of(store)
    recent.put("b", "1")
    read_meanwhile(store, recent, lambda: recent.change("b", lambda value: value + "2"))
    assert recent.get("b") == "12"


def test_what_is_put_while_the_same_one_is_being_read_stays() -> None:
    store = SlowStore(a="old")
    recent = of(store)
    assert read_meanwhile(store, recent, lambda: recent.put("a", "new")) == "new"


def test_what_is_cleared_while_it_is_being_read_is_not_held() -> None:
    store = SlowStore(a="old")
    recent = of(store)
    read_meanwhile(store, recent, recent.clear)
    assert recent.held() == {}


def test_what_is_let_go_while_it_is_being_read_is_not_held_as_it_was() -> None:
    store = SlowStore(a="old")
    recent = of(store, most=1)

    def change_and_let_go() -> None:
        recent.put("a", "new")
        recent.put("b", "other")

    read_meanwhile(store, recent, change_and_let_go)
    assert recent.held() == {"b": "other"}


def test_those_used_last_are_held() -> None:
    recent = of(SlowStore(), most=2)
    for key in "abac":
        recent.put(key, key)
    assert list(recent.held()) == ["a", "c"]


def test_what_is_live_is_always_held() -> None:
    recent = of(SlowStore(), most=1)
    recent.put("a", "live")
    for key in "bcd":
        recent.put(key, key)
    assert list(recent.held()) == ["a", "d"]


def test_what_is_not_held_is_not_changed() -> None:
    recent = of(SlowStore())
    recent.change("a", lambda value: value + "2")
    assert recent.held() == {}
