"""The suites: what they check, their text to edit, and files to import."""

from __future__ import annotations

import msgspec
import streamlit as st

from router.compare.matrix import beginning
from router.core.errors import FallbackLabError
from router.core.formatting import counted
from router.core.suites import Suite
from router.evaluate.library import NEW, Library
from router.evaluate.summary import categories
from router.lab import Lab

from components.evaluate.start import SUITES, suite_of
from components.shared.following import dialog
from components.shared.markdown import label
from components.shared.suites import keep_form
from components.shared.text_editor import edit_text, take_typed
from components.shared.unsaved import keep_unsaved

_OPEN = "evaluate_suite_open"
"""The session's key of the suite in the editor."""

_SAID, _PROBLEM = "evaluate_suite_said", "evaluate_suite_problem"
_TEXT, _NAME = "evaluate_suite_text", "evaluate_suite_name"


class Draft(msgspec.Struct):
    """A suite in the editor.

    Attributes:
        before: the text that it replaces; None for a new suite.
        begun: what the editor began with.
        text: as typed.
        typed_name: of a new suite; Streamlit forgets what a field held once another page is open.
    """

    name: str
    before: str | None
    begun: str
    text: str
    typed_name: str = ""

    @property
    def is_unsaved(self) -> bool:
        return self.text != self.begun


def keep_suite(lab: Lab) -> None:
    """Keep what is typed in the editor over a reload, also while another tab is open."""
    draft: Draft | None = st.session_state.get(_OPEN)
    if draft is not None:
        draft.typed_name = st.session_state.get(_NAME, draft.typed_name)
    text = msgspec.json.encode(draft).decode() if draft is not None and draft.is_unsaved else ""
    keep_unsaved(f"suite in {lab.folder}", text, _take_left)


def _take_left(text: str) -> None:
    """Go on with the suite of a session that has ended, unless another one is being edited by now."""
    left, draft = msgspec.json.decode(text, type=Draft), st.session_state.get(_OPEN)
    if draft is None or not draft.is_unsaved:
        st.session_state[_OPEN] = left
        st.session_state["evaluate_tabs"] = "Suites"


def draw_suites(library: Library) -> None:
    """The list, or the suite that is open."""
    if said := st.session_state.pop(_SAID, None):
        st.success(label(said), icon=":material/check:")
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(label(problem), icon=":material/error:")
    draft: Draft | None = st.session_state.get(_OPEN)
    if draft is not None:
        _draw_editor(library, draft)
        return
    with st.container(horizontal=True):
        st.button("New suite", icon=":material/add:", on_click=_new, args=(library,), key="evaluate_new_suite")
        if st.button("Import a file", icon=":material/upload:", key="evaluate_import"):
            _import(library)
    for name in library.names():
        _draw_suite(library, name)


def _draw_suite(library: Library, name: str) -> None:
    try:
        suite = suite_of(library, name)
        about = f"{counted(len(suite.cases), 'case')}, {', '.join(categories(suite)) or 'no category'}"
        problem = ""
    except FallbackLabError as error:
        suite, about, problem = None, "", str(error)
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{label(name)}**", width="content")
            st.caption(
                f"{label(about)}, bundled" if about and library.is_bundled(name) else label(about), width="content"
            )
            st.space("stretch")
            with st.container(horizontal=True, width="content", gap="small"):
                if suite is not None:
                    st.button("Run", icon=":material/play_arrow:", type="tertiary", key=f"evaluate_use_{name}",
                              help=f"Choose {label(name)} for a new run", on_click=_use, args=(name,))  # fmt: skip
                st.button("Open", icon=":material/edit:", type="tertiary", key=f"evaluate_edit_{name}",
                          help=f"Show and edit {label(name)}", on_click=_edit, args=(library, name))  # fmt: skip
        if problem:
            st.error(label(problem), icon=":material/error:")
        elif suite is not None and suite.description:
            st.caption(label(beginning(suite.description, 240)))


