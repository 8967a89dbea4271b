"""Presets of parameters: choose one, save what is set now, rename and delete."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.formatting import parameters
from router.store import PresetLog

from components.chat.settings import begin_with
from components.shared.markdown import label
from components.shared.tools import WRONG

MAX_NAME = 80
"""Characters of a name."""


def draw_presets(presets: PresetLog, current: Settings) -> None:
    """The library of presets.

    Args:
        current: what is set now, and can be saved.
    """
    if kept := presets.all():
        _draw_kept(presets, kept)
    else:
        st.caption("No presets yet. A preset keeps all that is set here under a name.")
    _draw_new(presets, current)


def _draw_kept(presets: PresetLog, kept: dict[str, Settings]) -> None:
    chosen = st.selectbox("Preset", list(kept), key="preset_pick")
    st.caption(label(" · ".join(parameters(kept[chosen]).values())))
    name = st.text_input("Rename to", chosen, MAX_NAME, key=f"preset_name_{chosen}")
    with st.container(horizontal=True):
        st.button("Use", type="primary", key="preset_use", on_click=begin_with, args=(kept[chosen],),
                  help="Replaces all that is set now")  # fmt: skip
        if st.button("Rename", icon=":material/edit:", type="tertiary", key="preset_rename"):
            _change(lambda: presets.rename(chosen, name))
        st.button("Delete", icon=":material/delete:", type="tertiary", key="preset_delete",
                  on_click=presets.delete, args=(chosen,))  # fmt: skip


def _draw_new(presets: PresetLog, current: Settings) -> None:
    with st.form("preset_new", border=False, clear_on_submit=True):
        name = st.text_input("Save what is set now as", max_chars=MAX_NAME, placeholder="Name", key="preset_new_name",
                             help="Replaces a preset of the same name")  # fmt: skip
        saved = st.form_submit_button("Save preset", disabled=not parameters(current))
    if not saved:
        return
    if st.session_state[WRONG]:
        st.error("Fix the parameters first, then save them.", icon=":material/error:")
    else:
        _change(lambda: presets.save(name, current))


def _change(change: Callable[[], None]) -> None:
    try:
        change()
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
    else:
        st.rerun()
