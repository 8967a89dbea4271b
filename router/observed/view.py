"""A part of what was observed: filtered, and split by time or by label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from router.messages import Frozen
from router.observed.columns import AttemptKind, Floats, Kind, RequestKind, Rows

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
        models, providers: those that an attempt was made of, or a request has on its path.
        outcomes: of requests, and of attempts alike: answered, failed, cancelled (attempts also skipped).
        sources: chat, compare, eval, cli, check.
        injected: also what befell on demand.
    """

    since: float | None = None
    until: float | None = None
    categories: tuple[str | None, ...] = ()
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    injected: bool = False

    def before(self) -> Filter | None:
        """The same over the period before, of the same length; None where the period has no beginning or end."""
        if self.since is None or self.until is None:
            return None
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return Filter(**{**fields, "since": self.since - (self.until - self.since), "until": self.since})


class Slice(Generic[Kind]):
    """Some rows of a table, and what their kinds say of them; a column is copied only where it is asked for.

    Args:
        rows: the whole table.
        places: (n,) where in it the slice's rows stand; None for all.
    """

    def __init__(self, rows: Rows[Kind], places: Places | None) -> None:
        self.rows = rows
        self._places = places

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def kind(self) -> NDArray[np.int32]:
        """(n,) the numbers of the rows' kinds."""
        return self.pick(self.rows.kind)

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
        """(kinds,) rows of each kind."""
        return np.bincount(self.kind, minlength=len(self.rows.kinds))

    def kinds(self) -> Iterator[tuple[Kind, int]]:
        """The kinds that there are, with the number of their rows."""
        for number in np.flatnonzero(self.counts).tolist():
            yield self.rows.kinds[number], int(self.counts[number])

    def mask(self, holds: Callable[[Kind], bool]) -> NDArray[np.bool_]:
        """(kinds,) whether it holds of each kind."""
        found: NDArray[np.bool_] | None = self.rows.asked.get(holds)
        if found is None:
            found = self.rows.asked[holds] = np.fromiter(map(holds, self.rows.kinds), bool, len(self.rows.kinds))
        return found

    def count(self, holds: Callable[[Kind], bool]) -> int:
        """Rows of which it holds."""
        return int(self.counts[self.mask(holds)].sum())

    def counted(self, keys: Callable[[Kind], Iterable[Group]]) -> Counter[Group]:
        """Rows by the keys that their kinds count for."""
        if keys not in self.rows.asked:
            pairs = [(number, key) for number, kind in enumerate(self.rows.kinds) for key in keys(kind)]
            numbers = {key: number for number, key in enumerate(dict.fromkeys(key for _, key in pairs))}
            of_kind = np.array([kind for kind, _ in pairs], np.intp)
            self.rows.asked[keys] = [*numbers], of_kind, np.array([numbers[key] for _, key in pairs], np.intp)
        names, of_kind, of_key = self.rows.asked[keys]
        totals = np.bincount(of_key, self.counts[of_kind], len(names))
        return Counter({names[number]: int(totals[number]) for number in np.flatnonzero(totals).tolist()})

    def values(self, measure: str, holds: Callable[[Kind], bool] | None = None) -> Floats:
        """A measure of the rows of which it holds, or of all; NaN where it is not known."""
        return (self if holds is None else self.that(holds)).pick(self.rows.measures[measure])

    def sums(self, measure: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """(kinds,) the sum of a measure over each kind's rows where it is known, and (kinds,) how many these are."""
        kinds = len(self.rows.kinds)
        sums, known = np.zeros(kinds), np.zeros(kinds, np.int64)
        for start in range(0, len(self), _AT_ONCE):  # numpy widens what it counts
            part = self.take(slice(start, start + _AT_ONCE))
            values = part.values(measure)
            there = ~np.isnan(values)
            kind = part.kind[there]
            sums += np.bincount(kind, values[there], minlength=kinds)
            known += np.bincount(kind, minlength=kinds)
        return sums, known

    def that(self, holds: Callable[[Kind], bool]) -> Slice[Kind]:
        """The rows of which it holds."""
        return self.take(_set_in(self.mask(holds)[self.kind]))

    def take(self, which: Places | slice) -> Slice[Kind]:
        """The rows at these places of the slice."""
        places = self._places
        if places is None:
            places = np.arange(len(self.rows.id), dtype=np.int32)[which] if isinstance(which, slice) else which
        else:
            places = places[which]
        return Slice(self.rows, places)

    def where(self, holds: Callable[[Kind], bool], since: float | None, until: float | None) -> Slice[Kind]:
        """The rows of a time of which it holds."""
        which = np.fromiter(map(holds, self.rows.kinds), bool, len(self.rows.kinds))[self.kind]
        if since is not None:
            which &= self.started >= since
        if until is not None:
            which &= self.started < until
        return self if which.all() else self.take(_set_in(which))

    def split(self, groups: NDArray[np.integer[Any]]) -> dict[int, Slice[Kind]]:
        """The rows by the whole number that an array (n,) gives for each."""
        order, parts = self._in_groups(groups)
        ordered = self.take(order)
        return {group: ordered.take(part) for group, part in parts.items()}

    def split_by(self, label: str) -> dict[Any, Slice[Kind]]:
        """The rows by one of their labels."""
        labels, of_kind = self._numbered(label)
        return {labels[number]: part for number, part in self.split(of_kind[self.kind]).items()}

    def _numbered(self, label: str) -> tuple[list[Any], NDArray[np.integer[Any]]]:
        """The values of a label, and (kinds,) the number of each kind's."""
        of_kind = [getattr(kind, label) for kind in self.rows.kinds]
        labels = list(dict.fromkeys(of_kind))
        numbers = {value: number for number, value in enumerate(labels)}
        # Numbers of 16 bits are sorted by radix, ten times faster than others.
        return labels, np.array([numbers[value] for value in of_kind], np.min_scalar_type(len(labels)))

    @staticmethod
    def _in_groups(groups: NDArray[np.integer[Any]]) -> tuple[Places, dict[int, slice]]:
        """The order in which groups stand together, and where each then stands."""
        if not len(groups):
            return np.zeros(0, np.int32), {}
        order = np.argsort(groups, kind="stable").astype(np.int32)
        ordered = groups[order]
        bounds = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(ordered)]
        return order, {int(ordered[start]): slice(start, end) for start, end in pairwise(bounds)}


