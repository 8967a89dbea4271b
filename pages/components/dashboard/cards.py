"""A chart in its card: title, help, a table with a download, and the requests behind each mark."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import streamlit as st

from router.config.editing import Change
from router.core.spreadsheet import table_csv
from router.metrics import FIGURES

from components.dashboard import charts, over_time, vega
from components.dashboard.changes import change_layers
from components.dashboard.colors import REASONS
from components.dashboard.in_view import draw_in_view
from components.dashboard.period import zoom_to
from components.dashboard.sankey import sankey
from components.dashboard.table import table_of
from components.dashboard.view_model import (
    Mark,
    Marks,
    ViewModel,
    joined,
)
from components.shared.chart_colors import axis_colors
from components.shared.icons import ICON
from components.shared.legend import draw_legend

NOTHING = "No data in this selection."

_OVER_TIME = "Drag across the chart to zoom in. Gray, or dashed: the previous period, if it was recorded as a whole."

MARK = "dashboard_mark"
"""The session-state key of the clicked mark."""

HEIGHT = 340
"""Pixels of the flow, and of the room that is left for a chart."""

Height: TypeAlias = Literal["stretch", "content"]

_MEASURES = ("value", "low", "high", "rows", "unknown", "row", "timed_out")
"""Columns that name no part of a mark."""

_CLICKS = "dashboard_clicks_"
"""Prefix of the session-state keys that count clicks on a card's marks."""


class Card(NamedTuple):
    """A chart of the dashboard.

    Attributes:
        name: used for its widgets and its download.
        figures: the registered figures that it draws.
        draw: makes its picture for Vega-Lite; for ECharts in the flow's case.
        over_time: whether it is split into time buckets.
        note: how to read it, beyond the figures' own help.
        lowest_first: whether its table begins with the lowest values.
    """

    name: str
    title: str
    figures: tuple[str, ...]
    draw: Callable[[ViewModel, pd.DataFrame], Any]
    over_time: bool = False
    note: str = ""
    lowest_first: bool = False

    def marks(self, shown: ViewModel) -> Marks:
        """Its rows."""
        found = [shown.marks(name, over_time=self.over_time) for name in self.figures]
        return found[0] if len(found) == 1 else joined(*found)


CHOICES = Card("chosen", "Who answers", ("chosen",), charts.chosen)
REQUESTS = Card("endings", "Requests", ("endings",), over_time.endings, over_time=True)
LATENCY = Card(
    "latency",
    "Latency by model",
    ("call_latency",),
    charts.latency,
    note="Box: the middle half of the calls, with the median. Thin line: p5 to p95. Dot: p99. Timeouts extend to the"
    " edge of the chart.",
)
SPEED = Card("speed", "Tokens/s", ("tokens_per_second_by_model",), charts.speed)
FAILURES = Card(
    "failures",
    "Failures by model",
    ("failures_by_model",),
    charts.failures,
    note=f"The {charts.REASONS_OF_MODEL} most frequent reasons, with 95% Wilson intervals. The table has all of them.",
)
FAILURES_OVER_TIME = Card(
    "failures_over_time",
    "Failures over time",
    ("failures", "failed_share"),
    over_time.failures_over_time,
    over_time=True,
    note=f"The {len(REASONS)} most frequent reasons; the table has all of them. Thin line: the 95% Wilson interval"
    " of the total failure rate.",
)
AVAILABILITY = Card(
    "availability",
    "Availability and rescues",
    ("availability", "rescues"),
    charts.availability,
    lowest_first=True,
)
TOGETHER = Card(
    "together",
    "Failing together",
    ("failing_together", "failing_lift"),
    charts.together,
    note="In percentage points, with the number of requests below; colored only where the 95% interval excludes 0."
    " A fallback that fails together with its primary does not help.",
)
LATENCY_OVER_TIME = Card(
    "latency_over_time",
    "Latency over time",
    ("call_latency",),
    over_time.latency_over_time,
    over_time=True,
    note="Triangle at the top: the quantile is a timeout.",
)
FLOW = Card("flow", "From category to outcome", ("flow", "stops"), sankey)
COST = Card("cost", "Cost by category", ("cost_of_calls",), charts.cost)
COST_OVER_TIME = Card("spent", "Cost over time", ("cost",), over_time.cost_over_time, over_time=True)


def draw_card(shown: ViewModel, card: Card) -> None:
    """Draw a card."""
    height: Height = "stretch" if card.over_time else "content"  # the others have rows of one height

    def draw(marks: Marks) -> None:
        _draw_chart(shown, card, marks.frame, marks.marks, (card.name,), height=height)

    _draw_frame(shown, card, draw)


def draw_latency_over_time(shown: ViewModel) -> None:
    """Latency over time, with a choice of quantile."""

    def draw(marks: Marks) -> None:
        quantile = st.segmented_control(
            "Quantile", [0.5, 0.95, 0.99], default=0.95, required=True, format_func=lambda share: f"p{share * 100:.0f}",
            key="dashboard_quantile", label_visibility="collapsed",
        )  # fmt: skip
        frame = marks.frame[marks.frame["quantile"] == quantile]
        _draw_chart(shown, LATENCY_OVER_TIME, frame, marks.marks, (LATENCY_OVER_TIME.name, quantile), height="content")

    _draw_frame(shown, LATENCY_OVER_TIME, draw)


def draw_flow(shown: ViewModel) -> None:
    """The flow of requests from category to outcome."""

    def draw(marks: Marks) -> None:
        key = _fresh_key(FLOW)

        def click() -> None:
            nodes = (marks.frame["figure"] == "stops").idxmax()  # they come after the edges
            for each in st.session_state[key].selection.selected:
                for at in each["data_indices"]:
                    _open(FLOW, marks.marks[at + (nodes if each["data_type"] == "node" else 0)])

        st.echarts_chart(
            FLOW.draw(shown, marks.frame),
            height=HEIGHT,
            key=key,
            on_select=click,
            alt=_said(FLOW, marks.frame),
        )

    _draw_frame(shown, FLOW, draw)


