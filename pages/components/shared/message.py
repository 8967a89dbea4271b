"""Draws a message's texts: never more than a browser can take, and no text breaks the page."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from router.chat.attachments import read_image
from router.core.errors import InvalidRequest
from router.core.formatting import image_words
from router.lab import open_lab

from components.shared.markdown import faithful, label

log = logging.getLogger(__name__)

DRAWN = 20_000
"""Characters of a text drawn at first."""

FOLDED = (2_000, 30)
"""Characters and lines of a prompt drawn at first."""

MAX_DRAWN = 500_000
"""The most characters drawn, after Show all."""


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show an error in place of something that cannot be drawn, and continue with the page.

    Args:
        what: its name, to start a sentence with.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  # Streamlit's own signals (a rerun, a stop) are no Exceptions
        log.error("%s cannot be drawn:\n%s", what, open_lab().keys.scrub(traceback.format_exc()))  # noqa: TRY400  # scrubbed
        st.error(
            f"{label(what)} cannot be shown ({label(type(error).__name__)}). See the log for the cause; the rest of the"
            " page is not affected.",
            icon=":material/error:",
        )


def draw_markdown(text: str, *, key: str) -> None:
    """A foreign text as Markdown, at first only its beginning.

    Args:
        key: of the button that shows all of it.
    """
    st.markdown(faithful(_beginning(text, key)), anchors=False)
    _offer_rest(text, key)


def draw_prompt(text: str, *, key: str) -> None:
    """A prompt as Markdown with its line breaks, at first only a few lines; arguments as for `draw_markdown`."""
    st.markdown(faithful(_beginning(text, key, *FOLDED), breaks=True), anchors=False)
    _offer_rest(text, key, *FOLDED)


def draw_images(images: Sequence[str]) -> None:
    """An answer's images. What is only an address is shown as one: nothing is loaded from it."""
    for url in images:
        if not url.startswith("data:"):
            st.markdown(f"Image: {faithful(image_words(url))}", anchors=False)
            continue
        with guarded("This image"):
            try:
                st.image(read_image(url), alt="Image from the model")
            except InvalidRequest as error:
                st.caption(label(str(error)))


def draw_source(text: str, *, key: str, language: str | None = None) -> None:
    """A foreign text verbatim, at first only its beginning; arguments as for `draw_markdown`."""
    st.code(_beginning(text, key), language=language, wrap_lines=True)
    _offer_rest(text, key)


def newest(text: str, length: int = DRAWN) -> str:
    """The end of a text that is still growing: drawing all of a very long one delays everything else."""
    return text if len(text) <= length else f"…{text[1 - length :]}"


def _beginning(text: str, key: str, most: int = DRAWN, lines: int | None = None) -> str:
    if st.session_state.get(f"whole_{key}"):
        return text[:MAX_DRAWN]
    return "".join(text[:most].splitlines(keepends=True)[:lines])


def _offer_rest(text: str, key: str, most: int = DRAWN, lines: int | None = None) -> None:
    if (shown := len(_beginning(text, key, most, lines))) == len(text):
        return
    rest = " Export to see the rest." if len(text) > MAX_DRAWN else ""
    st.caption(f"Showing the first {shown:,} of {len(text):,} characters.{rest}")
    if not st.session_state.get(f"whole_{key}"):
        st.button("Show all", icon=":material/unfold_more:", key=f"all_{key}", type="tertiary",
                  on_click=st.session_state.__setitem__, args=(f"whole_{key}", True))  # fmt: skip