def _use(name: str) -> None:
    st.session_state[SUITES] = [name]
    st.session_state["evaluate_tabs"] = "New run"


# --- The editor ------------------------------------------------------------------------------------


def _new(library: Library) -> None:
    known, number = library.names(), 1
    while (name := f"suite-{number}") in known:
        number += 1
    text = NEW.format(name=name)
    st.session_state[_OPEN] = Draft(name, None, text, text)


def _edit(library: Library, name: str) -> None:
    """Open a suite; what cannot be saved under its name, such as one of this project, is copied."""
    try:
        text = library.text(name)
    except FallbackLabError as error:
        text = f"# {error}\n"
    is_own = library.is_own(name)
    st.session_state[_OPEN] = Draft(name if is_own else f"my-{name}", text if is_own else None, text, text)


def _typed() -> Draft:
    draft: Draft = st.session_state[_OPEN]
    if typed := take_typed(f"{_TEXT}_{draft.name}"):
        draft.text = typed[0]
    return draft


def _draw_editor(library: Library, draft: Draft) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        unsaved = "What is not saved is lost" if draft.is_unsaved else None
        st.button("All suites", icon=":material/arrow_back:", on_click=_close, key="evaluate_suite_close", help=unsaved)
        if draft.before is None:
            name = st.text_input("Name", draft.typed_name or draft.name, key=_NAME, max_chars=100, width=280)
        else:
            name = draft.name
            st.markdown(f"**{label(name)}**", width="content")
    suite, problem = _checked(library, name, draft)
    edit_text("The suite as YAML", draft.text, base=draft.text, key=f"{_TEXT}_{draft.name}", on_typed=_typed)
    st.caption("Validated as you type. `docs/evaluating.md` lists all keys and graders.")
    with st.bottom:
        if problem:
            st.error(label(problem), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Save", type="primary", icon=":material/save:", key="evaluate_suite_save",
                      disabled=bool(problem) or draft.text == draft.before, on_click=_save,
                      args=(library, name))  # fmt: skip
            if draft.before is not None and st.button(
                ":red[Delete]", icon=":material/delete:", type="tertiary", key="evaluate_suite_delete"
            ):
                _delete(library, draft.name)
            if suite is not None:
                st.caption(counted(len(suite.cases), "case"), width="content")


def _checked(library: Library, name: str, draft: Draft) -> tuple[Suite | None, str]:
    try:
        return library.check(name, draft.text), ""
    except FallbackLabError as error:
        return None, str(error)


def _close() -> None:
    del st.session_state[_OPEN]


def _save(library: Library, name: str) -> None:
    draft = _typed()
    try:
        suite = library.write(name, draft.text, draft.before)
    except FallbackLabError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    st.session_state[_OPEN] = Draft(name, draft.text, draft.text, draft.text)
    st.session_state[_SAID] = f"Saved {name}: {counted(len(suite.cases), 'case')}."


@dialog("Delete this suite?", icon=":material/delete:")
def _delete(library: Library, name: str) -> None:
    st.markdown(f"**{label(name)}** is deleted from `.lab/suites`. Runs keep their cases and answers.")
    if st.button(":red[Delete]", icon=":material/delete:", key="evaluate_suite_delete_it"):
        try:
            library.delete(name)
        except FallbackLabError as error:
            st.session_state[_PROBLEM] = str(error)
        else:
            _close()
        st.rerun()


# --- Import ----------------------------------------------------------------------------------------


@dialog("Import a suite", width="large", icon=":material/upload:")
def _import(library: Library) -> None:
    st.caption(
        "promptfoo, Inspect samples, OpenAI evals, BFCL, HumanEval, GSM8K, IFEval, CSV, JSONL, Parquet, or a suite in"
        " YAML. Nothing is dropped silently: what cannot be imported is named."
    )
    given = st.file_uploader("File", key="evaluate_file", label_visibility="collapsed")
    if given is None:
        return
    try:
        imported = library.read(given.name, given.getvalue())
    except FallbackLabError as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    keep_form(library, imported, key="evaluate_import")
