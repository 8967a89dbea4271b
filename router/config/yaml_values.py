"""How a value is written into models.yaml: on one line, over several below its key, or as an item of a list."""

from __future__ import annotations

import re
from typing import Any

import yaml

SHORT = 60
"""Characters of a value that stays on one line, whatever is in it."""


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines on one, and indents the items of a list."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # PyYAML gives both
        super().increase_indent(flow, indentless=False)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def _dumped(value: Any, *, flow: bool | None) -> str:
    written = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        allow_unicode=True,
        width=10**9,
        sort_keys=False,
        line_break="\n",
    )
    return str(written).removesuffix("\n").removesuffix("\n...").removesuffix("\n...\n").strip()


def on_line(value: Any) -> str:
    """A value on one line."""
    return _dumped(value, flow=True)


def behind_key(value: Any, column: int, newline: str) -> str:
    """A value behind its key's colon: on the key's line, or over several if it is long and holds other collections.

    Args:
        column: of the key.
    """
    line = f" {on_line(value)}"
    if len(line) <= SHORT or not isinstance(value, dict) or not _nests(value):
        return line
    lines = _dumped(value, flow=None).split("\n")  # what holds no other collection is on one line
    return "".join(f"{newline}{' ' * (column + 2)}{line}" for line in lines)


def _nests(value: dict[str, Any]) -> bool:
    return any(isinstance(inner, dict | list) for inner in value.values())


# Words that YAML 1.1 reads as booleans and this project does not.
_TRUTHS = re.compile(r"y|n|yes|no|on|off|true|false|null|~", re.IGNORECASE)


def as_item(text: str, *, flow: bool = True) -> str:
    """A text as an item of a list, unquoted if that means the same."""
    if _TRUTHS.fullmatch(text):
        return f'"{text}"'
    if flow:
        return on_line([text])[1:-1]
    return str(yaml.safe_dump([text], default_flow_style=False, allow_unicode=True, width=10**9))[2:].strip()
