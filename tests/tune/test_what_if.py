"""What if: figures at once, then ever narrower while somebody looks, and no longer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pytest

from router.core.errors import BadRequest
from router.tune.behavior import Measured
from router.tune.simulated import Run
from router.tune.simulation import Worlds
from router.tune.what_if import UNWATCHED, Seen, WhatIf
from tests.tune.worlds import POLICY, calls, chain_of, measured

ROUNDS = ((4, 5), (8, 10), (16, 20))
WORLD = measured({"a": calls(*[BadRequest] * 80, *[None] * 320), "b": calls(None)})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.tune.what_if.ROUNDS", ROUNDS)


class Gated(Worlds):
    """Worlds that are simulated one at a time, as they are let through; those of the first round at once."""

    def __init__(self, *models: str, world: Measured = WORLD) -> None:
        super().__init__(chain_of(*models), POLICY, world)
        self.passes = threading.Semaphore(0)
        self.asked = threading.Event()
        self.waiting: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self.count = 0

    def run(self, number: int, requests: int) -> Run:
        if requests > ROUNDS[0][1] and (number, requests) not in self._runs:
            self.asked.set()
            self.waiting.put((number, requests))
            self.passes.acquire()
            self.count += 1
        return super().run(number, requests)


def open_gate(of: Gated) -> None:
    of.passes.release(1_000)


def until(what_if: WhatIf, holds: Callable[[Seen], bool]) -> Seen:
    """The first look of which it holds, once the thread that simulates has ended."""
    what_if.look()
    thread = what_if._thread
    if thread is not None:
        thread.join(30)
    seen = what_if.look()
    assert holds(seen)
    return seen


def test_the_first_look_has_figures_and_says_that_it_goes_on() -> None:
    gated = Gated("a", "b")
    what_if = WhatIf(Worlds(chain_of("a"), POLICY, WORLD), gated)
    seen = what_if.look()
    assert (seen.state, seen.before.requests, gated.count) == ("simulating", 4 * 5, 0)
    what_if.cancel()
    open_gate(gated)


def test_while_somebody_looks_the_intervals_become_narrower() -> None:
    what_if = WhatIf(Worlds(chain_of("a"), POLICY, WORLD), Worlds(chain_of("a", "b"), POLICY, WORLD))
    first = what_if.look()
    last = until(what_if, lambda seen: seen.state in ("narrow", "longest"))
    before, after = (seen.figures[2]["answered"].estimate for seen in (first, last))
    assert (after.high or 0) - (after.low or 0) < (before.high or 0) - (before.low or 0)


def test_it_ends_with_the_longest_round_where_simulating_still_adds_noise() -> None:
    what_if = WhatIf(Worlds(chain_of("a"), POLICY, WORLD), Worlds(chain_of("b"), POLICY, WORLD))
    seen = until(what_if, lambda seen: seen.state != "simulating")
    assert (seen.state, seen.before.requests) == ("longest", 16 * 20)


def test_where_nothing_is_left_to_find_out_it_ends_at_once() -> None:
    certain = Worlds(chain_of("b"), POLICY, WORLD)
    assert WhatIf(certain, certain).look().state == "narrow"


def test_cancelled_it_stops_after_the_world_in_progress() -> None:
    gated = Gated("a", "b")
    what_if = WhatIf(Worlds(chain_of("a"), POLICY, WORLD), gated)
    what_if.look()
    assert gated.asked.wait(30)
    what_if.cancel()
    open_gate(gated)
    assert what_if._thread is not None
    what_if._thread.join(30)
    assert gated.count == 1


def test_a_look_goes_on_from_where_it_was_cancelled() -> None:
    """No round and no world is simulated twice."""
    gated = Gated("a", "b")
    what_if = WhatIf(Worlds(chain_of("a"), POLICY, WORLD), gated)
    what_if.look()
    (second, third) = ROUNDS[1:]
    gated.passes.release(second[0])
    while gated.waiting.get(timeout=30) != (0, third[1]):
        pass
    what_if.cancel()
    open_gate(gated)
    assert what_if._thread is not None
    what_if._thread.join(30)
    assert (gated.count, what_if.look().round) == (second[0] + 1, 1)
    until(what_if, lambda seen: seen.round == 2)
    assert gated.count == second[0] + third[0]


def test_where_nobody_looks_it_stops() -> None:
    now = [0.0]
    gated = Gated("a", "b")
    what_if = WhatIf(Worlds(chain_of("a"), POLICY, WORLD), gated, clock=lambda: now[0])
    what_if.look()
    assert gated.asked.wait(30)
    now[0] = UNWATCHED + 1
    open_gate(gated)
    assert what_if._thread is not None
    what_if._thread.join(30)
    assert gated.count == 1


def test_a_look_waits_for_no_further_round() -> None:
    gated = Gated("a", "b")
    what_if = WhatIf(Worlds(chain_of("a"), POLICY, WORLD), gated)
    first = what_if.look()
    assert gated.asked.wait(30)
    assert what_if.look() is first
    what_if.cancel()
    open_gate(gated)