def _in_buckets(rows: Slice[Kind], width: float) -> dict[int, Slice[Kind]]:
    numbers = rows.started / width
    # Wide numbers are sorted by runs, and rows come nearly in the order of their times.
    return rows.split(np.floor(numbers, out=numbers).astype(np.int32))


def _set_in(mask: NDArray[np.bool_]) -> Places:
    return np.flatnonzero(mask).astype(np.int32)


class View:
    """Requests and attempts of a filter; every figure is one of a view."""

    def __init__(self, requests: Slice[RequestKind], attempts: Slice[AttemptKind]) -> None:
        self.requests = requests
        self.attempts = attempts

    @classmethod
    def of(cls, rows: tuple[Rows[RequestKind], Rows[AttemptKind]]) -> View:
        """All that `Observed.rows` gives."""
        return cls(Slice(rows[0], None), Slice(rows[1], None))

    def where(self, chosen: Filter) -> View:
        """What a filter leaves."""

        def leaves(kind: RequestKind | AttemptKind, models: set[str], providers: set[str]) -> bool:
            return (
                (chosen.injected or not kind.injected)
                and (not chosen.categories or kind.category in chosen.categories)
                and (not chosen.sources or kind.source in chosen.sources)
                and (not chosen.outcomes or kind.outcome in chosen.outcomes)
                and (not chosen.models or not models.isdisjoint(chosen.models))
                and (not chosen.providers or not providers.isdisjoint(chosen.providers))
            )

        def request(kind: RequestKind) -> bool:
            return leaves(kind, {step.model for step in kind.path}, {step.provider for step in kind.path})

        def attempt(kind: AttemptKind) -> bool:
            return leaves(kind, {kind.model}, {kind.provider})

        since, until = chosen.since, chosen.until
        return View(self.requests.where(request, since, until), self.attempts.where(attempt, since, until))

    def over_time(self, width: float) -> dict[float, View]:
        """The view by buckets of time, oldest first; only those with something in them.

        Args:
            width: seconds. Buckets begin at its multiples.

        Returns:
            By the Unix time of a bucket's beginning.
        """
        requests, attempts = _in_buckets(self.requests, width), _in_buckets(self.attempts, width)
        nothing = np.zeros(0, np.int32)
        no_requests, no_attempts = self.requests.take(nothing), self.attempts.take(nothing)
        return {
            number * width: View(requests.get(number, no_requests), attempts.get(number, no_attempts))
            for number in sorted({*requests, *attempts})
        }
