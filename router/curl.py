"""A request as people look at it and repeat it: JSON and curl, with the key left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from router.providers import Sent

_DATA_URL = re.compile(r"(data:[\w.+/-]+;base64,).{40,}", re.DOTALL)
_KEY_HEADER = re.compile(r"(Authorization: Bearer|x-api-key:) \$[A-Za-z_]\w*", re.ASCII)


def as_json(sent: Sent) -> str:
    """The body, indented; files are cut short."""
    return msgspec.json.format(msgspec.json.encode(_shortened(sent.body)), indent=2).decode()


def as_curl(sent: Sent) -> str:
    """The command that sends it; the key stands as its variable, which the shell fills in."""
    headers = {"Content-Type": "application/json", **sent.headers}
    lines = [f"curl {shlex.quote(sent.url)}", *(f"-H {_quoted(f'{name}: {text}')}" for name, text in headers.items())]
    body = msgspec.json.encode(_shortened(sent.body)).decode()
    return " \\\n  ".join([*lines, f"-d {shlex.quote(body)}"])


def _quoted(header: str) -> str:
    # Only in double quotes does the shell fill a variable in.
    return f'"{header}"' if _KEY_HEADER.fullmatch(header) else shlex.quote(header)


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return _DATA_URL.sub(r"\1…", value)
    if isinstance(value, Mapping):
        return {name: _shortened(item) for name, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list | tuple) else value
