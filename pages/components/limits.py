"""The limits of one chain and of all, drawn to be changed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.config import ChainPolicy, Policy
from router.editing import Draft

Change: TypeAlias = Callable[[Callable[[Draft], Draft]], None]
"""Takes a change of the draft, or says why it cannot be."""

Take: TypeAlias = Callable[[str, Any], None]
"""Takes a limit's new value, by its place under `policy`; None: its field was emptied."""

WIDTH = 400
"""Pixels of the limits side by side; on a phone they stand below each other."""


class _Field(NamedTuple):
    """A number of the policy.

    Attributes:
        at: where it stands under `policy`.
        unit: what one of it is in the policy's own unit; `suffix` is what the file calls it.
    """

    at: str
    words: str
    whole: bool = False
    least: float = 0.01
    most: float | None = None
    unit: float = 1
    suffix: str = ""

    def of(self, policy: ChainPolicy) -> float:
        value = _at(policy, self.at) / self.unit
        return int(value) if self.whole else float(value)

    def written(self, value: float) -> float | str:
        return f"{value:.12g}{self.suffix}" if self.suffix else int(value) if value == int(value) else value


_CHAIN = (
    _Field("first_token", "First token"),
    _Field("stall", "Silence between two tokens"),
    _Field("answer", "One whole answer"),
    _Field("deadline", "The chain until its first token"),
    _Field("max_answer", "One streamed answer"),
    _Field("connect", "To open a connection"),
    _Field("retries", "Retries of the same model", whole=True, least=0, most=20),
    _Field("backoff.base", "First wait before a retry, at most"),
    _Field("backoff.cap", "Any wait before a retry, at most"),
)
_BREAKER = (
    _Field("breaker.window", "Calls that count, the last so many", whole=True, least=1),
    _Field("breaker.within", "If not older than this"),
    _Field("breaker.min_calls", "At least so many calls", whole=True, least=1),
    _Field("breaker.failure_rate", "Share of them that failed", least=0.01, most=1.0),
    _Field("breaker.open_for", "Passed over for"),
)
_CACHE = (
    _Field("cache.ttl", "Kept for, in days", least=0.01, unit=86_400, suffix="d"),
    _Field("cache.size_limit", "At most, in GB", least=0.01, unit=1e9, suffix="GB"),
)
_RETENTION = (
    _Field("retention.ttl", "Each call for, in days", least=0.01, unit=86_400, suffix="d"),
    _Field("retention.size_limit", "All at most, in GB", least=0.01, unit=1e9, suffix="GB"),
    _Field("retention.summaries", "Summaries for, in days", least=0.01, unit=86_400, suffix="d"),
)
_FILTERED = "After a content-policy rejection"
_ON_FILTER = {"stop": "Stop with the provider's reason", "next": "Go on to the next model"}


def edit_own_limits(category: str, own: ChainPolicy, general: ChainPolicy, change: Change) -> None:
    """A chain's own limits; those that it leaves out are the ones of all chains."""

    def take(at: str, value: Any) -> None:
        usual = _at(general, at)
        limit = _unless(usual, value)
        if limit is not None or _at(own, at) != usual:
            change(lambda draft: draft.with_policy(category, at.split("."), limit))

    with _popover("Limits", ":material/timer:", f"limits_{category}") as is_open:
        if is_open:
            st.caption("Times are in seconds. An empty field takes the limit of all chains.")
            with _fields():
                for field in _CHAIN:
                    usual = field.of(general)
                    shown, hint = _unless(usual, field.of(own)), f"{usual:g}, as all chains"
                    _number(field, f"limit_{category}_{field.at}", shown, take, placeholder=hint)
            st.selectbox(
                _FILTERED,
                list(_ON_FILTER),
                index=None,
                format_func=_ON_FILTER.__getitem__,
                placeholder=f"{_ON_FILTER[general.on_content_filter]}, as all chains",
                width=WIDTH,
                **_bound(
                    f"limit_{category}_on_content_filter",
                    _unless(general.on_content_filter, own.on_content_filter),
                    lambda value: take("on_content_filter", value),
                ),
            )


