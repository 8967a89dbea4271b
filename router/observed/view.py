"""A part of what was observed: filtered, and split by time or by label."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from router.messages import Frozen
from router.observed.columns import AttemptKind, Floats, Kind, RequestKind, Rows

Group = TypeVar("Group", bound=Hashable)


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
    """Rows of one table, and what their kinds say of them.

    Args:
        masks: what was asked of all kinds so far; shared by the slices of one table.
    """

    def __init__(self, rows: Rows[Kind], masks: dict[Callable[[Kind], bool], NDArray[np.bool_]]) -> None:
        self.rows = rows
        self._masks = masks

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(kinds,) rows of each kind."""
        return np.bincount(self.rows.kind, minlength=len(self.rows.kinds))

    def kinds(self) -> Iterator[tuple[Kind, int]]:
        """The kinds that there are, with the number of their rows."""
        for number in np.flatnonzero(self.counts).tolist():
            yield self.rows.kinds[number], int(self.counts[number])

    def mask(self, holds: Callable[[Kind], bool]) -> NDArray[np.bool_]:
        """(kinds,) whether it holds of each kind."""
        found = self._masks.get(holds)
        if found is None:
            found = self._masks[holds] = np.fromiter(map(holds, self.rows.kinds), bool, len(self.rows.kinds))
        return found

    def count(self, holds: Callable[[Kind], bool]) -> int:
        """Rows of which it holds."""
        return int(self.counts[self.mask(holds)].sum())

    def values(self, measure: str, holds: Callable[[Kind], bool]) -> Floats:
        """A measure of the rows of which it holds, NaN where it is not known."""
        return self.rows.measures[measure][self.mask(holds)[self.rows.kind]]

    def sums(self, measure: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """(kinds,) the sum of a measure over each kind's rows where it is known, and (kinds,) how many these are."""
        values = self.rows.measures[measure]
        known = ~np.isnan(values)
        kind, kinds = self.rows.kind[known], len(self.rows.kinds)
        return np.bincount(kind, values[known], minlength=kinds), np.bincount(kind, minlength=kinds)

    def values_by(self, label: str, measure: str, holds: Callable[[Kind], bool]) -> dict[Any, Floats]:
        """A measure of the rows of which it holds, by one of their labels."""
        which = self.mask(holds)[self.rows.kind]
        labels, of_kind = self._numbered(label)
        order, parts = self._in_groups(of_kind[self.rows.kind[which]])
        values = self.rows.measures[measure][which][order]
        return {labels[number]: values[part] for number, part in parts.items()}

    def take(self, which: NDArray[np.intp] | slice) -> Slice[Kind]:
        """The rows at these places."""
        kinds, kind, ids, started, measures = self.rows
        taken = {name: values[which] for name, values in measures.items()}
        return Slice(Rows(kinds, kind[which], ids[which], started[which], taken), self._masks)

    def where(self, holds: Callable[[Kind], bool], since: float | None, until: float | None) -> Slice[Kind]:
        """The rows of a time of which it holds."""
        which = np.fromiter(map(holds, self.rows.kinds), bool, len(self.rows.kinds))[self.rows.kind]
        if since is not None:
            which &= self.rows.started >= since
        if until is not None:
            which &= self.rows.started < until
        return self if which.all() else self.take(np.flatnonzero(which))

    def split(self, groups: NDArray[Any]) -> dict[Any, Slice[Kind]]:
        """The rows by the whole number that an array (n,) gives for each."""
        order, parts = self._in_groups(groups)
        ordered = self.take(order)
        return {group: ordered.take(part) for group, part in parts.items()}

    def split_by(self, label: str) -> dict[Any, Slice[Kind]]:
        """The rows by one of their labels."""
        labels, of_kind = self._numbered(label)
        return {labels[number]: part for number, part in self.split(of_kind[self.rows.kind]).items()}

    def _numbered(self, label: str) -> tuple[list[Any], NDArray[np.int32]]:
        """The values of a label, and (kinds,) the number of each kind's."""
        of_kind = [getattr(kind, label) for kind in self.rows.kinds]
        labels = list(dict.fromkeys(of_kind))
        numbers = {value: number for number, value in enumerate(labels)}
        return labels, np.array([numbers[value] for value in of_kind], np.int32)

    @staticmethod
    def _in_groups(groups: NDArray[Any]) -> tuple[NDArray[np.intp], dict[int, slice]]:
        """The order in which groups stand together, and where each then stands."""
        if not len(groups):
            return np.zeros(0, np.intp), {}
        first = groups.min()
        # Numbers of 16 bits are sorted by radix, ten times faster than others.
        small = (groups - first).astype(np.uint16 if groups.max() - first < 2**16 else np.int64)
        order = np.argsort(small, kind="stable")
        ordered = small[order]
        bounds = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(ordered)]
        return order, {int(ordered[start] + first): slice(start, end) for start, end in pairwise(bounds)}


class View:
    """Requests and attempts of a filter; every figure is one of a view."""

    def __init__(self, requests: Slice[RequestKind], attempts: Slice[AttemptKind]) -> None:
        self.requests = requests
        self.attempts = attempts

    @classmethod
    def of(cls, rows: tuple[Rows[RequestKind], Rows[AttemptKind]]) -> View:
        """All that `Observed.rows` gives."""
        return cls(Slice(rows[0], {}), Slice(rows[1], {}))

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
        return {
            number * width: view
            for number, view in self._pairs(
                self.requests.split(np.floor(self.requests.rows.started / width)),
                self.attempts.split(np.floor(self.attempts.rows.started / width)),
            ).items()
        }

    def by(self, label: Literal["category", "model", "source"]) -> dict[str | None, View]:
        """The view by a label; a request's model is the one that answered it, None where none did."""
        return self._pairs(self.requests.split_by(label), self.attempts.split_by(label))

    def _pairs(
        self, requests: dict[Group, Slice[RequestKind]], attempts: dict[Group, Slice[AttemptKind]]
    ) -> dict[Group, View]:
        nothing = np.zeros(0, np.intp)
        no_requests, no_attempts = self.requests.take(nothing), self.attempts.take(nothing)
        groups = sorted({*requests, *attempts}, key=lambda group: (group is not None, group))
        return {group: View(requests.get(group, no_requests), attempts.get(group, no_attempts)) for group in groups}
