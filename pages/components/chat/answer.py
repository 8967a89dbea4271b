"""Draws one turn of a conversation: the prompt, the answer as it streams, and its trace."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.chat.service import CONTINUE
from router.compare import can_be_asked, files_of, plan_of
from router.core.conversations import Settings, Turn
from router.core.errors import FallbackLabError, InvalidRequest
from router.core.formatting import cut_short, size
from router.core.messages import Answer, Message
from router.core.totals import fill_of
from router.engine.handle import Handle
from router.lab import Lab
from router.providers.curl import as_curl, as_json

from components.shared import handover
from components.shared.arriving import Arriving
from components.shared.cases import draw_case
from components.shared.copying import offer_copy
from components.shared.following import dialog, follow
from components.shared.lab import this_viewer
from components.shared.markdown import label
from components.shared.message import DRAWN, draw_images, draw_markdown, draw_prompt, draw_source, guarded
from components.shared.tools import answer_calls, draw_calls, draw_validation
from components.shared.trace import draw_strip, offer_trace

Go = Callable[[Callable[[], Turn]], None]
"""Sends a request and shows the new branch."""


def draw_turn(
    lab: Lab,
    turn: Turn,
    settings: Settings,
    *,
    newest: bool,
    go: Go,
    show: Callable[[str], None],
    handle: Handle | None = None,
) -> None:
    """A prompt with its answer.

    Args:
        newest: whether it is the last one, which can be stopped, regenerated or continued.
        show: shows a turn's branch, by the turn's id.
        handle: its request in progress.
    """
    with st.chat_message("user", avatar=":material/person:"), guarded("This prompt"):
        _draw_prompt(lab, turn)
        if st.session_state.get("chat_editing") == turn.id:
            _edit(lab, turn, settings, go)
        else:
            draw_prompt(turn.prompt, key=f"prompt_{turn.id}")
    if handle is not None:
        this_viewer().look_at(handle)
        follow(functools.partial(_looks, lab, turn, handle))
        st.button("Stop", icon=":material/stop_circle:", key="chat_stop", shortcut="esc", on_click=handle.cancel)
        return
    with _message(), guarded("This answer"):
        _draw_ended(lab, turn, settings, newest=newest, go=go, show=show)


def _message() -> DeltaGenerator:
    return st.chat_message("assistant", avatar=":material/alt_route:")


def _looks(lab: Lab, turn: Turn, handle: Handle) -> Iterator[None]:
    """Draws what is new of an answer in progress, each time."""
    arriving = Arriving(_message())
    while lab.chat.handle(turn) is not None:
        arriving.draw(handle.snapshot())
        yield


def _draw_prompt(lab: Lab, turn: Turn) -> None:
    for attachment in turn.attachments:
        st.markdown(f":material/attach_file: {label(attachment.name)} :gray[({size(attachment.size)})]")
        if attachment.media_type.startswith("image/"):
            with guarded("This image"), contextlib.suppress(InvalidRequest):  # no longer stored
                st.image(lab.chat.file(turn, attachment), width=280, alt=attachment.name)
    for number, result in enumerate(turn.results):
        st.caption("Tool result")
        draw_source(result.content, key=f"result_of_{turn.id}_{number}")


def _draw_ended(lab: Lab, turn: Turn, settings: Settings, *, newest: bool, go: Go, show: Callable[[str], None]) -> None:
    _draw_answer(turn.answer, key=turn.id)
    if turn.state == "cut":
        st.warning("Incomplete: the answer was stopped or its session ended.", icon=":material/content_cut:")
    elif turn.state == "failed":
        st.error(label(turn.error or "No model answered."), icon=":material/error:")
        if turn.answer.text or turn.answer.tool_calls:
            st.caption("The answer above was not accepted.")
    elif turn.attempts:
        draw_validation(turn.attempts[-1], turn.answer, turn.settings.schema)
    cut = cut_short(turn, turn.settings)
    if cut is not None:
        st.warning(label(cut), icon=":material/content_cut:")
    if turn.attempts:
        draw_strip(turn.attempts, key=turn.id)
        if newest and (fill := fill_of(turn.attempts, lab.context(turn.attempts[-1].model))) and fill.warning:
            st.warning(label(fill.warning), icon=":material/data_usage:")
        offer_trace(turn.attempts, key=turn.id)
    if newest and cut is not None and not turn.answer.tool_calls:
        _offer_rest(lab, turn, settings, go)
    _draw_actions(lab, turn, settings, newest=newest, go=go, show=show)
    if newest and turn.state == "answered" and turn.answer.tool_calls:
        results = answer_calls(turn.answer.tool_calls, turn.settings.tools, key=turn.id)
        if results is not None:
            go(lambda: lab.chat.answer_calls(turn, results, settings, faults=this_viewer().faults))


def _offer_rest(lab: Lab, turn: Turn, settings: Settings, go: Go) -> None:
    limited = " and at least doubles max tokens" if settings.max_tokens is not None else ""
    if st.button("Continue", icon=":material/read_more:", key="chat_continue", help=f"Sends “{CONTINUE}”{limited}"):
        go(lambda: lab.chat.go_on(turn, settings, faults=this_viewer().faults))


def _draw_actions(
    lab: Lab, turn: Turn, settings: Settings, *, newest: bool, go: Go, show: Callable[[str], None]
) -> None:
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        if turn.answer.text:
            _offer_copy(turn)
        if newest and st.button("Regenerate", icon=":material/refresh:", type="tertiary", key="chat_regenerate"):
            go(lambda: lab.chat.ask_again(turn, settings, faults=this_viewer().faults))
        if turn.prompt:
            st.button(
                "Edit",
                icon=":material/edit:",
                type="tertiary",
                key=f"edit_{turn.id}",
                help="Edit this prompt in a new branch",
                on_click=_begin_edit,
                args=(turn.id,),
            )
        if st.button("Request", icon=":material/data_object:", type="tertiary", key=f"request_{turn.id}"):
            _show_request(lab, turn)
        if turn.state == "answered" and turn.answer.text:
            messages = functools.partial(_messages, lab, turn)
            draw_case(lab, messages, turn.answer, category=turn.settings.category, attempts=turn.attempts, key=turn.id)
        if turn.state == "answered":
            _draw_thumbs(lab, turn)
            _offer_others(lab, turn)
        _draw_branches(lab, turn, show)


def _draw_thumbs(lab: Lab, turn: Turn) -> None:
    """The thumbs that rate an answer; a second click takes that back."""
    key = f"thumbs_{turn.id}"
    st.session_state[key] = None if turn.liked is None else int(turn.liked)  # another tab may have rated it since

    def rate() -> None:
        thumb: int | None = st.session_state[key]
        with contextlib.suppress(InvalidRequest):  # deleted meanwhile: the page says so
            lab.chat.rate(turn, None if thumb is None else thumb == 1)

    st.feedback("thumbs", key=key, on_change=rate)


def _offer_others(lab: Lab, turn: Turn) -> None:
    turns = lab.chat.turns_to(turn)
    if can_be_asked(turns) and st.button(
        "Ask the others this",
        icon=":material/compare_arrows:",
        type="tertiary",
        key=f"others_{turn.id}",
        help="Opens Compare with this conversation: this model beside the others of its chain",
    ):
        plan = plan_of(lab.config(), turns)
        try:
            files = {file.id: lab.chat.file(turn, file) for file in files_of(plan)}
        except InvalidRequest as error:
            st.error(label(str(error)), icon=":material/error:")
        else:
            handover.compare(plan, files)


def _offer_copy(turn: Turn) -> None:
    """A long answer is sent a second time only when someone asks to copy it, not with every page."""
    if len(turn.answer.text) > DRAWN:
        copy = st.popover("Copy", icon=":material/content_copy:", type="tertiary", key=f"copy_{turn.id}",
                          on_change="rerun")  # fmt: skip
        if not copy.open:
            return
        with copy:
            offer_copy(turn.answer.text, key=f"copy_all_{turn.id}")
    else:
        offer_copy(turn.answer.text, key=f"copy_{turn.id}")


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
    prompt = st.text_area("Edit prompt", value=turn.prompt, height=160, key=f"edited_{turn.id}")
    st.caption("Sending starts a new branch. The current one is kept.")
    with st.container(horizontal=True):
        if st.button("Send", type="primary", icon=":material/send:", key="edit_ask"):
            _begin_edit(None)
            go(lambda: lab.chat.edit(turn, prompt, settings, faults=this_viewer().faults))
        st.button("Cancel", type="tertiary", key="edit_cancel", on_click=_begin_edit, args=(None,))


@dialog("Request", width="large")
def _show_request(lab: Lab, turn: Turn) -> None:
    settings = turn.settings
    model = turn.attempts[-1].model if turn.attempts else settings.model
    try:
        if model is None:
            chain = lab.config().chain(settings.category or "")
            model = chain.models[0].text
        sent = lab.sent(lab.chat.request(turn), model, category=settings.category if settings.model is None else None)
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    st.caption(f"The request to {label(model)}. The API key is left out; curl reads it from the environment.")
    body, command = st.tabs(["JSON", "curl"])
    with body:
        st.code(as_json(sent), language="json", wrap_lines=True, height=400)
    with command:
        st.code(as_curl(sent), language="bash", wrap_lines=True, height=400)


def _draw_answer(answer: Answer, *, key: str) -> None:
    if answer.reasoning:
        with st.expander("Reasoning", type="compact", expanded=not (answer.text or answer.images)):
            draw_markdown(answer.reasoning, key=f"reasoning_{key}")
    if answer.text:
        draw_markdown(answer.text, key=f"answer_{key}")
    draw_images(answer.images)
    draw_calls(answer.tool_calls, key=key)
