"""Errors in models.yaml as sentences: the line, the expected value, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from router.config.values import shortened
from router.core.strict_yaml import Lines, Place


def explain(
    path: Path,
    lines: Lines,
    error: ValidationError,
    root: type[BaseModel],
    written: Callable[[Place], Place] = lambda at: at,
) -> str:
    """One sentence with the file, the line and the fix.

    Args:
        root: the model of the whole file.
        written: where the file has what the model has at a place.
    """
    # An unknown key often explains a missing one.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    at = tuple(first["loc"])
    if at[-1:] == ("[key]",):
        at = (*at[:-2], str(at[-2]))
        odd = first["type"] == "string_pattern_mismatch"
        whose = "caller's" if at[0] == "server" else "header"
        what = (
            f"is not a valid {whose} name; use letters, digits and dashes"
            if odd
            else "must be text; write it in quotes"
        )
        return f"{path}, line {lines.of(written(at))}: the name `{shortened(at[-1])}` {what}."
    return f"{path}, line {lines.of(written(at))}: {sentence(first, _model_at(at, root))}"


def _model_at(at: tuple[str | int, ...], root: type[BaseModel]) -> type[BaseModel]:
    """The model whose field names are valid where `at` points."""
    found: type[BaseModel] = root
    inside: Any = root
    for part in at:
        if isinstance(inside, type) and issubclass(inside, BaseModel):
            found = inside
            if str(part) not in found.model_fields:
                break
            inside = found.model_fields[str(part)].annotation
            if isinstance(inside, UnionType):
                inside = get_args(inside)[0]
        else:  # the key of a mapping, or an index of a list
            inside = (get_args(inside) or (None,))[-1]
    return found


def sentence(error: Any, model: type[BaseModel]) -> str:
    """One of pydantic's errors in words; `model` has the names that are valid there."""
    at = [str(part) for part in error["loc"] if part != "function-before[_from_list(), _ChainFile]"]
    name = ".".join(shortened(part) for part in at)
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key `{shortened(at[-1])}`{nearest(at[-1], model.model_fields)}"
        case "missing":
            return f"`{name}` is missing."
        case "value_error":
            said = str(error["ctx"]["error"])
            said = said if said.endswith((".", "?")) else f"{said}."  # one that suggests a name is whole
            return f"`{name}`: {said}" if name else said
        case "literal_error":
            return f"`{name}` must be {error['ctx']['expected']}, not `{shortened(error['input'])}`."
        case "too_long":
            return f"`{name}` has at most {error['ctx']['max_length']:,} entries."
        case "too_short":
            return f"`{name}` is empty. Name at least one."
        case kind:
            # What pydantic expects, in YAML terms; the value itself is not shown, as it may be a key.
            wanted = _WANTED.get(kind, error["msg"].lower().replace("input should", "must"))
            return f"`{name}` {wanted}, not {_GIVEN.get(type(error['input']), 'this')}."


_WANTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "is_instance_of": "must be a list",
    "model_type": "must be a mapping",
    "greater_than": "must be greater than 0",
    "finite_number": "must be a finite number",
}
_GIVEN = {str: "text", int: "this number", float: "this number", list: "a list", dict: "a mapping"}
_GIVEN |= {type(None): "nothing", bool: "true or false"}


_LONGEST, _MOST = 60, 50
"""The most characters of names, and names, compared and listed: comparing takes quadratic time in both."""


def close_to(word: str, names: Mapping[str, object]) -> str | None:
    """The name that was probably intended."""
    if len(word) > _LONGEST:
        return None
    short = [name for name in islice(names, _MOST) if len(name) <= _LONGEST]
    return next(iter(difflib.get_close_matches(word, short, 1)), None)


def nearest(word: str, names: Mapping[str, object]) -> str:
    """The end of a sentence that suggests it, or lists all names."""
    near = close_to(word, names)
    if near:
        return f". Did you mean `{near}`?"
    some = ", ".join(f"`{shortened(name)}`" for name in islice(names, _MOST))
    return f". Known: {some}{', …' if len(names) > _MOST else ''}."
