"""The dashboard: statistics as figures and charts; every mark opens the requests behind it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from router.core.formatting import moment
from router.lab import Lab
from router.metrics import Filter, View

from components.dashboard import cards
from components.dashboard.alerts import draw_alerts
from components.dashboard.callers import draw_callers
from components.dashboard.changes import open_change
from components.dashboard.drilldown import open_mark, open_request
from components.dashboard.feedback import draw_feedback
from components.dashboard.filters import REQUEST, draw_filters
from components.dashboard.in_view import draw_in_view, watch_view
from components.dashboard.live import draw_live
from components.dashboard.overview import draw_overview
from components.dashboard.verdict import draw_verdict
from components.dashboard.view_model import Mark, ViewModel
from components.shared.lab import lab_or_stop
from components.shared.predictions import draw_predictions
from components.shared.style import CHARTS
from components.shared.zone import zone

_SHOWN = "dashboard_shown"


def main(lab: Lab) -> None:
    """The page, from top to bottom."""
    with st.spinner("Loading statistics …", show_time=True):  # slow with much data and no snapshot
        rows = lab.observed.rows()
    if not len(rows[0].id) and not len(rows[1].id):
        _draw_nothing_yet(lab)
        return
    if request := st.query_params.get(REQUEST):
        open_request(lab.store, request)
    chosen, refresh = draw_filters(lab.store, rows)
    if chosen is None:
        return
    everything = View.of(rows)
    watched = lab.alerts.status()
    draw_verdict(lab, everything, sum(each.is_firing for each in watched))
    draw_alerts(lab, watched)
    draw_predictions(lab)
    draw_live(lab, refresh)
    shown = _shown(lab, everything, chosen)
    if not shown.anything:
        newest = max(float(each.started.max()) for each in rows if len(each.id))
        st.info(
            f"No requests match these filters. The newest request is from {moment(newest, zone())}.",
            icon=":material/filter_alt:",
        )
        return
    draw_overview(shown)
    _draw_charts(shown)
    draw_callers(shown)
    draw_feedback(lab.store.feedback, shown)
    clicked = cards.mark_clicked()
    if isinstance(clicked, Mark):
        open_mark(lab.store, shown, clicked)
    elif clicked is not None:
        open_change(clicked)


def _shown(lab: Lab, everything: View, chosen: Filter) -> ViewModel:
    """The filtered view, reusing the last run's figures if nothing has changed."""
    key = (chosen, everything.requests.rows.state, everything.attempts.rows.state)
    kept = st.session_state.get(_SHOWN)
    if kept is None or kept[0] != key:
        kept = st.session_state[_SHOWN] = (key, {})
    return ViewModel(everything, chosen, kept[1], lab.editor.changes())


def _draw_nothing_yet(lab: Lab) -> None:
    st.info("No requests yet. Statistics appear here after your first prompt.", icon=":material/monitoring:")
    st.page_link("chat.py", label="Send a prompt on the Chat page", icon=":material/chat:")
    draw_alerts(lab, lab.alerts.status())
    draw_live(lab, None)


@st.fragment
def _draw_charts(shown: ViewModel) -> None:
    # Its frames come with the first chart: a browser that draws them too shows the figures above later.
    with st.container(key=CHARTS):
        draw_in_view(cards.REQUESTS.name, cards.HEIGHT, partial(_draw_cards, shown))
    watch_view()


def _draw_cards(shown: ViewModel) -> None:
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
