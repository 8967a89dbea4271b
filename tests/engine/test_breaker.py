"""The circuit breaker of a model: when it opens, whom it lets through, and who waits for whom."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.config.policy import BreakerPolicy
from router.core.errors import (
    AuthenticationFailed,
    ContextLengthExceeded,
    PaymentRequired,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from router.engine.breaker import (
    Breaker,
    BreakerOpen,
    Breakers,
    Permit,
)

FAULT = ServerFailed("down")
NO_FAULT = AuthenticationFailed("key")
PLAIN = Permit()
POLICY = BreakerPolicy(window=20, within=120, min_calls=3, failure_rate=0.5, open_for=20)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(POLICY, clock)


@pytest.fixture
def jitter(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The factors that are drawn next; 1 where there is none."""
    factors: list[float] = []
    monkeypatch.setattr("random.uniform", lambda low, high: factors.pop(0) if factors else 1.0)
    return factors


def see(breaker: Breaker, *outcomes: ProviderError | None) -> None:
    """Record calls that were already in progress, so that the breaker's state does not matter."""
    for outcome in outcomes:
        breaker.record(PLAIN, outcome)


def acquired(breaker: Breaker) -> Permit | None:
    """Leave for one call; None if the model is skipped."""
    try:
        return breaker.acquire()
    except BreakerOpen:
        return None


# --- When it opens ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([FAULT, FAULT], "closed"),
        ([FAULT, FAULT, FAULT], "open"),
        ([None, FAULT, FAULT], "open"),
        ([None, None, FAULT], "closed"),
        ([None, None, FAULT, FAULT], "open"),
        ([NO_FAULT] * 9, "closed"),
        ([NO_FAULT, FAULT, FAULT], "closed"),
        ([None] * 20 + [FAULT] * 9, "closed"),
        ([None] * 20 + [FAULT] * 10, "open"),
    ],
    ids=["too few", "all", "most", "less than half", "half", "no fault", "no call", "9 of 20", "10 of the last 20"],
)
def test_it_opens_where_enough_of_the_last_calls_failed(
    breaker: Breaker, outcomes: list[ProviderError | None], state: str
) -> None:
    see(breaker, *outcomes)
    assert breaker.state == state


@pytest.mark.parametrize(("later", "state"), [(119, "open"), (121, "closed")])
def test_only_what_is_recent_counts(breaker: Breaker, clock: Clock, later: float, state: str) -> None:
    see(breaker, FAULT, FAULT)
    clock.now += later
    see(breaker, FAULT)
    assert breaker.state == state


@pytest.mark.parametrize("factor", [0.75, 1])
def test_it_stays_open_for_its_time_or_up_to_a_quarter_less(
    breaker: Breaker, clock: Clock, jitter: list[float], factor: float
) -> None:
    jitter.append(factor)
    see(breaker, FAULT, FAULT, FAULT)
    clock.now += 20 * factor - 0.1
    before = breaker.state
    clock.now += 0.2
    assert (before, breaker.state) == ("open", "half-open")


def test_models_that_failed_together_are_not_probed_together(clock: Clock) -> None:
    breakers = [Breaker(POLICY, clock) for _ in range(100)]
    for breaker in breakers:
        see(breaker, FAULT, FAULT, FAULT)
    times = [breaker.closes_in() or 0 for breaker in breakers]
    assert 15 <= min(times) < 16 and 19 < max(times) <= 20


def test_faults_of_late_calls_do_not_prolong_it(breaker: Breaker, clock: Clock, jitter: list[float]) -> None:
    see(breaker, FAULT, FAULT, FAULT)
    clock.now += 10
    see(breaker, FAULT)
    assert breaker.closes_in() == pytest.approx(10)


@pytest.mark.parametrize(("second", "left"), [(5, 50), (90, 90), (None, 50)])
def test_a_retry_after_never_shortens_a_longer_one(
    breaker: Breaker, clock: Clock, second: float | None, left: float
) -> None:
    see(breaker, RateLimited("", retry_after=60))
    clock.now += 10
    see(breaker, RateLimited("", retry_after=second))
    assert breaker.closes_in() == pytest.approx(left)


async def test_a_retry_after_beyond_the_cap_ends_there_in_one_probe(breaker: Breaker, clock: Clock) -> None:
    breaker.record(Permit(cooldown_cap=300), RateLimited("", retry_after=86_400))
    assert breaker.closes_in() == pytest.approx(300)
    clock.now += 301
    probe = acquired(breaker)
    assert probe is not None and probe.probe is not None
    assert acquired(breaker) is None
    breaker.record(probe, None)
    assert breaker.state == "closed"


