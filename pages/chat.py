"""Chat: a prompt goes through its category's chain, and the page says what happened on the way."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import streamlit as st

from router.errors import FallbackLabError, InvalidRequest
from router.lab import Lab
from router.store import Settings, Turn

from components.answer import draw_turn
from components.chain import draw_chain
from components.conversations import draw_conversations, open_conversation
from components.faults import draw_faults
from components.lab import lab_or_stop, this_viewer
from components.markdown import label
from components.settings import ask_for_keys, edit_parameters, load_settings, pick_target
from components.templates import draw_templates
from components.tools import WRONG

POLL = 0.15
"""Seconds between two looks at an answer under way."""


def main(lab: Lab) -> None:
    """The page, from top to bottom."""
    conversation = _conversation(lab)
    draw_conversations(lab, conversation)
    turns = lab.chat.turns(conversation, st.session_state["chat_through"])
    config, faults = lab.config(), this_viewer().faults
    category, model = pick_target(config)
    chain = config.single(model) if model else config.chain(category or "")
    with st.container(horizontal=True):
        settings = msgspec.structs.replace(edit_parameters(conversation), category=category, model=model)
        st.session_state["chat_settings"] = settings
        if lab.store is not None:
            draw_templates(lab.store, on_use=_draft)
        draw_faults(faults, chain)
        _draw_new(disabled=not turns)
    draw_chain(lab, chain, faults)
    ask_for_keys(lab, chain)
    if wrong := st.session_state[WRONG]:
        st.warning(f"Parameters: {label(wrong)}", icon=":material/tune:")
    if not turns:
        _draw_welcome()
    for turn in turns[:-1]:
        draw_turn(lab, turn, settings, newest=False, go=_go, show=_show)
    running = bool(turns) and lab.chat.handle(turns[-1]) is not None
    if turns:
        # While an answer comes, this part alone is drawn again and again; a click elsewhere does not touch the request.
        st.fragment(_draw_newest, run_every=POLL if running else None)(lab, conversation, settings, running)
    if problem := st.session_state.pop("chat_problem", None):
        st.error(label(problem), icon=":material/error:")
    if draft := st.session_state.pop("chat_draft", None):
        st.session_state["chat_prompt"] = draft
    sent = st.chat_input("Type a prompt", disabled=running, key="chat_prompt", accept_file="multiple")
    if sent:
        files = [(file.name, file.getvalue()) for file in sent.files]
        through = turns[-1].id if turns else None
        _go(
            lambda: lab.chat.ask(conversation, sent.text, settings, files=files, through=through, faults=faults),
            draft=sent.text,
            lost=" Its files need to be attached again." if files else "",
        )


def _draw_new(*, disabled: bool) -> None:
    st.button(
        "New",
        icon=":material/add_comment:",
        help="Begin a new conversation",
        disabled=disabled,
        on_click=open_conversation,
        args=(None,),
    )


def _conversation(lab: Lab) -> str:
    """The conversation that the link names; a new one where it names none.

    A new one is named in the link once something is said in it: else the back button, having left it, would begin one.
    """
    named, current = st.query_params.get("c", ""), st.session_state.get("chat_conversation")
    if re.fullmatch(r"[0-9a-f]{12}", named):
        conversation = named
    elif current is not None and st.session_state["arrived"] and lab.chat.turns(current):
        conversation = st.query_params["c"] = current
    else:
        conversation = lab.chat.new() if current is None or lab.chat.turns(current) else current
    # What the controls held is gone after another page has been looked at.
    if current != conversation or st.session_state["arrived"]:
        st.session_state["chat_conversation"] = conversation
        st.session_state["chat_through"] = None
        turns = lab.chat.turns(conversation)
        load_settings(lab, turns[-1].settings if turns else None, st.query_params.get("category"))
        if prompt := st.query_params.pop("prompt", None):
            _draft(prompt, rerun=False)
        st.query_params.pop("category", None)
    return conversation


def _draft(text: str, *, rerun: bool = True) -> None:
    """Put a text into the prompt's field."""
    st.session_state["chat_draft"] = text
    if rerun:
        st.rerun()


def _show(turn: str) -> None:
    """Show the branch of a turn."""
    st.session_state["chat_through"] = turn


def _go(ask: Callable[[], Turn], *, draft: str | None = None, lost: str = "") -> None:
    """Send what a callable asks, and show its branch; where that cannot be, say why, and keep what was typed.

    Args:
        lost: what to say of what cannot be kept.
    """
    try:
        if wrong := st.session_state[WRONG]:
            raise InvalidRequest(f"Mend the parameters first. {wrong}")
        turn = ask()
        _show(turn.id)
        open_conversation(turn.conversation)
    except FallbackLabError as error:
        st.session_state["chat_problem"] = f"{error}{lost}"
        st.session_state["chat_draft"] = draft
    st.rerun()


def _draw_newest(lab: Lab, conversation: str, settings: Settings, running: bool) -> None:
    turn = lab.chat.turns(conversation, st.session_state["chat_through"])[-1]
    handle = lab.chat.handle(turn)
    if handle is not None:
        this_viewer().look_at(handle)
    elif running:
        st.rerun()
    draw_turn(lab, turn, settings, newest=True, go=_go, show=_show)


def _draw_welcome() -> None:
    st.space("medium")
    st.markdown("#### Ask something", text_alignment="center")
    st.caption(
        "The chain above answers: its primary model first, then its fallbacks. Under each answer you see which model"
        " gave it, and why the ones before it did not.",
        text_alignment="center",
    )


main(lab_or_stop())
