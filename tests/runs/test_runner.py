"""The runner of comparisons and evaluations: every cell once, lanes side by side, and an end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from router.runs.runner import Runner

Cell = tuple[str, int]


def lanes(count: int = 10) -> list[list[Cell]]:
    return [[(lane, number) for number in range(count)] for lane in "ab"]


def test_every_cell_is_worked_on_once() -> None:
    done: list[Cell] = []
    runner = Runner(lanes(50), done.append, lambda: None, in_flight=8)
    runner.begin()
    assert runner.wait(30)
    assert sorted(done) == sorted(cell for lane in lanes(50) for cell in lane)


def test_the_end_is_told_once_after_the_last_cell() -> None:
    done: list[Cell] = []
    ends: list[int] = []
    runner = Runner(lanes(), done.append, lambda: ends.append(len(done)), in_flight=4)
    runner.begin()
    assert runner.wait(30)
    assert ends == [20]


def test_without_cells_it_ends_at_once() -> None:
    ended = threading.Event()
    Runner([[], []], lambda _: None, ended.set, in_flight=2).begin()
    assert ended.wait(30)


def test_a_lane_that_hangs_holds_up_no_other_one() -> None:
    gate = threading.Event()
    others = threading.Semaphore(0)

    def work(cell: Cell) -> None:
        if cell[0] == "a":
            gate.wait(30)
        else:
            others.release()

    runner = Runner(lanes(), work, lambda: None, in_flight=2)
    runner.begin()
    assert all(others.acquire(timeout=30) for _ in range(10))
    gate.set()
    assert runner.wait(30)


def test_no_more_are_in_progress_than_allowed() -> None:
    lock = threading.Lock()
    now = most = 0

    def work(_: Cell) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        with lock:
            now -= 1

    runner = Runner(lanes(100), work, lambda: None, in_flight=3)
    runner.begin()
    assert runner.wait(30)
    assert most <= 3


def test_after_stop_nothing_more_begins_and_the_end_is_told() -> None:
    began = threading.Event()
    gate = threading.Event()
    ended = threading.Event()
    done: list[Cell] = []

    def work(cell: Cell) -> None:
        began.set()
        gate.wait(30)
        done.append(cell)

    runner = Runner(lanes(), work, ended.set, in_flight=1)
    runner.begin()
    assert began.wait(30)
    runner.stop()
    gate.set()
    assert ended.wait(30)
    assert len(done) == 1


def test_cells_are_made_only_as_they_are_taken() -> None:
    made = 0

    def cells() -> Iterator[Cell]:
        nonlocal made
        for number in range(1_000_000):
            made += 1
            yield ("a", number)

    runner: Runner[Cell] = Runner(
        [cells()], lambda cell: runner.stop() if cell[1] == 5 else None, lambda: None, in_flight=1
    )
    runner.begin()
    assert runner.wait(30)
    assert made == 6


def test_a_cell_that_raises_ends_neither_its_thread_nor_the_run(caplog: pytest.LogCaptureFixture) -> None:
    done: list[Cell] = []

    def work(cell: Cell) -> None:
        if cell[1] == 0:
            raise ValueError
        done.append(cell)

    runner = Runner(lanes(), work, lambda: None, in_flight=1)
    runner.begin()
    assert runner.wait(30)
    assert len(done) == 18
    assert "internal error" in caplog.text
