"""A part of what was observed: filtered, and split by time or by label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from router.core.messages import Frozen
from router.core.records import Step
from router.metrics.columns import (
    AttemptLabels,
    Floats,
    Labels,
    RequestLabels,
    Rows,
)

Group = TypeVar("Group", bound=Hashable)

_AT_ONCE = 1_000_000
"""Rows that are summed at once."""

Places: TypeAlias = NDArray[np.int32]
"""Where rows stand in their table: at ten million rows, wider numbers are 40 MB more for each filter and each split."""


class Filter(Frozen, frozen=True, kw_only=True):
    """Which requests and attempts are looked at; an empty tuple means all.

    Attributes:
        since, until: Unix time, seconds; `until` itself is left out. None is open.
        categories: names; None in it stands for single models.
        models, providers, places, reasons, statuses: those of an attempt, or of one step of a request's path; places
            from 0.
        outcomes: of requests, and of attempts alike: answered, failed, cancelled (attempts also skipped).
        sources: see `Source`.
        callers: names of callers at the endpoint; None in it stands for those without a key.
        tags: `name=value`; one of each name that is in it.
        injected: also requests and calls with an injected fault.
    """

    since: float | None = None
    until: float | None = None
    categories: tuple[str | None, ...] = ()
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    callers: tuple[str | None, ...] = ()
    tags: tuple[str, ...] = ()
    injected: bool = False

    def before(self) -> Filter | None:
        """The same over the period before, of the same length; None where the period has no beginning or end."""
        if self.since is None or self.until is None:
            return None
        return replace(self, since=self.since - (self.until - self.since), until=self.since)

    def of_all_outcomes(self) -> Filter:
        """The same whatever the outcome: shares of what was filtered by its outcome would be 0 or 100%."""
        return replace(self, outcomes=(), reasons=(), statuses=())


class Slice(Generic[Labels]):
    """Some rows of a table, and what their labels say of them; a column is copied only where it is asked for.

    Args:
        rows: the whole table.
        places: (n,) where in it the slice's rows stand; None for all.
    """

    def __init__(self, rows: Rows[Labels], places: Places | None) -> None:
        self.rows = rows
        self._places = places

    def __len__(self) -> int:
        return len(self.label_index)

    @cached_property
    def label_index(self) -> NDArray[np.int32]:
        """(n,) where in `rows.labels` each row's are."""
        return self.pick(self.rows.label_index)

    @property
    def id(self) -> NDArray[np.int64]:
        """(n,) the rows' primary keys."""
        return self.pick(self.rows.id)

    @property
    def started(self) -> NDArray[np.float64]:
        """(n,) Unix time, seconds."""
        return self.pick(self.rows.started)

    def pick(self, column: NDArray[Any]) -> NDArray[Any]:
        """(n,) what a column of the whole table holds for these rows."""
        return column if self._places is None else column[self._places]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(labels,) rows of each combination."""
        return np.bincount(self.label_index, minlength=len(self.rows.labels))

    def labels(self) -> Iterator[tuple[Labels, int]]:
        """The combinations of labels that there are, with the number of their rows."""
        for number in np.flatnonzero(self.counts).tolist():
            yield self.rows.labels[number], int(self.counts[number])

    def mask(self, holds: Callable[[Labels], bool]) -> NDArray[np.bool_]:
        """(labels,) whether it holds of each combination."""
        found: NDArray[np.bool_] | None = self.rows.asked.get(holds)
        if found is None:
            found = self.rows.asked[holds] = np.fromiter(map(holds, self.rows.labels), bool, len(self.rows.labels))
        return found

    def count(self, holds: Callable[[Labels], bool]) -> int:
        """Rows of which it holds."""
        return int(self.counts[self.mask(holds)].sum())

    def counted(self, keys: Callable[[Labels], Iterable[Group]]) -> Counter[Group]:
        """Rows by the keys that their labels count for."""
        if keys not in self.rows.asked:
            pairs = [(number, key) for number, labels in enumerate(self.rows.labels) for key in keys(labels)]
            numbers = {key: number for number, key in enumerate(dict.fromkeys(key for _, key in pairs))}
            of_labels = np.array([number for number, _ in pairs], np.intp)
            self.rows.asked[keys] = [*numbers], of_labels, np.array([numbers[key] for _, key in pairs], np.intp)
        names, of_labels, of_key = self.rows.asked[keys]
        totals = np.bincount(of_key, self.counts[of_labels], len(names))
        return Counter({names[number]: int(totals[number]) for number in np.flatnonzero(totals).tolist()})

    def values(self, measure: str, holds: Callable[[Labels], bool] | None = None) -> Floats:
        """A measure of the rows of which it holds, or of all; NaN where it is not known."""
        return (self if holds is None else self.that(holds)).pick(self.rows.measures[measure])

    def sums(self, measure: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """(labels,) a measure's sum over each combination's rows where it is known, and (labels,) how many they are."""
        count = len(self.rows.labels)
        sums, known = np.zeros(count), np.zeros(count, np.int64)
        for start in range(0, len(self), _AT_ONCE):  # numpy widens what it counts
            part = self.take(slice(start, start + _AT_ONCE))
            values = part.values(measure)
            there = ~np.isnan(values)
            index = part.label_index[there]
            sums += np.bincount(index, values[there], minlength=count)
            known += np.bincount(index, minlength=count)
        return sums, known

    def that(self, holds: Callable[[Labels], bool]) -> Slice[Labels]:
        """The rows of which it holds."""
        return self.take(_set_in(self.mask(holds)[self.label_index]))

    def take(self, which: Places | slice) -> Slice[Labels]:
        """The rows at these places of the slice."""
        places = self._places
        if places is None:
            places = np.arange(len(self.rows.id), dtype=np.int32)[which] if isinstance(which, slice) else which
        else:
            places = places[which]
        return Slice(self.rows, places)

    def where(self, holds: Callable[[Labels], bool], since: float | None, until: float | None) -> Slice[Labels]:
        """The rows of a time of which it holds."""
        which = np.fromiter(map(holds, self.rows.labels), bool, len(self.rows.labels))[self.label_index]
        if since is not None:
            which &= self.started >= since
        if until is not None:
            which &= self.started < until
        return self if which.all() else self.take(_set_in(which))

    def split(self, groups: NDArray[np.integer[Any]]) -> dict[int, Slice[Labels]]:
        """The rows by the whole number that an array (n,) gives for each."""
        order, parts = self._in_groups(groups)
        ordered = self.take(order)
        return {group: ordered.take(part) for group, part in parts.items()}

    def split_by(self, label: str) -> dict[Any, Slice[Labels]]:
        """The rows by one of their labels."""
        found, of_labels = self._numbered(label)
        return {found[number]: part for number, part in self.split(of_labels[self.label_index]).items()}

    def _numbered(self, label: str) -> tuple[list[Any], NDArray[np.integer[Any]]]:
        """The values of a label, and (labels,) the number of each combination's."""
        of_labels = [getattr(labels, label) for labels in self.rows.labels]
        found = list(dict.fromkeys(of_labels))
        numbers = {value: number for number, value in enumerate(found)}
        # Numbers of 16 bits are sorted by radix, ten times faster than others.
        return found, np.array([numbers[value] for value in of_labels], np.min_scalar_type(len(found)))

    @staticmethod
    def _in_groups(groups: NDArray[np.integer[Any]]) -> tuple[Places, dict[int, slice]]:
        """The order in which groups stand together, and where each then stands."""
        if not len(groups):
            return np.zeros(0, np.int32), {}
        order = np.argsort(groups, kind="stable").astype(np.int32)
        ordered = groups[order]
        bounds = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(ordered)]
        return order, {int(ordered[start]): slice(start, end) for start, end in pairwise(bounds)}


