"""What is about to be saved: the diff, what the change would have done so far, and the reason for it."""

from __future__ import annotations

import time
from typing import Literal

import streamlit as st

from router.config.changes import in_words
from router.config.draft import Draft
from router.config.schema import Config
from router.core.errors import StoreError
from router.lab import Lab
from router.metrics.what_if import what_ifs

from components.shared.markdown import label

WIDTH, DIFF_LINES, DIFF_HEIGHT = 560, 9, 200
"""Pixels of what is opened; diffs of at least this many lines are scrolled, in a box this many pixels high."""

BAR = "chains_unsaved"
"""The key of the line at the bottom of the window."""

# The words are cut, and what is cut has a margin of its own, which the container's negative one would not take back.
_STYLE = f"""<style>
.st-key-{BAR} [data-testid="stCaptionContainer"] {{ margin: 0; }}
.st-key-{BAR} [data-testid="stCaptionContainer"] p {{
  margin: 0; overflow: hidden; white-space: nowrap; text-overflow: ellipsis;
}}
</style>"""

_WHY, _PROPOSED, _KEPT = "chains_why", "chains_why_proposed", "chains_why_kept"

_SEEN = 60
"""Characters of a reason that its field shows; one of the Tune page is longer, and said below in full."""


def reason() -> str:
    """The reason as it is typed or proposed."""
    return str(st.session_state.get(_WHY, "")).strip() or "no reason given"


def given_reason() -> str:
    """The reason if somebody gave it; empty if it is the one that follows the change."""
    why = str(st.session_state.get(_WHY, ""))
    return "" if why == st.session_state.get(_PROPOSED) else why


def keep_reason(why: str) -> None:
    """Keep a reason while the page is left: Streamlit forgets what a field held that is not drawn."""
    st.session_state[_KEPT] = why


def resume_reason() -> None:
    """Go on with the reason that was kept."""
    if _WHY not in st.session_state and (kept := st.session_state.get(_KEPT)):
        propose(kept)


def propose(why: str) -> None:
    """Give the reason of a change that another page has made."""
    st.session_state[_WHY] = why


def draw_review(lab: Lab, draft: Draft, config: Config | None) -> None:
    """The change in one line, with a button that opens the rest.

    Args:
        config: what the draft describes; None where it is invalid.
    """
    words = in_words(lab.config(), config) if config is not None else ""
    st.html(_STYLE)
    st.caption(label(f"Unsaved: {words}" if words else "Unsaved changes"), width="stretch")
    popover = st.popover("Review", icon=":material/difference:", key="chains_review", on_change=_say_again)
    with popover:
        diff = draft.diff()
        height: int | Literal["content"] = DIFF_HEIGHT if diff.count("\n") >= DIFF_LINES else "content"
        st.code(diff, language="diff", wrap_lines=True, height=height, width=WIDTH)
        if popover.open and config is not None:
            _draw_what_if(lab, config)
        _draw_reason(words)


def _draw_what_if(lab: Lab, config: Config) -> None:
    before, after = (
        {name: [ref.text for ref in chain.models] for name, chain in each.chains.items()}
        for each in (lab.config(), config)
    )
    try:
        for category, sentence in what_ifs(lab.observed, before, after, time.time()).items():
            st.caption(label(f"What if, {category}: {sentence}"), width=WIDTH)
    except StoreError as error:  # chains can be saved without it
        st.caption(label(str(error)), width=WIDTH)


def _say_again() -> None:
    """The browser makes the field as this opens, and would not know what was proposed before."""
    st.session_state[_WHY] = st.session_state.get(_WHY, "")


def _draw_reason(proposed: str) -> None:
    """The field for the reason; a proposal that nobody has edited follows the change."""
    if st.session_state.get(_WHY, "") in ("", st.session_state.get(_PROPOSED)):
        st.session_state[_WHY] = st.session_state[_PROPOSED] = proposed
    st.text_input("Reason, for the history", key=_WHY, placeholder="Example: glm-5 is slow in the evening", width=WIDTH)
    if len(reason()) > _SEEN:
        st.caption(label(reason()))
