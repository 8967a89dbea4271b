"""The popover with the parameters of a conversation's prompts."""

from __future__ import annotations

import msgspec
import streamlit as st

from router.core.conversations import Settings
from router.store import Store

from components.chat.presets import draw_presets
from components.chat.settings import key_of
from components.shared.sampling import edit_sampling
from components.shared.tools import WRONG, edit_schema, edit_tools


def edit_parameters(store: Store) -> Settings:
    """The popover with all parameters of a prompt besides what answers it, and with the presets that are stored."""
    st.session_state[WRONG] = ""
    with st.popover("Parameters", icon=":material/tune:"):
        sampling, tools, schema, presets = st.tabs(["Sampling", "Tools", "JSON answer", "Presets"])
        begin = st.session_state["chat_begin"]
        with sampling:
            settings = edit_sampling(begin, key_of)
        with tools:
            offered = edit_tools(begin.tools, key_of("tools"))
        with schema:
            shape = edit_schema(begin.schema, key_of("schema"))
        settings = msgspec.structs.replace(settings, tools=offered, schema=shape)
        with presets:
            draw_presets(store.presets, settings)
    return settings
