"""A request for people to read and repeat: JSON and curl, without the key."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from router.config.keys import VARIABLE
from router.providers import Sent

_DATA_URL = re.compile(r"(data:[\w.+/-]+;base64,).{40,}", re.DOTALL)
_IN_DOUBLE_QUOTES = re.compile(r'[\\"`]|\$(?!\{)')


def as_json(sent: Sent) -> str:
    """The body, indented; files are shortened."""
    return msgspec.json.format(msgspec.json.encode(_shortened(sent.body)), indent=2).decode()


def as_curl(sent: Sent) -> str:
    """The command that sends it, with the key as a variable that the shell fills in."""
    headers = {"Content-Type": "application/json", **sent.headers}
    lines = [f"curl {shlex.quote(sent.url)}", *(f"-H {_quoted(f'{name}: {text}')}" for name, text in headers.items())]
    body = msgspec.json.encode(_shortened(sent.body)).decode()
    return " \\\n  ".join([*lines, f"-d {shlex.quote(body)}"])


def _quoted(header: str) -> str:
    # Only in double quotes does the shell fill a variable in.
    if not VARIABLE.search(header):
        return shlex.quote(header)
    escaped = _IN_DOUBLE_QUOTES.sub(r"\\\g<0>", header)
    return '"' + re.sub(rf"{VARIABLE.pattern}(?!\w)", r"$\1", escaped) + '"'


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return _DATA_URL.sub(r"\1…", value)
    if isinstance(value, Mapping):
        return {name: _shortened(item) for name, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list | tuple) else value