def test_a_retry_after_within_the_cap_ends_for_all_at_once(breaker: Breaker, clock: Clock) -> None:
    breaker.record(Permit(cooldown_cap=300), RateLimited("", retry_after=299))
    clock.now += 300
    assert breaker.state == "closed"


async def test_a_failed_forced_call_never_brings_the_next_one_nearer(breaker: Breaker, jitter: list[float]) -> None:
    jitter += [1, 0.75]
    see(breaker, FAULT, FAULT, FAULT)
    before = breaker.closes_in() or 0
    permit = await breaker.force()
    breaker.record(permit, FAULT)
    assert (breaker.closes_in() or 0) >= before


# --- Half-open -------------------------------------------------------------------------------------


@pytest.fixture
async def probe(breaker: Breaker, clock: Clock) -> Permit:
    """The probe of a breaker whose time is over."""
    see(breaker, FAULT, FAULT, FAULT)
    clock.now += 26
    permit = acquired(breaker)
    assert permit is not None
    return permit


async def test_an_open_one_lets_nobody_through(breaker: Breaker) -> None:
    see(breaker, FAULT, FAULT, FAULT)
    assert acquired(breaker) is None


async def test_exactly_one_probe_is_let_through(breaker: Breaker, probe: Permit) -> None:
    assert (probe.probe is not None, acquired(breaker)) == (True, None)


async def test_a_probe_that_is_answered_closes_it_and_starts_afresh(breaker: Breaker, probe: Permit) -> None:
    breaker.record(probe, None)
    see(breaker, FAULT, FAULT)
    assert acquired(breaker) == PLAIN


async def test_a_probe_that_fails_opens_it_again(breaker: Breaker, probe: Permit) -> None:
    breaker.record(probe, FAULT)
    assert breaker.state == "open" and 15 <= (breaker.closes_in() or 0) <= 25


@pytest.mark.parametrize("outcome", [NO_FAULT, "cancelled"])
async def test_a_probe_that_says_nothing_of_the_model_gives_its_place_back(
    breaker: Breaker, probe: Permit, outcome: ProviderError | str
) -> None:
    if isinstance(outcome, ProviderError):
        breaker.record(probe, outcome)
    else:
        breaker.give_back(probe)
    again = acquired(breaker)
    assert again is not None and again.probe is not None


async def test_an_answer_to_an_older_call_does_not_close_it(breaker: Breaker, probe: Permit) -> None:
    see(breaker, None)
    assert (breaker.state, acquired(breaker)) == ("half-open", None)


# --- By force --------------------------------------------------------------------------------------


class Forced:
    """Several who force a call of an open breaker at once; the first has leave.

    Attributes:
        permit: the first one's.
        others: what the others wait for.
    """

    def __init__(self, breaker: Breaker) -> None:
        self.breaker = breaker
        see(breaker, FAULT, FAULT, FAULT)

    async def begin(self, count: int = 5) -> Forced:
        tasks = [asyncio.create_task(self.breaker.force()) for _ in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)
        self.permits = [task.result() for task in tasks if task.done()]
        self.permit = self.permits[0]
        self.others = tasks[1:]
        return self


@pytest.fixture
async def forced(breaker: Breaker) -> Forced:
    return await Forced(breaker).begin()


async def test_a_forced_call_is_one_for_all_who_wait(breaker: Breaker, forced: Forced) -> None:
    breaker.record(forced.permit, FAULT)
    await asyncio.gather(*forced.others, return_exceptions=True)
    assert len(forced.permits) == 1


async def test_all_who_wait_get_the_error_of_the_forced_call(breaker: Breaker, forced: Forced) -> None:
    breaker.record(forced.permit, FAULT)
    assert await asyncio.gather(*forced.others, return_exceptions=True) == [FAULT] * 4


async def test_all_who_wait_may_call_where_the_forced_call_was_answered(breaker: Breaker, forced: Forced) -> None:
    breaker.record(forced.permit, None)
    assert await asyncio.gather(*forced.others) == [PLAIN] * 4


async def test_where_the_forced_call_is_cancelled_exactly_one_other_takes_its_place(
    breaker: Breaker, forced: Forced
) -> None:
    breaker.give_back(forced.permit)
    [successor], still = await asyncio.wait(forced.others, return_when=asyncio.FIRST_COMPLETED)
    breaker.record(successor.result(), FAULT)
    assert await asyncio.gather(*still, return_exceptions=True) == [FAULT] * 3


