"""Buttons that show an icon alone, and have a name for screen readers."""

from __future__ import annotations

import streamlit as st

ICON = "icon_"
"""Begins the key of a button whose label is hidden from sight."""

# Streamlit has no name for a button apart from its label, and an icon as a label is read out as "arrow_downward".
_STYLE = f"""<style>
[class*="st-key-{ICON}"] button [data-testid="stMarkdownContainer"] {{
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}}
</style>"""


def hide_labels() -> None:
    """Hide the labels of all buttons and popovers whose keys begin with `ICON`."""
    st.html(_STYLE)
