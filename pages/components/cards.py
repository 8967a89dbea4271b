"""A chart in its card: title, what it says, its table with a download, and the requests behind each mark."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import pandas as pd
import streamlit as st

from router.observed import FIGURES
from router.spreadsheet import plain

from components import charts
from components.colors import REASONS
from components.legend import draw_legend
from components.sankey import sankey
from components.shown import Mark, Marks, Shown, joined

NOTHING = "Nothing of this kind in what is shown."

MARK = "dashboard_mark"
"""Where in the session the mark lies that was clicked."""

Height: TypeAlias = Literal["stretch", "content"]

_CLICKS = "dashboard_clicks_"
"""Before a card's name: where the session counts the clicks on its marks."""


class Card(NamedTuple):
    """A chart of the dashboard.

    Attributes:
        name: of its widgets and its download.
        figures: those of the registry that it draws.
        draw: its picture, for Vega-Lite; the flow's for ECharts.
        over_time: whether in buckets of time.
        note: how to read it, where the figures' sentences do not say it.
    """

    name: str
    title: str
    figures: tuple[str, ...]
    draw: Callable[[Shown, pd.DataFrame], Any]
    over_time: bool = False
    note: str = ""

    def marks(self, shown: Shown) -> Marks:
        """Its rows."""
        found = [shown.marks(name, over_time=self.over_time) for name in self.figures]
        return found[0] if len(found) == 1 else joined(*found)


CHOICES = Card("chosen", "Who answers", ("chosen",), charts.chosen)
REQUESTS = Card("endings", "Requests", ("endings",), charts.endings, over_time=True)
LATENCY = Card(
    "latency",
    "Latency by model",
    ("call_latency",),
    charts.latency,
    note="The box holds the middle half of the calls, its line the median; the thin line reaches from p5 to p95, the"
    " dot is p99. What timed out reaches to the edge.",
)
SPEED = Card("speed", "Tokens/s", ("tokens_per_second_by_model",), charts.speed)
FAILURES = Card(
    "failures",
    "Failures by model",
    ("failures_by_model",),
    charts.failures,
    note=f"The {charts.REASONS_OF_MODEL} most frequent, each with its interval of 95 % (Wilson); all are in the table.",
)
FAILURES_OVER_TIME = Card(
    "failures_over_time",
    "Failures over time",
    ("failures", "failed_share"),
    charts.failures_over_time,
    over_time=True,
    note=f"The {len(REASONS)} most frequent; all are in the table. The thin line is the interval of 95 %"
    " (Wilson) of all failures together.",
)
AVAILABILITY = Card(
    "availability",
    "Availability, and what each fallback added",
    ("availability", "rescues"),
    charts.availability,
)
TOGETHER = Card(
    "together",
    "Failing together",
    ("failing_together",),
    charts.together,
    note="A fallback that fails where its primary does is none.",
)
LATENCY_OVER_TIME = Card(
    "latency_over_time",
    "Latency over time",
    ("call_latency",),
    charts.latency_over_time,
    over_time=True,
    note="A triangle at the top: so many timed out that there is no such time.",
)
FLOW = Card("flow", "From category to outcome", ("flow", "stops"), sankey)
COST = Card("cost", "Cost by category", ("cost_of_calls",), charts.cost)
COST_OVER_TIME = Card("spent", "Cost over time", ("cost",), charts.cost_over_time, over_time=True)


def draw_card(shown: Shown, card: Card) -> None:
    """The card."""
    with st.container(border=True, height="stretch"):
        marks = _draw_head(shown, card)
        if len(marks.frame):
            height: Height = "stretch" if card.over_time else "content"  # the others have rows of one height
            _draw_chart(shown, card, marks.frame, marks.marks, (card.name,), height=height)
        else:
            st.caption(NOTHING)


def draw_latency_over_time(shown: Shown) -> None:
    """Latency over time, whose quantile can be chosen."""
    with st.container(border=True, height="stretch"):
        marks = _draw_head(shown, LATENCY_OVER_TIME)
        quantile = st.segmented_control(
            "Quantile", [0.5, 0.95, 0.99], default=0.95, required=True, format_func=lambda share: f"p{share * 100:.0f}",
            key="dashboard_quantile", label_visibility="collapsed",
        )  # fmt: skip
        if not len(marks.frame):
            st.caption(NOTHING)
            return
        frame = marks.frame[marks.frame["quantile"] == quantile]
        _draw_chart(shown, LATENCY_OVER_TIME, frame, marks.marks, (LATENCY_OVER_TIME.name, quantile), height="content")


