"""The plan of a comparison: what is tested, and when, is said before the first answer.

While a run goes on, the e-value alone decides: it may be looked at after every prompt. At the planned end a test
that is sharper decides too. Their chances of a false verdict, 1 and 4%, add up to 5% at most.

Two things have to hold. Prompts come in an order that does not depend on how lanes do on them: shuffled, not one
category after the other. And answers that fail do so whatever the prompt; so too many of them allow no verdict.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.core.errors import InvalidRequest
from router.core.messages import Frozen
from router.evaluate.statistics.means import is_binary, mean_difference, stratified, t_test
from router.evaluate.statistics.paired import evidence_path, mid_p, newcombe
from router.evaluate.statistics.sample import (
    Design,
    Floats,
    Pair,
    Places,
    Sample,
    Scores,
    Unit,
    check_range,
    design,
    mean_score,
    sample,
)
from router.metrics.estimates import Estimate

MAX_ERRORS = 0.1
"""Share of finished prompts without a score in both lanes above which there is no verdict."""


class End(NamedTuple):
    """The planned prompts, when all of them are finished.

    Attributes:
        p: two-sided, of no difference: mid-p McNemar; of graded, clustered or weighted scores, Student's t.
    """

    difference: Estimate
    p: float


class Look(NamedTuple):
    """What a pair's scores say at one moment.

    Attributes:
        planned: prompts, by the plan.
        finished: prompts, with or without a score; `left_out` of them lack one in either lane.
        difference: of means, first minus second, -1 to 1, over all that is finished. Its interval of 95% holds for
            one look at a number of prompts that was fixed before. Where the e-value has just decided, the difference
            is too large: 14 points on average where 10 are true.
        discordant: clusters on which the lanes differ.
        discordance: the mean squared difference of independent prompts that would be as telling; the share of
            discordant ones where scores are right or wrong.
        evidence: the logarithm of the highest e-value so far, for the lane that `difference` favors.
        end: None until the planned prompts are finished.
    """

    planned: int
    finished: int
    left_out: int
    difference: Estimate
    discordant: int
    discordance: float
    evidence: float
    end: End | None


class LaneScores(NamedTuple):
    """A lane's scores as arrays, (cases,) each.

    Attributes:
        finished: whether all repeats are over.
        means: of the repeats; NaN where none has a score.
    """

    places: Places
    finished: NDArray[np.bool_]
    means: Floats


class Plan(Frozen, frozen=True, kw_only=True, dict=True):
    """What was decided before the first answer.

    Attributes:
        units: all cases, the planned ones first.
        planned: how many of the units the test at the end is about; None for all. A run that is extended keeps its
            number: its further prompts add to the e-value alone.
        margin: the loss, 0 to 1, up to which the first lane counts as no worse; None to ask whether they differ.
    """

    units: tuple[Unit, ...]
    planned: int | None = None
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.margin is not None and not 0 < self.margin < 1:
            raise InvalidRequest(f"A margin of {100 * self.margin:g} points allows nothing. Set it between 0 and 100.")

    @functools.cached_property
    def design(self) -> Design:
        return design(self.units)

    @property
    def end(self) -> int:
        """Prompts at the planned end."""
        return len(self.units) if self.planned is None else min(self.planned, len(self.units))

    def look(self, pairs: Sequence[Pair]) -> Look:
        """What two lanes' scores say.

        Args:
            pairs: the finished cases, in the order in which they were finished.

        Raises:
            InvalidRequest: a case is not in the plan, comes twice, or has a score that is not between 0 and 1.
        """
        return self._look(_Seen.of(self.design, pairs))

    def lane(self, order: Sequence[str], scores: Scores) -> LaneScores:
        """A lane's scores for `between`; made once a lane, not once a pair.

        Args:
            order: the cases in the order in which they were finished.

        Raises:
            InvalidRequest: a case is not in the plan, comes twice, or has a score that is not between 0 and 1.
        """
        finished = np.array([case in scores for case in order], np.bool_)
        means = np.array([mean_score(scores.get(case, ())) for case in order], np.float64)
        for place in np.flatnonzero((means < 0) | (means > 1)).tolist():
            check_range(order[place], means[place])
        return LaneScores(self.design.places(order), finished, means)

    def between(self, first: LaneScores, second: LaneScores) -> Look:
        """What two lanes' scores say, on the cases that both have finished; they are in one order."""
        both = first.finished & second.finished
        return self._look(_Seen(first.places[both], first.means[both], second.means[both]))

    def _look(self, seen: _Seen) -> Look:
        finished = len(seen.places)
        scored = seen.scored()
        of = sample(self.design, scored.places)
        difference = _difference(scored, of, self.design)._replace(unknown=finished - len(scored.places))
        clusters = np.bincount(of.cluster, of.weight * (scored.first - scored.second), minlength=1)
        return Look(
            planned=self.end,
            finished=finished,
            left_out=finished - len(scored.places),
            difference=difference,
            discordant=int((np.abs(clusters) > 1e-9).sum()),
            discordance=_discordance(scored, of),
            evidence=_evidence(seen, self.design, difference.value or 0.0),
            end=self._end(seen, scored, of, difference),
        )

    def _end(self, seen: _Seen, scored: _Seen, of: Sample, difference: Estimate) -> End | None:
        """The planned prompts' test; what it is given is about all prompts."""
        planned = seen.places < self.end
        if planned.sum() < self.end:
            return None
        if not planned.all():
            scored = seen.at(planned).scored()
            of = sample(self.design, scored.places)
            difference = _difference(scored, of, self.design)
        gains = scored.first - scored.second
        if self.design.is_independent and is_binary(scored.first, scored.second):
            return End(difference, mid_p(int((gains > 0).sum()), int((gains < 0).sum())))
        return End(difference, t_test(gains, of))


