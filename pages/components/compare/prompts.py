"""The prompts of a new comparison: one, several in a table or from a file, or a template with its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from router.compare import expand, prompts_of
from router.compare.table import read_table
from router.core.comparisons import Prompt
from router.core.errors import InvalidRequest
from router.core.templates import variables
from router.lab import Lab

from components.compare.draft import ONE, SEVERAL, TEMPLATE, Draft, begin_rows, key_of
from components.shared.markdown import label

_UPLOADS = "compare_uploaded"

Rows = Sequence[Mapping[str, str]]


class Entered(NamedTuple):
    """The prompts as they were entered.

    Attributes:
        template: empty where there is none.
        rows: the one prompt, or the table's rows.
    """

    mode: str
    rows: Rows
    template: str = ""

    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts that are asked.

        Raises:
            InvalidRequest: a row leaves a variable without a value, or has no prompt.
        """
        if self.mode == TEMPLATE:
            return expand(self.template, self.rows)
        return prompts_of(self.rows)


def edit_prompts(lab: Lab, begin: Draft) -> Entered:
    """The fields for prompts."""
    mode = st.segmented_control(
        "Prompts",
        [ONE, SEVERAL, TEMPLATE],
        default=begin.mode,
        required=True,
        key=key_of("mode"),
        persist_state="session",
    )
    if mode == ONE:
        return Entered(ONE, [_one(lab, begin.rows[0] if begin.rows else {})])
    if mode == SEVERAL:
        return Entered(SEVERAL, _table(["prompt"], begin.rows, key_of("rows"), "Prompts, one per row"))
    template = st.text_area(
        "Template",
        begin.template,
        key=key_of("template"),
        persist_state="session",
        placeholder="Translate {{word}} into {{language}}.",
        help="Each row of the table below becomes one prompt, with its values for the {{variables}}.",
    )
    names = [name for name in variables(template) if name != "category"]
    key = key_of("_".join(["values", *names]))
    rows = _table(names, begin.rows, key, "Values of the variables, one row per prompt") if names else []
    return Entered(TEMPLATE, rows, template)


def _one(lab: Lab, begin: Mapping[str, str]) -> Mapping[str, str]:
    text = st.text_area(
        "Prompt",
        begin.get("prompt", ""),
        key=key_of("prompt"),
        persist_state="session",
        height=110,
        placeholder="The prompt for all lanes",
    )
    begun = begin.get("category")
    categories = list(dict.fromkeys([*lab.config().chains, *([begun] if begun else [])]))
    category = st.selectbox(
        "Category",
        categories,
        index=categories.index(begun) if begun else None,
        key=key_of("category"),
        persist_state="session",
        placeholder="None",
        accept_new_options=True,
        width=240,
        help="Groups votes on the leaderboard.",
    )
    return {"prompt": text, "category": category or ""}


def _table(required: Sequence[str], begin: Rows, key: str, alt: str) -> Rows:
    """A table to fill in by hand or from a file.

    Args:
        required: its first columns, which a file must have; others come with the rows.
    """
    uploads = st.session_state.get(_UPLOADS, 0)
    others = [name for row in begin for name in row] if required == ["prompt"] else []
    names = [*dict.fromkeys(name for name in [*required, *others] if name != "category"), "category"]
    frame = pd.DataFrame(begin or [dict.fromkeys(names, "")] * 3, columns=names, dtype="object").fillna("")
    edited = st.data_editor(
        frame,
        num_rows="dynamic",
        hide_index=True,
        column_config={
            name: st.column_config.TextColumn(name, width="large" if name == "prompt" else None) for name in names
        },
        key=f"{key}_{uploads}" if uploads else key,
        alt=alt,
        placeholder="",
    )
    now = [{str(name): _text(value) for name, value in row.items()} for row in edited.to_dict("records")]
    with st.popover("Upload CSV", icon=":material/upload_file:", type="tertiary"):
        _draw_upload(required, now, key)
    return now


def _draw_upload(required: Sequence[str], now: Rows, key: str) -> None:
    columns = " and ".join(f"**{label(name)}**" for name in required)
    others = " Other columns are values for {{variables}} in the prompts." if required == ["prompt"] else ""
    plural = "s" if len(required) > 1 else ""
    st.caption(f"A file with the column{plural} {columns} adds its rows.{others}")
    uploads = st.session_state.setdefault(_UPLOADS, 0)
    file = st.file_uploader("CSV file", type=["csv", "tsv", "txt"], key=f"compare_csv_{key}_{uploads}", width=360)
    if file is None:
        return
    try:
        added = read_table(file.getvalue(), required)
    except InvalidRequest as error:
        st.error(label(str(error)), icon=":material/error:")
        return
    begin_rows([*(row for row in now if any(map(str.strip, row.values()))), *added])
    st.session_state[_UPLOADS] += 1  # an emptied uploader, and a table that begins with all rows
    st.rerun()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
