"""All figures by name: one registry for the pages, the command line and the tests.

The figures themselves are in `totals.py` (one value) and `figures.py` (several); importing the package registers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from router.metrics import predicates
from router.metrics.columns import AttemptLabels, RequestLabels
from router.metrics.estimates import Estimate, Key
from router.metrics.view import Slice, View

Drilldown: TypeAlias = Callable[[View, Key], Slice[Any]]


class Figure(NamedTuple):
    """A named figure.

    Attributes:
        unit: requests, calls, share (0 to 1), points (between shares, -1 to 1), seconds, US dollars, tokens/s.
        by: what its keys hold, one name a part; nothing for a single value, whose key is ().
        meaning: one sentence for people.
        of: its values in a view.
        drilldown: the rows that a key's value counts (of a quantile's key the first parts are enough); all requests
            where nothing else is said.
    """

    name: str
    unit: str
    by: tuple[str, ...]
    meaning: str
    of: Callable[[View], Mapping[Key, Estimate]]
    drilldown: Drilldown


FIGURES: dict[str, Figure] = {}


def of_requests(keys: Callable[[RequestLabels], Iterable[Key]]) -> Drilldown:
    """The requests whose labels count for a key."""
    return lambda view, key: view.requests.where(_counting(key, keys), None, None)


def of_attempts(keys: Callable[[AttemptLabels], Iterable[Key]]) -> Drilldown:
    """The attempts whose labels count for a key."""
    return lambda view, key: view.attempts.where(_counting(key, keys), None, None)


def _counting(key: Key, keys: Callable[[Any], Iterable[Key]]) -> Callable[[Any], bool]:
    """Whether a row of some labels counts for a key."""
    return lambda labels: any(key[: len(found)] == found for found in keys(labels))


def single(
    unit: str, drilldown: Drilldown = of_requests(predicates.every)
) -> Callable[[Callable[[View], Estimate]], Callable[[View], Estimate]]:
    """Registers a figure of one value; its sentence is the function's."""

    def register(of: Callable[[View], Estimate]) -> Callable[[View], Estimate]:
        FIGURES[of.__name__] = Figure(of.__name__, unit, (), of.__doc__ or "", lambda view: {(): of(view)}, drilldown)
        return of

    return register


def keyed(
    unit: str, *by: str, drilldown: Drilldown
) -> Callable[[Callable[[View], Mapping[Key, Estimate]]], Callable[[View], Mapping[Key, Estimate]]]:
    """Registers a figure of one value a key."""

    def register(of: Callable[[View], Mapping[Key, Estimate]]) -> Callable[[View], Mapping[Key, Estimate]]:
        FIGURES[of.__name__] = Figure(of.__name__, unit, by, of.__doc__ or "", of, drilldown)
        return of

    return register
