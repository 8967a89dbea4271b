"""Chat: sends a prompt through its category's chain and shows what happened on the way."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.core.conversations import Settings, Turn
from router.core.errors import FallbackLabError, InvalidRequest
from router.core.formatting import counted
from router.engine.handle import Handle
from router.lab import Lab

from components.chat.answer import draw_turn
from components.chat.conversations import draw_conversations, open_conversation
from components.chat.drafts import keep_draft
from components.chat.keys import ask_for_keys
from components.chat.parameters import edit_parameters
from components.chat.scrolling import follow_newest
from components.chat.settings import begin_with, draw_set, load_settings
from components.chat.target import pick_target
from components.chat.templates import draw_templates
from components.chat.totals import draw_totals
from components.chat.welcome import draw_welcome
from components.shared.chain import draw_chain
from components.shared.faults import draw_active, draw_faults
from components.shared.lab import lab_or_stop, this_viewer
from components.shared.markdown import label
from components.shared.message import draw_prompt
from components.shared.style import NARROW, TOOLBAR, WIDE
from components.shared.tools import WRONG

SHOWN = 20
"""Turns drawn per page, besides the newest."""


def main(lab: Lab) -> None:
    """The page: above, the conversation; below it, what sets and sends a prompt.

    What is sent is asked before the conversation is drawn, once.
    """
    conversation = _conversation(lab)
    faults = this_viewer().faults
    notices, tools, below = st.bottom.container(), _toolbar(), st.bottom.container()
    with tools:
        chain, target = pick_target(lab)
        settings = msgspec.structs.replace(edit_parameters(lab.store), category=target.category, model=target.model)
        st.session_state["chat_settings"] = settings
        draw_templates(lab.store, on_use=_draft)
        draw_faults(faults, [ref.text for ref in chain.models])
    with below:
        with st.container(horizontal=True, gap="xsmall", key="chat_set"):
            draw_set(settings)
            draw_active(faults)
        _draw_prompt(lab, conversation, settings)
        with st.container(key=WIDE):
            draw_chain(lab, chain, faults)
    turns, handle = _branch(lab, conversation)
    draw_conversations(lab, conversation)
    with tools:
        _draw_new(disabled=not turns)
    if turns:
        ask_for_keys(lab, chain)
    else:
        draw_welcome(lab, chain, settings, go=_go)
    _draw_earlier(lab, turns[:-1], settings)
    if turns:
        draw_turn(lab, turns[-1], settings, newest=True, handle=handle, go=_go, show=_show)
        draw_totals(lab, turns)
    _draw_waiting(conversation)
    with notices:
        _draw_notices()
    state = st.session_state
    keep_draft(conversation if turns else "new", sends=state.get("chat_sends", 0), puts=state.get("chat_puts", 0),
               put=state.get("chat_put", ""))  # fmt: skip
    follow_newest(conversation, state.get("chat_sent"), has_turns=bool(turns), running=handle is not None)


def _toolbar() -> DeltaGenerator:
    return st.bottom.container(horizontal=True, wrap=False, gap="xsmall", vertical_alignment="center", key=TOOLBAR)


def _draw_notices() -> None:
    if wrong := st.session_state[WRONG]:
        st.warning(f"Parameters: {label(wrong)}", icon=":material/tune:")
    if problem := st.session_state.pop("chat_problem", None):
        st.error(label(problem), icon=":material/error:")
    if notice := st.session_state.pop("chat_notice", None):
        st.info(label(notice), icon=":material/link:")


def _draw_prompt(lab: Lab, conversation: str, settings: Settings) -> None:
    """The prompt box, which sends what it is given: at once, or when the answer in progress has ended."""
    waiting = _waiting()
    if draft := st.session_state.pop("chat_draft", None):
        st.session_state["chat_prompt"] = st.session_state["chat_put"] = draft
        st.session_state["chat_puts"] = st.session_state.get("chat_puts", 0) + 1
    if sent := st.chat_input("Type a prompt", key="chat_prompt", accept_file="multiple"):
        st.session_state["chat_sends"] = st.session_state.get("chat_sends", 0) + 1
        typed = _Typed(sent.text, tuple((file.name, file.getvalue()) for file in sent.files))
        waiting[conversation] = waiting[conversation].followed_by(typed) if conversation in waiting else typed
    turns, handle = _branch(lab, conversation)
    if conversation in waiting and handle is None:
        text, files = waiting.pop(conversation)
        ask = functools.partial(lab.chat.ask, conversation, text, settings, files=files,
                                through=turns[-1].id if turns else None, faults=this_viewer().faults)  # fmt: skip
        if not _ask(ask, draft=text, lost=" Attach its files again." if files else ""):
            st.rerun()


def _branch(lab: Lab, conversation: str) -> tuple[list[Turn], Handle | None]:
    """The turns that are shown, and the newest one's request in progress.

    The request is looked up first: once it has ended, its turn is complete in what is read next.
    """
    turns = lab.chat.turns(conversation, st.session_state["chat_through"])
    handle = lab.chat.handle(turns[-1]) if turns else None
    return lab.chat.turns(conversation, st.session_state["chat_through"]), handle


class _Typed(NamedTuple):
    """A prompt as it was sent: its text, and its files' names and bytes."""

    text: str
    files: tuple[tuple[str, bytes], ...]

    def followed_by(self, other: _Typed) -> _Typed:
        return _Typed(f"{self.text}\n\n{other.text}", self.files + other.files)


