"""promptfoo's templates, as far as they only name variables.

promptfoo renders them with Nunjucks, which can call, filter and loop. Here a plain `{{name}}` is filled, no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import msgspec

from router.config.values import shortened
from router.evaluate.importers.imported import NotTaken

MAX_TEXT = 1_000_000
"""Characters of a text with its variables filled in: variables in variables can grow without end."""

MAX_ROUNDS = 5
"""How often variables in variables are filled; so does promptfoo."""

_TEMPLATE = re.compile(r"\{\{((?:[^{}]|\{(?!\{)|\}(?!\}))*+)\}\}|(\{[%#])")
_NAME = re.compile(r"\w[\w.-]*")

Vars = Mapping[str, Any]


def resolved(given: Vars) -> Vars:
    """Variables with the variables in them filled in; one line end after each is dropped, as promptfoo does.

    Raises:
        NotTaken: see `render`.
    """
    found = {name: value.removesuffix("\n") if isinstance(value, str) else value for name, value in given.items()}
    for _ in range(MAX_ROUNDS):
        if not any(isinstance(value, str) and _TEMPLATE.search(value) for value in found.values()):
            return found
        found = {name: _text(value, found) if isinstance(value, str) else value for name, value in found.items()}
    raise NotTaken("Its variables need each other, without an end.", "Write their values there.")


def render(value: Any, given: Vars) -> Any:
    """A value with the variables in all of its texts filled in.

    Raises:
        NotTaken: a template calls something, reads the environment, has no value, or grows too long.
    """
    if isinstance(value, str):
        return _text(value, given)
    if isinstance(value, list):
        return [render(item, given) for item in value]
    if isinstance(value, dict):
        return {name: render(item, given) for name, item in value.items()}
    return value


def _text(template: str, given: Vars) -> str:
    literals, values, end, length = [], [], 0, 0
    for found in _TEMPLATE.finditer(template):
        literals.append(template[end : found.start()])
        values.append(_filled(found, given))
        length += len(literals[-1]) + len(values[-1])
        if length > MAX_TEXT:
            raise NotTaken(f"Its text grows beyond {MAX_TEXT:,} characters.", "Shorten its variables.")
        end = found.end()
    literals.append(template[end:])
    _, opened, after = "\0".join(literals).partition("{{")
    if opened and "}}" in after:  # a template around another one; what is never closed is text
        raise _computing("{{")
    return "".join(part for pair in zip_longest(literals, values, fillvalue="") for part in pair)


def _computing(what: str) -> NotTaken:
    said = f"Its template computes something (`{shortened(what)}`)."
    return NotTaken(said, "Write the result there; only `{{name}}` is filled.")


def _filled(found: re.Match[str], given: Vars) -> str:
    name = (found[1] or "").strip()
    if _NAME.fullmatch(name) is None:
        raise _computing(found[0])
    if name.startswith("env."):
        raise NotTaken(f"Its template reads the environment (`{shortened(found[0])}`).", "Write the value there.")
    value: Any = given
    for part in [name] if name in given else name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise NotTaken(f"Its template needs `{shortened(found[0])}`, which has no value.", "Set it in `vars`.")
        value = value[part]
    return written(value)


def written(value: Any) -> str:
    """A value as JavaScript writes it into a text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    whole = isinstance(value, float) and value.is_integer()
    return msgspec.json.encode(int(value) if whole else value).decode()
