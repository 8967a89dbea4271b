"""The `anthropic` protocol: messages. The only one that translates; what it says is in docs/providers.md."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any

import httpx
import msgspec

from router.config.keys import Keys
from router.config.schema import ProviderConfig
from router.core.capabilities import ModelInfo
from router.core.errors import InvalidAnswer
from router.core.events import ProviderEvent, ReasoningDelta, ReasoningDetail, Served, TextDelta, ToolCallDelta
from router.core.messages import Usage
from router.core.untrusted import NO_JSON, count, mapping, text
from router.providers import Call, Sent, Unusable, key_header, missing_key
from router.providers.anthropic_messages import DETAILS_FORMAT
from router.providers.anthropic_request import betas, left_out, messages_body
from router.providers.exchange import exchange, read_json
from router.providers.failures import failure, reports_error
from router.providers.model_list import read_models
from router.providers.openai_request import without_nulls_of
from router.providers.openrouter import METADATA, read_routing
from router.providers.producers import producer, returned
from router.providers.reader import AnswerReader
from router.providers.tool_calls import as_arguments

VERSION = "2023-06-01"
"""The `anthropic-version` header that this file speaks."""


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
        self._url = config.url("messages")

    def problem(self) -> Unusable | None:
        return missing_key(self._config, self._keys)

    async def prepare(self) -> None:
        """Nothing to do: connections are opened by the first call."""

    async def models(self, connect: float) -> Mapping[str, ModelInfo]:
        url = self._config.url("models", limit="1000")
        return read_models(await read_json(self._transport, self._keys, url, headers=self._headers(), connect=connect))

    def sent(self, call: Call) -> Sent:
        to = producer(self._url, call.model)
        request = msgspec.structs.replace(call.request, messages=tuple(returned(call.request.messages, to)))
        translated = messages_body(request, call.model)
        body = without_nulls_of(self._config, {**self._config.body, **translated, "stream": call.stream})
        return Sent(self._url, self._headers(betas(request)), body, to, left_out(request, translated))

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        return exchange(self._transport, self._keys, self.sent(call), connect=call.connect, reader=MessageReader())

    def _headers(self, asked_betas: str | None = None) -> dict[str, str]:
        key = key_header("x-api-key", "", self._config, self._keys)
        asks = METADATA if self._config.is_openrouter else {}
        found = {"anthropic-version": VERSION, **asks, **key, **self._config.headers}
        if asked_betas is not None:
            name = next((name for name in found if name.lower() == "anthropic-beta"), "anthropic-beta")
            found[name] = ",".join(filter(None, [found.get(name), asked_betas]))
        return found


class _PlainText(msgspec.Struct, tag="text_delta", gc=False):
    text: str


class _PlainDelta(msgspec.Struct, tag="content_block_delta", gc=False):
    """A piece of text: nearly every event there is."""

    delta: _PlainText


_decode_plain = msgspec.json.Decoder(_PlainDelta).decode


class MessageReader(AnswerReader):
    """Reads the events of one answer, or its one whole body."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0
        self._call_of_block: dict[object, int] = {}
        self._inputs: dict[int, str] = {}
        self._counts: dict[str, Any] = {}

    def read(self, data: str) -> Iterable[ProviderEvent]:
        if self._fast:
            try:
                piece = _decode_plain(data).delta.text
            except NO_JSON:
                pass  # not plain: all of it is read below
            else:
                self._pieces += 1
                return (TextDelta(piece),) if piece else ()
        return self._decoded(data)

    def whole(self, answer: Mapping[str, Any]) -> Iterable[ProviderEvent]:
        if reports_error(answer, unless="content"):
            raise failure(200, answer)
        blocks = answer.get("content")
        if not isinstance(blocks, list):
            raise InvalidAnswer("The answer has no content in it.", status=200)
        yield from self._started(answer)
        for index, block in enumerate(blocks):
            if isinstance(block, dict):
                yield from self._block(index, block)
        yield from self._stopped(answer)
        if routing := read_routing(answer):
            yield routing

    def _event(self, event: dict[str, Any]) -> Iterator[ProviderEvent]:
        match event.get("type"):
            case "content_block_delta":
                delta = event.get("delta")
                if isinstance(delta, dict):
                    yield from self._delta(event.get("index"), delta)
            case "message_start":
                yield from self._started(mapping(event.get("message")))
            case "content_block_start":
                yield from self._block(event.get("index"), mapping(event.get("content_block")))
            case "content_block_stop":
                yield from self._whole_inputs()
            case "message_delta":
                yield from self._stopped({**event, **mapping(event.get("delta"))})
            case "message_stop":
                if routing := read_routing(event):
                    yield routing
            case _ if reports_error(event):
                raise failure(200, event)

    def _started(self, message: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        yield Served(model=text(message.get("model")), id=text(message.get("id")))
        # What the prompt costs is known from here on, also where the answer breaks off; the output is not.
        self._counts = {k: v for k, v in mapping(message.get("usage")).items() if k != "output_tokens"}
        yield self._used(read_usage(self._counts))

    def _stopped(self, message: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        # The counts of message_delta are totals; what it leaves out, or repeats as 0, still holds from message_start.
        self._counts |= {
            name: value
            for name, value in mapping(message.get("usage")).items()
            if value or (value is not None and name not in self._counts)
        }
        yield self._used(read_usage(self._counts))
        reason = text(message.get("stop_reason"))
        if reason is not None:
            yield from self._whole_inputs()
            yield from self._finish(reason)

    def _block(self, index: object, block: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        match block.get("type"):
            case "tool_use":
                yield from self._whole_inputs()
                call = self._call_of_block[_key(index)] = self._calls
                self._calls += 1
                # In a stream `input` is empty and its text follows in deltas; some servers send it here, and no deltas.
                self._inputs[call] = as_arguments(block.get("input"))
                yield ToolCallDelta(call, text(block.get("id")), text(block.get("name")))
            case "redacted_thinking" if data := text(block.get("data")):
                yield ReasoningDetail(_thinking(index, "encrypted", "data", data))
            case "text" | "thinking":
                yield from self._delta(index, block)

    def _whole_inputs(self) -> Iterator[ProviderEvent]:
        """The inputs of calls that no delta has spelt out."""
        inputs, self._inputs = self._inputs, {}
        for call, arguments in inputs.items():
            if arguments:
                yield ToolCallDelta(call, arguments=arguments)

    def _delta(self, index: object, delta: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        self._pieces += 1
        if piece := text(delta.get("text")):
            yield from self._text(piece)
        if piece := text(delta.get("thinking")):
            yield ReasoningDelta(piece)
            yield ReasoningDetail(_thinking(index, "text", "text", piece))
        if piece := text(delta.get("signature")):
            yield ReasoningDetail(_thinking(index, "text", "signature", piece))
        # The arguments of a call that the server makes itself are none of ours.
        call = self._call_of_block.get(_key(index))
        if call is not None and (piece := as_arguments(delta.get("partial_json"))):
            self._inputs.pop(call, None)
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
        # A prompt without a token in it is a server that does not count.
        prompt_tokens=(sum(part or 0 for part in parts) or None) if parts[0] is not None else None,
        completion_tokens=count(usage.get("output_tokens")),
        cached_tokens=read,
        cache_write_tokens=parts[2],
        cache_write_1h_tokens=count(mapping(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")),
    )
