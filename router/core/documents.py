"""Files in messages that are text, which a model can read as such."""

from __future__ import annotations

import contextlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from router.core.untrusted import mapping, text


def read_as_text(part: Mapping[str, Any]) -> str | None:
    """What a part says with its name above, if it is a file of text; None of any other part."""
    if part.get("type") != "file":
        return None
    file = mapping(part.get("file"))
    kind, found, data = (text(file.get("file_data")) or "").partition(";base64,")
    if not found or not kind.startswith("data:text/"):
        return None
    with contextlib.suppress(ValueError):
        said = b64decode(data).decode()
        return f"{name}:\n\n{said}" if (name := text(file.get("filename"))) else said
    return None
