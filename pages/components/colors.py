"""The colours of what is drawn: one thing has the same on all charts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import streamlit as st

from components.shown import Shown

# Okabe and Ito (2008), a little lighter where they must be seen on dark: told apart without full colour vision.
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


def ink() -> str:
    """Text and lines on the page's own ground."""
    return "#e6eeec" if st.context.theme.type == "dark" else "#17211f"


def model_colors(shown: Shown) -> dict[str, str]:
    """A model has its colour on all charts, whatever is filtered."""
    palette = st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors") or REASONS
    return dict(zip(shown.models, itertools.cycle(palette), strict=False))
