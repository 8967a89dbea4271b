"""One turn of a conversation, drawn: the prompt, the answer as it comes, and its trace."""

from __future__ import annotations

import contextlib

import streamlit as st

from router.errors import InvalidRequest
from router.events import Began, Queued, Waiting
from router.handle import Handle
from router.lab import Lab
from router.messages import Answer, ToolCall
from router.store import Settings, Turn
from router.words import outgrown, passed_over, seconds, stand_in

from components.markdown import faithful, label
from components.trace import draw_summary, draw_trace


def draw_turn(lab: Lab, turn: Turn, settings: Settings, *, newest: bool = False) -> None:
    """A prompt with its answer; the newest one can be stopped or asked again."""
    with st.chat_message("user", avatar=":material/person:"):
        st.markdown(faithful(turn.prompt))
    with st.chat_message("assistant", avatar=":material/alt_route:"):
        handle = lab.chat.handle(turn)
        if handle is not None:
            _draw_running(handle)
        else:
            _draw_ended(lab, turn, settings, newest=newest)


def _draw_running(handle: Handle) -> None:
    now = handle.snapshot()
    _draw_answer(now.answer)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Stop", icon=":material/stop_circle:", key="chat_stop", shortcut="esc"):
            handle.cancel()
        st.caption(f"{_activity(now.activity, now.answer)} {seconds(now.elapsed)}")
    for sentence in passed_over(now.attempts):
        st.caption(label(sentence))


def _activity(activity: Queued | Began | Waiting | None, answer: Answer) -> str:
    match activity:
        case Queued(model):
            return f"Waiting for {label(model)} …"
        case Waiting(model, wait):
            return f"{label(model)} is tried again after {seconds(wait)} …"
        case Began(model) if answer.text or answer.reasoning:
            return f"{label(model)} answers …"
        case Began(model):
            return f"Asking {label(model)} …"
        case _:
            return "Starting …"


def _draw_ended(lab: Lab, turn: Turn, settings: Settings, *, newest: bool) -> None:
    _draw_answer(turn.answer)
    if turn.state == "cut":
        st.warning("This answer was cut off: it was stopped, or its session was lost.", icon=":material/content_cut:")
    elif turn.state == "failed":
        st.error(label(turn.error or "No model answered."), icon=":material/error:")
    if turn.attempts:
        if turn.state != "failed":
            draw_summary(turn.attempts)
        _draw_why(lab, turn, newest=newest)
    if turn.attempts:
        with st.expander("Trace", icon=":material/timeline:", type="compact"):
            draw_trace(turn.attempts)
    with st.container(horizontal=True, gap="xsmall"):
        if turn.answer.text:
            with st.popover("Copy", icon=":material/content_copy:", type="tertiary"):
                st.code(turn.answer.text, language=None, wrap_lines=True, width=480, height=240)
        if newest and st.button("Regenerate", icon=":material/refresh:", type="tertiary", key="chat_regenerate"):
            with contextlib.suppress(InvalidRequest):  # another tab was faster
                lab.chat.ask_again(turn, settings)
            st.rerun()


def _draw_why(lab: Lab, turn: Turn, *, newest: bool) -> None:
    if reason := stand_in(turn.attempts):
        if newest:
            st.info(label(reason), icon=":material/key_off:")
        else:
            st.caption(label(reason))
    elif turn.state != "cut":
        for sentence in passed_over(turn.attempts):
            st.caption(label(sentence))
    if newest and (notice := outgrown(turn.attempts, lab.context(turn.attempts[-1].model))):
        st.warning(label(notice), icon=":material/data_usage:")


def _draw_answer(answer: Answer) -> None:
    if answer.reasoning:
        with st.expander("Reasoning", type="compact", expanded=not answer.text):
            st.markdown(faithful(answer.reasoning))
    if answer.text:
        st.markdown(faithful(answer.text))
    for call in answer.tool_calls:
        _draw_tool_call(call)


def _draw_tool_call(call: ToolCall) -> None:
    st.caption(f":material/build: calls **{label(call.name)}**")
    st.code(call.arguments, language="json")
