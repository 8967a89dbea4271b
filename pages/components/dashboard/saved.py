"""Saved views: the period and the filters as they are now, under a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from router.core.errors import StoreError
from router.store import SavedView, Store

from components.dashboard.period import named_period, set_period
from components.shared.markdown import label

_FAULTS = "faults"
_NAME = "dashboard_view_name"
_WRONG = "dashboard_view_problem"


def draw_saved(store: Store, filters: Sequence[str]) -> None:
    """The popover with all views; choosing one sets the period and these filters."""
    with st.popover("Views", icon=":material/bookmark:", key="dashboard_views", help="Saved filters and periods"):
        try:
            saved = store.views.all()
        except StoreError as error:
            st.error(label(str(error)), icon=":material/error:")
            return
        now = _settings(filters)
        if not saved:
            st.caption("No saved views yet. Name the current filters and period to return to them.")
        for number, view in enumerate(saved):
            _draw_view(store, view, number, filters, is_shown=view.settings == now)
        st.text_input("Save this view as", key=_NAME, max_chars=80, placeholder="Failures of tools, this week")
        st.button("Save", key="dashboard_view_save", on_click=_save, args=(store, now))
        if wrong := st.session_state.pop(_WRONG, None):
            st.error(label(wrong), icon=":material/error:")


def _draw_view(store: Store, view: SavedView, number: int, filters: Sequence[str], *, is_shown: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button(
            label(view.name),
            icon=":material/check:" if is_shown else None,
            key=f"dashboard_view_{number}",
            width="stretch",
            on_click=_show,
            args=(view.settings, filters),
        )
        st.button(
            "",
            icon=":material/delete:",
            type="tertiary",
            key=f"dashboard_view_delete_{number}",
            help=f"Delete {label(view.name)}",
            on_click=store.views.delete,
            args=(view.name,),
        )


def _settings(filters: Sequence[str]) -> dict[str, Any]:
    """What the controls are set to; what they are not is left out."""
    chosen = {name: list(st.session_state[name]) for name in filters if st.session_state.get(name)}
    faults = {_FAULTS: True} if st.session_state.get(_FAULTS) else {}
    return {**named_period(), **chosen, **faults}


def _save(store: Store, settings: Mapping[str, Any]) -> None:
    name = st.session_state[_NAME].strip()
    if not name:
        st.session_state[_WRONG] = "Enter a name for the view."
        return
    store.views.save(SavedView(name=name, settings=settings))
    st.session_state[_NAME] = ""


def _show(settings: Mapping[str, Any], filters: Sequence[str]) -> None:
    set_period(settings)
    for name in filters:
        st.session_state[name] = settings.get(name, [])
    st.session_state[_FAULTS] = settings.get(_FAULTS, False)
