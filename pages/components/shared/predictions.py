"""What became of what was predicted of the chains in force."""

from __future__ import annotations

import streamlit as st

from router.lab import Lab

from components.shared.markdown import label

_HELD, _MISSED = ":green[:material/verified:]", ":orange[:material/rule:]"


def draw_predictions(lab: Lab, category: str | None = None) -> None:
    """A line for each chain that was changed with a certificate; nothing where there is none.

    Args:
        category: whose chain; None for all.
    """
    for kept in lab.tuning.predictions() if lab.tuning.certificates.any() else ():
        if category in (None, kept.certificate.category):
            holds = all(each.holds for each in kept.figures)
            st.caption(f"{_HELD if holds else _MISSED} {label(kept.sentence())}")
