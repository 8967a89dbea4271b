"""What one page gives another to go on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import streamlit as st

from router.config.draft import Draft
from router.core.comparisons import Plan

_PLAN, _DRAFT = "given_plan", "given_draft"


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


def chains(draft: Draft, why: str) -> NoReturn:
    """Open Chains with a change of models.yaml to review.

    Args:
        why: the reason for it, for the history.
    """
    st.session_state[_DRAFT] = (draft, why)
    st.switch_page("chains.py")


def take_draft() -> tuple[Draft, str] | None:
    """The change that another page gave, once."""
    given: tuple[Draft, str] | None = st.session_state.pop(_DRAFT, None)
    return given


def evaluation(run: str) -> NoReturn:
    """Open Evaluate with a run."""
    st.switch_page("evaluate.py", query_params={"run": run})
