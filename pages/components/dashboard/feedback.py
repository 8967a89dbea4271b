"""What people think of the answers, by model."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from router.core.formatting import interval
from router.metrics.feedback import liked
from router.store import FeedbackLog

from components.dashboard.view_model import ViewModel

_MEANING = (
    "The share of a model's rated answers with a thumb up on the Chat page, with its 95% interval. Few answers are"
    " rated, and not by chance."
)


def draw_feedback(log: FeedbackLog, shown: ViewModel) -> None:
    """A table of the models whose answers were rated in this selection; nothing where none was."""
    answers = log.of_answers()
    found = liked(shown.view.attempts, answers) if answers else {}
    if not found:
        return
    rows = [
        {
            "model": model,
            "liked": f"{round((each.value or 0) * each.rows):,} of {each.rows:,}",
            "share": each.value,
            "95% interval": interval(each.low, each.high),
        }
        for model, each in found.items()
    ]
    with st.container(border=True):
        st.markdown("**Liked answers**", help=_MEANING, width="content")
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            height="content",
            alt="Liked answers by model",
            column_config={"share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
        )
