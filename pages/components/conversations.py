"""The sidebar's list of conversations: found, opened, renamed, exported and deleted."""

from __future__ import annotations

import streamlit as st

from router.errors import InvalidRequest, StoreError
from router.lab import Lab
from router.store import Entry

from components.markdown import label

SHOWN = 30
"""Conversations in the list; a search finds the others."""

WIDTH = 26
"""Characters of a title that fit beside its menu."""

_ACTIONS = {"Rename": ":material/edit:", "Export": ":material/download:", "Delete": ":material/delete:"}


def draw_conversations(lab: Lab, current: str) -> None:
    """The list in the sidebar."""
    with st.sidebar:
        st.markdown("##### Conversations", anchors=False)
        if lab.store is None:
            st.caption("They cannot be kept: the page says why. This one lasts while the app runs.")
            return
        search = st.text_input(
            "Search",
            key="chat_search",
            placeholder="Search",
            icon=":material/search:",
            label_visibility="collapsed",
            type="default",
        )
        entries = lab.chat.entries(search or "", current)
        with st.container(gap="xxsmall"):
            for entry in entries[:SHOWN]:
                _draw_entry(lab, entry, is_open=entry.id == current)
        if not entries:
            st.caption("Nothing holds these words." if search else "None yet.")
        if len(entries) > SHOWN:
            st.caption(f"The {SHOWN} newest are shown. A search finds the others.")
        st.divider()
        with st.container(horizontal=True):
            if st.button("Import", icon=":material/upload:", type="tertiary", key="chat_import"):
                _import(lab)
            if st.button("Delete all", icon=":material/delete_forever:", type="tertiary", key="chat_forget"):
                _forget(lab)
        st.caption("Kept in `.lab/` beside models.yaml. Whoever can open this app sees all of it: there is no login.")


def _draw_entry(lab: Lab, entry: Entry, *, is_open: bool) -> None:
    with st.container(horizontal=True, gap=None, vertical_alignment="center", horizontal_alignment="distribute"):
        st.button(
            label(entry.title if len(entry.title) <= WIDTH else f"{entry.title[: WIDTH - 2].rstrip()} …"),
            key=f"open_{entry.id}",
            help=label(entry.title) if len(entry.title) > WIDTH else None,
            type="secondary" if is_open else "tertiary",
            on_click=open_conversation,
            args=(entry.id,),
        )
        action = st.menu_button(
            ":material/more_vert:",
            list(_ACTIONS),
            key=f"do_{entry.id}",
            type="tertiary",
            format_func=lambda name: f"{_ACTIONS[name]} {name}",
            help="Rename, export or delete",
        )
    match action:
        case "Rename":
            _rename(lab, entry)
        case "Export":
            _export(lab, entry)
        case "Delete":
            _delete(lab, entry, is_open=is_open)


def open_conversation(conversation: str | None) -> None:
    """Go to a conversation; None for a new one."""
    if conversation is None:
        st.query_params.pop("c", None)
    elif st.query_params.get("c") != conversation:
        st.query_params["c"] = conversation


@st.dialog("Rename the conversation")
def _rename(lab: Lab, entry: Entry) -> None:
    with st.form("rename", border=False):
        title = st.text_input("Title", value=entry.title, max_chars=200)
        if st.form_submit_button("Rename", type="primary"):
            try:
                lab.chat.rename(entry.id, title)
            except InvalidRequest as error:
                st.error(str(error), icon=":material/error:")
            else:
                st.rerun()


@st.dialog("Export the conversation")
def _export(lab: Lab, entry: Entry) -> None:
    st.markdown(f"**{label(entry.title)}**")
    name = "".join(char if char.isalnum() else "-" for char in entry.title.lower())[:40].strip("-") or "conversation"
    st.caption(
        "JSON holds all branches and files, and can be imported again. Markdown holds the texts of the newest branch."
    )
    with st.container(horizontal=True):
        st.download_button("JSON", lab.chat.export(entry.id), f"{name}.json", "application/json", on_click="ignore")
        st.download_button("Markdown", lab.chat.export_text(entry.id), f"{name}.md", "text/markdown", on_click="ignore")


@st.dialog("Delete the conversation?")
def _delete(lab: Lab, entry: Entry, *, is_open: bool) -> None:
    st.markdown(f"**{label(entry.title)}** is deleted with all its branches and files. This cannot be undone.")
    if st.button("Delete", type="primary", icon=":material/delete:"):
        lab.chat.delete(entry.id)
        if is_open:
            open_conversation(None)
        st.rerun()


@st.dialog("Import a conversation")
def _import(lab: Lab) -> None:
    st.caption("An export of Fallback Lab, or JSON with a list of chat completions `messages`.")
    file = st.file_uploader("File", type=["json", "md"], label_visibility="collapsed", max_upload_size=50)
    if file is None:
        return
    try:
        conversation = lab.chat.import_(file.getvalue())
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
    else:
        open_conversation(conversation)
        st.rerun()


@st.dialog("Delete all that is stored?")
def _forget(lab: Lab) -> None:
    st.markdown(
        "Conversations, comparisons, votes, templates, test cases, observations and cached answers are deleted, for"
        " everybody who uses this app. models.yaml and keys stay. This cannot be undone."
    )
    if st.button("Delete everything", type="primary", icon=":material/delete_forever:"):
        try:
            lab.forget()
        except StoreError as error:
            st.error(label(str(error)), icon=":material/error:")
            return
        open_conversation(None)
        st.rerun()
