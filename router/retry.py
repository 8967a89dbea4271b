"""How long to wait before the same model is tried again."""

from __future__ import annotations

import random

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from router.config import Backoff
from router.errors import ProviderError, decide

# tenacity's schedule without its loop: a try here also needs the breaker's leave and a place at the provider, and that
# loop takes 25 µs for a call that succeeds at once. Its wait strategies want a state, and the state a retrying object.
_RETRYING = AsyncRetrying()


def wait_before_retry(
    error: ProviderError, *, tries: int, retries: int, backoff: Backoff, time_left: float
) -> float | None:
    """Seconds to wait before trying the same model again; None where it is not tried again.

    Full jitter (M. Brooker, "Exponential Backoff and Jitter", AWS 2015): uniform between 0 and
    min(cap, base x 2^(tries - 1)). A Retry-After is waited for in full, and up to a tenth more, so that those who were
    told the same do not all come back at once.

    Args:
        error: what ended the last try.
        tries: tries of this model so far, 1 after the first.
        retries: how many are allowed after the first.
        backoff: base and cap, seconds.
        time_left: seconds until this model's share of the deadline is over.
    """
    if not decide(error).retry or tries > retries:
        return None
    state = RetryCallState(_RETRYING, None, (), {})
    state.attempt_number = tries
    wait = wait_random_exponential(multiplier=backoff.base, max=backoff.cap)(state)
    if error.retry_after:
        wait = max(wait, error.retry_after * random.uniform(1, 1.1))
    return wait if wait < time_left else None
