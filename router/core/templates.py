"""Templates of prompts: text with `{{variables}}`, the same on every page.

A variable's name begins with a letter, a digit or `_` and goes on with these, `-` and `.`: `{{user-name}}`, `{{1.b}}`,
`{{größe}}`. Space inside the braces does not count. All other braces are text, for prompts hold code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.core.errors import InvalidRequest

_VARIABLE = re.compile(r"\{\{\s*(\w[\w.-]*)\s*\}\}")


def variables(text: str) -> list[str]:
    """The variables of a template, each once, in their order."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


def fill(text: str, values: Mapping[str, str], *, by: str = "The template", leave_unknown: bool = False) -> str:
    """A template with its variables filled in.

    Args:
        by: what needs the values, as the error says it.
        leave_unknown: whether a variable that `values` does not name stays in the text as it is.

    Raises:
        InvalidRequest: a variable has no value; the sentence names it.
    """
    wanted = [name for name in variables(text) if name in values or not leave_unknown]
    missing = [name for name in wanted if not values.get(name, "").strip()]
    if missing:
        names = " and ".join(f"{{{{{name}}}}}" for name in missing)
        raise InvalidRequest(f"{by} needs a value for {names}.")
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)
