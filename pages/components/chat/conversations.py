"""The sidebar's list of conversations: search, open, pin, rename, export and delete."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from router.core.conversations import Entry, by_day
from router.core.errors import InvalidRequest, StoreError
from router.core.formatting import counted
from router.lab import Lab

from components.shared.following import dialog
from components.shared.icons import ICON
from components.shared.markdown import label
from components.shared.zone import zone

SHOWN = 30
"""Conversations in the list, and how many more are added at a time."""

WIDTH = 26
"""Characters of a title that fit; a longer one is whole in its tooltip."""

_ACTIONS = {
    "Pin": ":material/keep:",
    "Unpin": ":material/keep_off:",
    "Rename": ":material/edit:",
    "Export": ":material/download:",
    "Make a suite": ":material/fact_check:",
    "Delete": ":material/delete:",
}

_PARTS = "chat_list_parts"
"""The session-state key of how many parts of the list are shown."""

_ROW = "conversation_"
"""Begins the key of a row's container."""

_MENU = f"{ICON}menu_"
"""Begins the key of a row's menu."""

# Streamlit's buttons center their labels, and its menus draw an arrow beside their icon.
_STYLE = f"""<style>
[class*="st-key-{_ROW}"] {{ overflow: visible; }}
[class*="st-key-{_ROW}"] > :first-child button {{ padding-inline: .5rem; }}
[class*="st-key-{_ROW}"] > :first-child button * {{ flex: 1; min-width: 0; text-align: start; }}
[class*="st-key-{_MENU}"] button [aria-hidden="true"]:not([data-testid]) {{ display: none; }}
</style>"""


def draw_conversations(lab: Lab, current: str) -> None:
    """The list in the sidebar."""
    with st.sidebar:
        st.html(_STYLE)
        st.button(
            "New chat",
            icon=":material/add_comment:",
            key="chat_new",
            width="stretch",
            on_click=open_conversation,
            args=(None,),
        )
        st.markdown("## Conversations", anchors=False)
        search = st.text_input(
            "Search conversations",
            key="chat_search",
            placeholder="Search conversations",
            icon=":material/search:",
            label_visibility="collapsed",
            type="default",
        )
        _draw_list(lab, search or "", current)
        st.divider()
        with st.container(horizontal=True):
            if st.button("Import", icon=":material/upload:", type="tertiary", key="chat_import"):
                _import(lab)
            if st.button(":red[Delete all]", icon=":material/delete_forever:", type="tertiary", key="chat_forget"):
                _forget(lab)
        kept = "Stored in `.lab/` next to models.yaml" if lab.store.unstored is None else "Kept until the app stops"
        st.caption(f"{kept}. There is no login: anyone who can open this app can see everything.")


def _draw_list(lab: Lab, search: str, current: str) -> None:
    """The conversations by day, a part of them at a time: browsers are slow with thousands of rows."""
    limit = SHOWN * st.session_state.get(_PARTS, 1)
    entries = lab.chat.entries(search, current, limit=limit + 1)
    for heading, group in by_day(entries[:limit], datetime.now(zone())).items():
        with st.container(gap=None):
            st.caption(heading)
            for entry in group:
                _draw_entry(lab, entry, is_open=entry.id == current)
    if not entries:
        st.caption("No matches." if search else "No conversations yet.")
    if len(entries) > limit:
        st.button("Show more", icon=":material/expand_more:", key="chat_more", type="tertiary", on_click=_show_more)


def _show_more() -> None:
    st.session_state[_PARTS] = st.session_state.get(_PARTS, 1) + 1


