"""The page goes to what was sent and follows its answer until the reader scrolls; then the prompt box has the focus.

Streamlit follows by itself only inside containers of a fixed height.
"""

from __future__ import annotations

import streamlit as st

# `following` holds while the end of the page stays in view. After the answer, the first thing that somebody does ends
# it: what is opened then grows where it is.
_JS = """
let conversation = null;
let sent = null;
let isRunning = false;
let following = false;
let lastTop = 0;
let watched = null;
let movedAt = -Infinity;
let timer = null;

const PAUSE = 300;  // milliseconds after the reader's last move

const main = () => document.getElementById("stMain");

// Growth that comes between a reader's move and its scroll event must not undo the move.
function stay() {
  const page = main();
  if (!page) return;
  clearTimeout(timer);
  const left = movedAt + PAUSE - performance.now();
  if (left > 0) {
    lastTop = Math.min(lastTop, page.scrollHeight - page.clientHeight);
    timer = setTimeout(stay, left + 1);
    return;
  }
  if (following) page.scrollTop = page.scrollHeight;
  lastTop = page.scrollTop;  // a page that got shorter has moved by itself
}

const growth = new ResizeObserver(stay);

function onScroll(event) {
  const page = event.target;
  const rest = page.scrollHeight - page.clientHeight - page.scrollTop;
  // Up to the end leads only a page that gets shorter while its answer is drawn again: no move of the reader's.
  if (page.scrollTop > lastTop && rest < 4) following = isRunning || following;
  else if (page.scrollTop < lastTop && rest >= 4) following = false;
  lastTop = page.scrollTop;
}

function watch(page) {
  const block = page.querySelector('[data-testid="stMainBlockContainer"]');
  if (watched === block) return;
  watched = block;
  growth.disconnect();
  growth.observe(page);
  growth.observe(block);
  page.addEventListener("scroll", onScroll);
}

for (const what of ["pointerdown", "keydown", "wheel", "touchmove"]) {
  document.addEventListener(what, event => {
    following = following && isRunning;
    if (!event.target.matches?.("input, textarea")) movedAt = performance.now();  // typing moves nothing
  }, { capture: true, passive: true });
}

// What was clicked is still on the page for a moment; where somebody types elsewhere, the focus stays there.
function focusPrompt(tries) {
  const box = document.querySelector('[data-testid="stChatInputTextArea"]');
  const active = document.activeElement;
  if (box && (active === document.body || active.closest('[data-testid="stChatInput"]'))) {
    box.focus({ preventScroll: true });
  } else if (tries && active.matches("body, button")) {
    setTimeout(focusPrompt, 100, tries - 1);
  }
}

export default function ({ data, parentElement }) {
  const page = main();
  if (!page) return;
  watch(page);
  const hasArrived = conversation === null;
  const hasEnded = isRunning && !data.running;
  const hasSent = data.sent !== sent && !hasArrived;
  const hasMoved = hasSent || data.conversation !== conversation;
  ({ conversation, sent, running: isRunning } = data);
  if (hasMoved) {
    movedAt = -Infinity;
    following = data.has_turns;
    if (!following) page.scrollTop = 0;
    stay();
  }
  // On a touch screen, the focus opens the keyboard.
  if ((hasSent || hasEnded) && !matchMedia("(pointer: coarse)").matches) focusPrompt(20);
  // A visit to another page of the app ends it: who comes back arrives again.
  return () => { setTimeout(() => { if (!parentElement.isConnected) conversation = null; }); };
}
"""
_follow = st.components.v2.component("scrolling", js=_JS)


def follow_newest(conversation: str, sent: str | None, *, has_turns: bool, running: bool) -> None:
    """Keep the newest turn in view while it grows.

    Args:
        sent: the turn that was sent last in this session; with each new one, the page goes to its end.
        has_turns: whether the conversation has any; if not, the page begins at its top.
        running: whether the newest turn's answer is in progress.
    """
    data = {"conversation": conversation, "sent": sent, "has_turns": has_turns, "running": running}
    _follow(data=data, key="chat_scrolling", height=0)
