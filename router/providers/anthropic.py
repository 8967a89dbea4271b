"""The `anthropic` protocol: messages. The only one that translates; what it says is in docs/providers.md."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any

import httpx
import msgspec

from router.config import ProviderConfig
from router.errors import ContentFiltered, InvalidAnswer
from router.events import (
    Finished,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.facts import ModelFacts
from router.keys import Keys
from router.messages import Usage
from router.providers import Call, Problem, Sent, key_text, missing_key
from router.providers.anthropic_request import messages_body
from router.providers.exchange import exchange, read_json
from router.providers.failures import failure
from router.providers.model_list import read_models
from router.providers.untrusted import NO_JSON, count, mapping, text

VERSION = "2023-06-01"
"""The `anthropic-version` header that this file speaks."""

DETAILS_FORMAT = "anthropic-claude-v1"
"""What OpenRouter calls this protocol's reasoning details; theirs and ours can be exchanged."""

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}


class AnthropicProvider:
    """Speaks Anthropic messages over HTTP.

    Args:
        config: address, the name of the key's variable, extra headers and body fields.
        keys: where the key's value comes from.
        transport: shared by all providers of the Lab.
    """

    def __init__(self, config: ProviderConfig, keys: Keys, transport: httpx.AsyncBaseTransport) -> None:
        self._config = config
        self._keys = keys
        self._transport = transport
        self._url = f"{config.base_url}/messages"

    def problem(self) -> Problem | None:
        return missing_key(self._config, self._keys)

    async def prepare(self) -> None:
        """Nothing to do: connections are opened by the first call."""

    async def models(self, connect: float) -> Mapping[str, ModelFacts]:
        url = f"{self._config.base_url}/models?limit=1000"
        headers = self._headers(key_text(self._config, self._keys))
        return read_models(
            await read_json(self._transport, url, headers=headers, connect=connect, scrub=self._keys.scrub)
        )

    def sent(self, call: Call, key: str | None) -> Sent:
        body = {**self._config.body, **messages_body(call.request, call.model), "stream": call.stream}
        return Sent(self._url, self._headers(key), body)

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        sent = self.sent(call, key_text(self._config, self._keys))
        return exchange(self._transport, sent, connect=call.connect, reader=MessageReader(), scrub=self._keys.scrub)

    def _headers(self, key: str | None) -> dict[str, str]:
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key is not None else {}), **self._config.headers}


class _PlainText(msgspec.Struct, tag="text_delta"):
    text: str


class _PlainDelta(msgspec.Struct, tag="content_block_delta"):
    """A piece of text: nearly every event there is."""

    delta: _PlainText


_decode_plain = msgspec.json.Decoder(_PlainDelta).decode


class MessageReader:
    """Reads the events of one answer, or its one whole body."""

    def __init__(self) -> None:
        self.finished = False
        self._calls = 0
        self._call_of_block: dict[object, int] = {}
        self._usage: dict[str, Any] = {}

    def read(self, data: str) -> Iterable[ProviderEvent]:
        """See `Reader.read`."""
        try:
            piece = _decode_plain(data).delta.text
        except NO_JSON:
            pass  # not plain: all of it is read below
        else:
            return (TextDelta(piece),) if piece else ()
        try:
            event = msgspec.json.decode(data)
        except NO_JSON:
            return ()  # one malformed event does not spoil the others
        return self._event(event) if isinstance(event, dict) else ()

    def whole(self, answer: Mapping[str, Any]) -> Iterable[ProviderEvent]:
        """See `Reader.whole`."""
        if answer.get("error") or answer.get("type") == "error":
            raise failure(200, answer)
        blocks = answer.get("content")
        if not isinstance(blocks, list):
            raise InvalidAnswer("The answer has no content in it.", status=200)
        yield from self._started(answer)
        for index, block in enumerate(blocks):
            if isinstance(block, dict):
                yield from self._block(index, block, whole=True)
        yield from self._stopped(answer)

    def _event(self, event: dict[str, Any]) -> Iterator[ProviderEvent]:
        match event.get("type"):
            case "content_block_delta":
                delta = event.get("delta")
                if isinstance(delta, dict):
                    yield from self._delta(event.get("index"), delta)
            case "message_start":
                yield from self._started(mapping(event.get("message")))
            case "content_block_start":
                yield from self._block(event.get("index"), mapping(event.get("content_block")), whole=False)
            case "message_delta":
                yield from self._stopped({**event, **mapping(event.get("delta"))})
            case "error":
                raise failure(None, event)

    def _started(self, message: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        yield Served(model=text(message.get("model")), id=text(message.get("id")))
        # What the prompt costs is known from here on, also where the answer breaks off; the output is not.
        self._usage = {k: v for k, v in mapping(message.get("usage")).items() if k != "output_tokens"}
        yield read_usage(self._usage)

    def _stopped(self, message: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        # The counts of message_delta are totals; what it leaves out still holds from message_start.
        self._usage |= {k: v for k, v in mapping(message.get("usage")).items() if v is not None}
        yield read_usage(self._usage)
        reason = text(message.get("stop_reason"))
        if reason == "refusal":
            raise ContentFiltered("The model refused to answer, under its provider's content policy.", status=200)
        if reason is not None and not self.finished:
            self.finished = True
            yield Finished(_FINISH.get(reason, reason))

    def _block(self, index: object, block: Mapping[str, Any], *, whole: bool) -> Iterator[ProviderEvent]:
        match block.get("type"):
            case "tool_use":
                call = self._call_of_block[_key(index)] = self._calls
                self._calls += 1
                # In a stream `input` is an empty object, and its text follows in deltas.
                arguments = msgspec.json.encode(block.get("input") or {}).decode() if whole else ""
                yield ToolCallDelta(call, text(block.get("id")), text(block.get("name")), arguments)
            case "redacted_thinking" if data := text(block.get("data")):
                yield ReasoningDetail(_thinking(index, "encrypted", "data", data))
            case "text" | "thinking":
                yield from self._delta(index, block)

    def _delta(self, index: object, delta: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        if piece := text(delta.get("text")):
            yield TextDelta(piece)
        if piece := text(delta.get("thinking")):
            yield ReasoningDelta(piece)
            yield ReasoningDetail(_thinking(index, "text", "text", piece))
        if piece := text(delta.get("signature")):
            yield ReasoningDetail(_thinking(index, "text", "signature", piece))
        # The arguments of a call that the server makes itself are none of ours.
        if (piece := text(delta.get("partial_json"))) and (call := self._call_of_block.get(_key(index))) is not None:
            yield ToolCallDelta(call, arguments=piece)


def _thinking(index: object, kind: str, field: str, piece: str) -> dict[str, Any]:
    return {"type": f"reasoning.{kind}", field: piece, "format": DETAILS_FORMAT, "index": _key(index)}


def _key(index: object) -> int:
    return count(index) or 0


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts of a messages `usage` object; cache reads and writes are added to the input, as others count it."""
    read = count(usage.get("cache_read_input_tokens"))
    parts = (count(usage.get("input_tokens")), read, count(usage.get("cache_creation_input_tokens")))
    return Usage(
        prompt_tokens=sum(part or 0 for part in parts) if parts[0] is not None else None,
        completion_tokens=count(usage.get("output_tokens")),
        cached_tokens=read,
        cache_write_tokens=parts[2],
    )
