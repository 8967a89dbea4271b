"""Providers: each speaks one protocol and yields the same events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from router.config import ProviderConfig
from router.events import ProviderEvent
from router.facts import ModelFacts
from router.keys import Keys
from router.messages import Request


class Call(msgspec.Struct, frozen=True):
    """One call of one model.

    Attributes:
        model: the name as the provider knows it.
        stream: ask for a stream of events rather than one whole answer.
        connect: seconds to open a connection.
    """

    model: str
    request: Request
    stream: bool
    connect: float


class Sent(NamedTuple):
    """What goes on the wire for a call: a POST of JSON."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Problem(NamedTuple):
    """Why a provider cannot be called at all: a short reason for the store, and one sentence for people."""

    reason: str
    detail: str


def missing_key(config: ProviderConfig, keys: Keys) -> Problem | None:
    """The problem of a provider whose key is not set, or cannot be one."""
    detail = keys.problem(*config.api_key)
    return Problem("no_key", detail) if detail else None


def key_text(config: ProviderConfig, keys: Keys) -> str | None:
    """The provider's key, for the one header that carries it."""
    secret = keys.get(*config.api_key)
    return secret.reveal() if secret is not None else None


class Provider(Protocol):
    """Somewhere a model is served."""

    def problem(self) -> Problem | None:
        """Why it cannot be called at all, such as a missing key; None where it can."""

    async def prepare(self) -> None:
        """Whatever must be ready before the first call; its time is not latency.

        Raises:
            ProviderError: it cannot be made ready.
        """

    async def models(self, connect: float) -> Mapping[str, ModelFacts]:
        """The models that it says it serves, by their names; `connect` as in a call.

        Raises:
            ProviderError: the list cannot be read.
        """

    def sent(self, call: Call, key: str | None) -> Sent:
        """What goes on the wire for a call, with this text as the key."""

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        """Send the call and yield the answer's events, also where it comes as one whole.

        The answer is whole where a `Finished` came. Closing the generator closes the connection.

        Raises:
            ProviderError: the call failed.
        """
