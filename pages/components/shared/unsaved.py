"""What is edited here and not saved yet outlives a reload and a lost connection, which end Streamlit's session."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable

import msgspec
import streamlit as st

from components.shared.style import UNSAVED

# Only this tab's own storage holds it: no other person's session sees it, and it ends with the tab.
_JS = """
export default function ({ data, setTriggerValue }) {
  const name = `unsaved ${data.name}`, owner = `${name}, by`
  try {
    const left = sessionStorage.getItem(name)
    if (left && !data.isTaken && sessionStorage.getItem(owner) !== data.session) {
      setTriggerValue("left", left)
    } else if (data.text) {
      sessionStorage.setItem(name, data.text)
      sessionStorage.setItem(owner, data.session)
    } else {
      sessionStorage.removeItem(name)
      sessionStorage.removeItem(owner)
    }
  } catch {}  // a storage that is full or blocked: the session has it all the same
}
"""
_keep = st.components.v2.component("unsaved", js=_JS)


def keep_unsaved(name: str, text: str, on_left: Callable[[str], object]) -> None:
    """Keep a text in the browser's tab until it is saved or discarded.

    Args:
        name: what it is of; only this finds it again.
        text: empty where nothing is unsaved.
        on_left: called once with what an earlier session of this tab left, which is kept until then; by then this one
            may have something unsaved, too, that another page gave. May raise `msgspec.DecodeError`.
    """
    key = f"{UNSAVED}_{name}"
    taken, session = f"{key}_taken", f"{key}_session"

    def left() -> None:
        if not st.session_state.get(taken):
            st.session_state[taken] = True
            with contextlib.suppress(msgspec.DecodeError):  # an older version's, which is of no use here
                on_left(st.session_state[key]["left"])

    data = {
        "name": name,
        "text": text,
        "session": st.session_state.setdefault(session, uuid.uuid4().hex),
        "isTaken": st.session_state.get(taken, False),
    }
    _keep(key=key, data=data, on_left_change=left)
