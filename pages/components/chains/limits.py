"""The editors of one chain's limits and of all chains' limits."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.config.draft import Draft
from router.config.policy import ChainPolicy, Policy

Change: TypeAlias = Callable[[Callable[[Draft], Draft]], None]
"""Applies a change to the draft, or shows why it cannot."""

Take: TypeAlias = Callable[[str, Any], None]
"""Takes a limit's new value, by its path under `policy`; None if its field was emptied."""

WIDTH = 400
"""Pixels of the limits side by side; on a phone they are stacked."""


class _Field(NamedTuple):
    """A number of the policy.

    Attributes:
        at: its path under `policy`.
        unit: one displayed unit, in the policy's own unit; `suffix` is how the file writes it.
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
    _Field("stall", "Gap between two tokens"),
    _Field("min_tokens_per_s", "Minimum tokens per second", least=0.0),
    _Field("answer", "Answer, not streamed"),
    _Field("deadline", "Chain, until its first token"),
    _Field("max_answer", "Answer, streamed"),
    _Field("connect", "Connection"),
    _Field("retries", "Retries per model", whole=True, least=0, most=20),
    _Field("backoff.base", "First retry delay, at most"),
    _Field("backoff.cap", "Any retry delay, at most"),
    _Field("retry_after_at_most", "Longest Retry-After to wait for"),
    _Field("cooldown_cap", "Longest cooldown"),
)
_BREAKER = (
    _Field("breaker.window", "Window, in calls", whole=True, least=1),
    _Field("breaker.within", "Window, in seconds"),
    _Field("breaker.min_calls", "Minimum calls", whole=True, least=1),
    _Field("breaker.failure_rate", "Failure rate", least=0.01, most=1.0),
    _Field("breaker.open_for", "Skipped for"),
)
_CACHE = (
    _Field("cache.ttl", "Keep for, in days", least=0.01, unit=86_400, suffix="d"),
    _Field("cache.size_limit", "Size limit, in GB", least=0.01, unit=1e9, suffix="GB"),
)
_RETENTION = (
    _Field("retention.ttl", "Keep calls for, in days", least=0.01, unit=86_400, suffix="d"),
    _Field("retention.size_limit", "Size limit, in GB", least=0.01, unit=1e9, suffix="GB"),
    _Field("retention.summaries", "Keep summaries for, in days", least=0.01, unit=86_400, suffix="d"),
)
_STOP = {"stop": "Stop with the provider's reason", "next": "Try the next model"}
_ACCEPT = {"accept": "Accept the answer", "next": "Try the next model"}
_STAY = {"off": "Begin with the primary each time", "session": "Stay with the model that answered last"}
_CHOICES = {
    "on_content_filter": ("After a content-policy rejection", _STOP),
    "on_invalid_tool_call": ("After a tool call that does not fit its tool", _ACCEPT),
    "on_invalid_json": ("After an answer that is not the JSON asked for", _ACCEPT),
    "stickiness": ("A session of the endpoint's callers", _STAY),
}
"""What there is to choose, by its name under `policy`: the question, and the options in words."""


def edit_own_limits(category: str, own: ChainPolicy, general: ChainPolicy, change: Change) -> None:
    """A chain's own limits; the general limits apply where it has none."""

    def take(at: str, value: Any) -> None:
        usual = _at(general, at)
        limit = _unless(usual, value)
        if limit is not None or _at(own, at) != usual:
            change(lambda draft: draft.with_policy(category, at.split("."), limit))

    with _popover("Limits", ":material/timer:", f"limits_{category}") as is_open:
        if is_open:
            st.caption("Times are in seconds. Empty fields use the limits under All chains.")
            with _fields():
                for field in _CHAIN:
                    usual = field.of(general)
                    shown, hint = _unless(usual, field.of(own)), f"{usual:g} (all chains)"
                    _number(field, f"limit_{category}_{field.at}", shown, take, placeholder=hint)
            for at, (words, options) in _CHOICES.items():
                usual = _at(general, at)
                st.selectbox(
                    words,
                    list(options),
                    index=None,
                    format_func=options.__getitem__,
                    placeholder=f"{options[usual]} (all chains)",
                    width=WIDTH,
                    **_bound(
                        f"limit_{category}_{at}",
                        _unless(usual, _at(own, at)),
                        functools.partial(take, at),
                    ),
                )


def edit_limits(policy: Policy, change: Change) -> None:
    """The general limits, the breaker, the cache and retention, in their own box."""

    def take(at: str, value: Any) -> None:
        if value is not None:
            change(lambda draft: draft.with_limit(at.split("."), value))

    with st.container(border=True):
        st.markdown("## All chains", anchors=False)
        with st.container(horizontal=True):
            with _popover("Limits", ":material/timer:", "general_limits") as is_open:
                if is_open:
                    st.caption("Times are in seconds. A chain's own limits take precedence.")
                    _numbers(_CHAIN, policy, take)
                    for at, (words, options) in _CHOICES.items():
                        _choice(at, words, options, policy, take)
            with _popover("Circuit breaker", ":material/electrical_services:", "general_breaker") as is_open:
                if is_open:
                    st.caption(
                        "A model that fails too often is skipped, then tested with one call. Times are in seconds."
                    )
                    _numbers(_BREAKER, policy, take)
            with _popover("Cache", ":material/cached:", "general_cache") as is_open:
                if is_open:
                    _choice(
                        "cache.enabled",
                        "Answer identical requests from the cache",
                        {True: "Yes", False: "No"},
                        policy,
                        take,
                    )
                    _numbers(_CACHE, policy, take)
            with _popover("Retention", ":material/auto_delete:", "general_retention") as is_open:
                if is_open:
                    st.caption("Calls are kept one by one at first, then as hourly summaries.")
                    _numbers(_RETENTION, policy, take)


def _at(policy: ChainPolicy, at: str) -> Any:
    return operator.attrgetter(at)(policy)


def _unless(usual: Any, value: Any) -> Any:
    return value if value != usual else None


@contextmanager
def _popover(words: str, icon: str, key: str) -> Iterator[bool]:
    """Yields whether the popover is open. Draw its contents only then: a field that the browser first sees in a run
    after the one that set its value is empty there, and would be saved as empty.
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
    """A field's key and callback. The key contains the shown value, so that a value that changed elsewhere makes a
    new field.
    """
    key = f"{key}_{shown}"
    # Not as `value`: a field that starts with a number cannot be emptied.
    st.session_state.setdefault(key, shown)

    def taken() -> None:
        value = st.session_state[key]
        st.session_state[key] = shown  # if the change is invalid, or is discarded later
        take(value)

    return {"key": key, "on_change": taken}
