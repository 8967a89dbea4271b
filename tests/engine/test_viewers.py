"""The countdown that stops what nobody looks at any more."""

from __future__ import annotations

import pytest

from router.engine.viewers import LOST_AFTER, Viewers
from tests.fakes import FakeTimers


class Bench:
    def __init__(self) -> None:
        self.timers = FakeTimers()
        self.stops = 0
        self.viewers = Viewers(self.stop, self.timers.later)

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_is_stopped_once_the_last_viewer_has_been_gone_for_long(bench: Bench) -> None:
    bench.viewers.attach("x")
    bench.viewers.detach("x")
    bench.viewers.detach("x")
    [timer] = bench.timers.started
    before = bench.stops
    timer.end()
    assert (timer.seconds, before, bench.stops) == (LOST_AFTER, 0, 1)


def test_another_viewer_keeps_it_going(bench: Bench) -> None:
    bench.viewers.attach("x")
    bench.viewers.attach("y")
    bench.viewers.detach("x")
    assert bench.timers.started == []


def test_who_comes_back_cancels_the_countdown(bench: Bench) -> None:
    bench.viewers.detach("x")
    bench.viewers.attach("x")
    assert bench.timers.started[0].canceled


def test_who_comes_as_the_countdown_ends_keeps_it_going(bench: Bench) -> None:
    bench.viewers.detach("x")
    bench.viewers.attach("y")
    bench.timers.started[0].end()
    assert bench.stops == 0


def test_each_loss_starts_a_countdown_of_its_own(bench: Bench) -> None:
    for _ in range(2):
        bench.viewers.attach("x")
        bench.viewers.detach("x")
    first, second = bench.timers.started
    assert (first.canceled, second.canceled) == (True, False)


def test_what_is_over_is_not_counted_down(bench: Bench) -> None:
    bench.viewers.detach("x")
    bench.viewers.close()
    bench.viewers.detach("y")
    [timer] = bench.timers.started
    timer.end()
    assert (timer.canceled, bench.stops) == (True, 0)
