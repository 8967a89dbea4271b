"""The `openai` protocol: chat completions, as OpenAI, OpenRouter and every compatible server speak it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any

import httpx
import msgspec

from router.config import ProviderConfig
from router.errors import ContentFiltered, InvalidAnswer
from router.events import Finished, ProviderEvent, ReasoningDelta, ReasoningDetail, Served, TextDelta, ToolCallDelta
from router.facts import ModelFacts
from router.keys import Keys
from router.messages import Message, Usage
from router.providers import Call, Problem, Sent, key_text, missing_key
from router.providers.exchange import exchange, read_json
from router.providers.failures import failure
from router.providers.model_list import read_models
from router.providers.untrusted import NO_JSON, count, mapping, number, text

ATTRIBUTION = {"HTTP-Referer": "http://localhost:8501", "X-OpenRouter-Title": "Fallback Lab"}
"""By what OpenRouter lists an app; `headers` in models.yaml say it otherwise."""


class OpenAIProvider:
    """Speaks chat completions over HTTP.

    Args:
        config: address, the name of the key's variable, extra headers and body fields.
        keys: where the key's value comes from.
        transport: shared by all providers of the Lab.
    """

    def __init__(self, config: ProviderConfig, keys: Keys, transport: httpx.AsyncBaseTransport) -> None:
        self._config = config
        self._keys = keys
        self._transport = transport
        self._url = f"{config.base_url}/chat/completions"
        self._headers = {**(ATTRIBUTION if config.is_openrouter else {}), **config.headers}

    def problem(self) -> Problem | None:
        return missing_key(self._config, self._keys)

    async def prepare(self) -> None:
        """Nothing to do: connections are opened by the first call."""

    def sent(self, call: Call, key: str | None) -> Sent:
        body = completions_body(call, extra=self._config.body, reasoning_details=self._config.is_openrouter)
        if self._config.is_openai and "max_tokens" in body:
            body["max_completion_tokens"] = body.pop("max_tokens")  # its newer models refuse the older name
        return Sent(self._url, {**_authorization(key), **self._headers}, body)

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        sent = self.sent(call, key_text(self._config, self._keys))
        return exchange(self._transport, sent, connect=call.connect, reader=ChunkReader(), scrub=self._keys.scrub)

    async def models(self, connect: float) -> Mapping[str, ModelFacts]:
        headers = {**_authorization(key_text(self._config, self._keys)), **self._headers}
        url = f"{self._config.base_url}/models"
        return read_models(
            await read_json(self._transport, url, headers=headers, connect=connect, scrub=self._keys.scrub)
        )


def _authorization(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key is not None else {}


def completions_body(call: Call, *, extra: Mapping[str, Any] = {}, reasoning_details: bool = False) -> dict[str, Any]:
    """The body of a chat completions call.

    Args:
        extra: fields that the request's own override.
        reasoning_details: the server takes back the reasoning of earlier turns; others refuse fields they do not know.
    """
    body = {**extra, **call.request.body(), "model": call.model}
    if not reasoning_details:
        body["messages"] = [_without_details(message) for message in call.request.messages]
    if call.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _without_details(message: Message) -> Message:
    if "reasoning_details" not in message:
        return message
    return {name: value for name, value in message.items() if name != "reasoning_details"}


class _PlainDelta(msgspec.Struct):
    content: str
    role: str | None = None
    reasoning: None = None
    reasoning_content: None = None
    tool_calls: None = None


class _PlainChoice(msgspec.Struct):
    delta: _PlainDelta
    finish_reason: None = None
    error: None = None


class _PlainChunk(msgspec.Struct):
    """A chunk with a piece of text and nothing else that we read: nearly every chunk there is."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None


_decode_plain = msgspec.json.Decoder(_PlainChunk).decode