def edit_limits(policy: Policy, change: Change) -> None:
    """The limits of all chains, and what belongs to no single one, in a box of their own."""

    def take(at: str, value: Any) -> None:
        if value is not None:
            change(lambda draft: draft.with_limit(at.split("."), value))

    with st.container(border=True):
        st.markdown("##### All chains", anchors=False)
        with st.container(horizontal=True):
            with _popover("Limits", ":material/timer:", "general_limits") as is_open:
                if is_open:
                    st.caption("Times are in seconds, for each chain that has no limit of its own.")
                    _numbers(_CHAIN, policy, take)
                    _choice("on_content_filter", _FILTERED, _ON_FILTER, policy, take)
            with _popover("Circuit breaker", ":material/electrical_services:", "general_breaker") as is_open:
                if is_open:
                    st.caption("A model that fails too often is passed over; then one call tries it. Times are in"
                               " seconds.")  # fmt: skip
                    _numbers(_BREAKER, policy, take)
            with _popover("Cache", ":material/cached:", "general_cache") as is_open:
                if is_open:
                    _choice("cache.enabled", "Identical requests from disk", {True: "Yes", False: "No"}, policy, take)
                    _numbers(_CACHE, policy, take)
            with _popover("Retention", ":material/auto_delete:", "general_retention") as is_open:
                if is_open:
                    st.caption("What was observed is kept call by call at first, then as hourly summaries.")
                    _numbers(_RETENTION, policy, take)


def _at(policy: ChainPolicy, at: str) -> Any:
    return operator.attrgetter(at)(policy)


def _unless(usual: Any, value: Any) -> Any:
    return value if value != usual else None


@contextmanager
def _popover(words: str, icon: str, key: str) -> Iterator[bool]:
    """Says whether it is open. What stands in it is to be drawn only then: a field that the browser first sees in a
    later run than the one that gave it its value is empty there, and would be saved so.
    """
    popover = st.popover(words, icon=icon, key=key, on_change="rerun")
    with popover:
        yield bool(popover.open)


def _numbers(fields: Iterable[_Field], policy: Policy, take: Take) -> None:
    with _fields():
        for field in fields:
            _number(field, f"general_{field.at}", field.of(policy), take)


def _fields() -> DeltaGenerator:
    return st.grid(2, min_column_width=180, width=WIDTH)


def _number(field: _Field, key: str, shown: float | None, take: Take, *, placeholder: str | None = None) -> None:
    st.number_input(
        field.words,
        min_value=int(field.least) if field.whole else min(field.least, field.least if shown is None else shown),
        max_value=int(field.most) if field.whole and field.most is not None else field.most,
        value=None,
        step=1 if field.whole else None,
        format=None if field.whole else "%g",
        placeholder=placeholder,
        **_bound(key, shown, lambda value: take(field.at, field.written(value) if value is not None else None)),
    )


def _choice(at: str, words: str, options: Mapping[Any, str], policy: Policy, take: Take) -> None:
    st.segmented_control(
        words,
        list(options),
        format_func=options.__getitem__,
        required=True,
        **_bound(f"general_{at}", _at(policy, at), lambda value: take(at, value)),
    )


def _bound(key: str, shown: Any, take: Callable[[Any], None]) -> dict[str, Any]:
    """The key of a field, which is named after what it shows: another value, however it came about, is another field;
    and what is done with a new one.
    """
    key = f"{key}_{shown}"
    # Not as `value`: a field that begins with a number cannot be emptied.
    st.session_state.setdefault(key, shown)

    def taken() -> None:
        value = st.session_state[key]
        st.session_state[key] = shown  # where the change cannot be made, and where it is taken back
        take(value)

    return {"key": key, "on_change": taken}
