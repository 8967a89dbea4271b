"""A new lane on some of a suite's cases, regressed on lanes that ran all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.core.errors import InvalidRequest
from router.core.intervals import wilson
from router.core.runs import LEAST_SCREENED
from router.evaluate.statistics.means import Mean, effective_prompts, t_quantile
from router.evaluate.statistics.sample import Design, Floats, Places, Scores, Unit, design, mean_scores
from router.metrics.estimates import Estimate


class Screening(NamedTuple):
    """An estimate for this suite only: of the score that the new lane would have on all of its cases.

    Attributes:
        score: 0 to 1; `rows` are the new lane's cases, `unknown` the suite's others.
        difference: from the first reference, whose score on the suite is known.
        worth: how many times its cases a paired comparison with the first reference would need for this.
    """

    score: Estimate
    difference: Estimate
    worth: float


def screening(units: Sequence[Unit], references: Sequence[Scores], candidate: Scores) -> Screening:
    """Estimate a lane's score on a suite from some cases, drawn at random.

    Its scores are regressed on the mean of the references' scores, which is known for all cases (Cochran, "Sampling
    Techniques", 7.3). With one reference, its cases are worth 1.4 to 1.5 times those of a paired comparison; with
    eight, 1.8 to 2.1 times. The interval is Wilson's for as many prompts as the regression's error says.

    Args:
        references: lanes that ran the whole suite. Cases without a score in one of them are left out.

    Raises:
        InvalidRequest: there is no reference, the new lane has fewer than `LEAST_SCREENED` cases with a score, or a
            score is not between 0 and 1.
    """
    if not references:
        raise InvalidRequest("Screening needs a lane that ran the whole suite. Run one first.")
    known = _known(units, references)
    scores = mean_scores(known, candidate)
    if len(scores) < LEAST_SCREENED:
        needed = f"Screening needs {LEAST_SCREENED} cases with a score"
        raise InvalidRequest(f"{needed}; the new lane has {len(scores)}. Run more.")
    whole = design([unit for unit in units if unit.case in known])
    places, values = whole.places(scores), np.array(list(scores.values()))
    reference = np.array([known[case] for case in whole.place])  # (cases, lanes)
    fit = _regressed(values, reference.mean(axis=1), places, whole)
    beside = float(np.average(reference[:, 0], weights=whole.weight))
    low, high = _interval(fit, len(values), is_whole=len(values) == len(known))
    cases = {"rows": len(values), "unknown": len(known) - len(values)}
    gains = values - reference[places, 0]
    plain = _variance(gains - np.average(gains, weights=whole.weight[places]), places, whole, 1)
    return Screening(
        Estimate(fit.value, low, high, **cases),
        Estimate(fit.value - beside, low - beside, high - beside, **cases),
        plain / fit.variance if fit.variance else math.inf,
    )


def _known(units: Sequence[Unit], references: Sequence[Scores]) -> dict[str, list[float]]:
    """The references' scores of the cases that all of them have a score for."""
    cases = [unit.case for unit in units]
    lanes = [mean_scores(cases, lane) for lane in references]
    return {case: [lane[case] for lane in lanes] for case in cases if all(case in lane for lane in lanes)}


def _regressed(values: Floats, covariate: Floats, places: Places, whole: Design) -> Mean:
    """The mean of all cases, as a line through the known ones predicts it; 0 to 1.

    Args:
        values: (known cases,).
        covariate: (cases,).
    """
    weight, seen = whole.weight[places], covariate[places]
    middle, seen_middle = np.average(values, weights=weight), np.average(seen, weights=weight)
    spread = float(weight @ (seen - seen_middle) ** 2)
    slope = float(weight @ ((seen - seen_middle) * values)) / spread if spread > 0 else 0.0
    rest = values - middle - slope * (seen - seen_middle)
    value = float(middle + slope * (np.average(covariate, weights=whole.weight) - seen_middle))
    freedom = len(np.unique(whole.cluster[places])) - 2
    return Mean(min(max(value, 0.0), 1.0), _variance(rest, places, whole, 2), max(freedom, 1))


def _variance(rest: Floats, places: Places, whole: Design, fitted: int) -> float:
    """Of the mean of residuals, by clusters, as a sample of a suite that is finite."""
    weight = whole.weight[places]
    cluster = np.unique(whole.cluster[places], return_inverse=True)[1]
    sums = np.bincount(cluster, weight * rest)
    missing = 1 - len(places) / len(whole.weight)
    return missing * float(sums @ sums) / float(weight.sum()) ** 2 * len(sums) / max(len(sums) - fitted, 1)


def _interval(fit: Mean, cases: int, *, is_whole: bool) -> tuple[float, float]:
    if is_whole:
        return fit.value, fit.value
    return wilson(fit.value, effective_prompts(fit.value, fit.variance, cases), t_quantile(fit.freedom))
