"""How long to wait before calling the same model again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from router.core.errors import ProviderError, decide

if TYPE_CHECKING:
    from router.config.policy import Backoff

# tenacity's schedule without its loop: a try here also needs a permit of the breaker and a slot at the provider, and
# that loop takes 25 µs for a call that succeeds at once. Its strategies need a state, which needs this object.
_RETRYING = AsyncRetrying()


def wait_before_retry(
    error: ProviderError, *, tries: int, retries: int, backoff: Backoff, time_left: float, at_most: float
) -> float | None:
    """Seconds to wait before calling the same model again; None if it is not called again.

    Full jitter (M. Brooker, "Exponential Backoff and Jitter", AWS 2015): uniform between 0 and
    min(cap, base x 2^(tries - 1)). A Retry-After is waited for in full, and up to a tenth more, so that clients that
    were given the same time do not all come back at once.

    Args:
        error: what ended the last try.
        tries: tries of this model so far, 1 after the first.
        retries: how many are allowed after the first.
        backoff: base and cap, seconds.
        time_left: seconds left of this model's share of the deadline.
        at_most: the longest Retry-After that is waited for, seconds.
    """
    if not decide(error).retry or tries > retries or (error.retry_after or 0.0) > at_most:
        return None
    state = RetryCallState(_RETRYING, None, (), {})
    state.attempt_number = tries
    wait = wait_random_exponential(multiplier=backoff.base, max=backoff.cap)(state)
    if error.retry_after:
        wait = max(wait, error.retry_after * random.uniform(1, 1.1))
    return wait if wait < time_left else None
