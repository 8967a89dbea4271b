"""Protects spreadsheets from text that they would run as a formula."""

from __future__ import annotations

import unicodedata
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_QUOTES = "'\"`"


def plain(value: Any) -> Any:
    """The value, with an apostrophe before text that a spreadsheet would take for a formula.

    These are OWASP's signs of one (https://owasp.org/www-community/attacks/CSV_Injection), also behind whatever an
    import may drop, and in every form that an import may make the same.
    """
    return f"'{value}" if isinstance(value, str) and _may_run(value) else value


def _may_run(text: str) -> bool:
    first = next(dropwhile(_may_be_dropped, text), "")
    return text.startswith(("\t", "\r", "\n")) or unicodedata.normalize("NFKC", first).startswith(("=", "+", "-", "@"))


def _may_be_dropped(char: str) -> bool:
    """Blanks, controls, invisible marks, quotes."""
    return char in _QUOTES or unicodedata.category(char)[0] in "CZ"


def table_csv(frame: pd.DataFrame) -> str:
    """A table as CSV without formulas, column names included."""
    return frame.map(plain).rename(columns=plain).to_csv(index=False)