def _in_buckets(rows: Slice[Labels], edges: NDArray[np.float64]) -> dict[int, Slice[Labels]]:
    return rows.split((np.searchsorted(edges, rows.started, side="right") - 1).astype(np.int16))


def _set_in(mask: NDArray[np.bool_]) -> Places:
    return np.flatnonzero(mask).astype(np.int32)


def speeds(calls: Slice[AttemptLabels]) -> NDArray[np.floating[Any]]:
    """(n,) output tokens per second after the first token; NaN where it is not known."""
    flowing = calls.values("latency") - calls.values("ttft")
    return calls.values("completion_tokens") / np.where(flowing > 0, flowing, np.nan)


class View:
    """Requests and attempts of a filter; every figure is one of a view."""

    def __init__(self, requests: Slice[RequestLabels], attempts: Slice[AttemptLabels]) -> None:
        self.requests = requests
        self.attempts = attempts

    @classmethod
    def of(cls, rows: tuple[Rows[RequestLabels], Rows[AttemptLabels]]) -> View:
        """All that `Observed.rows` gives."""
        return cls(Slice(rows[0], None), Slice(rows[1], None))

    @cached_property
    def began(self) -> float | None:
        """The Unix time of the first row, seconds; None where there is none."""
        return min((float(each.started.min()) for each in (self.requests, self.attempts) if len(each)), default=None)

    def where(self, chosen: Filter) -> View:
        """What a filter leaves."""

        def leaves(labels: RequestLabels | AttemptLabels, steps: Sequence[Step | AttemptLabels]) -> bool:
            return (
                (chosen.injected or not labels.injected)
                and (not chosen.categories or labels.category in chosen.categories)
                and (not chosen.sources or labels.source in chosen.sources)
                and (not chosen.callers or labels.caller in chosen.callers)
                and all(not values.isdisjoint(labels.tags) for values in tags.values())
                and (not chosen.outcomes or labels.outcome in chosen.outcomes)
                and (not of_steps or any(map(meets, steps)))
            )

        tags: defaultdict[str, set[str]] = defaultdict(set)
        for tag in chosen.tags:
            tags[tag.partition("=")[0]].add(tag)
        of_steps = [
            (attrgetter(name), values)
            for name, values in (
                ("model", chosen.models),
                ("provider", chosen.providers),
                ("place", chosen.places),
                ("reason", chosen.reasons),
                ("status", chosen.statuses),
            )
            if values
        ]

        def meets(step: Step | AttemptLabels) -> bool:
            return all(get(step) in values for get, values in of_steps)

        def request(labels: RequestLabels) -> bool:
            return leaves(labels, labels.path)

        def attempt(labels: AttemptLabels) -> bool:
            return leaves(labels, (labels,))

        since, until = chosen.since, chosen.until
        return View(self.requests.where(request, since, until), self.attempts.where(attempt, since, until))

    def over_time(self, edges: NDArray[np.float64]) -> dict[float, View]:
        """The view by buckets of time, oldest first; only those with something in them.

        Args:
            edges: (buckets + 1,) ascending Unix times, seconds, that hold all rows between them.

        Returns:
            By the Unix time of a bucket's beginning.
        """
        requests, attempts = _in_buckets(self.requests, edges), _in_buckets(self.attempts, edges)
        nothing = np.zeros(0, np.int32)
        no_requests, no_attempts = self.requests.take(nothing), self.attempts.take(nothing)
        return {
            float(edges[number]): View(requests.get(number, no_requests), attempts.get(number, no_attempts))
            for number in sorted({*requests, *attempts})
        }
