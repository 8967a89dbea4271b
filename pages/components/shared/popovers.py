"""Popovers for the keyboard: Tab goes from a popover's button into what it holds, and on from there.

Streamlit draws an open popover at the end of the document, so that Tab alone leads there last, behind the whole page.
"""

from __future__ import annotations

import streamlit as st

from components.shared.style import POPOVERS

_JS = """
const BUTTON = "[data-testid=stPopoverButton][aria-expanded=true]"
const BODY = "[data-testid=stPopoverBody]"
const STOPS = "a[href], button:not(:disabled), input:not(:disabled), textarea:not(:disabled), [tabindex='0']"

const listen = () => {
  const last = (all) => all[all.length - 1]
  const pressed = (event) => {
    if (event.key !== "Tab") return
    // Of popovers in a popover, the innermost comes last.
    const button = last([...document.querySelectorAll(BUTTON)].filter((one) => one.checkVisibility()))
    const body = last(document.querySelectorAll(BODY))
    const stops = [...(body?.querySelectorAll(STOPS) ?? [])].filter((one) => one.tabIndex >= 0 && one.checkVisibility())
    if (!button || !stops.length) return
    const at = document.activeElement
    const go = (to) => { event.preventDefault(); to.focus() }
    if (at === button && !event.shiftKey) go(stops[0])
    else if (at === stops[0] && event.shiftKey) go(button)
    else if (at === last(stops) && !event.shiftKey) button.focus()  // and the browser goes on from there
  }
  document.addEventListener("keydown", pressed, true)
  return () => document.removeEventListener("keydown", pressed, true)
}

export default function ({ parentElement }) {
  parentElement.stopPopovers ??= listen()
  return () => {
    parentElement.stopPopovers()
    delete parentElement.stopPopovers
  }
}
"""

_draw = st.components.v2.component("popovers", js=_JS)


def lead_into_popovers() -> None:
    """From here on, Tab follows what is open."""
    _draw(key=POPOVERS)
