"""Tools and the schema of answers: their definitions, and forms for the calls that a model requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import streamlit as st

from router.chat.tools import BUILT_IN, read_schema, read_tools, reply_to
from router.core.attempts import Attempt
from router.core.errors import InvalidRequest
from router.core.messages import Answer, ToolCall
from router.core.tools import Tool

from components.shared.markdown import label
from components.shared.message import draw_source

WRONG = "wrong_parameters"
"""The session-state key of the parameters' problem."""

_EXAMPLE = '[{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]'


def edit_tools(begin: Sequence[Tool], key: str) -> tuple[Tool, ...]:
    """The controls that define tools, checked as typed.

    Args:
        begin: the initial tools.
        key: what the controls' keys begin with.
    """
    built_in = st.multiselect(
        "Built-in tools",
        list(BUILT_IN),
        default=[tool.name for tool in begin if tool.reply == "built-in"],
        key=f"{key}_built_in",
        persist_state="session",
        placeholder="None",
    )
    shapes = [tool.shape()["function"] for tool in begin if tool.reply != "built-in"]
    text = st.text_area(
        "Your tools, as JSON",
        value=pretty(shapes),
        key=f"{key}_own",
        persist_state="session",
        placeholder=_EXAMPLE,
        height=160,
    )
    own: tuple[Tool, ...] = checked(lambda text: _read_own(text, built_in), text) or ()
    mocks = {tool.name: tool.mock for tool in begin}
    return (
        *(BUILT_IN[name] for name in built_in),
        *(_with_mock(tool, mocks.get(tool.name, ""), key) for tool in own),
    )


def _read_own(text: str, built_in: Sequence[str]) -> tuple[Tool, ...]:
    tools = read_tools(text)
    if taken := [tool.name for tool in tools if tool.name in built_in]:
        raise InvalidRequest(f"`{taken[0]}` is the name of a built-in tool. Rename yours.")
    return tools


def edit_schema(begin: Mapping[str, Any] | None, key: str) -> Mapping[str, Any] | None:
    """The field for the JSON schema of answers, checked as typed."""
    st.caption("A JSON schema for the answer. Answers are validated against it.")
    text = st.text_area(
        "Schema",
        value=pretty(begin),
        key=key,
        persist_state="session",
        placeholder='{"type": "object", …}',
        height=200,
        width=360,
    )
    schema: Mapping[str, Any] | None = checked(read_schema, text)
    return schema


def pretty(value: Any) -> str:
    """A parameter as JSON to edit; empty if there is nothing."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() if value else ""


def checked(read: Callable[[str], Any], text: str) -> Any:
    """The parsed text of a parameter; if it is invalid, shows why and blocks sending."""
    try:
        return read(text)
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
        st.session_state[WRONG] = str(error)
        return None


def _with_mock(tool: Tool, begin: str, key: str) -> Tool:
    mock = st.text_input(
        f"Mock result of `{tool.name}`",
        value=begin,
        key=f"{key}_mock_{tool.name}",
        persist_state="session",
        placeholder="None: you enter the result",
    )
    return msgspec.structs.replace(tool, reply="mock", mock=mock) if mock else tool


def draw_calls(calls: Sequence[ToolCall], *, key: str) -> None:
    """The tool calls in an answer."""
    for number, call in enumerate(calls):
        st.markdown(f":material/build: calls **{label(call.name)}**")
        draw_source(call.arguments or "{}", language="json", key=f"call_{key}_{number}")


def draw_validation(attempt: Attempt, answer: Answer, schema: Mapping[str, Any] | None) -> None:
    """Whether an answer fits its tools and its schema, where there is one."""
    if attempt.mismatch is not None:
        st.warning(label(attempt.mismatch), icon=":material/rule:")
    elif attempt.validation == "valid" and schema is not None and not answer.tool_calls:
        st.caption(":green[:material/check:] The answer matches its schema.")


def answer_calls(calls: Sequence[ToolCall], tools: Sequence[Tool], *, key: str) -> Mapping[str, str] | None:
    """A form with a field for each call's result, filled in for built-in tools and mock results.

    Returns:
        The results by call id, once submitted.
    """
    with st.form(f"calls_{key}", border=True):
        results = {
            call.id: st.text_area(
                f"Result of {label(call.name)}", value=reply_to(call, tools), height=80, key=f"result_{key}_{index}"
            )
            for index, call in enumerate(calls)
        }
        return results if st.form_submit_button("Send results", icon=":material/send:") else None
