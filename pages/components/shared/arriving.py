"""An answer in progress, wherever it is drawn: each look adds what is new."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.core.formatting import activity, skipped
from router.core.messages import Answer
from router.core.snapshots import Snapshot

from components.shared.growing import Growing
from components.shared.markdown import label
from components.shared.message import DRAWN, guarded, newest


class Arriving:
    """An answer's place on the page while it arrives.

    Args:
        place: where its text goes.
        most: characters of the answer that are shown.
    """

    def __init__(self, place: DeltaGenerator, most: int = DRAWN) -> None:
        self._place = place
        self._most = most
        self._state = st.empty()
        self._reasoning: Growing | None = None
        self._text: Growing | None = None
        self._calls: list[DeltaGenerator] = []
        self._drawn: object = None
        self._can_be_drawn = True

    def draw(self, now: Snapshot, progress: str = "") -> None:
        """Show a request as it stands now.

        Args:
            progress: a sentence to add to what it is doing.
        """
        if self._can_be_drawn:
            self._can_be_drawn = False
            with self._place, guarded("This answer"):
                self._draw_answer(now.answer)
                self._can_be_drawn = True
        # The seconds go on by themselves: they are sent when a whole one is over.
        doing = (now.activity, int(now.elapsed), len(now.attempts), bool(now.answer.text), progress)
        if doing != self._drawn:
            self._drawn = doing
            self._state.caption("\n\n".join(map(label, [f"{activity(now)}{progress}", *skipped(now.attempts)])))

    def _draw_answer(self, answer: Answer) -> None:
        if answer.reasoning and self._reasoning is None:
            with st.expander("Reasoning", type="compact", expanded=True):
                self._reasoning = Growing(self._most)
        if answer.text and self._text is None:
            self._text = Growing(self._most)
        if self._reasoning is not None:
            self._reasoning.draw(answer.reasoning)
        if self._text is not None:
            self._text.draw(answer.text)
        for number, call in enumerate(answer.tool_calls):
            if number == len(self._calls):
                st.markdown(f":material/build: calls **{label(call.name)}**")
                self._calls.append(st.empty())
            self._calls[number].code(newest(call.arguments, self._most), language="json", wrap_lines=True)
