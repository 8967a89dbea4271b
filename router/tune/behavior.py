"""How models behave, as measured: what simulated calls are drawn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.core.errors import ProviderError, ServerFailed
from router.tune.grid import Floats


class Calls(NamedTuple):
    """Calls of a model that were seen.

    Attributes:
        error: (calls,) what ended each; None for an answer.
        first_token: (calls,) seconds to its first token; infinite where none came.
        seconds: (calls,) until it answered or failed.
        cost: (calls,) US dollars; NaN is unknown.
    """

    error: NDArray[np.object_]
    first_token: Floats
    seconds: Floats
    cost: Floats

    @property
    def seen(self) -> int:
        """How many."""
        return len(self.error)

    def at(self, which: NDArray[np.intp]) -> Calls:
        """Some of them, any of them several times."""
        return Calls(self.error[which], self.first_token[which], self.seconds[which], self.cost[which])


class Outages(NamedTuple):
    """When something is down: both times are exponential.

    Attributes:
        every: mean seconds from the end of an outage to the next one; infinite for never.
        last: mean seconds that an outage lasts.
        seen: how many these rest on; 0 where both are the truth.
    """

    every: float = np.inf
    last: float = 0.0
    seen: int = 0

    @property
    def share(self) -> float:
        """Of time, 0 to 1."""
        if not np.isfinite(self.last):
            return 1.0
        return self.last / (self.every + self.last) if np.isfinite(self.every) and self.last else 0.0

    def drawn(self, rng: np.random.Generator) -> Outages:
        """Other means of which as many outages could have been seen, and one more of the same: each is inverse Gamma.

        Without that one more, the mean of what may be after a single outage would be infinite.
        """
        if not self.seen:
            return self
        shape = self.seen + 1
        every, last = (shape / rng.gamma(shape, size=2)).tolist()
        return Outages(self.every * every, self.last * last)


ALWAYS = Outages(0.0, np.inf)
"""It never comes back."""


class Behavior(NamedTuple):
    """A model, as measured.

    Attributes:
        calls: those outside of outages.
        outages: of this model alone.
        quality: mean score of its answers, 0 to 1; None where nothing was graded.
        graded: prompts that it rests on; 0 where it is the truth.
        down_error: what its calls fail with while it is down.
        down_after: seconds until they do.
    """

    provider: str
    calls: Calls
    outages: Outages = Outages()
    quality: float | None = None
    graded: int = 0
    down_error: type[ProviderError] = ServerFailed
    down_after: float = 0.5


class Measured(NamedTuple):
    """Everything that a simulation draws from.

    Attributes:
        models: by reference, as models.yaml names them.
        providers: outages that take all models of a provider along, by its name.
        rate: requests per second.
    """

    models: dict[str, Behavior]
    providers: dict[str, Outages]
    rate: float
