"""What is wrong with models.yaml, in words: the line, what is wanted, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from router.yaml_source import Lines


def line_of(lines: Lines, at: tuple[str | int, ...]) -> int:
    """The line of a path, or of its nearest parent; a chain written as a list has no `models` level."""
    if at[-2:-1] == ("models",) and at not in lines:
        at = (*at[:-2], at[-1])
    while at and at not in lines:
        at = at[:-1]
    return lines.get((*at, ""), lines.get(at, 1)) if at else 1


def explain(path: Path, lines: Lines, error: ValidationError, root: type[BaseModel]) -> str:
    """One sentence with the file, the line and the mend.

    Args:
        root: the model of the whole file.
    """
    # A key that is unknown explains one that is missing.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    at = tuple(first["loc"])
    if at[-1:] == ("[key]",):
        at = (*at[:-2], str(at[-2]))
        odd = first["type"] == "string_pattern_mismatch"
        what = (
            "is no name of a header; it has letters, digits and dashes" if odd else "must be text; write it in quotes"
        )
        return f"{path}, line {line_of(lines, at)}: the name `{at[-1]}` {what}."
    return f"{path}, line {line_of(lines, at)}: {sentence(first, _model_at(at, root))}"


def _model_at(at: tuple[str | int, ...], root: type[BaseModel]) -> type[BaseModel]:
    """The model whose field names may stand where `at` points."""
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
        else:  # the key of a mapping, or a place in a list
            inside = (get_args(inside) or (None,))[-1]
    return found


def sentence(error: Any, model: type[BaseModel]) -> str:
    """What is wrong, of one of pydantic's errors; `model` has the names that may stand there."""
    at = [str(part) for part in error["loc"] if part != "function-before[_from_list(), _ChainFile]"]
    name = ".".join(at)
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key `{at[-1]}`{nearest(at[-1], model.model_fields)}"
        case "missing":
            return f"`{name}` is missing."
        case "value_error":
            return f"`{name}`: {error['ctx']['error']}." if name else f"{error['ctx']['error']}."
        case "literal_error":
            return f"`{name}` must be {error['ctx']['expected']}, not `{error['input']}`."
        case "too_short":
            return f"`{name}` is empty. Name at least one category with its models."
        case kind:
            # What pydantic asks for, in the words of a YAML file; the value itself may be a key.
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
    "model_type": "must be a mapping",
    "greater_than": "must be greater than 0",
    "finite_number": "must be a finite number",
}
_GIVEN = {str: "text", int: "this number", float: "this number", list: "a list", dict: "a mapping"}
_GIVEN |= {type(None): "nothing", bool: "true or false"}


def close_to(word: str, names: Mapping[str, object]) -> str | None:
    """The name that was probably meant."""
    return next(iter(difflib.get_close_matches(word, list(names), 1)), None)


def nearest(word: str, names: Mapping[str, object]) -> str:
    """The end of a sentence that says it, or all names."""
    near = close_to(word, names)
    return f". Did you mean `{near}`?" if near else f". Known: {', '.join(f'`{name}`' for name in names)}."
