"""Draws a text that grows: what is finished once, and what may still change again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from router.core.blocks import Blocks

from components.shared.markdown import faithful
from components.shared.message import DRAWN, newest

_OMITTED = "…"


class Growing:
    """A growing text's place on the page. Of a very long text, only the end is shown.

    Args:
        most: characters shown.
    """

    def __init__(self, most: int = DRAWN) -> None:
        self._most = most
        self._tail = st.empty()
        self._others = st.container()
        self._mark: DeltaGenerator | None = None
        self._begin()

    def _begin(self) -> None:
        self._blocks = Blocks()
        self._finished: deque[tuple[DeltaGenerator, int]] = deque()
        self._size = 0
        self._drawn = ""

    def draw(self, text: str) -> None:
        """Show a text, given whole each time."""
        try:
            finished = self._blocks.grow(text)
        except ValueError:  # the next model starts over
            for slot in filter(None, [self._mark, *(slot for slot, _ in self._finished), self._tail]):
                slot.empty()
            self._begin()
            finished = self._blocks.grow(text)
        for block in _end_of(finished, self._most):
            self._show(block)
            self._finished.append((self._tail, len(block)))
            self._size += len(block)
            self._tail, self._drawn = self._others.empty(), ""
        self._show(self._blocks.rest)
        self._drop()

    def _show(self, block: str) -> None:
        if (block := block.rstrip()) != self._drawn:
            self._tail.markdown(faithful(newest(block, self._most)), anchors=False)
            self._drawn = block

    def _drop(self) -> None:
        while self._finished and self._size - self._finished[0][1] >= self._most:
            if self._mark is not None:
                self._mark.empty()
            self._mark, length = self._finished.popleft()
            self._mark.markdown(_OMITTED)
            self._size -= length


def _end_of(blocks: Sequence[str], most: int) -> Sequence[str]:
    """The last blocks with so many characters: where much has come at once, not all of it is drawn first."""
    at, size = len(blocks), 0
    while at and size < most:
        at -= 1
        size += len(blocks[at])
    return [_OMITTED, *blocks[at:]] if at else blocks
