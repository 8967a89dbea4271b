"""Saved changes of models.yaml: a thin line on every chart over time, with before and after at a click."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from router.config.editing import Change
from router.core.formatting import moment

from components.shared.chart_colors import ink
from components.shared.following import drawer
from components.shared.markdown import label
from components.shared.zone import zone

_LINES = 3
"""Lines of each side of a change that its tooltip has."""


def change_layers(changes: Sequence[Change], x: dict[str, Any], first: int) -> list[dict[str, Any]]:
    """The Vega-Lite layers of the changes; `first` is the row of the first."""
    values = [
        {
            "time": datetime.fromtimestamp(change.at, UTC).isoformat(),
            "models.yaml": change.why,
            "before": _side(change, "-"),
            "after": _side(change, "+"),
            "row": first + number,
        }
        for number, change in enumerate(changes)
    ]
    tips: list[dict[str, Any]] = [{"field": "time", "type": "temporal", "format": "%d %b %H:%M"}]
    tips += [{"field": name, "type": "nominal"} for name in (r"models\.yaml", "before", "after")]
    tips[1]["title"] = "models.yaml"
    shared = {"data": {"values": values}}
    return [
        {
            **shared,
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": ink(), "opacity": 0.5, "clip": True},
            "encoding": {"x": x, "tooltip": tips},
        },
        {
            **shared,
            "mark": {"type": "point", "shape": "triangle-down", "filled": True, "size": 90, "color": ink()},
            "encoding": {"x": x, "y": {"value": 4}, "tooltip": tips},
        },
    ]


def _side(change: Change, sign: str) -> str:
    lines = [line[1:].strip() for line in change.diff().splitlines() if line.startswith(sign)]
    rest = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    return "; ".join([*lines[:_LINES], *rest]) or "–"


def open_change(change: Change) -> None:
    """A drawer with what was changed."""
    title = f"models.yaml · {moment(change.at, zone())}"

    @drawer(title, ":material/history:")
    def draw() -> None:
        st.markdown(f"**{label(change.why)}**")
        st.code(change.diff(), language="diff", wrap_lines=True)
        st.page_link("chains.py", label="Undo it on the Chains page", icon=":material/link:")

    draw()
