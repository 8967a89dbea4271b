"""Chart legends."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st


def draw_legend(colors: Mapping[str, str]) -> None:
    """Names with their colors, wrapping onto several lines: Vega's own legend would be cut off."""
    if colors:
        square = "display:inline-block; width:.65em; height:.65em; border-radius:2px; margin-right:.4em; background:"
        names = (f'<span><i style="{square}{color}"></i>{escape(name)}</span>' for name, color in colors.items())
        st.html(f'<div style="display:flex; flex-wrap:wrap; gap:0 1em; font-size:.8rem">{"".join(names)}</div>')
