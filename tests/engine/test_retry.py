"""The wait before the same model is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.policy import Backoff
from router.core.errors import (
    DECISIONS,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from router.engine.retry import wait_before_retry

RETRIED = [cls for cls, decision in DECISIONS.items() if decision.retry]
FINAL = [cls for cls, decision in DECISIONS.items() if not decision.retry]

backoffs = st.builds(lambda base, cap: Backoff(base=base, cap=cap), st.floats(0.001, 1000), st.floats(0.001, 1000))


def wait(
    error: ProviderError,
    *,
    tries: int = 1,
    retries: int = 2,
    backoff: Backoff = Backoff(),
    time_left: float = 1e9,
    at_most: float = 1e9,
) -> float | None:
    return wait_before_retry(error, tries=tries, retries=retries, backoff=backoff, time_left=time_left, at_most=at_most)


@given(st.sampled_from(RETRIED), st.integers(1, 2000), backoffs)
def test_the_wait_is_drawn_from_0_to_base_doubled_with_every_try_and_at_most_cap(
    cls: type[ProviderError], tries: int, backoff: Backoff
) -> None:
    seconds = wait(cls(""), tries=tries, retries=2000, backoff=backoff)
    assert seconds is not None
    assert 0 <= seconds <= min(backoff.cap, backoff.base * 2.0 ** min(tries - 1, 1000))


@pytest.mark.parametrize(("tries", "most"), [(1, 0.5), (2, 1), (3, 2), (5, 8), (9, 8)])
def test_the_jitter_is_full(tries: int, most: float) -> None:
    drawn = [wait(ServerFailed(""), tries=tries, retries=9) or 0.0 for _ in range(2000)]
    assert min(drawn) < 0.05 * most and max(drawn) > 0.95 * most


@given(st.floats(0.001, 1e6), st.integers(1, 5))
def test_a_retry_after_is_waited_for_in_full_and_at_most_a_tenth_longer(retry_after: float, tries: int) -> None:
    backoff = Backoff(base=0.001, cap=0.001)
    seconds = wait(RateLimited("", retry_after=retry_after), tries=tries, retries=5, backoff=backoff)
    assert seconds is not None
    assert retry_after <= seconds <= max(retry_after * 1.1, backoff.cap)


def test_those_who_were_told_the_same_do_not_come_back_at_once() -> None:
    assert len({wait(RateLimited("", retry_after=30)) for _ in range(20)}) > 1


@given(st.floats(0, 100), st.one_of(st.none(), st.floats(0.001, 100)), st.integers(1, 5))
def test_no_wait_reaches_the_end_of_the_time_left(time_left: float, retry_after: float | None, tries: int) -> None:
    error = RateLimited("", retry_after=retry_after)
    seconds = wait(error, tries=tries, retries=5, time_left=time_left)
    assert seconds is None or seconds < time_left


def test_a_retry_after_that_does_not_fit_in_the_time_left_ends_the_tries() -> None:
    assert wait(RateLimited("", retry_after=30), time_left=29) is None


@given(st.sampled_from(FINAL), st.one_of(st.none(), st.floats(0.001, 100)))
def test_what_may_not_be_retried_never_is(cls: type[ProviderError], retry_after: float | None) -> None:
    assert wait(cls("", retry_after=retry_after)) is None


@pytest.mark.parametrize(("tries", "retries", "again"), [(1, 0, False), (1, 1, True), (2, 1, False), (3, 3, True)])
def test_a_model_is_retried_at_most_so_often(tries: int, retries: int, again: bool) -> None:
    assert (wait(ServerFailed(""), tries=tries, retries=retries) is not None) is again


@pytest.mark.parametrize(("retry_after", "waits"), [(2.9, True), (3.0, True), (3.1, False)])
def test_a_retry_after_is_waited_for_up_to_the_longest_that_may_be(retry_after: float, waits: bool) -> None:
    assert (wait(RateLimited("", retry_after=retry_after), at_most=3) is not None) is waits
