"""The dashboard: what was observed, as figures and charts; every mark opens the requests behind it."""

from __future__ import annotations

import streamlit as st

from router.errors import StoreError
from router.lab import Lab
from router.observed import Filter, View

from components import cards
from components.behind import REQUEST, open_mark, open_request
from components.drift import draw_drifts
from components.filters import draw_filters, when
from components.lab import lab_or_stop
from components.live import draw_live
from components.markdown import label
from components.overview import draw_overview
from components.shown import Shown

_SHOWN = "dashboard_shown"


def main(lab: Lab) -> None:
    """The page, from top to bottom."""
    if lab.observed is None:
        st.info("Nothing is stored, so there is nothing to show.", icon=":material/database_off:")
        return
    try:
        with st.spinner("Reading what was observed …", show_time=True):  # long where there is much and no snapshot yet
            rows = lab.observed.rows()
    except StoreError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    if not len(rows[0].id) and not len(rows[1].id):
        _draw_nothing_yet(lab)
        return
    if lab.store is not None and (request := st.query_params.get(REQUEST)):
        open_request(lab.store, request)
    chosen = draw_filters(rows)
    if chosen is None:
        return
    draw_live(lab)
    everything = View.of(rows)
    draw_drifts(everything)
    shown = _shown(everything, chosen)
    if not shown.anything:
        newest = when(max(float(each.started.max()) for each in rows if len(each.id)))
        st.info(
            f"Nothing was asked within these filters. The newest request is of {newest:%d %b %Y %H:%M}.",
            icon=":material/filter_alt:",
        )
        return
    draw_overview(shown)
    _draw_charts(shown)
    if mark := cards.mark_clicked():
        open_mark(lab, shown, mark)


def _shown(everything: View, chosen: Filter) -> Shown:
    """What a filter leaves, with the figures of the last run where nothing has changed."""
    key = (chosen, everything.requests.rows.state, everything.attempts.rows.state)
    kept = st.session_state.get(_SHOWN)
    if kept is None or kept[0] != key:
        kept = st.session_state[_SHOWN] = (key, {})
    return Shown(everything, chosen, kept[1])


def _draw_nothing_yet(lab: Lab) -> None:
    st.info("Nothing has been asked yet. What you ask is charted here.", icon=":material/monitoring:")
    st.page_link("chat.py", label="Ask something on the Chat page", icon=":material/chat:")
    draw_live(lab)


def _draw_charts(shown: Shown) -> None:
    cards.draw_card(shown, cards.REQUESTS)
    with st.grid(2, min_column_width=420):
        cards.draw_card(shown, cards.CHOICES)
        cards.draw_card(shown, cards.AVAILABILITY)
    cards.draw_flow(shown)
    with st.grid(2, min_column_width=420):
        cards.draw_card(shown, cards.LATENCY)
        cards.draw_latency_over_time(shown)
        cards.draw_card(shown, cards.FAILURES)
        cards.draw_card(shown, cards.FAILURES_OVER_TIME)
        cards.draw_card(shown, cards.TOGETHER)
        cards.draw_card(shown, cards.SPEED)
        cards.draw_card(shown, cards.COST)
        cards.draw_card(shown, cards.COST_OVER_TIME)


main(lab_or_stop())
