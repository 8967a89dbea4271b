"""A chain's models for one request, each with the request as it gets it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from router.core.capabilities import Needs, needs_of
from router.core.messages import digest
from router.core.requests import Request
from router.engine.cache import cache_key
from router.engine.call import ModelRoute
from router.providers import Provider, Unusable


class Asked:
    """A request as a model gets it.

    Raises:
        InvalidRequest: it cannot be sent to any model.

    Attributes:
        hash: of its canonical JSON.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.hash = digest(request.canonical())

    @functools.cached_property
    def needs(self) -> Needs:
        return needs_of(self.request)


class Candidate:
    """A link of the chain for one request; what a cached answer or an earlier model makes needless is not looked up.

    Attributes:
        place: its position in the chain.
        first_token: its limit, seconds.

    Args:
        problem_of: why a provider cannot be called.
    """

    def __init__(
        self,
        place: int,
        route: ModelRoute,
        asked: Asked,
        *,
        first_token: float,
        sample: int,
        problem_of: Callable[[Provider], Unusable | None],
    ) -> None:
        self.place = place
        self.route = route
        self.request = asked.request
        self.first_token = first_token
        self._asked = asked
        self._sample = sample
        self._problem_of = problem_of

    @functools.cached_property
    def key(self) -> str:
        """The cache key of this request."""
        return cache_key(self.route.ref, self._asked.hash, self.route.extra, self._sample)

    @property
    def problem(self) -> Unusable | None:
        """Why it cannot be called at all."""
        return self._problem_of(self.route.provider)

    @functools.cached_property
    def unmet(self) -> Unusable | None:
        """Why it cannot be called with this request."""
        unmet = self._asked.needs.unmet_by(self.route.info)
        return Unusable(*unmet) if unmet else None

    @property
    def can_be_called(self) -> bool:
        return (self.problem or self.unmet) is None and self.route.breaker.closes_in() is None
