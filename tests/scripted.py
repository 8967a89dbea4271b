"""A provider whose upstream is respx: what a call sends, and what any answer gives."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import respx

from router.config.keys import Keys
from router.config.schema import ProviderConfig
from router.core.errors import ProviderError
from router.core.events import ProviderEvent, ReasoningDetail, Served
from router.core.requests import Request
from router.providers import Call, Provider
from router.providers.anthropic import AnthropicProvider
from router.providers.openai import OpenAIProvider

Speaks = Literal["openai", "anthropic"]

KEY = "sk-or-v1-0123456789abcdef"
HELLO = Request(messages=({"role": "user", "content": "Hello"},))


def sse(*chunks: object, end: str = "data: [DONE]\n\n") -> httpx.Response:
    """A stream: chunks as JSON, lines as they are."""
    lines = [one if isinstance(one, str) else f"data: {json.dumps(one)}\n\n" for one in chunks]
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content="".join(lines) + end)


def whole(body: object, status: int = 200, **headers: str) -> httpx.Response:
    if isinstance(body, str):
        return httpx.Response(status, headers={"content-type": "text/html", **headers}, content=body)
    return httpx.Response(status, headers=headers, json=body)


class Wire:
    """A provider whose upstream is respx.

    Attributes:
        route: what is sent, and what comes back.
        elsewhere: whatever is sent to any other address.
    """

    def __init__(
        self,
        folder: Path,
        protocol: Speaks = "openai",
        base_url: str = "http://host/v1",
        **settings: Any,
    ) -> None:
        kind, path = _PROTOCOLS[protocol]
        router = respx.Router(assert_all_called=False)
        self.route = router.post(f"{base_url}/{path}")
        self.elsewhere = router.route()
        config = ProviderConfig(protocol=protocol, base_url=base_url, **settings)
        self.provider: Provider = kind(
            config,
            Keys(folder, {"A_KEY": KEY, "FALLBACK_LAB_KEYS": "A_KEY"}),
            httpx.MockTransport(router.async_handler),
        )

    async def all_events(
        self, answer: httpx.Response | Exception, *, request: Request = HELLO, stream: bool = True, model: str = "m"
    ) -> list[ProviderEvent]:
        """The events of one call that is answered so."""
        self.route.mock(side_effect=[answer])
        return [event async for event in self.provider.stream(Call(model, request, stream, 5.0))]

    async def events(
        self, answer: httpx.Response | Exception, *, request: Request = HELLO, stream: bool = True, model: str = "m"
    ) -> list[ProviderEvent]:
        """The same without who served it, and what only the next turn needs."""
        events = await self.all_events(answer, request=request, stream=stream, model=model)
        return [event for event in events if not isinstance(event, Served | ReasoningDetail)]

    async def error(self, answer: httpx.Response | Exception, *, stream: bool = True) -> ProviderError:
        """The error of one call that is answered so."""
        with pytest.raises(ProviderError) as caught:
            await self.events(answer, stream=stream)
        return caught.value

    @property
    def sent(self) -> dict[str, Any]:
        return dict(json.loads(self.route.calls.last.request.content))

    @property
    def headers(self) -> httpx.Headers:
        return self.route.calls.last.request.headers


_PROTOCOLS: dict[str, tuple[type[OpenAIProvider | AnthropicProvider], str]] = {
    "openai": (OpenAIProvider, "chat/completions"),
    "anthropic": (AnthropicProvider, "messages"),
}


class Body(httpx.AsyncByteStream):
    """A body that tells whether it was closed, and may break off."""

    def __init__(self, *parts: bytes, error: Exception | None = None) -> None:
        self.parts = parts
        self.error = error
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.error:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True

    def response(self, kind: str = "text/event-stream", status: int = 200) -> httpx.Response:
        return httpx.Response(status, headers={"content-type": kind}, stream=self)