def _draw_entry(lab: Lab, entry: Entry, *, is_open: bool) -> None:
    with st.container(horizontal=True, gap=None, vertical_alignment="center", wrap=False, key=f"{_ROW}{entry.id}"):
        st.button(
            label(entry.title),
            key=f"open_{entry.id}",
            help=label(entry.title) if len(entry.title) > WIDTH else None,
            type="secondary" if is_open else "tertiary",
            width="stretch",
            on_click=open_conversation,
            args=(entry.id,),
        )
        other = "Pin" if entry.pinned else "Unpin"
        action = st.menu_button(
            f"Menu of {label(entry.title)}",
            [name for name in _ACTIONS if name != other],
            icon=":material/more_vert:",
            key=f"{_MENU}{entry.id}",
            type="tertiary",
            format_func=lambda name: f"{_ACTIONS[name]} {name}",
            help="Pin, rename, export, make a suite of its liked answers, or delete",
        )
    match action:
        case "Pin" | "Unpin":
            lab.chat.pin(entry.id, action == "Pin")
            st.rerun()
        case "Rename":
            _rename(lab, entry)
        case "Export":
            _export(lab, entry)
        case "Make a suite":
            from components.shared.suites import of_conversation  # noqa: PLC0415  # loads what evaluations need

            of_conversation(lab, entry)
        case "Delete":
            _delete(lab, entry, is_open=is_open)


def open_conversation(conversation: str | None) -> None:
    """Go to a conversation; None for a new one."""
    if conversation is None:
        st.query_params.pop("c", None)
    elif st.query_params.get("c") != conversation:
        st.query_params["c"] = conversation


@dialog("Rename the conversation")
def _rename(lab: Lab, entry: Entry) -> None:
    with st.form("rename", border=False):
        title = st.text_input("Title", value=entry.title, max_chars=200)
        if st.form_submit_button("Rename", type="primary"):
            try:
                lab.chat.rename(entry.id, title)
            except InvalidRequest as error:
                st.error(label(str(error)), icon=":material/error:")
            else:
                st.rerun()


@dialog("Export the conversation")
def _export(lab: Lab, entry: Entry) -> None:
    st.markdown(f"**{label(entry.title)}**")
    name = "".join(char if char.isalnum() else "-" for char in entry.title.lower())[:40].strip("-") or "conversation"
    st.caption(
        "JSON contains all branches and files and can be imported. Markdown contains the text of the newest branch."
    )
    with st.container(horizontal=True):
        st.download_button(
            "JSON", lab.chat.transfer.export(entry.id), f"{name}.json", "application/json", on_click="ignore"
        )
        st.download_button(
            "Markdown", lab.chat.transfer.export_text(entry.id), f"{name}.md", "text/markdown", on_click="ignore"
        )


@dialog("Delete the conversation?")
def _delete(lab: Lab, entry: Entry, *, is_open: bool) -> None:
    st.markdown(f"**{label(entry.title)}** will be deleted with all its branches and files. This cannot be undone.")
    if st.button("Delete", type="primary", icon=":material/delete:"):
        lab.chat.delete(entry.id)
        if is_open:
            open_conversation(None)
        st.rerun()


@dialog("Import a conversation")
def _import(lab: Lab) -> None:
    st.caption("A Fallback Lab export, or JSON with a `messages` list as in chat completions.")
    file = st.file_uploader("File", type=["json", "md"], label_visibility="collapsed")
    if file is None:
        return
    try:
        conversation = lab.chat.transfer.import_(file.getvalue())
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
    else:
        open_conversation(conversation)
        st.rerun()


@dialog("Delete all stored data?")
def _forget(lab: Lab) -> None:
    stored = ", ".join(counted(number, noun) for noun, number in lab.store.contents().items())
    st.markdown(
        f"Deletes **{label(stored)}**, and all evaluations, test cases, statistics and cached answers, for everyone who"
        " uses this app. Suites, models.yaml and keys are kept."
    )
    sure = st.checkbox("Yes, delete all of this. It cannot be undone.")
    if st.button(":red[Delete everything]", icon=":material/delete_forever:", disabled=not sure):
        try:
            lab.forget()
        except StoreError as error:
            st.error(label(str(error)), icon=":material/error:")
            return
        open_conversation(None)
        st.rerun()
