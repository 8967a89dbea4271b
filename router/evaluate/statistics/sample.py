"""Scores as a sample of prompts: paired, clustered by group, stratified by category.

The unit is the prompt: repeats of a case are averaged first. Cases of one group are a cluster, which counts as one
piece of evidence. Categories are strata, and keep the share of the suite's weight that they have in the plan,
whichever of their cases have a score.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from router.core.errors import InvalidRequest
from router.core.suites import Case

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

Scores: TypeAlias = Mapping[str, Sequence[float | None]]
"""A lane's scores, 0 to 1, by case: one for each repeat, None for an error."""

MIN_CLUSTERS = 5
"""Clusters of a stratum, at least; smaller strata are joined, because their variance is not known."""


class Unit(NamedTuple):
    """What statistics need to know of a case; see `router.core.suites.Case`."""

    case: str
    category: str | None = None
    group: str = ""
    weight: float = 1.0

    @classmethod
    def of(cls, case: Case) -> Unit:
        return cls(case.id, case.category, case.group, case.weight)


class Pair(NamedTuple):
    """One case's scores in two lanes, 0 to 1; None where all repeats are errors."""

    case: str
    first: float | None
    second: float | None


def mean_score(repeats: Sequence[float | None]) -> float | None:
    """The mean of the repeats that have a score; None if none has."""
    if len(repeats) == 1:
        return repeats[0]
    known = [score for score in repeats if score is not None]
    return math.fsum(known) / len(known) if known else None


def mean_scores(cases: Iterable[str], scores: Scores) -> dict[str, float]:
    """The mean scores of those cases that have one.

    Raises:
        InvalidRequest: a score is not between 0 and 1.
    """
    means = {case: mean for case in cases if (mean := mean_score(scores.get(case, ()))) is not None}
    for case, mean in means.items():
        check_range(case, mean)
    return means


def check_range(case: str, *scores: float | None) -> None:
    """Check that scores are between 0 and 1; None and NaN are none.

    Raises:
        InvalidRequest: one is not.
    """
    for score in scores:
        if score is not None and (score < 0 or score > 1):
            raise InvalidRequest(f"Case “{case}” has a score outside 0 to 1. Scale its scores.")


class Design(NamedTuple):
    """A suite's cases as arrays.

    Attributes:
        place: each case's index.
        weight: (cases,).
        cluster: (cases,) each case's cluster.
        stratum: (clusters,) each cluster's category, by the first of its cases.
        share: (strata,) of the suite's weight.
    """

    place: Mapping[str, int]
    weight: Floats
    cluster: Places
    stratum: Places
    share: Floats

    @property
    def is_independent(self) -> bool:
        """Whether all cases weigh the same, each a cluster of its own."""
        return len(self.stratum) == len(self.weight) and bool((self.weight == self.weight[:1]).all())

    def places(self, cases: Collection[str]) -> Places:
        """Where these cases are.

        Raises:
            InvalidRequest: the suite has no such case, or one is named twice.
        """
        if unknown := next((case for case in cases if case not in self.place), None):
            raise InvalidRequest(f"Case “{unknown}” is not in the suite. Leave it out, or add it to the suite.")
        if len(set(cases)) < len(cases):
            twice, _ = Counter(cases).most_common(1)[0]
            raise InvalidRequest(f"Case “{twice}” has several scores in one lane. Average its repeats first.")
        return np.array([self.place[case] for case in cases], np.intp)


def design(units: Sequence[Unit]) -> Design:
    """Units as arrays.

    Raises:
        InvalidRequest: a case's name is not unique, or its weight is not positive.
    """
    place = {unit.case: at for at, unit in enumerate(units)}
    if len(place) < len(units):
        raise InvalidRequest("Two cases have one name. Give each case of a suite a name of its own.")
    if bad := next((unit for unit in units if not 0 < unit.weight < math.inf), None):
        raise InvalidRequest(f"Case “{bad.case}” has weight {bad.weight:g}. A weight is a positive number.")
    clusters: dict[tuple[bool, str], int] = {}
    strata: dict[str | None, int] = {}
    cluster, stratum = [], []
    for unit in units:
        key = (bool(unit.group), unit.group or unit.case)
        if key not in clusters:
            stratum.append(strata.setdefault(unit.category, len(strata)))
        cluster.append(clusters.setdefault(key, len(clusters)))
    weight, of = np.array([unit.weight for unit in units], np.float64), np.array(cluster, np.intp)
    by_stratum = np.bincount(np.array(stratum, np.intp)[of], weight) if units else np.zeros(0)
    return Design(place, weight, of, np.array(stratum, np.intp), by_stratum / max(by_stratum.sum(), 1e-300))


class Sample(NamedTuple):
    """The cases that have a score.

    Attributes:
        weight, cluster: (cases,).
        stratum: (clusters,).
        share: (strata,) of the suite's weight; small strata are joined.
    """

    weight: Floats
    cluster: Places
    stratum: Places
    share: Floats

    @property
    def clusters(self) -> int:
        return len(self.stratum)


def sample(whole: Design, places: Places) -> Sample:
    """The part of a suite at these places, (cases,)."""
    seen, cluster = np.unique(whole.cluster[places], return_inverse=True)
    joined = _joined(np.bincount(whole.stratum[seen], minlength=len(whole.share)))
    # Strata are numbered without gaps again.
    kept, stratum = np.unique(joined[whole.stratum[seen]], return_inverse=True)
    share = np.bincount(joined, whole.share, minlength=len(whole.share))[kept]
    return Sample(whole.weight[places], cluster, stratum, share.astype(np.float64))


def _joined(clusters: Places) -> Places:
    """Which stratum each stratum belongs to, so that all have `MIN_CLUSTERS` where possible; by their clusters."""
    target = np.arange(len(clusters))
    small = clusters < MIN_CLUSTERS
    if not small.any():
        return target
    if clusters[small].sum() < MIN_CLUSTERS and not small.all():  # too few even together
        small[np.flatnonzero(~small)[np.argmin(clusters[~small])]] = True
    target[small] = np.flatnonzero(small)[0]
    return target