def draw_flow(shown: Shown) -> None:
    """The way of the requests, from category to end."""
    with st.container(border=True):
        marks = _draw_head(shown, FLOW)
        if not len(marks.frame):
            st.caption(NOTHING)
            return

        key = _fresh_key(FLOW)

        def click() -> None:
            nodes = (marks.frame["figure"] == "stops").idxmax()  # they come after the edges
            for each in st.session_state[key].selection.selected:
                for at in each["data_indices"]:
                    _open(FLOW, marks.marks[at + (nodes if each["data_type"] == "node" else 0)])

        st.echarts_chart(
            FLOW.draw(shown, marks.frame),
            height=340,
            key=key,
            on_select=click,
            alt=_said(FLOW, marks.frame),
        )


def _draw_head(shown: Shown, card: Card) -> Marks:
    marks = card.marks(shown)
    meaning = " ".join([*(FIGURES[name].meaning for name in card.figures), card.note]).strip()
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f"**{card.title}**", help=meaning, width="content")
        table = st.popover("", icon=":material/table:", type="tertiary", key=f"table_{card.name}", on_change="rerun",
                           help="The table")  # fmt: skip
        if table.open:
            with table:
                _draw_table(card, marks)
    return marks


def _draw_table(card: Card, marks: Marks) -> None:
    frame = marks.frame.drop(columns=["row"], errors="ignore")
    if len(frame):
        idle = [name for name in ("low", "high") if frame[name].isna().all()]
        frame = frame.drop(columns=idle if frame["timed_out"].any() else [*idle, "timed_out"])
    unit = FIGURES[card.figures[0]].unit
    st.caption(f"value: {unit}; low and high: its interval of 95 %; rows: how many it rests on. A click on a row opens"
               " what is behind it.")  # fmt: skip
    key = f"rows_{_fresh_key(card)}"

    def click() -> None:
        if cells := st.session_state[key].selection.cells:
            st.session_state[f"table_{card.name}"] = False
            _open(card, marks.marks[cells[0][0]])

    percent = st.column_config.NumberColumn(format="percent") if unit == "share" else None
    st.dataframe(
        frame, hide_index=True, width=560, height=280, placeholder="–", alt=f"{card.title}, as a table", key=key,
        on_select=click, selection_mode="single-cell", column_config=dict.fromkeys(("value", "low", "high"), percent),
    )  # fmt: skip
    st.download_button(
        "Download as CSV",
        lambda: frame.map(plain).to_csv(index=False),
        file_name=f"{card.title.lower().replace(',', '').replace('/', ' per ').replace(' ', '-')}.csv",
        mime="text/csv",
        icon=":material/download:",
        key=f"download_{card.name}",
        on_click="ignore",
    )


def _draw_chart(
    shown: Shown, card: Card, frame: pd.DataFrame, marks: Sequence[Mark], kept: Hashable, *, height: Height
) -> None:
    key = _fresh_key(card)

    def click() -> None:
        rows = [point["row"] for point in st.session_state[key].selection.get("mark", [])]
        if rows:
            _open(card, marks[int(rows[0])])

    picture, said = shown.once((kept, st.context.theme.type), lambda: (card.draw(shown, frame), _said(card, frame)))
    draw_legend(picture.legend)
    st.vega_lite_chart(
        picture.frame,
        picture.spec,
        key=key,
        on_select=click,
        selection_mode="mark",
        alt=said,
        height=height,
    )


def _said(card: Card, frame: pd.DataFrame) -> str:
    """The chart in words, for those who cannot see it."""
    measures = ["value", "low", "high", "rows", "unknown", "row", "timed_out"]
    largest = frame.nlargest(3, "value")
    parts = largest.drop(columns=measures).astype(object)
    names = parts.where(parts.notna(), "all").astype(str).agg(", ".join, axis=1)
    rows = "; ".join(f"{name}: {value:.3g}" for name, value in zip(names, largest["value"], strict=True))
    return f"{card.title}, largest first: {rows}"


def _open(card: Card, mark: Mark) -> None:
    """Ask for what is behind a mark; the chart is drawn anew, or a second click on the same would be none."""
    st.session_state[MARK] = mark
    st.session_state[f"{_CLICKS}{card.name}"] = st.session_state.get(f"{_CLICKS}{card.name}", 0) + 1


def _fresh_key(card: Card) -> str:
    return f"chart_{card.name}_{st.session_state.get(f'{_CLICKS}{card.name}', 0)}"


def mark_clicked() -> Mark | None:
    """The mark that was clicked just now."""
    mark: Mark | None = st.session_state.pop(MARK, None)
    return mark
