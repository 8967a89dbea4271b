"""A file's text to be changed: its lines numbered, and sent as one types, which Streamlit's own field does not do."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_HTML = """
<div class="editor">
  <pre aria-hidden="true"></pre><textarea spellcheck="false" autocapitalize="off" wrap="off"></textarea>
</div>
"""

_CSS = """
.editor {
  display: grid; grid-template-columns: auto 1fr; max-height: 600px; overflow: auto; scroll-padding: 1rem 4rem;
  background: var(--st-secondary-background-color); border-radius: var(--st-base-radius);
  border: 1px solid var(--st-border-color);
}
.editor:focus-within { border-color: var(--st-primary-color); }
.editor > * {
  margin: 0; border: 0; padding: .75rem; background: inherit; color: var(--st-text-color);
  font: var(--st-code-font-size) / 1.5 var(--st-code-font);
}
pre { position: sticky; left: 0; text-align: right; user-select: none; color: var(--st-gray-text-color); }
textarea { box-sizing: border-box; width: 100%; resize: none; overflow: hidden; outline: none; white-space: pre; }
"""

_JS = """
const PAUSE = 400  // milliseconds without a key until what was typed is sent
const kept = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const field = parentElement.querySelector("textarea")
  const state = kept.get(field) ?? { number: data.seen }
  kept.set(field, state)
  field.ariaLabel = data.label

  const draw = () => {
    const lines = field.value.split("\\n")
    field.rows = lines.length
    field.style.minWidth = `calc(${Math.max(...lines.map((line) => line.length))}ch + 3rem)`
    parentElement.querySelector("pre").textContent = lines.map((_, index) => index + 1).join("\\n")
  }
  const send = () => {
    clearTimeout(state.timer)
    if (field.value === state.text) return
    state.text = field.value
    state.number += 1
    setTriggerValue("typed", { text: state.text, number: state.number })
  }
  // Until the last that was sent has been seen, what comes is older than what stands here.
  if (data.seen >= state.number && data.text !== state.text) {
    clearTimeout(state.timer)
    field.value = state.text = data.text
  }
  draw()
  field.oninput = () => {
    draw()
    clearTimeout(state.timer)
    state.timer = setTimeout(send, PAUSE)
  }
  field.onblur = send
  return send
}
"""

_draw = st.components.v2.component("text_editor", html=_HTML, css=_CSS, js=_JS)


def edit_text(name: str, text: str, *, key: str, change: Callable[[str], None]) -> None:
    """The text in a field; what is typed is taken, with plain line feeds, whenever one stops for a moment."""
    seen = f"{key}_seen"

    def take() -> None:
        typed = st.session_state[key].typed
        st.session_state[seen] = typed["number"]
        change(typed["text"])

    _draw(
        key=key,
        data={"label": name, "text": text.replace("\r\n", "\n"), "seen": st.session_state.get(seen, 0)},
        on_typed_change=take,
    )
