"""The charts' colors: one thing has the same color on all charts."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

import streamlit as st

from components.dashboard.view_model import ViewModel

# Okabe and Ito (2008), some lighter for dark backgrounds: distinguishable with color blindness.
ENDINGS: Mapping[str, str] = {
    "primary": "#14988b",
    "fallback": "#56b4e9",
    "failed": "#d55e00",
    "stopped": "#e69f00",
    "cache": "#9aa7a5",
    "shared": "#b9c2c0",
    "stand-in": "#cc79a7",
    "no key": "#7d6b8a",
}
REASONS = ("#d55e00", "#e69f00", "#56b4e9", "#cc79a7", "#14988b", "#0072b2", "#8b9795", "#f0e442")


def diverging() -> tuple[str, str, str]:
    """The colors of less, the same and more; text in `ink` can be read on each."""
    return ("#17665e", "#1a2322", "#8a4210") if st.context.theme.type == "dark" else ("#8fd3cc", "#f3f6f6", "#f5ad75")


def model_colors(shown: ViewModel) -> dict[str, str]:
    """Each model's color on all charts, by its name: the next free one where another, seen before, has it."""
    palette = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or REASONS
    free: set[str] = set()
    found: dict[str, str] = {}
    for model in shown.models:
        free = free or set(palette)
        start = crc32(model.encode()) % len(palette)
        found[model] = next(color for color in (*palette[start:], *palette[:start]) if color in free)
        free.remove(found[model])
    return found
