"""Providers: each speaks one protocol and yields the same events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from router.config.keys import Keys
from router.core.capabilities import ModelInfo
from router.core.events import ProviderEvent
from router.core.requests import Request

if TYPE_CHECKING:
    from router.config.schema import ProviderConfig


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
    """What goes on the wire for a call: a POST of JSON.

    Attributes:
        headers: keys stand as `${VARIABLE}` in them until they are sent.
        producer: who will have made the answer; see router/providers/producers.py.
        notes: what of the request is not in it as it was asked, one sentence each.
    """

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    producer: str | None = None
    notes: tuple[str, ...] = ()


class Unusable(NamedTuple):
    """Why a provider cannot be called at all: a short reason for the store, and one sentence for people."""

    reason: str
    detail: str


def missing_key(config: ProviderConfig, keys: Keys) -> Unusable | None:
    """The problem of a provider one of whose keys is not set, cannot be one, or may not go to it."""
    for names in config.variables:
        if detail := keys.problem(*names, url=config.base_url):
            return Unusable("no_key", detail)
    return None


def key_header(name: str, prefix: str, config: ProviderConfig, keys: Keys) -> dict[str, str]:
    """The header that carries the provider's key, as its variable."""
    if not config.api_key:
        return {}
    first = config.api_key[0]
    variable = first if len(config.api_key) == 1 else keys.name(*config.api_key) or first
    return {name: f"{prefix}${{{variable}}}"}


class Provider(Protocol):
    """Somewhere a model is served."""

    def problem(self) -> Unusable | None:
        """Why it cannot be called at all, such as a missing key; None where it can."""

    async def prepare(self) -> None:
        """Whatever must be ready before the first call; its time is not latency.

        Raises:
            ProviderError: it cannot be made ready.
        """

    async def models(self, connect: float) -> Mapping[str, ModelInfo]:
        """The models that it says it serves, by their names; `connect` as in a call.

        Raises:
            ProviderError: the list cannot be read.
        """

    def sent(self, call: Call) -> Sent:
        """What goes on the wire for a call."""

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        """Send the call and yield the answer's events, also where it comes as one whole.

        The answer is whole where a `Finished` came. Closing the generator closes the connection.

        Raises:
            ProviderError: the call failed.
        """
