"""Save a prompt as a test case."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from router.core.attempts import Attempt
from router.core.errors import FallbackLabError
from router.core.formatting import counted
from router.core.messages import Answer, Message
from router.lab import Lab

from components.shared.markdown import label
from components.shared.message import DRAWN


def draw_case(
    lab: Lab,
    messages: Callable[[], Sequence[Message]],
    answer: Answer,
    *,
    category: str | None,
    attempts: Sequence[Attempt],
    key: str,
) -> None:
    """The popover that saves a prompt with its expected answer.

    Args:
        messages: returns the request's messages; called when a case is saved.
    """
    with st.popover("Test case", icon=":material/fact_check:", type="tertiary"), st.form(f"case_{key}", border=False):
        target = st.text_area("Expected answer", value=answer.text[:DRAWN], height=120, width=360)
        st.caption("Saved with the prompt in `.lab/suites/tries.jsonl`.")
        if st.form_submit_button("Save test case"):
            try:
                lab.cases.add(messages(), target, category=category, model=attempts[-1].model if attempts else None)
            except FallbackLabError as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                st.success(f"Saved. You have {counted(len(lab.cases.all()), 'test case')}.", icon=":material/check:")
