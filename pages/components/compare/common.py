"""What all lanes of a new comparison have: a system prompt, tools, a schema, files, faults, a conversation before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from router.chat.attachments import read_attachment
from router.core.comparisons import Plan
from router.core.conversations import Attachment, Settings, Turn
from router.core.errors import FallbackLabError, InvalidRequest
from router.core.faults import Fault
from router.core.formatting import counted, parameters, size
from router.engine.faults import Faults
from router.lab import Lab

from components.compare.draft import Draft, key_of
from components.shared.faults import draw_active, draw_faults, fault_words
from components.shared.markdown import label
from components.shared.message import draw_source
from components.shared.tools import edit_schema, edit_tools, pretty

_FILES, _FAULTS, _BEFORE, _UPLOADS = "compare_files", "compare_faults", "compare_before", "compare_uploads"


def edit_common(begin: Draft) -> Settings:
    """The popover with the parameters of all lanes."""
    begun = begin.plan.common
    with st.popover("For all lanes", icon=":material/tune:", help="System prompt, tools and JSON schema for all lanes"):
        system, tools, answer = st.tabs(["System prompt", "Tools", "JSON answer"])
        with system:
            text = st.text_area(
                "System prompt for all lanes",
                begun.system,
                key=key_of("common_system"),
                persist_state="session",
                placeholder="None",
                height=120,
                width=360,
                help="A lane's own system prompt is used in its place.",
            )
        with tools:
            st.caption("Calls are shown and not answered. Go on in Chat to answer them.")
            offered = edit_tools(begun.tools, key_of("tools"))
        with answer:
            schema = edit_schema(begun.schema, key_of("schema"))
    return Settings(system=text, tools=offered, schema=schema)


def edit_files(begin: Draft) -> dict[Attachment, bytes]:
    """The popover with the files of every prompt."""
    attached: dict[Attachment, bytes] = st.session_state.setdefault(
        _FILES, {file: begin.files[file.id] for file in begin.plan.files}
    )
    with st.popover(f"Files ({len(attached)})" if attached else "Files", icon=":material/attach_file:"):
        uploads = st.session_state.setdefault(_UPLOADS, 0)
        given = st.file_uploader(
            "Attach to every prompt", accept_multiple_files=True, key=f"compare_attach_{uploads}", width=360
        )
        problems = [problem for file in given if (problem := _attach(attached, file.name, file.getvalue()))]
        for problem in problems:
            st.error(label(problem), icon=":material/error:")
        if given and not problems:
            st.session_state[_UPLOADS] += 1  # an emptied uploader
            st.rerun()
        for number, file in enumerate(attached):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{label(file.name)} :gray[({size(file.size)})]")
                st.button("Remove", icon=":material/close:", type="tertiary", key=f"compare_detach_{number}",
                          help=f"Remove {label(file.name)}", on_click=attached.__delitem__, args=(file,))  # fmt: skip
    return attached


def _attach(attached: dict[Attachment, bytes], name: str, data: bytes) -> str | None:
    """Attach a file; returns why that cannot be done."""
    try:
        attached[read_attachment(name, data)] = data
    except InvalidRequest as error:
        return str(error)
    return None


def edit_faults(lab: Lab, begin: Draft, lanes: Sequence[Settings]) -> Mapping[str, Fault]:
    """The popover with the injected faults of the lanes' models."""
    faults: Faults = st.session_state.setdefault(_FAULTS, Faults(begin.plan.faults))
    models = dict.fromkeys(model for lane in lanes for model in _models(lab, lane))
    draw_faults(faults, list(models), affects="this comparison, each lane for itself")
    draw_active(faults)
    return faults.view()


def _models(lab: Lab, lane: Settings) -> list[str]:
    try:
        chain = lab.config().chain(lane.category) if lane.category else lab.config().single(lane.model or "")
    except FallbackLabError:  # said when the comparison is started
        return []
    return [ref.text for ref in chain.models]


def edit_before(begin: Draft) -> tuple[Turn, ...]:
    """The conversation that every prompt continues, if there is one; it can be removed."""
    before: tuple[Turn, ...] = st.session_state.setdefault(_BEFORE, begin.plan.before)
    if before:
        with st.popover(f"After {counted(len(before), 'turn')}", icon=":material/forum:",
                        help="The conversation that every prompt continues"):  # fmt: skip
            draw_before(before, key="compare_before_text")
            st.button("Remove", icon=":material/close:", key="compare_remove_before", help="Ask without it",
                      on_click=st.session_state.__setitem__, args=(_BEFORE, ()))  # fmt: skip
    return before


def draw_before(before: Sequence[Turn], *, key: str) -> None:
    """A conversation's prompts and answers."""
    for number, turn in enumerate(before):
        draw_source(turn.prompt, key=f"{key}_{number}_prompt")
        draw_source(turn.answer.text, key=f"{key}_{number}_answer")


def draw_common(common: Settings) -> None:
    """What is set for all lanes, in words."""
    if words := parameters(common):
        st.caption(f"For all lanes: {label(', '.join(words.values()))}.")


def draw_setup(plan: Plan) -> None:
    """What all prompts of a comparison were asked with, if there is anything."""
    words = [
        *parameters(plan.common).values(),
        *([counted(len(plan.files), "file")] if plan.files else []),
        *([counted(len(plan.faults), "injected fault")] if plan.faults else []),
        *([f"after {counted(len(plan.before), 'turn')}"] if plan.before else []),
    ]
    if not words:
        return
    with st.expander(f"Asked with: {label(', '.join(words))}", icon=":material/tune:", type="compact"):
        if plan.common.system.strip():
            draw_source(plan.common.system, key="compare_setup_system")
        for number, tool in enumerate(plan.common.tools):
            draw_source(pretty(tool.shape()["function"]), language="json", key=f"compare_setup_tool_{number}")
        if plan.common.schema is not None:
            draw_source(pretty(plan.common.schema), language="json", key="compare_setup_schema")
        for file in plan.files:
            st.markdown(f":material/attach_file: {label(file.name)} :gray[({size(file.size)})]")
        for model, fault in plan.faults.items():
            st.markdown(f":material/bolt: **{label(model)}** {fault_words(fault)}")
        draw_before(plan.before, key="compare_setup_before")
