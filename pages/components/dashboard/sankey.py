"""The flow from categories through models to outcomes, drawn by ECharts."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from components.dashboard.colors import ENDINGS, model_colors
from components.dashboard.view_model import ViewModel
from components.shared.chart_colors import ink


def sankey(shown: ViewModel, frame: pd.DataFrame) -> dict[str, Any]:
    """The flow of requests as ECharts options; a model has a node at each stage where it was called."""
    ends = {"answered": ENDINGS["primary"], "failed": ENDINGS["failed"], "stopped": ENDINGS["stopped"]}
    colors = model_colors(shown) | ends

    def tooltip(*way: str, value: float) -> dict[str, Any]:
        return {"formatter": f"{escape(' → '.join(way))}&emsp;<b>{value:,.0f}</b>"}

    stops, flow = (frame[frame["figure"] == name] for name in ("stops", "flow"))
    nodes = [
        {
            "name": f"{stage} {stop}",
            "label": {"formatter": stop},
            "itemStyle": {"color": colors.get(stop, "#9aa7a5")},
            "tooltip": tooltip(stop, value=value),
        }
        for stage, stop, value in stops[["stage", "stop", "value"]].itertuples(index=False)
    ]
    links = [
        {
            "source": f"{stage} {source}",
            "target": f"-1 {target}" if target in ends else f"{stage + 1} {target}",
            "value": value,
            "tooltip": tooltip(source, target, value=value),
        }
        for stage, source, target, value in flow[["stage", "source", "target", "value"]].itertuples(index=False)
    ]
    # The bands run behind the labels.
    outline = {"textBorderColor": "#101615" if st.context.theme.type == "dark" else "#ffffff", "textBorderWidth": 2}
    series = {
        "type": "sankey",
        "data": nodes,
        "links": links,
        "selectedMode": "single",
        "nodeAlign": "justify",
        "nodeGap": 10,
        "nodeWidth": 12,
        "left": 4,
        "right": 90,
        "top": 8,
        "bottom": 8,
        "label": {"fontSize": 11, "width": 130, "overflow": "truncate", "color": ink(), **outline},
        "lineStyle": {"color": "gradient", "opacity": 0.35},
        "emphasis": {"focus": "adjacency"},
    }
    narrow = {"query": {"maxWidth": 500}, "option": {"series": [{"label": {"width": 55}, "right": 60}]}}
    # Without animation: a moving band cannot be clicked.
    base = {"tooltip": {"trigger": "item"}, "animation": False, "series": [series]}
    return {"baseOption": base, "media": [narrow]}