async def test_who_stops_waiting_does_not_disturb_the_others(breaker: Breaker, forced: Forced) -> None:
    impatient, *patient = forced.others
    impatient.cancel()
    await asyncio.wait([impatient])
    breaker.record(forced.permit, FAULT)
    assert await asyncio.gather(*patient, return_exceptions=True) == [FAULT] * 3


async def test_no_force_is_needed_where_it_is_closed(breaker: Breaker) -> None:
    assert await breaker.force() == PLAIN


async def test_a_forced_call_that_is_answered_closes_it_before_its_time(breaker: Breaker) -> None:
    see(breaker, RateLimited("", retry_after=600))
    permit = await breaker.force()
    breaker.record(permit, None)
    assert acquired(breaker) == PLAIN


# --- Around a call ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "error", "calls"),
    [(True, None, 1), (True, FAULT, 1), (True, NO_FAULT, 0), (False, FAULT, 0), (True, asyncio.CancelledError(), 0)],
    ids=["answered", "failed", "no fault of its own", "never sent", "stopped"],
)
async def test_what_ends_a_call_is_recorded_where_it_says_something_of_the_model(
    breaker: Breaker, counts: bool, error: BaseException | None, calls: int
) -> None:
    with contextlib.suppress(ProviderError, asyncio.CancelledError):
        async with breaker.permit() as permit:
            permit.counts = counts
            if error is not None:
                raise error
    assert breaker.view("m").calls == calls


@pytest.mark.parametrize("error", [RuntimeError("a bug"), asyncio.CancelledError()])
async def test_a_probe_gives_its_place_back_however_it_ends(
    breaker: Breaker, clock: Clock, error: BaseException
) -> None:
    see(breaker, FAULT, FAULT, FAULT)
    clock.now += 26
    with contextlib.suppress(RuntimeError, asyncio.CancelledError):
        async with breaker.permit() as permit:
            permit.counts = True
            raise error
    assert acquired(breaker) is not None


async def queueing(breaker: Breaker, permit: Permit) -> asyncio.Task[None]:
    """A call that waits for a turn that does not come."""
    task = asyncio.create_task(breaker.queue(asyncio.get_running_loop().create_future(), permit))
    await asyncio.sleep(0)
    return task


async def test_who_queues_is_turned_away_when_it_opens(breaker: Breaker) -> None:
    task = await queueing(breaker, breaker.acquire())
    see(breaker, FAULT, FAULT, FAULT)
    with pytest.raises(BreakerOpen):
        await task


async def test_a_probe_that_queues_is_not_turned_away(breaker: Breaker, probe: Permit) -> None:
    task = await queueing(breaker, probe)
    see(breaker, FAULT)
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()


async def test_who_has_a_turn_is_asked_again_before_the_call_goes_out(breaker: Breaker) -> None:
    permit = breaker.acquire()
    see(breaker, FAULT, FAULT, FAULT)
    with pytest.raises(BreakerOpen):
        breaker.confirm(permit)


async def test_a_probe_and_a_forced_call_go_out_though_it_is_not_closed(breaker: Breaker, probe: Permit) -> None:
    breaker.confirm(probe)
    breaker.record(probe, FAULT)
    breaker.confirm(await breaker.force())


# --- As people see it ------------------------------------------------------------------------------


async def test_it_is_not_shown_as_closed_while_a_forced_call_keeps_others_out(breaker: Breaker, clock: Clock) -> None:
    see(breaker, RateLimited("", retry_after=5))
    await breaker.force()
    clock.now += 6
    assert (acquired(breaker), breaker.state) == (None, "half-open")


def test_it_shows_what_it_has_seen(breaker: Breaker, jitter: list[float]) -> None:
    see(breaker, None, RateLimited("", retry_after=5), FAULT)
    view = breaker.view("m")
    assert view == ("m", "open", 20.0, 5.0, 3, 2, "server_failed", None)


@pytest.mark.parametrize(
    ("outcomes", "refusal"),
    [
        ([None, AuthenticationFailed("")], "authentication_failed"),
        ([AuthenticationFailed(""), PaymentRequired("")], "payment_required"),
        ([AuthenticationFailed(""), FAULT], None),
        ([AuthenticationFailed(""), None], None),
        ([ContextLengthExceeded("")], None),
    ],
)
def test_it_shows_whether_the_last_call_was_refused_for_good(
    breaker: Breaker, outcomes: list[ProviderError | None], refusal: str | None
) -> None:
    see(breaker, *outcomes)
    assert (breaker.view("m").refusal, breaker.state) == (refusal, "closed")


