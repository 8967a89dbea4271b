"""What each caller of the endpoint asked, and what it cost."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from router.core.formatting import interval
from router.metrics import FIGURES
from router.metrics.estimates import Estimate

from components.dashboard.view_model import ViewModel

_MEANING = "Callers are the keys under `server` in models.yaml. Answered: of plain requests, with its 95% interval."


def draw_callers(shown: ViewModel) -> None:
    """A table of the callers in this selection; nothing where none came with a key."""
    counts = FIGURES["requests_by_caller"].of(shown.view)
    if not counts:
        return
    outcomes, costs = (FIGURES[name].of(shown.view) for name in ("outcomes_by_caller", "cost_by_caller"))
    rows = [
        {
            "Caller": caller,
            "Requests": count.value,
            "Answered": (answered := outcomes.get((caller, "answered"), Estimate(None))).value,
            "95% interval": interval(answered.low, answered.high, digits=1),
            "Cost": costs[caller,].value,
            "Unpriced": costs[caller,].unknown,
        }
        for (caller,), count in sorted(counts.items(), key=lambda pair: -(pair[1].value or 0))
    ]
    with st.container(border=True):
        st.markdown("**Callers**", help=_MEANING, width="content")
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            height="content",
            alt="Requests by caller",
            column_config={
                "Requests": st.column_config.NumberColumn(format="localized"),
                "Answered": st.column_config.NumberColumn(format="percent"),
                "Cost": st.column_config.NumberColumn(format="dollar"),
                "Unpriced": st.column_config.NumberColumn(format="localized"),
            },
        )
