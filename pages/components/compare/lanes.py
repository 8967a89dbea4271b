"""Lanes side by side: one prompt's answers, in progress or finished."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.compare import Run, lane_name, request_of, settings_of, turns_of
from router.compare.matrix import beginning
from router.core.comparisons import Cell, Comparison, Key, Plan
from router.core.errors import InvalidRequest
from router.core.formatting import cut_short
from router.core.messages import Message
from router.core.snapshots import Snapshot
from router.lab import Lab

from components.shared import handover
from components.shared.arriving import Arriving
from components.shared.cases import draw_case
from components.shared.lab import lab_or_stop
from components.shared.markdown import label
from components.shared.message import draw_images, draw_markdown, guarded
from components.shared.tools import draw_calls, draw_validation
from components.shared.trace import CUT, draw_strip, offer_trace

NEWEST = 6_000
"""Characters shown of an answer in progress: all of a very long one would delay the other lanes."""


def draw_running(comparison: Comparison, run: Run) -> dict[int, DeltaGenerator]:
    """Every lane: in progress with its stop button, or finished with its last answer.

    Returns:
        Where the answers in progress go, by lane.
    """
    running = {key.lane for key in run.handles()}
    places = {}
    with _grid(len(comparison.plan.lanes)):
        for lane, settings in enumerate(comparison.plan.lanes):
            with st.container(gap="xsmall"):
                head = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
                head.markdown(f"**{label(lane_name(settings))}**", width="content")
                if lane not in running:
                    draw_cell(comparison, max((key for key in comparison.cells if key.lane == lane), default=None))
                    continue
                # Above the answer, which grows.
                head.button(f"Stop lane {lane + 1}", icon=":material/stop_circle:", key=f"compare_stop_{lane}",
                            type="tertiary", on_click=run.stop, args=(lane,))  # fmt: skip
                places[lane] = st.container(gap="xsmall")
    return places


class LiveLane:
    """A lane's answers while they arrive, one after the other."""

    def __init__(self, lane: int, place: DeltaGenerator, plan: Plan) -> None:
        self._plan = plan
        self._asked: Key | None = None
        with place:
            self._prompt = st.empty()
            text = st.container(border=False, key=f"compare_text_{lane}")
            self._arriving = Arriving(text, NEWEST)

    def draw(self, key: Key, now: Snapshot, finished: int) -> None:
        """Show the lane as it stands now."""
        if len(self._plan.prompts) > 1 and key != self._asked:
            self._prompt.caption(label(beginning(self._plan.prompts[key.prompt].text, 90)))
        self._asked = key
        total = len(self._plan.prompts) * self._plan.repeats
        self._arriving.draw(now, f". {finished} of {total} finished.")


def draw_answers(comparison: Comparison, prompt: int, repeat: int) -> None:
    """One prompt's answers in all lanes."""
    with _grid(len(comparison.plan.lanes)):
        for lane, settings in enumerate(comparison.plan.lanes):
            with st.container(gap="xsmall"):
                st.markdown(f"**{label(lane_name(settings))}**")
                draw_cell(comparison, Key(lane, prompt, repeat))


def draw_cell(comparison: Comparison, key: Key | None) -> None:
    """One answer with its strip and its trace."""
    with guarded("This answer"):
        _draw_cell(comparison, key)


def _draw_cell(comparison: Comparison, key: Key | None) -> None:
    cell = comparison.cells.get(key) if key is not None else None
    if key is None or cell is None:
        st.caption(":material/block: Skipped: the run was stopped first.")
        return
    draw_text(cell, key=f"compare_text_{key.lane}")
    name = f"{comparison.id}_{'_'.join(map(str, key))}"
    settings = settings_of(comparison.plan, key.lane)
    if cell.state == "answered" and cell.attempts:
        draw_validation(cell.attempts[-1], cell.answer, settings.schema)
    if cut := cut_short(cell, settings):
        st.caption(f"{CUT} {label(cut)}")
    if cell.attempts:
        draw_strip(cell.attempts, key=name)
        offer_trace(cell.attempts, key=name)
    if cell.state == "answered":
        with st.container(horizontal=True, gap="xsmall"):
            _offer_more(lab_or_stop(), comparison, cell, name)


def _offer_more(lab: Lab, comparison: Comparison, cell: Cell, name: str) -> None:
    """What can be done with an answer."""
    load = functools.partial(lab.comparisons.file, comparison.id)
    if st.button("Go on", icon=":material/forum:", type="tertiary", key=f"compare_go_on_{name}",
                 help="Go on with this answer in Chat, with the model that gave it"):  # fmt: skip
        try:
            conversation = lab.chat.transfer.begin(turns_of(comparison, cell.key), load)
        except InvalidRequest as error:
            st.error(label(str(error)), icon=":material/error:")
        else:
            handover.chat(conversation)
    if cell.answer.text:
        asked = functools.partial(_messages, comparison, cell.key, load)
        category = comparison.plan.prompts[cell.prompt].category
        draw_case(lab, asked, cell.answer, category=category, attempts=cell.attempts, key=name)


def _messages(comparison: Comparison, key: Key, load: Callable[[str], bytes]) -> Sequence[Message]:
    return request_of(comparison.plan, key, load).messages


def draw_text(cell: Cell, key: str, *, thoughts: bool = True) -> None:
    """The answer with the tools it calls, or the error; optionally with its reasoning."""
    if cell.state == "failed":
        st.error(label(cell.error or "No model answered."), icon=":material/error:")
        return
    with st.container(border=False, key=key):
        if cell.answer.reasoning and thoughts:
            with st.expander("Reasoning", type="compact"):
                draw_markdown(cell.answer.reasoning, key=f"reasoning_{key}")
        if cell.answer.text:
            draw_markdown(cell.answer.text, key=f"answer_{key}")
        draw_images(cell.answer.images)
        draw_calls(cell.answer.tool_calls, key=key)
        if not (cell.answer.text or cell.answer.images or cell.answer.tool_calls):
            st.caption("No text.")
    if cell.state == "cut":
        st.caption("Incomplete: the answer was stopped or its session ended.")


def _grid(lanes: int) -> DeltaGenerator:
    return st.grid(min(lanes, 4), min_column_width=280, border=True)
