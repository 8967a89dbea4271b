"""Tools of a conversation, drawn: their definitions, and the calls that a model asks for as forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import streamlit as st

from router.errors import InvalidRequest
from router.messages import ToolCall
from router.tools import BUILT_IN, Tool, read_tools, reply_to

from components.markdown import label

WRONG = "chat_wrong"
"""Where the session's state holds what is wrong with the parameters."""

_EXAMPLE = '[{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]'


def edit_tools(begin: Sequence[Tool], conversation: str) -> tuple[Tool, ...]:
    """The controls that define a conversation's tools, checked as typed.

    Args:
        begin: the tools that they begin with.
    """
    built_in = st.multiselect(
        "Tools that answer by themselves",
        list(BUILT_IN),
        default=[tool.name for tool in begin if tool.reply == "built-in"],
        key=f"chat_built_in_{conversation}",
        placeholder="None",
        width=360,
    )
    shapes = [tool.shape()["function"] for tool in begin if tool.reply != "built-in"]
    text = st.text_area(
        "Your own, as JSON",
        value=msgspec.json.format(msgspec.json.encode(shapes), indent=2).decode() if shapes else "",
        key=f"chat_tools_{conversation}",
        placeholder=_EXAMPLE,
        height=160,
        width=360,
    )
    own: tuple[Tool, ...] = checked(lambda text: _read_own(text, built_in), text) or ()
    mocks = {tool.name: tool.mock for tool in begin}
    return (
        *(BUILT_IN[name] for name in built_in),
        *(_with_mock(tool, mocks.get(tool.name, ""), conversation) for tool in own),
    )


def _read_own(text: str, built_in: Sequence[str]) -> tuple[Tool, ...]:
    tools = read_tools(text)
    if taken := [tool.name for tool in tools if tool.name in built_in]:
        raise InvalidRequest(f"`{taken[0]}` is a tool that answers by itself. Rename yours.")
    return tools


def checked(read: Callable[[str], Any], text: str) -> Any:
    """What a text of the parameters means; where it means nothing, that is said, and nothing is sent."""
    try:
        return read(text)
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
        st.session_state[WRONG] = str(error)
        return None


def _with_mock(tool: Tool, begin: str, conversation: str) -> Tool:
    mock = st.text_input(
        f"Stored reply of `{tool.name}`",
        value=begin,
        key=f"chat_mock_{tool.name}_{conversation}",
        placeholder="None: answered by hand",
    )
    return msgspec.structs.replace(tool, reply="mock", mock=mock) if mock else tool


def draw_calls(calls: Sequence[ToolCall]) -> None:
    """The calls that an answer asks for."""
    for call in calls:
        st.markdown(f":material/build: calls **{label(call.name)}**")
        st.code(call.arguments or "{}", language="json", wrap_lines=True)


def answer_calls(calls: Sequence[ToolCall], tools: Sequence[Tool], *, key: str) -> Mapping[str, str] | None:
    """A form with a field for each call's result, filled in where a tool answers by itself.

    Returns:
        The results by the calls' ids, once they are sent.
    """
    with st.form(f"calls_{key}", border=True):
        results = {
            call.id: st.text_area(
                f"Result of {label(call.name)}", value=reply_to(call, tools), height=80, key=f"result_{key}_{index}"
            )
            for index, call in enumerate(calls)
        }
        return results if st.form_submit_button("Send the results", icon=":material/send:") else None
