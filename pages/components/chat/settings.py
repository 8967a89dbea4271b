"""The parameters of a conversation's prompts, as its controls hold them, and as removable chips."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from router.core.conversations import SAMPLING, Settings
from router.core.formatting import parameters
from router.lab import Lab

from components.chat.target import load_target
from components.shared.markdown import label

_PARAMETERS = ("system", "temperature", "max_tokens", *SAMPLING, "params", "tools", "schema")


def load_settings(lab: Lab, settings: Settings) -> None:
    """Set all controls to a conversation's settings."""
    begin_with(settings)
    load_target(lab.config(), settings)


def begin_with(settings: Settings, *names: str) -> None:
    """Set parameters to other values.

    A control whose value is to change gets another key, with the value as its default: the browser creates controls
    when their popover is first opened, does not know earlier session state, and would otherwise send its old value.

    Args:
        names: the parameters that change; all if none is named.
    """
    editions: Counter[str] = st.session_state.setdefault("chat_editions", Counter())
    editions.update(names or _PARAMETERS)
    st.session_state["chat_begin"] = settings


def key_of(name: str) -> str:
    """The key of a parameter's control."""
    return f"chat_{name}_{st.session_state['chat_editions'][name]}"


def draw_set(settings: Settings) -> None:
    """What the conversation sets, each with a click to empty it."""
    for name, words in parameters(settings).items():
        st.button(label(words), icon=":material/close:", icon_position="right", key=f"chat_empty_{name}",
                  help=f"Remove {label(words)}", on_click=_empty, args=(name,))  # fmt: skip


def _empty(name: str) -> None:
    begin_with(st.session_state["chat_begin"].without(name), name)
