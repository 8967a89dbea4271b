"""Clicks that follow a model: its row moves away under the pointer, and another model's button takes its place."""

from __future__ import annotations

import streamlit as st

_JS = """
const BUTTONS = "[class*='st-key-icon_up_'] button, [class*='st-key-icon_down_'] button"
const CHAIN = "[class*='st-key-chain_']"
const STILL = 8  // pixels that a pointer may move between two clicks on one spot

const listen = (state) => {
  // The chain by its key, not its element: that may have been drawn again.
  const keyOf = (button) => [...button.closest(CHAIN).classList].find((name) => name.startsWith("st-key-chain_"))
  const again = ({ chain, name }) =>
    [...document.querySelectorAll(BUTTONS)].find((one) => one.textContent === name && keyOf(one) === chain)
  const forget = () => (state.last = null)
  const isStill = ({ clientX, clientY }) => Math.hypot(clientX - state.last?.x, clientY - state.last?.y) < STILL
  const pointed = (event) => isStill(event) || forget()
  const listeners = {
    wheel: forget,
    touchmove: forget,
    pointermove: pointed,
    pointerdown: pointed,
    keydown: (event) => ["Enter", " "].includes(event.key) || forget(),
    click: (event) => {
      if (!event.isTrusted) return
      const hit = event.target.closest?.("a, button, input, textarea") ?? null
      const button = hit?.matches(BUTTONS) ? hit : null
      if (!isStill(event) || hit !== button) {
        const { clientX: x, clientY: y } = event
        state.last = button && { chain: keyOf(button), name: button.textContent, x, y }
      } else if (button?.textContent !== state.last.name) {
        // Another model's button, or none where the row was redrawn between press and release.
        event.stopPropagation()
        again(state.last)?.click()
      }
    },
  }
  const drawn = new MutationObserver(() => {
    if (state.last && document.activeElement === document.body) again(state.last)?.focus({ preventScroll: true })
  })
  for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener, true)
  drawn.observe(document.body, { childList: true, subtree: true })
  return () => {
    for (const [name, listener] of Object.entries(listeners)) document.removeEventListener(name, listener, true)
    drawn.disconnect()
  }
}

export default function ({ parentElement }) {
  parentElement.stopMoves ??= listen({ last: null })
  return () => {
    parentElement.stopMoves()
    delete parentElement.stopMoves
  }
}
"""

_draw = st.components.v2.component("moves", js=_JS)


def follow_moves() -> None:
    """A click that follows another, with neither the pointer nor the focus moved, moves the same model again."""
    _draw(key="moves")
