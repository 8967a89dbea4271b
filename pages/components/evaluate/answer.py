"""The answers behind a cell of the matrix: what was asked, answered and graded, and a person's own grade."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from router.core.errors import FallbackLabError
from router.core.formatting import dollars
from router.core.runs import CellKey, CellResult, Lane
from router.core.suites import Case, Grade
from router.evaluate.matrix import text_of
from router.evaluate.people import opinion
from router.evaluate.summary import cells_of

from components.evaluate.opened import Opened
from components.shared.markdown import label
from components.shared.message import draw_images, draw_markdown, draw_source
from components.shared.tools import draw_calls
from components.shared.trace import draw_strip, offer_trace

_ROLES = {"system": "System", "user": "Prompt", "assistant": "Answer before", "tool": "Result of a tool"}


def draw_answers(opened: Opened, lane: Lane, case: Case) -> None:
    """A case in a lane: its question, then each repeat's answer with its grades."""
    with st.container(border=True, key="evaluate_cell"):
        st.markdown(f"**{label(case.id)}** · {label(lane.name)}")
        cells = list(cells_of(opened.results, opened.plan, lane, [case]))
        _draw_question(case)
        if not cells:
            st.caption("Not asked yet.")
            return
        number = st.pagination(len(cells), key=f"evaluate_repeat_{lane.key}_{case.id}") if len(cells) > 1 else 1
        _draw_answer(opened, cells[number - 1], case)


def _draw_question(case: Case) -> None:
    messages = [*case.request.messages, *case.then]
    for number, message in enumerate(messages):
        if text := text_of(message.get("content")):
            if len(messages) > 1:
                st.caption(label(_ROLES.get(role := str(message.get("role")), role)))
            draw_source(text, key=f"evaluate_asked_{number}")
    if case.target:
        st.caption("Right answers" if len(case.target) > 1 else "Right answer")
        for number, target in enumerate(case.target):
            draw_source(target, key=f"evaluate_target_{number}")


def _draw_answer(opened: Opened, cell: CellKey, case: Case) -> None:
    results = opened.results
    asked, result = results.asked[cell], results.answer(cell)
    if asked.state == "sent":
        st.caption("In progress, or sent by a process that was killed before the answer came.")
    if asked.error is not None:
        st.error(label(asked.error), icon=":material/error:")
    if result is None:
        return
    _draw_said(result)
    if result.attempts:
        draw_strip(result.attempts, key=f"evaluate_{cell.lane}_{cell.repeat}")
        offer_trace(result.attempts, key=f"evaluate_{cell.lane}_{cell.repeat}")
    draw_grades(results.grades(cell, case.id))
    if asked.state == "answered":
        _draw_opinion(opened, cell, case)


def _draw_said(result: CellResult) -> None:
    for number, answer in enumerate(result.answers):
        st.caption(f"Answer to turn {number + 1}" if len(result.answers) > 1 else "Answer")
        if answer.text:
            draw_markdown(answer.text, key=f"evaluate_said_{number}")
        draw_images(answer.images)
        draw_calls(answer.tool_calls, key=f"evaluate_calls_{number}")
        if not (answer.text or answer.images or answer.tool_calls):
            st.caption("No text.")


def draw_grades(grades: Sequence[Grade]) -> None:
    """What each check says, one row each."""
    if not grades:
        st.caption("Not graded.")
        return
    st.dataframe(
        pd.DataFrame(
            {
                "check": [grade.check for grade in grades],
                "result": [
                    "not graded" if grade.score is None else "passed" if grade.passed else "wrong" for grade in grades
                ],
                "score": [grade.score for grade in grades],
                "why": [grade.error or grade.reason for grade in grades],
                "cost": [dollars(grade.cost) if grade.cost != 0 else "" for grade in grades],
            }
        ).astype({"score": "float64"}),
        hide_index=True,
        alt="Grades",
        column_config={
            "check": "Check",
            "result": "Result",
            "score": st.column_config.NumberColumn("Score", format="%.2f"),
            "why": st.column_config.TextColumn("Why", width="large"),
            "cost": st.column_config.TextColumn("Cost") if any(grade.cost != 0 for grade in grades) else None,
        },
    )


def _draw_opinion(opened: Opened, cell: CellKey, case: Case) -> None:
    """A person's own grade beside the checks': it never changes the score, and says how far judges can be trusted."""
    before = opened.results.people.get((cell, case.id))
    form = st.form(f"evaluate_opinion_{cell.lane}_{cell.repeat}_{case.id}", border=False)
    with form, st.container(horizontal=True, vertical_alignment="bottom"):
        verdict = st.segmented_control(
            "Your grade", ["Right", "Wrong"],
            default=None if before is None else "Right" if before.passed else "Wrong",
            help="Kept beside the checks' grades. It shows how far a judge agrees with people.",
        )  # fmt: skip
        comment = st.text_input("Comment", before.reason if before is not None else "", max_chars=500, width=360)
        if st.form_submit_button("Save grade"):
            grade = opinion(passed=verdict == "Right", comment=comment) if verdict else None
            try:
                opened.lab.evaluations.rate(opened.id, cell, case.id, grade)
            except FallbackLabError as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                st.rerun()
