"""Test cases: prompts with their expected answers, one JSON object per line.

The samples have the shape of Inspect's (https://inspect.aisi.org.uk/datasets.html): input, target, id, metadata.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from router.core.errors import InvalidRequest, StoreError
from router.core.files import shown
from router.core.messages import Frozen, Message


class Case(Frozen, frozen=True, kw_only=True):
    """A prompt with its expected answer.

    Attributes:
        input: the messages, the prompt last.
        target: the expected answer.
        metadata: `category`, and the model that gave the answer it was made from.
    """

    id: str
    input: tuple[Message, ...]
    target: str
    metadata: Mapping[str, Any] = {}


class CaseFile:
    """The test cases that were saved from answers.

    Args:
        path: made with its folder when the first case is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, messages: Sequence[Message], target: str, **metadata: Any) -> Case:
        """Add a case.

        Raises:
            InvalidRequest: there is no target.
            StoreError: the file cannot be written.
        """
        if not target.strip():
            raise InvalidRequest("Enter the expected answer of the test case.")
        case = Case(id=uuid.uuid4().hex[:12], input=tuple(messages), target=target.strip(), metadata=metadata)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One write per line: two processes that add at the same time do not mix lines.
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", 0) as file:
                file.write(msgspec.json.encode(case) + b"\n")
        except OSError as error:
            raise StoreError(f"The test case cannot be added to {shown(self.path)}: {error.strerror}.") from None
        return case

    def clear(self) -> None:
        """Delete all cases."""
        self.path.unlink(missing_ok=True)

    def all(self) -> list[Case]:
        """The cases, oldest first; invalid lines are skipped."""
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return []
        found: list[Case] = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=Case))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
        return found
