"""Follows what is in progress: one running script per tab, which a click on anything interrupts.

The page itself is drawn to its end; then the browser starts a fragment, once, and that one looks at the request until
its end. Polling (a run of the fragment for each look) costs several times as much. A script that waits for a token
would hear a click no earlier than the token; this one hears it at its next look.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Literal

import streamlit as st

LOOK_EVERY = 0.15
"""Seconds between looks at an answer in progress."""

START_AFTER = 0.3
"""Seconds from the page to the following looks. The browser asks again that often, in vain."""

_DIALOG = "dialog_open"


def follow(begin: Callable[[], Iterator[None]]) -> None:
    """Draw something in progress here, again and again until its end; then the page runs again.

    Args:
        begin: draws what there is, and what is new each time that it is continued; it ends with what it draws. It
            draws no widgets: while a fragment runs, nothing inside it is heard.
    """
    page_is_drawn = False

    def run() -> None:
        for _ in begin():
            if not page_is_drawn:
                return
            _pause()
        st.rerun()

    # Nothing in a dialog is heard either; it hides the page anyway, and the page runs again when it is closed.
    st.fragment(run, run_every=None if dialog_is_open() else START_AFTER)()
    page_is_drawn = True


def _pause() -> None:
    time.sleep(LOOK_EVERY)
    # Where a script reaches for the session's state, Streamlit interrupts it for a click or a closed tab.
    st.session_state.get(_DIALOG)


def no_dialog() -> None:
    """A run of the page begins."""
    st.session_state[_DIALOG] = False


def dialog_is_open() -> bool:
    """Whether the last run of the page opened a dialog, and nobody has closed it."""
    return bool(st.session_state.get(_DIALOG))


def drawer(
    title: str, icon: str, on_dismiss: Literal["rerun"] | Callable[[], None] = "rerun"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A dialog at the right, as wide as tables are."""
    return dialog(title, width="large", position="right", icon=icon, on_dismiss=on_dismiss)


def dialog(
    title: str,
    *,
    width: Literal["small", "large"] = "small",
    position: Literal["center", "right"] = "center",
    icon: str | None = None,
    on_dismiss: Literal["rerun"] | Callable[[], None] = "rerun",
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`st.dialog` for a page that updates by itself: meanwhile, it does not."""

    def decorate(draw: Callable[..., None]) -> Callable[..., None]:
        opened = st.dialog(title, width=width, position=position, icon=icon, on_dismiss=on_dismiss)(draw)

        @functools.wraps(draw)
        def open_it(*args: object, **kwargs: object) -> None:
            st.session_state[_DIALOG] = True
            opened(*args, **kwargs)

        return open_it

    return decorate
