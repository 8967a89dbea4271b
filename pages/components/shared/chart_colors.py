"""The colors of text in charts: Streamlit's own are too weak on the theme's background."""

from __future__ import annotations

from typing import Any

import streamlit as st


def ink() -> str:
    """The color of text and lines within charts."""
    return "#e6eeec" if st.context.theme.type == "dark" else "#0b1211"


def axis_colors() -> dict[str, Any]:
    """The colors of the text along a chart's axes, for Vega-Lite's `config.axis`."""
    weak = "#a3b3b0" if st.context.theme.type == "dark" else "#55625f"
    return {"labelColor": weak, "titleColor": weak}
