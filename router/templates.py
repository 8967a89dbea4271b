"""Templates of prompts: text with `{{variables}}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.errors import InvalidRequest

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")


def variables(text: str) -> list[str]:
    """The variables of a template, each once, in their order."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template with its variables filled in.

    Raises:
        InvalidRequest: a variable has no value; the sentence names it.
    """
    missing = [name for name in variables(text) if not values.get(name, "").strip()]
    if missing:
        names = " and ".join(f"{{{{{name}}}}}" for name in missing)
        raise InvalidRequest(f"The template needs a value for {names}.")
    return _VARIABLE.sub(lambda found: values[found[1]], text)
