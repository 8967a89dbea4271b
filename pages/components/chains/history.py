"""The earlier versions of models.yaml, newest first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import streamlit as st

from router.config.draft import Draft
from router.core.errors import ConfigError
from router.core.formatting import moment
from router.lab import Lab

from components.shared.markdown import label
from components.shared.zone import zone

Restore: TypeAlias = Callable[[Callable[[], object], str], None]
"""Restores a version and says the sentence, or why it cannot be restored."""


def draw_history(lab: Lab, restore: Restore) -> None:
    """Each version with the reason of the change that replaced it, what that changed, and the way back."""
    versions = lab.editor.history()
    if not versions:
        st.caption("No changes yet. Versions appear here after each save.")
    text: str | None = None
    with contextlib.suppress(ConfigError):  # shown above
        text = lab.editor.draft().text
    for version in versions:
        when = moment(version.until, zone())
        with st.expander(f"{when}: {label(version.why)}", icon=":material/history:"):
            # The button comes first, so that nothing above it can grow and move it before a click.
            st.button(
                "Undo this change and later ones",
                key=f"back_{version.id}",
                icon=":material/undo:",
                disabled=lab.editor.read_only,
                help="Restores models.yaml as it was before this change. The undone versions stay in this history.",
                on_click=restore,
                args=(partial(lab.editor.roll_back, version), "Restored the earlier version of models.yaml."),
            )
            if text is not None:
                st.caption("Changes from this version to the next one:")
                st.code(Draft(before=version.text, text=text).diff() or "No changes.", language="diff")
        text = version.text
