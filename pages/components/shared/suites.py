"""Keep cases as a suite: what was taken, what was left, and under which name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import msgspec
import streamlit as st

from router.core.comparisons import Comparison
from router.core.conversations import Entry
from router.core.errors import FallbackLabError
from router.core.formatting import counted
from router.core.suites import Check
from router.evaluate.importers import Imported, import_comparison, import_conversation
from router.evaluate.library import Library
from router.lab import Lab

from components.shared.following import dialog
from components.shared.markdown import label

_CHECKS = {
    "pairwise": "A judge compares it with the liked answer",
    "includes": "It contains the liked answer",
    "equals": "It is the liked answer",
}

_CALLS = "Calls of tools are checked by their names and arguments."


def library_of(lab: Lab) -> Library:
    """The Lab's suites."""
    return Library(lab.folder / "suites")


def of_conversation(lab: Lab, entry: Entry) -> None:
    """The dialog that makes a suite of a conversation's liked answers, on its newest branch."""
    turns = lab.chat.turns(entry.id)
    files = {file.id: (turn, file) for turn in turns for file in turn.attachments}

    def load(file: str) -> bytes:
        return lab.chat.file(*files[file])

    _make(lab, lambda checks: import_conversation(turns, load, entry.title, checks))


def of_comparison(lab: Lab, comparison: Comparison) -> None:
    """The dialog that makes a suite of the prompts whose answers people voted for."""
    load = functools.partial(lab.comparisons.file, comparison.id)
    _make(lab, lambda checks: import_comparison(comparison, lab.comparisons.votes(), load, checks))


@dialog("Make a suite", width="large", icon=":material/fact_check:")
def _make(lab: Lab, take: Callable[[Sequence[Check]], Imported]) -> None:
    check = st.selectbox("An answer is right if", list(_CHECKS), format_func=_CHECKS.__getitem__, help=_CALLS)
    if keep_form(library_of(lab), take([Check(type=check)]), key="made"):
        st.page_link("evaluate.py", label="Run it on the Evaluate page", icon=":material/fact_check:")


def keep_form(library: Library, imported: Imported, *, key: str) -> bool:
    """What was taken and left, and the button that keeps it; whether it was kept just now.

    Args:
        key: of the widgets.
    """
    st.markdown(label(imported.sentence))
    for count, left in imported.reasons:
        more = f" and {counted(count - 1, 'other place')}" if count > 1 else ""
        st.markdown(f":orange[:material/info:] {label(f'{left.place}{more}: {left.what} {left.fix}')}")
    if not imported.suite.cases:
        return False
    name = st.text_input("Name", imported.suite.name, key=f"{key}_name", max_chars=100)
    if not st.button("Keep", type="primary", icon=":material/save:", key=f"{key}_keep"):
        return False
    try:
        library.keep(msgspec.structs.replace(imported.suite, name=name))
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return False
    st.success(label(f"Kept as {name}: {counted(len(imported.suite.cases), 'case')}."), icon=":material/check:")
    return True
