"""What is drawn only once it comes into view: a chart takes a browser longer than all figures above it together."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

NEAR = 300
"""Pixels around the view within which something is drawn already, so that who scrolls on finds it there."""

IDLE = 400
"""Milliseconds without a change on the page after which the rest is drawn, seen or not: a page that is searched,
printed or read aloud is whole. Shorter than the second between changes of what goes on now."""

_KEY = "in_view"
_PLACE = "in_view_"
"""Prefix of the keys of what is not drawn yet."""

_JS = """
const watch = (on) => {
  const page = document.querySelector("[data-testid=stMain]")
  const name = (place) => [...place.classList].find((one) => one.startsWith("st-key-")).slice(7 + on.prefix.length)
  const seen = new Set()
  const see = (places) => {
    const before = seen.size
    for (const place of places) seen.add(name(place))
    if (seen.size > before) on.report("seen", [...seen])
  }
  const views = new IntersectionObserver(
    (entries) => see(entries.filter((each) => each.isIntersecting).map((each) => each.target)),
    { root: page, rootMargin: `${on.near}px 0px` },
  )
  let idle
  const look = () => {
    const places = [...page.querySelectorAll(`[class*='st-key-${on.prefix}']`)]
    for (const place of places) views.observe(place)
    clearTimeout(idle)
    if (places.length) idle = setTimeout(() => see(places), on.idle)
  }
  const changes = new MutationObserver(look)
  changes.observe(page, { childList: true, subtree: true })
  look()
  return () => { changes.disconnect(); views.disconnect(); clearTimeout(idle) }
}

export default function ({ data, parentElement, setStateValue }) {
  const on = parentElement.watching ??= { ...data }
  on.report = setStateValue
  on.stop ??= watch(on)
  return () => {
    on.stop()
    delete parentElement.watching
  }
}
"""
_watch = st.components.v2.component("in_view", js=_JS)


def draw_in_view(name: str, height: int, draw: Callable[[], None]) -> None:
    """Draw something, or leave room for it until it comes into view; to be followed by `watch_view`.

    Args:
        name: unique on the page.
        height: pixels that it takes, about.
    """
    if is_seen(name):
        draw()
    else:
        st.container(height=height, border=False, key=f"{_PLACE}{name}")


def watch_view() -> None:
    """Draw what comes into view; draws the fragment again that this is called in."""
    data = {"near": NEAR, "idle": IDLE, "prefix": _PLACE}
    _watch(data=data, key=_KEY, height=0, on_seen_change=lambda: None)


def is_seen(name: str) -> bool:
    """Whether it has been in view since the page was opened."""
    return name in st.session_state.get(_KEY, {}).get("seen", ())
