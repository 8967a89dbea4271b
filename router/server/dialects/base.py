"""What the callers' dialects have in common: a body read as a request, an answer written in the dialect's shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from router.core.attempts import Completion
from router.core.events import ProviderEvent
from router.core.requests import Request


class Asked(NamedTuple):
    """What a caller asks.

    Attributes:
        target: what the caller names as the model: a category, or a model.
        stream: whether the answer goes out as it comes.
        usage: whether a stream ends with the usage.
        session: the conversation's name, where the body has one.
        tags: `name=value`, as the body has them.
        notes: what of the body is left out, one sentence each.
        echo: fields that the dialect repeats in its answers.
    """

    target: str
    request: Request
    stream: bool = False
    usage: bool = False
    session: str | None = None
    tags: Mapping[str, str] = {}
    notes: Sequence[str] = ()
    echo: Mapping[str, Any] = {}


class Reply(NamedTuple):
    """What an answer is known by.

    Attributes:
        id: the request's, 32 hexadecimal digits; a dialect puts its own prefix before it.
        model: the one that served, as its provider names it.
        created: Unix time, seconds.
    """

    id: str
    model: str
    created: int


class Refusal(Exception):
    """Why there is no answer.

    Args:
        message: one sentence for people, without keys.
        status: HTTP's.
        code: a name for programs, such as `model_not_found`.
        param: the body's field that is at fault.
        retry_after: seconds until it may be tried again.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after
        super().__init__(message)


class Writer(Protocol):
    """Writes one answer as server-sent events; what it returns is sent at once, unless it is empty."""

    def add(self, event: ProviderEvent) -> bytes:
        """An event of the call that answers; the first content comes with all that precedes it in the dialect."""

    def end(self, completion: Completion, trace: Mapping[str, Any] | None) -> bytes:
        """The stream's end.

        Args:
            trace: for the last event's field `fallback_lab`, where the caller asked for it.
        """

    def fail(self, refusal: Refusal) -> bytes:
        """The end of a stream that has begun and cannot be finished."""


ID_HEADER = "x-request-id"
"""The header of every answer that names its request."""


class Dialect(Protocol):
    """One wire."""

    @property
    def id_headers(self) -> Sequence[str]:
        """The headers in which its clients look for a request's id."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """What a body asks.

        Raises:
            Refusal: with 400, naming the field and the fix.
        """

    def whole(self, asked: Asked, reply: Reply, completion: Completion) -> dict[str, Any]:
        """The JSON body of a whole answer."""

    def writer(self, asked: Asked, reply: Reply) -> Writer:
        """Writes a streamed answer."""

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        """The JSON body of a refusal."""
