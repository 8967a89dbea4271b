"""What the form for a comparison begins with and holds.

It outlives a reload, visits to other pages, and what takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import streamlit as st

from router.compare import MIN_LANES
from router.core.comparisons import Plan
from router.core.conversations import Settings
from router.lab import Lab

from components.shared.handover import take_plan
from components.shared.unsaved import keep_unsaved

ONE, SEVERAL, TEMPLATE = "One prompt", "Several", "Template"

LANES = "compare_lanes"
"""The session's key for the numbers of the form's lanes: removed ones are not used again."""

FILES_KEPT = 1_000_000
"""Bytes of files up to which a reload keeps them: a browser's tab holds some 5 MB in all."""

_BEGUN, _NOW, _MISSED = "compare_begun", "compare_now", "compare_missed"
_ASIDE, _EDITION = "set_aside_drafts", "form_edition"


class Draft(NamedTuple):
    """A comparison as the form has it.

    Attributes:
        plan: without prompts as long as they are incomplete.
        mode: how its prompts are entered.
        rows: the prompts as they were entered, with values of variables.
        files: the bytes of the plan's files by their ids.
    """

    plan: Plan
    mode: str = ONE
    template: str = ""
    rows: Sequence[Mapping[str, str]] = ()
    files: Mapping[str, bytes] = {}

    def differs(self, empty: Plan) -> bool:
        """Whether anything was entered that an empty form does not have."""
        asked = self.template.strip() or any(value.strip() for row in self.rows for value in row.values())
        return bool(asked) or self.plan != empty


def draft_of(plan: Plan, files: Mapping[str, bytes]) -> Draft:
    """An earlier comparison's plan, or one from another page, to be changed."""
    rows = [{"prompt": prompt.text, **prompt.variables, "category": prompt.category or ""} for prompt in plan.prompts]
    return Draft(plan, SEVERAL if len(rows) > 1 else ONE, rows=rows, files=files)


def begin(draft: Draft | None) -> None:
    """Empty the form, or fill it; call it before the form is drawn."""
    for key in [key for key in st.session_state if str(key).startswith("compare_")]:
        del st.session_state[key]
    if draft is not None:
        st.session_state[_BEGUN] = st.session_state[_NOW] = draft
        st.session_state[_MISSED] = _kept(draft) != _kept(_EMPTY)
        st.session_state[LANES] = list(range(len(draft.plan.lanes)))


def key_of(name: str) -> str:
    """The key of one of the form's controls.

    A form that takes the place of another on the page has other keys: a browser keeps the value of a control.
    """
    edition = st.session_state.get(_EDITION, 0)
    return f"compare_{name}_{edition}" if edition else f"compare_{name}"


def begun() -> Draft:
    """What the form began with."""
    found: Draft = st.session_state.get(_BEGUN, _EMPTY)
    return found


def begin_rows(rows: Sequence[Mapping[str, str]]) -> None:
    """Begin with other rows of prompts, and all else as it was."""
    st.session_state[_BEGUN] = begun()._replace(rows=rows)


def keep(draft: Draft, empty: Plan) -> None:
    """Keep what the form holds now.

    Args:
        empty: what it holds before anything is entered.
    """
    st.session_state[_NOW] = draft
    st.session_state[_MISSED] = draft.differs(empty)


def sent() -> None:
    """What the form holds has been started: nobody would miss it."""
    st.session_state[_MISSED] = False


def keep_over_reload(lab: Lab) -> None:
    """Keep what the form holds, and what was set aside, in the browser's tab."""
    aside: list[Draft] = st.session_state.get(_ASIDE, [])
    is_missed = st.session_state.get(_MISSED, False)
    drafts = [st.session_state[_NOW] if is_missed else _EMPTY, *aside]
    text = f"[{','.join(map(_kept, drafts))}]" if is_missed or aside else ""
    keep_unsaved(f"comparison in {lab.folder}", text, _take_left)


def _kept(draft: Draft) -> str:
    """The draft as JSON, without its files where they are large."""
    if sum(map(len, draft.files.values())) > FILES_KEPT:
        before = tuple(msgspec.structs.replace(turn, attachments=()) for turn in draft.plan.before)
        draft = draft._replace(plan=msgspec.structs.replace(draft.plan, files=(), before=before), files={})
    return msgspec.json.encode(draft).decode()


def _take_left(text: str) -> None:
    """Go on with what a session that has ended left; where another page's plan is in the form, it is set aside."""
    draft, *aside = msgspec.json.decode(text, type=list[Draft])
    if not st.session_state.get(_MISSED):
        st.session_state[_ASIDE] = aside
        _replace_form(draft)
    else:
        has_it = _kept(draft) in (_kept(_EMPTY), _kept(st.session_state[_NOW]))
        st.session_state[_ASIDE] = [*aside, *([] if has_it else [draft]), *st.session_state.get(_ASIDE, [])]


def leave() -> None:
    """The form is not drawn, and Streamlit forgets some of its controls: it begins later with what it holds now."""
    if _NOW in st.session_state:
        st.session_state[_BEGUN] = st.session_state[_NOW]


def take_given() -> bool:
    """Fill the form with what another page gave; an unsent draft is set aside. False if nothing was given."""
    given = take_plan()
    if given is None:
        return False
    set_aside()
    begin(draft_of(*given))
    return True


def draw_set_aside() -> None:
    """The way back to a draft that was set aside."""
    if not st.session_state.get(_ASIDE):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Your earlier draft was set aside.", width="content")
        st.button("Restore it", icon=":material/undo:", type="tertiary", key="compare_restore", on_click=_restore,
                  help="Sets this one aside in its place")  # fmt: skip
        st.button("Discard it", icon=":material/close:", type="tertiary", key="compare_discard",
                  on_click=st.session_state[_ASIDE].pop)  # fmt: skip


def _restore() -> None:
    draft: Draft = st.session_state[_ASIDE].pop()
    set_aside()
    _replace_form(draft)


def _replace_form(draft: Draft) -> None:
    """Fill the form in while another one is on the page."""
    begin(draft)
    st.session_state[_EDITION] = st.session_state.get(_EDITION, 0) + 1


def set_aside() -> None:
    """Set the form's draft aside if somebody would miss it."""
    if st.session_state.get(_MISSED):
        st.session_state.setdefault(_ASIDE, []).append(st.session_state[_NOW])


_EMPTY = Draft(Plan(lanes=(Settings(),) * MIN_LANES, prompts=()))
