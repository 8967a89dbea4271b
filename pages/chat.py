"""Chat: a prompt goes through its category's chain, and the page says what happened on the way."""

from __future__ import annotations

import re

import streamlit as st

from router.errors import FallbackLabError
from router.lab import Lab
from router.store import Settings

from components.answer import draw_turn
from components.chain import draw_chain
from components.lab import lab_or_stop, this_viewer
from components.markdown import label
from components.settings import ask_for_keys, pick_settings

POLL = 0.15
"""Seconds between two looks at an answer under way."""


def main(lab: Lab) -> None:
    """The page, from top to bottom."""
    conversation = _conversation(lab)
    turns = lab.chat.turns(conversation)
    settings = pick_settings(lab, turns[-1].settings if turns else None, on_new=_start_new)
    config = lab.config()
    chain = config.single(settings.model) if settings.model else config.chain(settings.category or "")
    draw_chain(lab, chain)
    ask_for_keys(lab, chain)
    if not turns:
        _draw_welcome()
    for turn in turns[:-1]:
        draw_turn(lab, turn, settings)
    running = bool(turns) and lab.chat.handle(turns[-1]) is not None
    if turns:
        # While an answer comes, this part alone is drawn again and again; a click elsewhere does not touch the request.
        st.fragment(_draw_newest, run_every=POLL if running else None)(lab, conversation, settings, running)
    if problem := st.session_state.pop("chat_problem", None):
        st.error(label(problem), icon=":material/error:")
    if draft := st.session_state.pop("chat_draft", None):
        st.session_state["chat_prompt"] = draft
    prompt = st.chat_input("Type a prompt", disabled=running, key="chat_prompt")
    if prompt:
        _send(lab, conversation, str(prompt), settings)


def _conversation(lab: Lab) -> str:
    """The conversation that the link names; a new one where it names none."""
    named = st.query_params.get("c", "")
    conversation = named if re.fullmatch(r"[0-9a-f]{12}", named) else lab.chat.new()
    if conversation != named:
        st.query_params["c"] = conversation
    return conversation


def _start_new() -> None:
    """Leave this conversation; its link brings it back."""
    st.query_params.pop("c", None)


def _draw_newest(lab: Lab, conversation: str, settings: Settings, running: bool) -> None:
    turn = lab.chat.turns(conversation)[-1]
    handle = lab.chat.handle(turn)
    if handle is not None:
        this_viewer().look_at(handle)
    elif running:
        st.rerun()
    draw_turn(lab, turn, settings, newest=True)


def _draw_welcome() -> None:
    st.space("medium")
    st.markdown("#### Ask something", text_alignment="center")
    st.caption(
        "The chain above answers: its primary model first, then its fallbacks. Under each answer you see which model"
        " gave it, and why the ones before it did not.",
        text_alignment="center",
    )


def _send(lab: Lab, conversation: str, prompt: str, settings: Settings) -> None:
    try:
        lab.chat.ask(conversation, prompt, settings)
    except FallbackLabError as error:
        st.session_state["chat_problem"] = str(error)
        st.session_state["chat_draft"] = prompt
    st.rerun()


main(lab_or_stop())