def _waiting() -> dict[str, _Typed]:
    """What waits for an answer to end, by conversation."""
    waiting: dict[str, _Typed] = st.session_state.setdefault("chat_waiting", {})
    return waiting


def _draw_waiting(conversation: str) -> None:
    typed = _waiting().get(conversation)
    if typed is None:
        return
    with st.chat_message("user", avatar=":material/schedule_send:"):
        draw_prompt(typed.text, key="chat_waiting_text")
        attached = f" with {counted(len(typed.files), 'file')}" if typed.files else ""
        st.caption(f"Waiting{attached}: sent when the answer has ended.")
        st.button("Don't send", icon=":material/close:", type="tertiary", key="chat_unsend",
                  help="Puts the text back into the prompt box", on_click=_unsend, args=(conversation,))  # fmt: skip


def _unsend(conversation: str) -> None:
    typed = _waiting().pop(conversation)
    st.session_state["chat_draft"] = typed.text
    if typed.files:
        st.session_state["chat_problem"] = "The prompt was not sent. Attach its files again."


def _draw_earlier(lab: Lab, turns: list[Turn], settings: Settings) -> None:
    """The turns before the newest, a page at a time: browsers cannot show thousands of them."""
    back = min(st.session_state.get("chat_back", 0), max(0, (len(turns) - 1) // SHOWN))
    end = len(turns) - back * SHOWN
    if end > SHOWN:
        _draw_step(f"Show earlier ({end - SHOWN:,})", ":material/expand_less:", back + 1)
    for turn in turns[max(0, end - SHOWN) : end]:
        draw_turn(lab, turn, settings, newest=False, go=_go, show=_show)
    if back:
        _draw_step(f"Show later ({len(turns) - end:,})", ":material/expand_more:", back - 1)


def _draw_step(words: str, icon: str, back: int) -> None:
    st.button(label(words), icon=icon, key=f"chat_to_{back}", type="tertiary", width="stretch",
              on_click=st.session_state.__setitem__, args=("chat_back", back))  # fmt: skip


def _draw_new(*, disabled: bool) -> None:
    """The sidebar's New chat for a phone, which hides the sidebar."""
    st.button(
        "New",
        key=NARROW,
        icon=":material/add_comment:",
        help="Start a new conversation",
        disabled=disabled,
        on_click=open_conversation,
        args=(None,),
    )


def _conversation(lab: Lab) -> str:
    """The conversation named in the URL; a new one if none is named.

    A new conversation gets its URL with its first turn; otherwise the back button would start another one.
    """
    named, current = st.query_params.get("c", ""), st.session_state.get("chat_conversation")
    if re.fullmatch(r"[0-9a-f]{12}", named):
        conversation = named
    elif current is not None and st.session_state["arrived"] and lab.chat.turns(current):
        conversation = st.query_params["c"] = current
    else:
        conversation = lab.chat.new() if current is None or lab.chat.turns(current) else current
    # Streamlit forgets the controls' values when another page is visited.
    if current != conversation or st.session_state["arrived"]:
        st.session_state["chat_conversation"] = conversation
        st.session_state["chat_through"] = None
        st.session_state["chat_back"] = 0
        load_settings(lab, _settings(lab, conversation, same=current == conversation))
        if prompt := st.query_params.pop("prompt", None):
            _draft(prompt, rerun=False)
            st.session_state["chat_notice"] = (
                "The prompt was filled in by the link you followed. Check it before you send it."
            )
        st.query_params.pop("category", None)
    return conversation


def _settings(lab: Lab, conversation: str, *, same: bool) -> Settings:
    """The settings to show with a conversation: as they were left, or sent; a new one's are only who answers."""
    left: Settings = st.session_state.get("chat_settings", Settings())
    turns = lab.chat.turns(conversation)
    category = st.query_params.get("category")
    if not turns and category is not None:
        return Settings(category=category)
    if same:
        return left
    return turns[-1].settings if turns else Settings(category=left.category, model=left.model)


def _draft(text: str, *, rerun: bool = True) -> None:
    """Put a text into the prompt box."""
    st.session_state["chat_draft"] = text
    if rerun:
        st.rerun()


def _show(turn: str) -> None:
    """Show the branch of a turn."""
    st.session_state["chat_through"] = turn


def _go(ask: Callable[[], Turn]) -> None:
    """Send a request and run the page again."""
    _ask(ask)
    st.rerun()


def _ask(ask: Callable[[], Turn], *, draft: str | None = None, lost: str = "") -> bool:
    """Send a request and show its branch; on failure, keep the reason and what was typed for the next run.

    Args:
        lost: a sentence about what could not be kept.
    """
    try:
        if wrong := st.session_state[WRONG]:
            raise InvalidRequest(f"Fix the parameters first. {wrong}")
        turn = ask()
    except FallbackLabError as error:
        st.session_state["chat_problem"] = f"{error}{lost}"
        st.session_state["chat_draft"] = draft
        return False
    _show(turn.id)
    st.session_state["chat_sent"] = turn.id
    if turn.settings != st.session_state["chat_settings"]:
        begin_with(turn.settings)
    st.session_state["chat_back"] = 0
    open_conversation(turn.conversation)
    return True


main(lab_or_stop())
