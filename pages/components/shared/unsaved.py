"""What is edited here and not saved yet outlives a reload and a lost connection, which end Streamlit's session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec
import streamlit as st

from components.shared.style import UNSAVED

# Only this tab's own storage holds it: no other person's session sees it, and it ends with the tab.
_JS = """
export default function ({ data, setTriggerValue }) {
  const name = `unsaved ${data.name}`
  try {
    if (data.text) sessionStorage.setItem(name, data.text)
    else if (!data.isNew) sessionStorage.removeItem(name)
    else if (sessionStorage.getItem(name)) setTriggerValue("left", sessionStorage.getItem(name))
  } catch {}  // a storage that is full or blocked: the session has it all the same
}
"""
_keep = st.components.v2.component("unsaved", js=_JS)


def keep_unsaved(name: str, text: str, on_left: Callable[[str], object]) -> None:
    """Keep a text in the browser's tab until it is saved or discarded.

    Args:
        name: what it is of; only this finds it again.
        text: empty where nothing is unsaved.
        on_left: called with what an earlier session of this tab left, if this one has had nothing unsaved so far; may
            raise `msgspec.DecodeError`.
    """
    key = f"{UNSAVED}_{name}"
    begun = f"{key}_begun"

    def left() -> None:
        if not st.session_state.get(begun):
            st.session_state[begun] = True
            with contextlib.suppress(msgspec.DecodeError):  # an older version's, which is of no use here
                on_left(st.session_state[key]["left"])

    if text:
        st.session_state[begun] = True
    is_new = not st.session_state.get(begun)
    _keep(key=key, data={"name": name, "text": text, "isNew": is_new}, on_left_change=left)
