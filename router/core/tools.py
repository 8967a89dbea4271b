"""A function that a model may call, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from router.core.messages import Frozen

Reply = Literal["by hand", "mock", "built-in"]


NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


class Tool(Frozen, frozen=True, kw_only=True):
    """A function that a model may call.

    Attributes:
        parameters: JSON schema of its arguments.
        reply: who answers a call: people by hand, the `mock`, or the code of this file.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = msgspec.field(default_factory=lambda: dict(NO_PARAMETERS))
    reply: Reply = "by hand"
    mock: str = ""

    def shape(self) -> Mapping[str, Any]:
        """The tool as chat completions want it."""
        described = {"description": self.description} if self.description else {}
        return {"type": "function", "function": {"name": self.name, **described, "parameters": self.parameters}}
