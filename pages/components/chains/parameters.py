"""The editors of a chain's parameters, and of what a chain sets for one model alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import streamlit as st

from router.chat.tools import read_params
from router.config.chains import Chain, Link
from router.core.errors import InvalidRequest

from components.chains.limits import Change
from components.shared.icons import ICON
from components.shared.markdown import label

WIDTH = 320
"""Pixels of the fields."""


def edit_params(category: str, chain: Chain, change: Change) -> None:
    """A chain's parameters."""
    with st.popover("Parameters", icon=":material/tune:"), st.form(f"params_{category}", border=False):
        text = _params_field(chain.params)
        if st.form_submit_button("Apply") and (params := _read(text)) is not None:
            change(lambda draft: draft.with_params(category, params))
            st.rerun()


def edit_link(category: str, chain: Chain, link: Link, change: Change) -> None:
    """What a chain sets for one model alone."""
    model = link.ref.text
    popover = st.popover(
        f"Settings for {label(model)} alone",
        icon=":material/tune:",
        type="tertiary",
        help=f"Settings for {label(model)} alone",
        key=f"{ICON}link_{category}\n{model}",
        on_change="rerun",
    )
    with popover:
        if not popover.open:  # a page may have hundreds of links
            return
        with st.form(f"link_form_{category}\n{model}", border=False):
            text = _params_field(link.params)
            system = st.text_area(
                "System prompt, placed before the request's own", value=link.system, height=120, width=WIDTH
            )
            first_token = _first_token_field(category, chain, link)
            if st.form_submit_button("Apply") and (params := _read(text)) is not None:
                given = {"params": params, "system": system.strip() and system, "first_token": first_token}
                own = {key: value for key, value in given.items() if value != getattr(link, key)}
                change(lambda draft: draft.with_link(category, model, own))
                st.rerun()


def _params_field(params: Mapping[str, Any]) -> str:
    return st.text_area(
        "Extra request fields, as JSON",
        value=msgspec.json.format(msgspec.json.encode(params), indent=2).decode() if params else "",
        placeholder='{"temperature": 0.2}',
        height=120,
        width=WIDTH,
    )


def _first_token_field(category: str, chain: Chain, link: Link) -> float | None:
    key = f"link_first_token_{category}\n{link.ref.text}\n{link.first_token}"
    # Not as `value`: a field that starts with a number cannot be emptied.
    st.session_state.setdefault(key, link.first_token)
    seconds: float | None = st.number_input(
        "First token, in seconds",
        min_value=min(0.01, link.first_token or 0.01),
        value=None,
        format="%g",
        placeholder=f"{chain.policy.first_token:g} (this chain)",
        width=WIDTH,
        key=key,
    )
    return int(seconds) if seconds is not None and seconds == int(seconds) else seconds


def _read(text: str) -> Mapping[str, Any] | None:
    """The parameters that were typed; None, and a message, where they cannot be used."""
    try:
        return read_params(text, own_controls=False)
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
        return None