def test_a_view_leaves_out_what_is_too_old(breaker: Breaker, clock: Clock) -> None:
    see(breaker, None, FAULT)
    clock.now += 121
    assert (breaker.view("m").calls, breaker.view("m").failures) == (0, 0)


def test_a_reset_by_hand_closes_it(breaker: Breaker) -> None:
    see(breaker, RateLimited("", retry_after=600), FAULT, FAULT, AuthenticationFailed(""))
    breaker.reset()
    assert breaker.view("m") == ("m", "closed", 0.0, 0.0, 0, 0, None, None)


async def test_a_probe_from_before_a_reset_decides_nothing(breaker: Breaker, probe: Permit) -> None:
    breaker.reset()
    breaker.record(probe, FAULT)
    assert acquired(breaker) == PLAIN


async def test_a_reset_by_hand_lets_calls_through_while_a_probe_is_in_progress(breaker: Breaker, probe: Permit) -> None:
    breaker.reset()
    assert acquired(breaker) is not None


def test_each_model_of_each_provider_has_its_own(clock: Clock) -> None:
    breakers = Breakers(clock)
    got = {id(breakers.get(*at, POLICY)) for at in [("p", "m"), ("p", "n"), ("q", "m"), ("p", "m")]}
    assert len(got) == len(list(breakers)) == 3


def test_a_changed_policy_applies_to_what_was_seen_before(clock: Clock) -> None:
    breakers = Breakers(clock)
    see(breakers.get("p", "m", POLICY), FAULT)
    see(breakers.get("p", "m", BreakerPolicy(min_calls=2)), FAULT)
    assert breakers.get("p", "m", POLICY).state == "open"


# --- Whatever happens ------------------------------------------------------------------------------


class AnyCalls(RuleBasedStateMachine):
    """Calls begin and end in any order and at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.breaker = Breaker(POLICY, self.clock)
        self.in_progress: list[Permit] = []
        self.promised = 0.0

    def teardown(self) -> None:
        self.runner.close()

    async def acquire(self) -> Permit | None:
        return acquired(self.breaker)

    @rule(seconds=st.floats(0.1, 60))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def a_call_begins(self) -> None:
        state, probing = self.breaker.state, any(permit.probe is not None for permit in self.in_progress)
        permit = self.runner.run(self.acquire())
        if state == "open" or probing:
            assert permit is None
        else:
            assert permit is not None and (permit.probe is not None) == (state == "half-open")
            self.in_progress.append(permit)
        assert permit is None or self.clock.now >= self.promised

    @precondition(lambda self: not any(permit.probe is not None for permit in self.in_progress))
    @rule()
    def a_call_is_forced(self) -> None:
        self.in_progress.append(self.runner.run(self.breaker.force()))

    @precondition(lambda self: self.in_progress)
    @rule(data=st.data(), outcome=st.sampled_from(["answer", "fault", "no fault", "cancelled"]))
    def a_call_ends(self, data: st.DataObject, outcome: str) -> None:
        permit = self.in_progress.pop(data.draw(st.integers(0, len(self.in_progress) - 1)))
        if outcome == "cancelled":
            self.breaker.give_back(permit)
        elif outcome == "fault":
            retry_after = data.draw(st.none() | st.floats(0.1, 100))
            self.promised = max(self.promised, self.clock.now + (retry_after or 0))
            self.breaker.record(permit, RateLimited("", retry_after=retry_after))
        else:
            self.breaker.record(permit, NO_FAULT if outcome == "no fault" else None)
            if permit.probe is not None and outcome == "answer":
                self.promised = 0.0
                assert self.breaker.state == "closed"
        if permit.probe is not None and outcome == "fault":
            assert self.breaker.state == "open"

    @invariant()
    def at_most_one_probe_is_under_way(self) -> None:
        assert sum(permit.probe is not None for permit in self.in_progress) <= 1

    @invariant()
    def a_view_can_be_drawn(self) -> None:
        view = self.breaker.view("m")
        assert 0 <= view.failures <= view.calls <= POLICY.window and view.opens_in >= 0


class TestAnyCalls(AnyCalls.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes that class when it is asked for
    settings = settings(max_examples=60, stateful_step_count=40)
