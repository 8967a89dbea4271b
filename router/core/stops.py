r"""Stop sequences as people type them: one a line, a line break in one as `\n`, a tab as `\t`, a backslash as `\\`."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}
_ESCAPED = re.compile(r"\\([nt\\])")


def read_stops(text: str) -> list[str]:
    """The stop sequences of a text; their spaces count, empty lines do not."""
    return [_ESCAPED.sub(lambda found: _ESCAPES[found[1]], line) for line in text.split("\n") if line]


def write_stops(stops: Sequence[str]) -> str:
    """The text that is read as these stop sequences."""
    return "\n".join(stop.replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t") for stop in stops)
