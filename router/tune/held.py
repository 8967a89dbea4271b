"""Whether what was predicted of a chain has come true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.core.formatting import counted, dollars, seconds
from router.metrics import predicates
from router.metrics.columns import RequestLabels
from router.metrics.estimates import Estimate, by_quantile, share, with_late
from router.metrics.view import Slice, View
from router.tune.certificate import Certificate, Expected

LEAST_REQUESTS = 30
"""Before so many requests nothing is said."""

DAYS = 30
"""After which a prediction is no longer held against what comes: by then, models are others."""

_NAMES = {
    "answered": "answered",
    "latency_p50": "p50",
    "latency_p95": "p95",
    "first_token_p50": "first token p50",
    "cost": "cost per 1,000",
}


class Held(NamedTuple):
    """A figure, predicted and seen.

    Attributes:
        holds: whether the intervals of 95% overlap.
    """

    name: str
    predicted: Expected
    seen: Estimate
    holds: bool

    def sentence(self) -> str:
        """The same in words."""
        said = f"{_NAMES[self.name]} {_words(self.name, self.predicted.value)} predicted, "
        return f"{said}{_words(self.name, self.seen.value)} seen{'' if self.holds else ' (outside of the interval)'}"


class Kept(NamedTuple):
    """A certificate beside what was seen since.

    Attributes:
        requests: since then; with fewer than LEAST_REQUESTS there are no figures.
    """

    certificate: Certificate
    requests: int
    figures: tuple[Held, ...]

    def sentence(self) -> str:
        """What to say of it."""
        name = self.certificate.category
        if not self.figures:
            seen = counted(self.requests, "request")
            return f"{name}: {seen} since the chain was changed, too few to hold against what was predicted."
        missed = sum(not each.holds for each in self.figures)
        verdict = f"{missed} of {len(self.figures)} figures came out otherwise" if missed else "The prediction holds"
        details = "; ".join(each.sentence() for each in self.figures)
        return f"{name}, {counted(self.requests, 'request')} since the change. {verdict}: {details}."


def kept(view: View, certificate: Certificate) -> Kept:
    """What became of a prediction.

    Args:
        view: all requests, without injected faults.
    """
    until = certificate.at + DAYS * 86_400
    own = view.requests.where(lambda labels: labels.chain == certificate.chain, certificate.at, until)
    over = own.that(predicates.is_telling)
    if len(over) < LEAST_REQUESTS:
        return Kept(certificate, len(over), ())
    seen = _seen(over)
    found = [
        Held(name, predicted, seen[name], _overlap(predicted, seen[name]))
        for name in _NAMES
        if (predicted := certificate.expected.get(name)) is not None
        and predicted.value is not None
        and seen[name].value is not None
    ]
    return Kept(certificate, len(over), tuple(found))


def _seen(over: Slice[RequestLabels]) -> dict[str, Estimate]:
    answered = over.that(predicates.is_answered)
    failed = len(over) - len(answered)
    latency = by_quantile((), with_late(answered.values("latency"), failed), (0.5, 0.95))
    first_token = by_quantile((), with_late(answered.values("ttft"), failed), (0.5,))
    costs = over.values("cost").astype(float)
    known = costs[~np.isnan(costs)]
    return {
        "answered": share(len(answered), len(over)),
        "latency_p50": latency[0.5,],
        "latency_p95": latency[0.95,],
        "first_token_p50": first_token[0.5,],
        "cost": _mean(1000 * known),
    }


def _mean(values: np.ndarray) -> Estimate:
    if len(values) < 2:
        return Estimate(None)
    mean, reach = float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Estimate(mean, mean - reach, mean + reach, len(values))


def _overlap(predicted: Expected, seen: Estimate) -> bool:
    low = predicted.low if predicted.low is not None else predicted.value
    high = predicted.high if predicted.high is not None else predicted.value
    return not (
        (low is not None and seen.high is not None and seen.high < low)
        or (high is not None and seen.low is not None and seen.low > high)
    )


def _words(name: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    if name == "answered":
        return f"{value:.1%}"
    if name == "cost":
        return dollars(value)
    return seconds(value) if np.isfinite(value) else "never"
