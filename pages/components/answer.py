"""One turn of a conversation, drawn: the prompt, the answer as it comes, and its trace."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from router.curl import as_curl, as_json
from router.errors import FallbackLabError, InvalidRequest
from router.handle import Handle
from router.lab import Lab
from router.messages import Answer, Message
from router.store import Settings, Turn
from router.tools import misfit
from router.words import activity, outgrown, passed_over, stand_in

from components.cases import draw_case
from components.lab import this_viewer
from components.markdown import faithful, label
from components.tools import answer_calls, draw_calls
from components.trace import draw_summary, draw_trace

Go = Callable[[Callable[[], Turn]], None]
"""Sends what a callable asks, and shows the branch that it begins."""


def draw_turn(lab: Lab, turn: Turn, settings: Settings, *, newest: bool, go: Go, show: Callable[[str], None]) -> None:
    """A prompt with its answer.

    Args:
        newest: it is the last one: it can be stopped, asked again or gone on with.
        show: shows the branch of a turn, by its id.
    """
    with st.chat_message("user", avatar=":material/person:"):
        _draw_prompt(lab, turn)
        if st.session_state.get("chat_editing") == turn.id:
            _edit(lab, turn, settings, go)
        else:
            st.markdown(faithful(turn.prompt))
    with st.chat_message("assistant", avatar=":material/alt_route:"):
        handle = lab.chat.handle(turn)
        if handle is not None:
            _draw_running(handle)
        else:
            _draw_ended(lab, turn, settings, newest=newest, go=go, show=show)


def _draw_prompt(lab: Lab, turn: Turn) -> None:
    for attachment in turn.attachments:
        st.markdown(f":material/attach_file: {label(attachment.name)} :gray[({attachment.size / 1000:,.1f} kB)]")
        if attachment.media_type.startswith("image/"):
            with contextlib.suppress(InvalidRequest):  # no longer stored
                st.image(lab.chat.file(turn, attachment), width=280, alt=attachment.name)
    for result in turn.results:
        st.caption("The call gave")
        st.code(result.content, language=None, wrap_lines=True)


def _draw_running(handle: Handle) -> None:
    now = handle.snapshot()
    _draw_answer(now.answer)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Stop", icon=":material/stop_circle:", key="chat_stop", shortcut="esc"):
            handle.cancel()
        st.caption(label(activity(now)))
    for sentence in passed_over(now.attempts):
        st.caption(label(sentence))


def _draw_ended(lab: Lab, turn: Turn, settings: Settings, *, newest: bool, go: Go, show: Callable[[str], None]) -> None:
    _draw_answer(turn.answer)
    if turn.state == "cut":
        st.warning("This answer was cut off: it was stopped, or its session was lost.", icon=":material/content_cut:")
    elif turn.state == "failed":
        st.error(label(turn.error or "No model answered."), icon=":material/error:")
    elif turn.settings.schema is not None and not turn.answer.tool_calls:
        _draw_fit(turn.answer.text, turn.settings.schema)
    if turn.attempts:
        if turn.state != "failed":
            draw_summary(turn.attempts)
        _draw_why(lab, turn, newest=newest)
        with st.expander("Trace", icon=":material/timeline:", type="compact"):
            draw_trace(turn.attempts)
    _draw_actions(lab, turn, settings, newest=newest, go=go, show=show)
    if newest and turn.state == "answered" and turn.answer.tool_calls:
        results = answer_calls(turn.answer.tool_calls, turn.settings.tools, key=turn.id)
        if results is not None:
            go(lambda: lab.chat.answer_calls(turn, results, settings, faults=this_viewer().faults))


def _draw_actions(
    lab: Lab, turn: Turn, settings: Settings, *, newest: bool, go: Go, show: Callable[[str], None]
) -> None:
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        if turn.answer.text:
            with st.popover("Copy", icon=":material/content_copy:", type="tertiary"):
                st.code(turn.answer.text, language=None, wrap_lines=True, width=480, height=240)
        if newest and st.button("Regenerate", icon=":material/refresh:", type="tertiary", key="chat_regenerate"):
            go(lambda: lab.chat.ask_again(turn, settings, faults=this_viewer().faults))
        if turn.prompt:
            st.button(
                "Edit",
                icon=":material/edit:",
                type="tertiary",
                key=f"edit_{turn.id}",
                help="Ask another prompt instead",
                on_click=_begin_edit,
                args=(turn.id,),
            )
        if st.button("Request", icon=":material/data_object:", type="tertiary", key=f"request_{turn.id}"):
            _show_request(lab, turn)
        if turn.state == "answered" and turn.answer.text:
            messages = functools.partial(_messages, lab, turn)
            draw_case(lab, messages, turn.answer, category=turn.settings.category, attempts=turn.attempts, key=turn.id)
        _draw_branches(lab, turn, show)


def _messages(lab: Lab, turn: Turn) -> Sequence[Message]:
    return lab.chat.request(turn).messages


def _draw_branches(lab: Lab, turn: Turn, show: Callable[[str], None]) -> None:
    ids = [branch.id for branch in lab.chat.branches(turn)]
    if len(ids) < 2:
        return
    at = ids.index(turn.id)
    for icon, step, words in ((":material/chevron_left:", -1, "Earlier"), (":material/chevron_right:", 1, "Later")):
        if step == 1:
            st.caption(f"{at + 1} of {len(ids)}", width="content")
        st.button(
            icon,
            key=f"branch_{turn.id}_{step}",
            type="tertiary",
            help=f"{words} branch",
            disabled=not 0 <= at + step < len(ids),
            on_click=show,
            args=(ids[(at + step) % len(ids)],),
        )


def _begin_edit(turn: str | None) -> None:
    st.session_state["chat_editing"] = turn


def _edit(lab: Lab, turn: Turn, settings: Settings, go: Go) -> None:
    prompt = st.text_area("Another prompt instead", value=turn.prompt, height=160, key=f"edited_{turn.id}")
    st.caption("A new branch begins here; what was said before stays.")
    with st.container(horizontal=True):
        if st.button("Ask this", type="primary", icon=":material/send:", key="edit_ask"):
            _begin_edit(None)
            go(lambda: lab.chat.edit(turn, prompt, settings, faults=this_viewer().faults))
        st.button("Cancel", type="tertiary", key="edit_cancel", on_click=_begin_edit, args=(None,))


@st.dialog("The request", width="large")
def _show_request(lab: Lab, turn: Turn) -> None:
    model = turn.attempts[-1].model if turn.attempts else turn.settings.model
    try:
        if model is None:
            chain = lab.config().chain(turn.settings.category or "")
            model = chain.models[0].text
        sent = lab.sent(lab.chat.request(turn), model)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    st.caption(f"As it goes to {label(model)}. The key is left out; curl takes it from the environment.")
    body, command = st.tabs(["JSON", "curl"])
    with body:
        st.code(as_json(sent), language="json", wrap_lines=True, height=400)
    with command:
        st.code(as_curl(sent), language="bash", wrap_lines=True, height=400)


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


def _draw_fit(answer: str, schema: Mapping[str, object]) -> None:
    if problem := misfit(answer, schema):
        st.warning(label(problem), icon=":material/rule:")
    else:
        st.caption(":green[:material/check:] The answer fits its schema.")


def _draw_answer(answer: Answer) -> None:
    if answer.reasoning:
        with st.expander("Reasoning", type="compact", expanded=not answer.text):
            st.markdown(faithful(answer.reasoning))
    if answer.text:
        st.markdown(faithful(answer.text))
    draw_calls(answer.tool_calls)