def _draw_frame(shown: ViewModel, card: Card, draw: Callable[[Marks], None]) -> None:
    """A card's border, title and table, and its chart once it comes into view."""

    def body() -> None:
        marks = card.marks(shown)
        if len(marks.frame):
            draw(marks)
        else:
            st.caption(NOTHING)

    with st.container(border=True, height="stretch"):
        _draw_head(shown, card)
        draw_in_view(card.name, HEIGHT, body)


def _draw_head(shown: ViewModel, card: Card) -> None:
    notes = [card.note, *([_OVER_TIME] if card.over_time else [])]
    meaning = " ".join([*(FIGURES[name].meaning for name in card.figures), *notes]).strip()
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f"## {card.title}", anchors=False, help=meaning, width="content")
        table = st.popover(f"{card.title} as a table", icon=":material/table:", type="tertiary", key=_table_key(card),
                           on_change="rerun", help="Show data")  # fmt: skip
        if table.open:
            with table:
                _draw_table(card, card.marks(shown))


def _table_key(card: Card) -> str:
    return f"{ICON}table_{card.name}"


def _draw_table(card: Card, marks: Marks) -> None:
    table = table_of(marks, lowest_first=card.lowest_first)
    st.caption(
        "Sample: the calls or requests that a value is of."
        " Select a row to open those behind it: click its box, or press Shift+Space in it."
    )
    key = f"rows_{_fresh_key(card)}"

    def click() -> None:
        if selected := st.session_state[key].selection.rows:
            st.session_state[_table_key(card)] = False
            _open(card, marks.marks[table.marks[selected[0]]])

    percent = dict.fromkeys(table.percent, st.column_config.NumberColumn(format="percent"))
    st.dataframe(
        table.frame, hide_index=True, width=560, height=280, placeholder="–", alt=f"{card.title}, as a table", key=key,
        on_select=click, selection_mode="single-row", column_config=percent,
    )  # fmt: skip
    st.download_button(
        "Download as CSV",
        lambda: table_csv(table.frame),
        file_name=f"{card.title.lower().replace(',', '').replace('/', ' per ').replace(' ', '-')}.csv",
        mime="text/csv",
        icon=":material/download:",
        key=f"download_{card.name}",
        on_click="ignore",
    )


class Drawn(NamedTuple):
    """A chart as it is sent: the same for all runs that show the same rows."""

    legend: Mapping[str, str]
    spec: vega.Spec
    alt: str


def drawn(shown: ViewModel, card: Card, frame: pd.DataFrame) -> Drawn:
    """A card's chart, made of some of its rows."""
    picture = card.draw(shown, frame)
    layer = {"data": vega.inline(picture.frame), "layer": picture.spec["layer"]}
    return Drawn(picture.legend, {**picture.spec, "layer": [*picture.behind, layer]}, _said(card, frame))


def _draw_chart(
    shown: ViewModel, card: Card, frame: pd.DataFrame, marks: Sequence[Mark], kept: Hashable, *, height: Height
) -> None:
    key = _fresh_key(card)

    def click() -> None:
        selection = st.session_state[key].selection
        rows = [point["row"] for point in selection.get("mark", [])]
        if ends := selection.get("zoom", {}).get("time"):
            zoom_to(*(end / 1000 for end in ends))
            _renew(card)
        elif rows:
            row = int(rows[0])
            _open(card, marks[row] if row < len(marks) else changes[row - len(marks)])

    sent = shown.once((kept, st.context.theme.type), lambda: drawn(shown, card, frame))
    draw_legend(sent.legend)
    changes = shown.changes if card.over_time else []
    lines = change_layers(changes, over_time.time_axis(shown), len(marks)) if changes else []
    st.vega_lite_chart(
        # Below the figures: a click where both are opens the figure.
        spec={**sent.spec, "layer": [*lines, *sent.spec["layer"]], "config": {"axis": axis_colors()}},
        key=key,
        on_select=click,
        selection_mode=["mark", "zoom"] if card.over_time else "mark",
        alt=sent.alt,
        height=height,
    )


def _said(card: Card, frame: pd.DataFrame) -> str:
    """The chart as text, for screen readers."""
    largest = frame.iloc[np.argsort(-frame["value"].to_numpy(float), kind="stable")[:3]]
    rows = "; ".join(
        f"{', '.join(_part(part) for name, part in row.items() if name not in _MEASURES)}: {row['value']:.3g}"
        for row in largest.to_dict("records")
    )
    return f"{card.title}, largest first: {rows}"


def _part(part: Any) -> str:
    return f"{part:%Y-%m-%d %H:%M}" if isinstance(part, datetime) else "all" if pd.isna(part) else str(part)


def _open(card: Card, mark: Mark | Change) -> None:
    """Open what is behind a mark."""
    st.session_state[MARK] = mark
    _renew(card)


def _renew(card: Card) -> None:
    """Give the chart a new key, so that the same mark can be clicked again, and draw the page, not its charts alone."""
    st.session_state[f"{_CLICKS}{card.name}"] = st.session_state.get(f"{_CLICKS}{card.name}", 0) + 1
    st.rerun()


def _fresh_key(card: Card) -> str:
    return f"chart_{card.name}_{st.session_state.get(f'{_CLICKS}{card.name}', 0)}"


def mark_clicked() -> Mark | Change | None:
    """The mark clicked in this run, or the change of models.yaml."""
    mark: Mark | Change | None = st.session_state.pop(MARK, None)
    return mark
