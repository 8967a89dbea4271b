"""What all charts are made of: parts of Vega-Lite, and a picture of rows with what draws them.

Charts are plain Vega-Lite: Altair produces the same but takes 50 ms or more per chart, and a page has eleven.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from components.dashboard.colors import REASONS
from components.dashboard.view_model import ViewModel

BAR = "#14988b"
"""The color of marks that stand for nothing in particular."""

Spec = dict[str, Any]


class Picture(NamedTuple):
    """Rows, and the Vega-Lite that draws them.

    Attributes:
        legend: what each color stands for; Vega's own legend does not wrap.
        behind: layers with rows of their own, which stand for no mark.
    """

    frame: pd.DataFrame
    spec: Spec
    legend: Mapping[str, str] = MappingProxyType({})
    behind: Sequence[Spec] = ()


SHARE = {"value": ("share", ".1%"), "low": ("95% from", ".1%"), "high": ("to", ".1%"), "rows": ("of", ",d")}
SECONDS = {"value": ("seconds", ".3~r"), "low": ("95% from", ".3~r"), "high": ("to", ".3~r"), "rows": ("of", ",d")}
RATE = {**SECONDS, "value": ("tokens/s", ".3~r")}
DOLLARS = {"value": ("US dollars", "$,.4~r"), "rows": ("of", ",d"), "unknown": ("unknown for", ",d")}
CLICK = [{"name": "mark", "select": {"type": "point", "fields": ["row"], "on": "click", "clear": "dblclick"}}]
ZOOM = {
    "name": "zoom",
    # Not by touch, which scrolls the page.
    "select": {
        "type": "interval",
        "encodings": ["x"],
        "on": "[pointerdown[event.pointerType !== 'touch'], window:pointerup] > window:pointermove!",
        "translate": False,
        "zoom": False,
    },
}
FADED = {"condition": {"param": "mark", "value": 1, "empty": True}, "value": 0.35}


def quantitative(field: str, title: str | None = None, form: str = "", ticks: int = 5, **scale: Any) -> Spec:
    """A channel of numbers; `form` is their format, `scale` what Vega-Lite's scale takes."""
    axis = {"format": form, "tickCount": ticks}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}


def nominal(field: str, order: Sequence[str] | None = None, limit: int = 170, **axis: Any) -> Spec:
    """A channel of names; `limit` is the most pixels that one takes."""
    return {"field": field, "type": "nominal", "title": None, "sort": order, "axis": {"labelLimit": limit, **axis}}


def color_by(field: str, colors: Mapping[str, str]) -> Spec:
    """The channel of colors, by a column's values."""
    scale = {"domain": list(colors), "range": list(colors.values())}
    return {"field": field, "type": "nominal", "title": None, "scale": scale, "legend": None}


def present(colors: Mapping[str, str], column: pd.Series) -> dict[str, str]:
    """The colors of the values in a column."""
    there = set(column)
    return {name: color for name, color in colors.items() if name in there}


def tips(*names: str, numbers: Mapping[str, tuple[str, str]]) -> list[Spec]:
    """A mark's tooltip; `numbers` gives each number's title and format."""
    when = [{"field": "time", "type": "temporal", "format": "%d %b %H:%M"}] if "time" in names else []
    said: list[Spec] = [{"field": name, "type": "nominal"} for name in names if name != "time"]
    return (
        when
        + said
        + [
            {"field": name, "type": "quantitative", "title": title, "format": form}
            for name, (title, form) in numbers.items()
        ]
    )


def named(mark: Spec, drawn: pd.Series) -> Spec:
    """A mark that screen readers know of where any is drawn; they would read out an unnamed image otherwise."""
    return {**mark, "aria": len(drawn) > 0}


def inline(frame: pd.DataFrame) -> Spec:
    """Rows as a part of the chart itself; beside it, they would be offered as a table of internal columns."""
    return {"values": json.loads(frame.to_json(orient="records", date_format="iso"))}


def step(pixels: int, per: str = "position") -> Spec:
    """A height of so many pixels for each name."""
    return {"step": pixels, "for": per}


def by_weight(shown: ViewModel, frame: pd.DataFrame, most: int) -> dict[str, str]:
    """Reasons, most frequent first, with the same color on all charts."""
    colors = dict(zip(shown.reasons, itertools.cycle(REASONS), strict=False))
    weight = (frame["value"] * frame["rows"]).groupby(frame["reason"]).sum()
    return {reason: colors[reason] for reason in weight.sort_values(ascending=False).index[:most]}
