"""The controls for how an answer is sampled. Those left alone are not sent: the model's own default holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import streamlit as st

from router.chat.tools import read_params
from router.core.conversations import Settings
from router.core.requests import EFFORTS
from router.core.stops import read_stops, write_stops
from router.store import MAX_TOKENS

from components.shared.tools import checked, pretty

_DEFAULT = "Model default"
MAX_SEED = 2**53 - 1
"""The largest whole number that a browser holds."""


def edit_sampling(
    begin: Settings, key_of: Callable[[str], str], *, no_system: str = "None", keep: Literal["session"] | None = None
) -> Settings:
    """The controls for the system prompt and for sampling, with the values of these settings at first.

    Args:
        key_of: gives the key of a parameter's control.
        no_system: what holds where there is no system prompt.
        keep: how long the values outlive a visit to another page.
    """
    system = st.text_area(
        "System prompt", begin.system, 100, key=key_of("system"), persist_state=keep, placeholder=no_system
    )
    left, right = st.columns(2, wrap=False)
    with left:
        temperature = st.number_input(
            "Temperature", 0.0, 2.0, begin.temperature, 0.1, placeholder=_DEFAULT, key=key_of("temperature"),
            persist_state=keep,
        )  # fmt: skip
        top_p = st.number_input(
            "Top-p", 0.0, 1.0, _number(begin.params.get("top_p"), 0, 1), 0.05, placeholder=_DEFAULT,
            key=key_of("top_p"), persist_state=keep,
            help="Only the most likely tokens whose shares add up to this are sampled.",
        )  # fmt: skip
        effort = st.selectbox(
            "Reasoning effort", EFFORTS, _index(begin.params.get("reasoning_effort")), placeholder=_DEFAULT,
            key=key_of("reasoning_effort"), persist_state=keep,
            help="For models that reason; some know only a few of these.",
        )  # fmt: skip
    with right:
        max_tokens = st.number_input(
            "Max tokens", 1, MAX_TOKENS, begin.max_tokens, 1, placeholder=_DEFAULT, key=key_of("max_tokens"),
            persist_state=keep,
        )  # fmt: skip
        seed = st.number_input(
            "Seed", -MAX_SEED, MAX_SEED, _whole(begin.params.get("seed")), 1, format="%d", placeholder="Random",
            key=key_of("seed"), persist_state=keep,
            help="With the same seed, some models give the same answer again.",
        )  # fmt: skip
        stops = st.text_area(
            "Stop sequences", write_stops(_stops(begin.params.get("stop"))), 68, placeholder="One a line",
            key=key_of("stop"), persist_state=keep,
            help="The answer ends before the first of them. A line break in one is `\\n`.",
        )  # fmt: skip
    fields = {"top_p": top_p, "stop": read_stops(stops) or None, "seed": seed, "reasoning_effort": effort}
    params = {name: value for name, value in fields.items() if value is not None}
    others = _other_fields(begin, key_of, keep)
    return Settings(system=system, temperature=temperature, max_tokens=max_tokens, params={**params, **others})


def _other_fields(begin: Settings, key_of: Callable[[str], str], keep: Literal["session"] | None) -> Mapping[str, Any]:
    text = st.text_area(
        "Other request fields, as JSON",
        pretty(_unknown_to_controls(begin.params)),
        68,
        key=key_of("params"),
        persist_state=keep,
        placeholder='{"frequency_penalty": 0.5}',
    )
    found: Mapping[str, Any] | None = checked(read_params, text)
    return found or {}


def _unknown_to_controls(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request's body that these controls cannot show: others, and values outside their range."""
    shown = {
        "top_p": _number(params.get("top_p"), 0, 1) is not None,
        "stop": bool(_stops(params.get("stop"))),
        "seed": _whole(params.get("seed")) is not None,
        "reasoning_effort": _index(params.get("reasoning_effort")) is not None,
    }
    return {name: value for name, value in params.items() if not shown.get(name)}


def _number(value: object, least: float, most: float) -> float | None:
    return float(value) if isinstance(value, int | float) and least <= value <= most else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and abs(value) <= MAX_SEED else None


def _index(effort: object) -> int | None:
    return EFFORTS.index(effort) if effort in EFFORTS else None


def _stops(value: object) -> list[str]:
    found = [value] if isinstance(value, str) else value
    return list(found) if isinstance(found, list | tuple) and all(isinstance(stop, str) for stop in found) else []
