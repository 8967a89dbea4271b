"""What is typed and not sent yet is not lost, though Streamlit's prompt box tells nobody of it.

It outlives a visit to another page and a reload, and what the page itself puts into the box comes before it, not in
its place.
"""

from __future__ import annotations

import streamlit as st

# Only this tab's own storage holds it. The box is React's: it notices a value that is set with its prototype's setter.
_JS = """
const isBox = (element) => element.matches?.('[data-testid="stChatInputTextArea"]');
let box = null;
let typed = "";
let sends = 0;
let puts = 0;
let name = null;
document.addEventListener("input", (event) => {
  if (isBox(event.target)) { box = event.target; typed = box.value; }
});

addEventListener("pagehide", () => {  // a reload
  if (box?.value && box.isConnected) sessionStorage.setItem(name, box.value);
});

function write(found, text) {
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(found, text);
  found.dispatchEvent(new Event("input", { bubbles: true }));
}

// Streamlit has put the text there, or does so in a moment.
function keepBeside(text, before, tries) {
  const found = document.querySelector('[data-testid="stChatInputTextArea"]');
  if (found?.value === text) write(found, `${text}\n\n${before}`);
  else if (tries) setTimeout(keepBeside, 50, text, before, tries - 1);
}

function restore(name, tries) {
  const found = document.querySelector('[data-testid="stChatInputTextArea"]');
  if (!found) {
    if (tries) setTimeout(restore, 100, name, tries - 1);
    return;
  }
  const draft = sessionStorage.getItem(name);
  sessionStorage.removeItem(name);
  if (draft && !found.value) write(found, draft);
}

export default function ({ data }) {
  const here = name = `draft of ${data.conversation}`;
  restore(here, 50);
  if (data.sends !== sends) typed = box?.value ?? "";
  if (data.puts !== puts && typed && typed !== data.put) keepBeside(data.put, typed, 20);
  ({ sends, puts } = data);
  return () => {
    const left = box;
    // In another conversation of the page, the box stays with what is typed in it.
    setTimeout(() => { if (left?.value && !left.isConnected) sessionStorage.setItem(here, left.value); });
  };
}
"""
_drafts = st.components.v2.component("drafts", js=_JS)


def keep_draft(conversation: str, *, sends: int, puts: int, put: str) -> None:
    """Keep what is typed in the prompt box of a conversation until it is looked at again.

    Args:
        conversation: its id; "new" as long as it has no turn, as a reload begins another one.
        sends: how often this session has sent a prompt; what was typed before is no draft.
        puts: how often the page has put a text into the box, and `put` the last one.
    """
    data = {"conversation": conversation, "sends": sends, "puts": puts, "put": put}
    _drafts(data=data, key=f"chat_draft_{conversation}", height=0)
