"""One model's several names: with and without its date, its tag, its route."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from router.core.capabilities import ModelInfo

_DATE = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


def family(model: str) -> str:
    """The name without what does not change who answers: Gemini's `models/`, OpenRouter's routes, a date."""
    name = model.removeprefix("models/").partition("@preset/")[0]
    return _DATE.sub("", name.partition(":")[0] if "/" in name else name)


def listed_as(model: str, listed: Mapping[str, ModelInfo]) -> str | None:
    """The name under which a provider lists a model; None where it lists none that would answer for this one."""
    found = next((name for name in _written(model) if name in listed), None)
    dated = (name for name in listed if _DATE.search(name) and _DATE.sub("", name) == _DATE.sub("", model))
    any_name = (name for name, info in listed.items() if info.any_name and len(listed) == 1)
    return found or next(dated, None) or next(any_name, None)


def _written(model: str) -> Iterator[str]:
    """The ways to write a model's name, the exact one first."""
    yield model
    name = model.removeprefix("models/")
    yield from (name, f"models/{name}", f"{name}:latest", name.removesuffix(":latest"))
    name = name.partition("@preset/")[0]
    yield from (name, name.rpartition(":")[0], _DATE.sub("", name))
