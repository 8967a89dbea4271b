"""Text that a spreadsheet would run is text in every CSV that leaves the Lab."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from router.core.spreadsheet import plain, table_csv

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\nx",
    " =1",
    "\n\n=1",
    "\u00a0\u3000=1",
    "\x00=1",
    "\ufeff=1",
    "\u200b\u2060=1",
    "\u202e=1",
    "＝1",
    "＋1",
    "－1",
    "＠SUM(A1)",
    " ＝1",
    "﹦1",
    "⁺1",
    '"=1"',
    "'=1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert plain(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", " ", "Hello = 1", "1 - 1", " a@b", "é", "中文", '"Yes"', -1, -0.5, None])
def test_what_none_would_run_is_as_it_was(value: object) -> None:
    assert plain(value) == value


def test_streamlit_s_own_csv_and_clipboard_of_tables_are_off() -> None:
    settings = Path(__file__).parents[2] / ".streamlit" / "config.toml"
    assert tomllib.loads(settings.read_text(encoding="utf-8"))["client"]["disableDataExport"] is True


def test_a_table_s_cells_and_columns_hold_no_formula() -> None:
    text = table_csv(pd.DataFrame({"=1": ["＝2"], "-x": [-3]}))
    assert list(csv.reader(io.StringIO(text))) == [["'=1", "'-x"], ["'＝2", "-3"]]
