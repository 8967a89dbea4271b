"""A button that copies a text with one click, which Streamlit's own buttons cannot."""

from __future__ import annotations

import streamlit as st

_HTML = """
<button type="button">
  <svg viewBox="0 0 24 24" aria-hidden="true">
    <rect x="9" y="9" width="11" height="11" rx="2" />
    <path d="M5 15V6a2 2 0 0 1 2-2h9" />
  </svg>
  <span>Copy</span>
</button>
"""
_CSS = """
button {
  display: inline-flex; align-items: center; gap: 0.5rem;
  background: none; border: 0; padding: 0.25rem 0; min-height: 2.5rem; cursor: pointer;
  color: var(--st-text-color); font: 0.875rem var(--st-font);
}
svg { width: 1.1rem; fill: none; stroke: currentColor; stroke-width: 2; }
button:hover, button:focus-visible { color: var(--st-primary-color); }
"""
# Browsers offer their clipboard to pages from this machine or over HTTPS alone; elsewhere a selection is copied.
_JS = """
function copySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

export default function ({ parentElement, data }) {
  const button = parentElement.querySelector("button");
  const words = button.querySelector("span");
  button.onclick = async () => {
    const copied = navigator.clipboard
      ? await navigator.clipboard.writeText(data).then(() => true, () => copySelection(data))
      : copySelection(data);
    words.textContent = copied ? "Copied" : "The browser refused";
    setTimeout(() => { words.textContent = "Copy"; }, 2000);
  };
}
"""
_button = st.components.v2.component("copy", html=_HTML, css=_CSS, js=_JS)


def offer_copy(text: str, *, key: str) -> None:
    """A button that copies a text."""
    _button(data=text, key=key, width="content")
