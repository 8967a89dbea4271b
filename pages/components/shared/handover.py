"""What one page gives another to go on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import streamlit as st

from router.core.comparisons import Plan

_PLAN = "given_plan"


def compare(plan: Plan, files: Mapping[str, bytes]) -> NoReturn:
    """Open Compare with its form filled in.

    Args:
        files: the bytes of the plan's files by their ids.
    """
    st.session_state[_PLAN] = (plan, files)
    st.switch_page("compare.py")


def take_plan() -> tuple[Plan, Mapping[str, bytes]] | None:
    """The plan that another page gave, once."""
    given: tuple[Plan, Mapping[str, bytes]] | None = st.session_state.pop(_PLAN, None)
    return given


def chat(conversation: str) -> NoReturn:
    """Open Chat with a conversation."""
    st.switch_page("chat.py", query_params={"c": conversation})
