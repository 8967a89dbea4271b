"""Answers as a dialect writes them, read by the official SDKs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import anthropic
import httpx2
import openai

from router.core.attempts import Attempt, Completion
from router.core.events import AnswerBuilder, Finished, ProviderEvent, Served, TextDelta
from router.core.messages import Usage
from router.server.dialects.base import Dialect, Reply
from router.server.dialects.messages import Messages
from router.server.dialects.responses import Responses

MESSAGES: Dialect = Messages()
RESPONSES: Dialect = Responses()
REPLY = Reply("0123456789abcdef0123456789abcdef", "small-1", 1_780_000_000)
USAGE = Usage(prompt_tokens=100, completion_tokens=20, cached_tokens=60, cache_write_tokens=10, reasoning_tokens=5)
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}


def said(*events: ProviderEvent, reason: str = "stop", producer: str | None = None) -> list[ProviderEvent]:
    """The events of one answer."""
    return [Served(model="small-1", producer=producer), *events, USAGE, Finished(reason)]


def completed(events: Iterable[ProviderEvent]) -> Completion:
    """What the events come to."""
    builder = AnswerBuilder()
    for event in events:
        builder.add(event)
    attempt = Attempt(
        model="a:small",
        provider="a",
        place=0,
        number=1,
        outcome="answered",
        started=0.0,
        offset=0.0,
        usage=builder.usage,
    )
    return Completion(request_id=REPLY.id, category="chat", answer=builder.answer(), attempts=(attempt,))


def streamed(dialect: Dialect, body: Mapping[str, Any], events: Iterable[ProviderEvent]) -> bytes:
    """The bytes of a streamed answer."""
    events = list(events)
    writer = dialect.writer(dialect.read(body), REPLY)
    return b"".join(map(writer.add, events)) + writer.end(completed(events), None)


def written(dialect: Dialect, body: Mapping[str, Any], events: Iterable[ProviderEvent]) -> dict[str, Any]:
    """The body of a whole answer."""
    return dialect.whole(dialect.read(body), REPLY, completed(events))


def _transport(content: bytes, status: int) -> httpx2.Client:
    kind = "application/json" if content.startswith(b"{") else "text/event-stream"
    answer = httpx2.Response(status, headers={"content-type": kind}, content=content)
    return httpx2.Client(transport=httpx2.MockTransport(lambda request: answer))


def as_anthropic(content: bytes, status: int = 200) -> anthropic.Anthropic:
    """Anthropic's SDK before a server that says this."""
    return anthropic.Anthropic(api_key="none", http_client=_transport(content, status), max_retries=0)


def as_openai(content: bytes, status: int = 200) -> openai.OpenAI:
    """OpenAI's SDK, the same."""
    return openai.OpenAI(api_key="none", http_client=_transport(content, status), max_retries=0)


TEXT = [TextDelta("Hello "), TextDelta("there 🙂")]