class ChunkReader:
    """Reads the chunks of one answer, or its one whole body."""

    def __init__(self) -> None:
        self.finished = False
        self._served: Served | None = None

    def read(self, data: str) -> Iterable[ProviderEvent]:
        """See `Reader.read`."""
        if self._served is not None:
            # A third of the time that the whole chunk takes: most of a stream's cost is here.
            try:
                text = _decode_plain(data).choices[0].delta.content
            except NO_JSON:
                pass  # not plain: all of it is read below
            else:
                return (TextDelta(text),) if text else ()
        try:
            chunk = msgspec.json.decode(data)
        except NO_JSON:
            return ()  # one malformed event does not spoil the others; a lost finish reason is found at the end
        return self._events(chunk) if isinstance(chunk, dict) else ()

    def whole(self, answer: Mapping[str, Any]) -> Iterable[ProviderEvent]:
        """See `Reader.whole`."""
        if not (answer.get("choices") or answer.get("error")):
            raise InvalidAnswer("The answer has no choices in it.", status=200)
        return self._events(answer)

    def _events(self, chunk: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        if error := chunk.get("error"):
            raise failure(200, {"error": error})
        if served := self._newly_served(chunk):
            yield served
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict):
            yield from self._choice(choice)
        if isinstance(usage := chunk.get("usage"), dict):
            yield read_usage(usage)

    def _newly_served(self, chunk: Mapping[str, Any]) -> Served | None:
        before = self._served or Served()
        served = Served(
            model=text(chunk.get("model")) or before.model,
            provider=text(chunk.get("provider")) or before.provider,
            id=text(chunk.get("id")) or before.id,
        )
        if served == self._served:
            return None
        self._served = served
        return served

    def _choice(self, choice: dict[str, Any]) -> Iterator[ProviderEvent]:
        if error := choice.get("error"):
            raise failure(200, {"error": error})
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            yield from _delta(delta)
        reason = choice.get("finish_reason")
        if reason == "error":
            raise failure(200, {"error": {"message": "The provider ended the answer with an error."}})
        if reason == "content_filter":
            raise ContentFiltered("The provider's content policy stopped the answer.", status=200)
        if isinstance(reason, str) and reason and not self.finished:
            self.finished = True
            yield Finished(reason)


def _delta(delta: dict[str, Any]) -> Iterator[ProviderEvent]:
    details = delta.get("reasoning_details")
    reasoning = text(delta.get("reasoning")) or text(delta.get("reasoning_content"))
    if reasoning := reasoning or _content(details):
        yield ReasoningDelta(reasoning)
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield ReasoningDetail(detail)
    if content := _content(delta.get("content")):
        yield TextDelta(content)
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        for position, call in enumerate(calls):
            if isinstance(call, dict):
                yield _tool_call(position, call)


def _content(content: object) -> str | None:
    """Text, or the text in a list of parts."""
    if isinstance(content, list):
        return "".join(text(part.get("text")) or "" for part in content if isinstance(part, dict))
    return text(content)


def _tool_call(position: int, call: dict[str, Any]) -> ToolCallDelta:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    index = count(call.get("index"))
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # some servers send the object itself
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCallDelta(
        index=position if index is None else index,
        id=text(call.get("id")),
        name=text(function.get("name")),
        arguments=text(arguments) or "",
    )


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts and cost of a chat completions `usage` object; what is absent or odd stays unknown."""
    prompt = mapping(usage.get("prompt_tokens_details"))
    completion = mapping(usage.get("completion_tokens_details"))
    return Usage(
        prompt_tokens=count(usage.get("prompt_tokens")),
        completion_tokens=count(usage.get("completion_tokens")),
        cached_tokens=count(prompt.get("cached_tokens")),
        cache_write_tokens=count(prompt.get("cache_write_tokens")),
        reasoning_tokens=count(completion.get("reasoning_tokens")),
        cost=_dollars(usage.get("cost")),
    )


def _dollars(value: object) -> float | None:
    cost = None if isinstance(value, str) else number(value)
    return cost if cost is not None and cost >= 0 else None
