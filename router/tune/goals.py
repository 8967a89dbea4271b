"""What a person wants of a chain: limits that must hold, and what the rest is worth."""

from __future__ import annotations

from router.core.messages import Frozen


class Limits(Frozen, frozen=True, kw_only=True):
    """What a chain must keep to; None for no limit.

    Attributes:
        cost: US dollars per 1,000 requests.
        latency: seconds within which 95 of 100 requests are answered.
        first_token: the same to the first token.
        answered: the least share of requests that is answered, 0 to 1.
        quality: the least mean score of all requests, 0 to 1.
        must, never: models that have to be, or must not be, in the chain.
        apart: whether a model and the next one must not be of one provider.
        links: the most models of a chain.
    """

    cost: float | None = None
    latency: float | None = None
    first_token: float | None = None
    answered: float | None = None
    quality: float | None = None
    must: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    apart: bool = False
    links: int = 3


class Weights(Frozen, frozen=True, kw_only=True):
    """What people trade against a point of quality, which is one request in a hundred answered right.

    Attributes:
        quality: points that a point of quality is worth: 1, or 0 for a search for the cheapest or the fastest.
        cost: points that a US dollar per 1,000 requests is worth.
        seconds: points that a second of the mean latency is worth.
    """

    quality: float = 1.0
    cost: float = 0.0
    seconds: float = 0.0


class Goals(Frozen, frozen=True, kw_only=True):
    """Limits and weights together.

    Attributes:
        margin: the loss of quality, 0 to 1, up to which a chain counts as no worse.
    """

    limits: Limits = Limits()
    weights: Weights = Weights()
    margin: float = 0.02
