"""One click from a try to a test case."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from router.errors import FallbackLabError
from router.lab import Lab
from router.messages import Answer, Attempt, Message

from components.markdown import label


def draw_case(
    lab: Lab,
    messages: Callable[[], Sequence[Message]],
    answer: Answer,
    *,
    category: str | None,
    attempts: Sequence[Attempt],
    key: str,
) -> None:
    """The popover that keeps a prompt with what a good answer holds.

    Args:
        messages: what was asked; called where a case is made.
    """
    with st.popover("Test case", icon=":material/fact_check:", type="tertiary"), st.form(f"case_{key}", border=False):
        target = st.text_area("What a good answer holds", value=answer.text, height=120, width=360)
        st.caption("Kept with its prompt in `.lab/suites/tries.jsonl`.")
        if st.form_submit_button("Make it a test case"):
            try:
                lab.cases.add(messages(), target, category=category, model=attempts[-1].model if attempts else None)
            except FallbackLabError as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                st.success(f"{len(lab.cases.all())} test cases are kept.", icon=":material/check:")
