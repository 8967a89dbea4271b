"""A text editor with line numbers that sends while one types, which Streamlit's own field does not do."""

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
  display: grid; grid-template-columns: auto 1fr; max-height: 600px; overflow: auto;
  background: var(--st-secondary-background-color); border-radius: var(--st-base-radius);
  border: 1px solid var(--st-border-color);
}
.editor:focus-within { border-color: var(--st-primary-color); }
.editor > * {
  margin: 0; border: 0; padding: .75rem; background: inherit; color: var(--st-text-color);
  font: var(--st-code-font-size) / 1.5 var(--st-code-font);
}
pre { text-align: right; user-select: none; color: var(--st-gray-text-color); }
textarea {
  box-sizing: border-box; min-width: 100%; field-sizing: content; white-space: pre;
  resize: none; overflow: auto hidden; outline: none;
}
"""

_JS = """
const PAUSE = 400  // milliseconds without a keystroke before the text is sent

export default function ({ data, parentElement, setTriggerValue }) {
  const field = parentElement.querySelector("textarea")
  const state = (field.kept ??= { number: data.seen, seen: data.seen, text: field.value })
  field.ariaLabel = data.label

  const draw = () => {
    const numbers = field.value.split("\\n").map((_, line) => line + 1)
    field.rows = numbers.length
    parentElement.querySelector("pre").textContent = numbers.join("\\n")
  }
  const send = () => {
    clearTimeout(state.timer)
    if (field.value === state.text) return
    state.text = field.value
    state.number += 1
    setTriggerValue("typed", { text: state.text, base: state.base, number: state.number })
  }
  const put = (text) => {
    const moved = (at) => (text.startsWith(field.value.slice(0, at)) ? at : at + text.length - field.value.length)
    const [start, end] = [moved(field.selectionStart), moved(field.selectionEnd)]
    field.value = state.text = text
    field.setSelectionRange(start, end)
  }
  if (data.seen < state.seen) {  // a new session, which is sent the unsaved text again
    state.number = data.seen
    state.text = state.base.replace(/\\r\\n?/g, "\\n")
    state.timer = setTimeout(send, PAUSE)
  }
  state.seen = data.seen
  // Until the server has seen the last text sent, its data is older than the field; keep what was typed since.
  if (data.seen >= state.number && field.value === state.text) {
    state.base = data.base
    if (data.text !== state.text) put(data.text)
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


def edit_text(name: str, text: str, *, base: str, key: str, on_typed: Callable[[], object]) -> None:
    """Draw the editor; typed text is sent after a short pause, with plain line feeds.

    Args:
        base: the text that edits are based on; it is returned with the typed text, even if the file has changed since.
        on_typed: called when text arrives; it should call `take_typed`.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")

    def told() -> None:
        on_typed()

    _draw(
        key=key,
        data={"label": name, "text": lines, "base": base, "seen": st.session_state.get(_seen(key), 0)},
        on_typed_change=told,
    )


def take_typed(key: str) -> tuple[str, str] | None:
    """The typed text and its base, once. Click callbacks call this too: they run before the last typing arrives."""
    typed = (st.session_state.get(key) or {}).get("typed")  # empty if it comes from a page that was left
    if not typed or typed["number"] <= st.session_state.get(_seen(key), 0):
        return None
    st.session_state[_seen(key)] = typed["number"]
    return typed["text"], typed["base"]


def _seen(key: str) -> str:
    return f"{key}_seen"