class _Seen(NamedTuple):
    """Finished cases, (cases,) each; a score is NaN where there is none."""

    places: Places
    first: Floats
    second: Floats

    @classmethod
    def of(cls, whole: Design, pairs: Sequence[Pair]) -> _Seen:
        places = whole.places([pair.case for pair in pairs])
        for pair in pairs:
            check_range(*pair)
        scores = np.array([pair[1:] for pair in pairs], np.float64).reshape(-1, 2)
        return cls(places, scores[:, 0], scores[:, 1])

    def at(self, rows: NDArray[np.bool_]) -> _Seen:
        return _Seen(self.places[rows], self.first[rows], self.second[rows])

    def scored(self) -> _Seen:
        return self.at(~np.isnan(self.first + self.second))


def _difference(scored: _Seen, of: Sample, whole: Design) -> Estimate:
    """The difference of the lanes, with its interval."""
    if not len(scored.places):
        return Estimate(None)
    if whole.is_independent and is_binary(scored.first, scored.second):
        return newcombe(scored.first, scored.second, of)
    return mean_difference(scored.first - scored.second, of)


def _discordance(scored: _Seen, of: Sample) -> float:
    """The variance of one prompt's difference, as the mean of so many such prompts would have it, with its mean."""
    if not len(scored.places):
        return 0.0
    found = stratified(scored.first - scored.second, of)
    return len(scored.places) * found.variance + found.value**2


def _evidence(seen: _Seen, whole: Design, favored: float) -> float:
    """The highest logarithm of the e-value, at moments when it spoke for the lane that is favored now; 0 at least.

    A cluster counts when the last of its cases is finished, with the sum of its weighted differences.
    """
    if not len(seen.places):
        return 0.0
    gains = whole.weight[seen.places] * np.nan_to_num(seen.first - seen.second)
    cluster, clusters = whole.cluster[seen.places], len(whole.stratum)
    sums, last = np.bincount(cluster, gains, minlength=clusters), np.full(clusters, -1)
    np.maximum.at(last, cluster, np.arange(len(cluster)))
    whole_ones = np.bincount(cluster, minlength=clusters) == np.bincount(whole.cluster, minlength=clusters)
    order = np.argsort(last[whole_ones])
    steps = sums[whole_ones][order] / np.bincount(whole.cluster, whole.weight).max()
    right = np.sign(np.cumsum(steps)) == math.copysign(1, favored) if favored else np.zeros(len(steps), bool)
    return max(0.0, float(np.max(evidence_path(steps)[right], initial=0.0)))
