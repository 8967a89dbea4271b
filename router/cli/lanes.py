"""The lanes of an evaluation as people write them: `code,z-ai/glm-5,code{"temperature": 0}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from json import JSONDecoder
from typing import Any

import click
import msgspec

from router.chat.tools import read_params
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.formatting import parameters
from router.core.runs import Lane
from router.lab import Lab

_NAME = re.compile(r"[^,{]*")
_NAMED = ("system", "temperature", "max_tokens")
"""Parameters that are fields of `Settings`."""


def lanes_of(lab: Lab, text: str | None, suite_categories: Sequence[str]) -> tuple[Lane, ...]:
    """The lanes that a comma-separated list names: chains by their category, models by their reference.

    Args:
        text: a name may have parameters after it, a JSON object; None for the chains of the suite's categories, or else
            the default chain.

    Raises:
        ConfigError: there is no such chain or provider.
        InvalidRequest: parameters cannot be used.
    """
    chains = lab.config().chains
    if text is None:
        default = [name for name in suite_categories if name in chains] or [lab.config().default_category]
        return tuple(lab.evaluations.lane(Settings(category=name)) for name in default)
    return tuple(
        lab.evaluations.lane(
            _settings(given, **({"category": name} if name in chains else {"model": name})), _title(name, given)
        )
        for name, given in _listed(text)
    )


def _listed(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The names with their parameters."""
    rest, more = text, True
    while more:
        found = _NAME.match(rest)
        name, rest = (found[0].strip(), rest[found.end() :]) if found is not None else ("", rest)
        if not name:
            raise click.UsageError("A name is missing between two commas of --lanes.")
        given, rest = _object(rest)
        if rest.strip() and not rest.lstrip().startswith(","):
            raise click.UsageError(f"--lanes: a comma is missing after the parameters of {name}.")
        yield name, given
        more, rest = bool(rest.strip()), rest.lstrip()[1:]


def _object(text: str) -> tuple[Mapping[str, Any], str]:
    """The parameters with which a text begins, if it does, and what follows."""
    if not text.startswith("{"):
        return {}, text
    try:
        _, end = JSONDecoder().raw_decode(text)
    except ValueError:
        raise InvalidRequest(
            "The parameters of a lane must be a JSON object, as in --lanes 'code{\"temperature\": 0}'."
        ) from None
    return read_params(text[:end], own_controls=False), text[end:]


def _settings(given: Mapping[str, Any], **target: str) -> Settings:
    fields = {name: given[name] for name in _NAMED if name in given}
    params = {name: value for name, value in given.items() if name not in _NAMED}
    try:
        return msgspec.convert({**fields, "params": params, **target}, Settings)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"A parameter of --lanes cannot be used: {error}.") from None


def _title(name: str, given: Mapping[str, Any]) -> str:
    words = ", ".join(parameters(_settings(given)).values())
    return f"{name}, {words}" if words else name
