"""The `openai` protocol: chat completions, as OpenAI, OpenRouter and every compatible server speak it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any, Literal

import httpx
import msgspec

from router.config.keys import Keys
from router.config.schema import ProviderConfig
from router.core.capabilities import ModelInfo
from router.core.errors import InvalidAnswer
from router.core.events import ImageDelta, ProviderEvent, ReasoningDelta, ReasoningDetail, Served, TextDelta
from router.core.untrusted import NO_JSON, count, mapping, mappings, text
from router.providers import Call, Sent, Unusable, key_header, missing_key
from router.providers.exchange import exchange, read_json
from router.providers.failures import failure, reports_error
from router.providers.model_list import read_models
from router.providers.openai_request import completions_body
from router.providers.openai_usage import read_usage
from router.providers.openrouter import ATTRIBUTION, METADATA, read_routing
from router.providers.producers import REASONING_CONTENT, producer
from router.providers.reader import AnswerReader
from router.providers.tool_calls import ToolCalls


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
        self._url = config.url("chat/completions")
        self._headers = {**(ATTRIBUTION | METADATA if config.is_openrouter else {}), **config.headers}

    def problem(self) -> Unusable | None:
        return missing_key(self._config, self._keys)

    async def prepare(self) -> None:
        """Nothing to do: connections are opened by the first call."""

    def sent(self, call: Call) -> Sent:
        to = producer(self._url, call.model)
        body = completions_body(call, self._config, to)
        return Sent(self._url, self._all_headers(), body.fields, to, body.notes)

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        return exchange(self._transport, self._keys, self.sent(call), connect=call.connect, reader=ChunkReader())

    async def models(self, connect: float) -> Mapping[str, ModelInfo]:
        url = self._config.url("models")
        return read_models(
            await read_json(self._transport, self._keys, url, headers=self._all_headers(), connect=connect)
        )

    def _all_headers(self) -> dict[str, str]:
        return {**key_header("Authorization", "Bearer ", self._config, self._keys), **self._headers}


class _PlainDelta(msgspec.Struct, gc=False):
    content: str
    role: str | None = None
    refusal: None = None
    reasoning: None = None
    reasoning_content: None = None
    tool_calls: None = None
    images: None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: _PlainDelta
    index: Literal[0] = 0
    finish_reason: None = None
    error: None = None
    usage: None = None
    message: None = None


class _PlainChunk(msgspec.Struct, gc=False):
    """A chunk with a piece of text and nothing else that we read: nearly every chunk there is."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None
    openrouter_metadata: None = None


_decode_plain = msgspec.json.Decoder(_PlainChunk).decode

_CHANNELS = {
    "content": "text",
    "refusal": "text",
    "reasoning": "reasoning",
    "reasoning_content": "reasoning",
    "reasoning_details": "reasoning",
    "tool_calls": "calls",
    "images": "images",
}
"""What each field of a message says."""


class ChunkReader(AnswerReader):
    """Reads the chunks of one answer, or its one whole body."""

    def __init__(self) -> None:
        super().__init__()
        self._served: Served | None = None
        self._calls = ToolCalls()
        self._streams = False
        self._said: set[str] = set()

    def read(self, data: str) -> Iterable[ProviderEvent]:
        if self._fast:
            # A third of the time that the whole chunk takes: most of a stream's cost is here.
            try:
                text = _decode_plain(data).choices[0].delta.content
            except NO_JSON:
                pass  # not plain: all of it is read below
            else:
                self._pieces += 1
                return (TextDelta(text),) if text else ()
        return self._decoded(data)

    def whole(self, answer: Mapping[str, Any]) -> Iterable[ProviderEvent]:
        if not mappings(answer.get("choices")) and not reports_error(answer, unless="choices"):
            raise InvalidAnswer("The answer has no choices in it.", status=200)
        return self._event(answer)

    def _event(self, event: Mapping[str, Any]) -> Iterator[ProviderEvent]:
        if reports_error(event, unless="choices"):
            raise failure(200, event)
        if served := self._newly_served(event):
            yield served
        choice = _ours(event.get("choices"))
        if choice is not None:
            yield from self._choice(choice)
        usage = event.get("usage") or mapping(choice).get("usage") or mapping(event.get("x_groq")).get("usage")
        if isinstance(usage, dict):
            yield self._used(read_usage(usage))
        if routing := read_routing(event):
            yield routing

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
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict):
            self._streams = True
            yield from self._delta(delta)
        if isinstance(message, dict):
            yield from self._delta(self._unsaid(message))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            yield from self._finish(reason)

    def _unsaid(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message less what deltas have said: some servers repeat the whole answer at the end."""
        if not self._streams:
            return message
        return {name: value for name, value in message.items() if _CHANNELS.get(name) not in self._said}

    def _delta(self, delta: dict[str, Any]) -> Iterator[ProviderEvent]:
        pieces = self._pieces + 1
        content = text(delta.get(REASONING_CONTENT))
        details = delta.get("reasoning_details")
        if reasoning := text(delta.get("reasoning")) or content or _text_of(details):
            self._pieces = pieces
            self._said.add("reasoning")
            yield ReasoningDelta(reasoning)
        if content:
            yield ReasoningDetail({"type": REASONING_CONTENT, "text": content})
        for detail in mappings(details):
            yield ReasoningDetail(detail)
        for said, read in ((delta.get("content"), self._text), (delta.get("refusal"), _refusal)):
            if said:
                self._pieces = pieces
                self._said.add("text")
                yield from read(said) if isinstance(said, str) else self._parts(said)
        if calls := delta.get("tool_calls"):
            self._pieces = pieces
            self._said.add("calls")
            yield from self._calls.read(calls)
        if images := delta.get("images"):
            self._said.add("images")
            yield from self._parts(images)

    def _parts(self, content: object) -> Iterator[ProviderEvent]:
        """The parts of a content that is a list."""
        for part in content if isinstance(content, list) else [content]:
            yield from self._part(part)

    def _part(self, part: object) -> Iterator[ProviderEvent]:
        """A part of a content that is a list."""
        if not isinstance(part, dict):
            part = {"text": part}
        if piece := text(part.get("text")):
            yield from self._text(piece)
        elif piece := text(part.get("refusal")):
            yield from _refusal(piece)
        thinking = part.get("thinking")
        if piece := text(thinking) or "".join(text(inner.get("text")) or "" for inner in mappings(thinking)):
            yield ReasoningDelta(piece)
        image = part.get("image_url")
        if url := text(image) or text(mapping(image).get("url")):
            yield ImageDelta(url)


def _ours(choices: object) -> dict[str, Any] | None:
    """The first choice of several: an answer is one."""
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict) and not (position if (index := count(choice.get("index"))) is None else index):
            return choice
    return None


def _refusal(piece: str) -> Iterable[ProviderEvent]:
    return (TextDelta(piece, refused=True),)


def _text_of(details: object) -> str:
    return "".join(text(detail.get("text")) or "" for detail in mappings(details))
