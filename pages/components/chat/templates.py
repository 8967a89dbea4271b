"""The library of prompt templates: choose one, fill it in, save a new one."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from router.core.errors import InvalidRequest
from router.core.templates import fill, variables
from router.store import Store

from components.shared.markdown import label


def draw_templates(store: Store, *, on_use: Callable[[str], None]) -> None:
    """The library's popover; `on_use` receives the filled-in text."""
    with st.popover("Templates", icon=":material/quick_reference_all:"):
        library, new = st.tabs(["Library", "New"])
        with library:
            _draw_library(store, on_use)
        with new:
            _draw_new(store)


def _draw_library(store: Store, on_use: Callable[[str], None]) -> None:
    templates = store.templates.all()
    if not templates:
        st.caption("No templates yet. A template is a reusable prompt with `{{variables}}`.")
        return
    template = st.selectbox(
        "Template", templates, format_func=lambda template: template.name, key="template_pick", width=360
    )
    st.code(template.text, language=None, wrap_lines=True, height=120 if template.text.count("\n") > 3 else "content")
    values = {name: st.text_input(name, key=f"template_{template.id}_{name}") for name in variables(template.text)}
    with st.container(horizontal=True):
        if st.button("Use in prompt", type="primary", key="template_use"):
            try:
                on_use(fill(template.text, values))
            except InvalidRequest as error:
                st.error(label(str(error)), icon=":material/error:")
        st.button(
            "Delete",
            icon=":material/delete:",
            type="tertiary",
            key="template_delete",
            on_click=store.templates.delete,
            args=(template.id,),
        )


def _draw_new(store: Store) -> None:
    with st.form("template_new", border=False, clear_on_submit=True):
        name = st.text_input("Name", max_chars=80)
        text = st.text_area("Text", placeholder="Summarize in {{language}}:\n\n{{text}}", height=120, width=360)
        if st.form_submit_button("Save template"):
            if name.strip() and text.strip():
                store.templates.add(name.strip(), text)
                st.rerun()
            st.error("Enter a name and a text for the template.", icon=":material/error:")
