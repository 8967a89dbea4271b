"""A small upstream that misbehaves on request: chat completions and messages over a real socket.

A test scripts what the next calls of a model get; without a script every model gets a good answer. As a program
(`python -m tests.upstream --port 0`) it is the fast upstream of the benchmarks: it prints its base URL and ends when
its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import math
import re
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from anyio.from_thread import start_blocking_portal

Json = Mapping[str, Any]

USAGE: Json = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "cost": 0.00042}


def chain_yaml(upstream: Upstream, *models: str, provider: Mapping[str, Any] = {}, **policy: Any) -> str:
    """A models.yaml (written as JSON, which is YAML) with the one chain `chat`, quick to retry, on this upstream."""
    return json.dumps(
        {
            "default_provider": "local",
            "providers": {"local": {"protocol": "openai", "base_url": upstream.base_url, **provider}},
            "offline": None,
            "policy": {"backoff": {"base": "10ms", "cap": "50ms"}, **policy},
            "chains": {"chat": list(models)},
        }
    )


# --- A good answer, and what can be done to its stream ---------------------------------------------


class Cut:
    """In a list of events: the connection is closed here, in the middle of the body."""


Event = Json | str | bytes | float | Cut
"""A chunk, a line sent as it is, bytes outside any HTTP chunk, a pause in seconds, or the connection's end."""

DONE = "data: [DONE]"
COMMENT = ": OPENROUTER PROCESSING"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGMQmdENAAH7ATicNknqAAAAAElFTkSuQmCC"
)
"""An image of one."""

BAD_FRAMING = b"no chunk size\r\n"
SILENCE = math.inf


@dataclass(frozen=True)
class Answer:
    """A good answer, as a stream or whole as the request asks, in the protocol of its path.

    Attributes:
        tokens: the answer's pieces, one chunk each.
        delay, token_delay: seconds before the first byte, and before each token.
        model: who says that it served; None for the model asked for.
        tool_calls: chat completions tool calls; the arguments of each go out in two fragments.
        images: their URLs, behind the text; in chat completions alone.
        refusal: what is said instead of the tokens, in two pieces; the same.
        always_whole: one JSON body also where a stream was asked for.
        edit: changes the stream's events.
    """

    tokens: Sequence[str]
    delay: float = 0
    token_delay: float = 0
    usage: Json | None = field(default_factory=lambda: USAGE)
    model: str | None = None
    finish_reason: str | None = "stop"
    reasoning: str = ""
    tool_calls: Sequence[Json] = ()
    images: Sequence[str] = ()
    refusal: str = ""
    always_whole: bool = False
    edit: Callable[[list[Event]], Sequence[Event]] = list

    async def __call__(self, exchange: Exchange) -> None:
        await asyncio.sleep(self.delay)
        messages = exchange.path.endswith("/messages")
        if exchange.stream and not self.always_whole:
            events = self.message_events if messages else self.events
            await exchange.play(self.edit(events(exchange.model)))
        else:
            exchange.reply(200, (self.message if messages else self.body)(exchange.model))

    def events(self, model: str) -> list[Event]:
        """The stream: a role, reasoning, the tokens, tool calls, the finish reason, the usage, the sentinel."""
        deltas: list[Json | float] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning": self.reasoning}] * bool(self.reasoning)
        for token in self.tokens:
            deltas += [self.token_delay, {"content": token}] if self.token_delay else [{"content": token}]
        deltas += [{"refusal": piece} for piece in (self.refusal[:3], self.refusal[3:]) if piece]
        for index, call in enumerate(self.tool_calls):
            name, text = call["function"]["name"], call["function"]["arguments"]
            first = {"index": index, "id": call["id"], "function": {"name": name, "arguments": text[:3]}}
            rest = {"index": index, "function": {"arguments": text[3:]}}
            deltas += [{"tool_calls": [first]}, {"tool_calls": [rest]}]
        deltas += [{"images": self._images()}] * bool(self.images)
        base = {**self._base(model), "object": "chat.completion.chunk"}
        events: list[Event] = [
            {**base, "choices": [{"index": 0, "delta": delta}]} if isinstance(delta, Mapping) else delta
            for delta in deltas
        ]
        if self.finish_reason:
            events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]})
        if self.usage is not None:
            events.append({**base, "choices": [], "usage": self.usage})
        return [*events, DONE]

    def body(self, model: str) -> Json:
        """The same answer as one whole."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.tokens)}
        message |= {"content": None, "refusal": self.refusal} if self.refusal else {}
        message |= {"reasoning": self.reasoning} if self.reasoning else {}
        message |= {"tool_calls": self.tool_calls} if self.tool_calls else {}
        message |= {"images": self._images()} if self.images else {}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        return {**self._base(model), "object": "chat.completion", "choices": [choice], "usage": self.usage}

    def _images(self) -> list[Json]:
        return [{"type": "image_url", "image_url": {"url": url}} for url in self.images]

    def message_events(self, model: str) -> list[Event]:
        """The stream of Anthropic's messages: each block in two pieces."""
        events: list[Event] = [{"type": "message_start", "message": {**self.message(model), "content": []}}]
        for index, block in enumerate(self._blocks()):
            kind, name = _PIECES[block["type"]]
            text = json.dumps(block["input"]) if kind == "input_json_delta" else block[name]
            signature = [{"type": "signature_delta", "signature": block["signature"]}] if "signature" in block else []
            at = {"index": index}
            events.append({"type": "content_block_start", **at, "content_block": {**block, name: "", "input": {}}})
            for delta in [{"type": kind, name: piece} for piece in (text[:3], text[3:])] + signature:
                events += [self.token_delay] * bool(self.token_delay)
                events.append({"type": "content_block_delta", **at, "delta": delta})
            events.append({"type": "content_block_stop", **at})
        last = {"stop_reason": _STOP_REASONS.get(self.finish_reason or "", self.finish_reason)}
        events.append({"type": "message_delta", "delta": last, "usage": {"output_tokens": 7}})
        return [*events, {"type": "message_stop"}]

    def message(self, model: str) -> Json:
        """The same answer as one of Anthropic's messages."""
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self.model or model,
            "content": self._blocks(),
            "stop_reason": _STOP_REASONS.get(self.finish_reason or "", self.finish_reason),
            "usage": {"input_tokens": 11, "output_tokens": 7},
        }

    def _blocks(self) -> list[dict[str, Any]]:
        thinking = {"type": "thinking", "thinking": self.reasoning, "signature": SIGNATURE}
        text = {"type": "text", "text": "".join(self.tokens)}
        calls = (
            {"type": "tool_use", "id": call["id"], "name": name, "input": json.loads(arguments)}
            for call in self.tool_calls
            for name, arguments in [call["function"].values()]
        )
        return [*[thinking] * bool(self.reasoning), *[text] * bool(self.tokens), *calls]

    def _base(self, model: str) -> Json:
        return {"id": "gen-1", "created": 1, "model": self.model or model}


SIGNATURE = "c2lnbmF0dXJl"
"""Of every thinking block."""

_PIECES = {
    "thinking": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def words(count: int) -> tuple[str, ...]:
    """So many distinct tokens: "word1 ", "word2 ", …"""
    return tuple(f"word{number} " for number in range(1, count + 1))


def answer(text: str | None = None, *, tokens: int = 3, **rest: Any) -> Answer:
    """A good answer: `text` word by word, or so many tokens of their own; see Answer for the rest."""
    return Answer(words(tokens) if text is None else tuple(re.findall(r"\S+\s*", text)), **rest)


def late(seconds: float) -> Answer:
    """The first token after so many seconds; comment lines until then."""
    return answer(edit=lambda events: [*[COMMENT, 0.05] * math.ceil(seconds / 0.05), *events])


def cut_after(tokens: int, of: int = 60, **rest: Any) -> Answer:
    return answer(tokens=of, edit=lambda events: [*events[: tokens + 1], Cut()], **rest)


def stall_after(tokens: int, of: int = 60) -> Answer:
    return answer(tokens=of, edit=lambda events: [*events[: tokens + 1], SILENCE])


def put_after(tokens: int, *others: Event, of: int = 60) -> Answer:
    """Something else in the middle of an otherwise whole stream."""
    return answer(tokens=of, edit=lambda events: [*events[: tokens + 1], *others, *events[tokens + 1 :]])


def malformed_event(after: int, of: int = 60) -> Answer:
    return put_after(after, 'data: {"choices": [{"delta": {"conte', of=of)


def malformed_end(of: int = 3) -> Answer:
    """The event with the finish reason is the malformed one."""
    malformed = 'data: {"choices": [{"finish_rea'
    return answer(tokens=of, edit=lambda events: [*events[: of + 1], malformed, *events[of + 2 :]])


def no_done(then: Event | None = None) -> Answer:
    """No sentinel; then the end of the body, or something else."""
    return answer(edit=lambda events: events[:-1] if then is None else [*events[:-1], then])


def no_finish_reason() -> Answer:
    return answer(finish_reason=None)


def error_in_stream(code: int | str, after: int = 0, message: str = "Upstream gave up.") -> Answer:
    """An error chunk after so many tokens, then a stream that looks well ended."""
    error: Json = {"error": {"code": code, "message": message}, "choices": []}
    return answer(tokens=60, edit=lambda events: [*events[: after + 1], error, DONE])


# --- Steps: what one call gets; an Answer is one ----------------------------------------------------

Step = Callable[["Exchange"], Awaitable[None]]


def respond(http: int, body: Json | bytes, headers: Mapping[str, Any] = {}, delay: float = 0) -> Step:
    """One whole response."""

    async def step(exchange: Exchange) -> None:
        await asyncio.sleep(delay)
        exchange.reply(http, body, headers)

    return step


def status(http: int, message: str = "No.", headers: Mapping[str, Any] = {}, delay: float = 0, **error: Any) -> Step:
    """An HTTP status with an error object; `error` adds to its fields (code, type, metadata, …)."""
    return respond(http, {"error": {"code": http, "message": message, **error}}, headers, delay)


def error_inside_200(code: int | str = 502, message: str = "Upstream gave up.") -> Step:
    return status(200, message, code=code)


def models(*listed: Json) -> Step:
    """The list of models: objects with an `id`, and what else the server says of each."""
    return respond(200, {"object": "list", "data": listed})


def html_page() -> Step:
    return respond(200, b"<!doctype html><title>Welcome</title>", {"Content-Type": "text/html"})


def refuse_prefill(otherwise: Step) -> Step:
    """A 400 where the conversation ends with the assistant's words, as recent models answer."""
    refusal = status(400, "This model does not support assistant message prefill.")
    return lambda exchange: (refusal if exchange.body["messages"][-1]["role"] == "assistant" else otherwise)(exchange)


def when(ready: Callable[[], bool], step: Step) -> Step:
    """Hold a step back until something is so."""

    async def held(exchange: Exchange) -> None:
        while not ready():  # noqa: ASYNC110  # what is waited for happens in another thread
            await asyncio.sleep(0.005)
        await step(exchange)

    return held


def followed_by(step: Step, unasked: bytes, *, after: float | None) -> Step:
    """A response, and what nobody asked for: so many seconds later, or in the same packet."""

    async def followed(exchange: Exchange) -> None:
        write, parts = exchange.write, list[bytes]()
        exchange.write = parts.append
        await step(exchange)
        exchange.write = write
        if after is None:
            write(b"".join([*parts, unasked]))
        else:
            write(b"".join(parts))
            await asyncio.sleep(after)
            write(unasked)

    return followed


async def silent(exchange: Exchange) -> None:
    """Never answers."""
    await asyncio.sleep(SILENCE)


async def reset_before_headers(exchange: Exchange) -> None:
    exchange.drop(reset=True)


# --- HTTP/1.1 --------------------------------------------------------------------------------------

_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_STREAM_END = b"0\r\n\r\n"


def _encoded(event: Json | str) -> bytes:
    text = event.encode() if isinstance(event, str) else b"data: " + msgspec.json.encode(event)
    return b"%x\r\n%s\n\n\r\n" % (len(text) + 2, text)


def _whole(http: int, body: Json | bytes, headers: Mapping[str, Any] = {}) -> bytes:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = {"Content-Type": "application/json", **headers, "Content-Length": len(data)}
    head = "\r\n".join([f"HTTP/1.1 {http} -", *(f"{name}: {value}" for name, value in lines.items())])
    return f"{head}\r\n\r\n".encode() + data


def on_the_wire(good: Answer, model: str = "m", *, stream: bool) -> bytes:
    """A whole response, as it leaves the server."""
    events = (_encoded(event) for event in good.events(model) if isinstance(event, Mapping | str))
    return b"".join([_STREAM_HEAD, *events, _STREAM_END]) if stream else _whole(200, good.body(model))


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, connection: _Connection, head: bytes, data: bytes) -> None:
        self._head = head
        self.data = data
        self.arrived = time.monotonic()
        self.port = connection.port
        self.write: Callable[[bytes], object] = connection.write
        self.drop = connection.drop

    @property
    def asks_for_models(self) -> bool:
        """GET /v1/models, which is no call of a model."""
        return self._head.startswith(b"GET ")

    @functools.cached_property
    def body(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self.data))

    @functools.cached_property
    def headers(self) -> dict[str, str]:
        pairs = (line.split(": ", 1) for line in self._head.decode("latin-1").split("\r\n")[1:])
        return {name.lower(): value for name, value in pairs}

    @property
    def path(self) -> str:
        return self._head.split(b" ", 2)[1].decode()

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    def reply(self, http: int, body: Json | bytes, headers: Mapping[str, Any] = {}) -> None:
        self.write(_whole(http, body, headers))

    async def play(self, events: Sequence[Event]) -> None:
        """Answer with a stream."""
        self.write(_STREAM_HEAD)
        for event in events:
            if isinstance(event, Cut):
                self.drop(reset=False)
                return
            if isinstance(event, float | int):
                await asyncio.sleep(event)
            else:
                self.write(event if isinstance(event, bytes) else _encoded(event))
        self.write(_STREAM_END)


Begin = Callable[[Exchange], "Step | bytes"]
"""Decides what a call gets: bytes go out at once, a step runs as a task."""

End = Callable[[Exchange, bool], None]
"""Is told that a call is over, and whether the client went away before its end."""


class _Connection(asyncio.Protocol):
    """Kept alive, one request at a time."""

    def __init__(self, begin: Begin, end: End, connections: set[_Connection]) -> None:
        self._begin, self._end, self._connections = begin, end, connections
        self._buffer = b""
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.port = transport.get_extra_info("peername")[1]
        self.write = transport.write
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._over(disconnected=True)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, ended, rest = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not ended or len(rest) < (int(length[1]) if length else 0):
            return
        self._buffer = b""
        self._exchange = exchange = Exchange(self, head, rest)
        step = self._begin(exchange)
        if isinstance(step, bytes):
            self.write(step)
            self._over(disconnected=False)
        else:
            self._task = asyncio.ensure_future(self._run(step, exchange))

    async def _run(self, step: Step, exchange: Exchange) -> None:
        await step(exchange)
        self._over(disconnected=False)

    def _over(self, *, disconnected: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._end(exchange, disconnected)

    def drop(self, *, reset: bool) -> None:
        """Close the connection, by a reset or in the plain way."""
        self._over(disconnected=False)
        if reset:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        else:
            self._transport.close()


@contextlib.asynccontextmanager
async def _serving(begin: Begin, end: End, port: int = 0) -> AsyncIterator[str]:
    connections: set[_Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(begin, end, connections), "127.0.0.1", port, backlog=2048
    )
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for connection in list(connections):
            connection.drop(reset=True)
        await asyncio.sleep(0)


# --- For tests -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A call as the server saw it.

    Attributes:
        port: the client's, and so one a connection.
        arrived: seconds of time.monotonic().
        closed: when the response ended or the client went away; None while it goes on.
        disconnected: the client went away before the end.
    """

    model: str
    body: Json
    headers: Mapping[str, str]
    port: int
    arrived: float
    closed: float | None = None
    disconnected: bool = False


class Upstream:
    """What tests see of the server; all methods may be called from any thread."""

    base_url: str

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._log: dict[Exchange, Received] = {}
        self._scripts: dict[str, tuple[deque[Step], Step]] = {}
        self._models: Step = models()
        self._listed: list[Mapping[str, str]] = []

    def script(self, model: str, *steps: Step, then: Step = answer()) -> None:
        """What the next calls of a model get, in order, and what all after them get."""
        with self._changed:
            self._scripts[model] = deque(steps), then

    def script_models(self, step: Step) -> None:
        """What all who ask for the list of models get."""
        with self._changed:
            self._models = step

    def reset(self) -> None:
        """Forget all scripts and calls."""
        with self._changed:
            self._scripts.clear()
            self._log.clear()
            self._models = models()
            self._listed.clear()

    @property
    def requests(self) -> list[Received]:
        """All calls so far."""
        with self._changed:
            return list(self._log.values())

    @property
    def listings(self) -> list[Mapping[str, str]]:
        """The headers of all who asked for the list of models."""
        with self._changed:
            return list(self._listed)

    def received(self, model: str) -> list[Received]:
        """All calls of one model so far."""
        return [call for call in self.requests if call.model == model]

    def wait_received(self, model: str, within: float = 10) -> None:
        """Wait until a call of a model has arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.received(model), within), f"{model} was not asked"

    def wait_closed(self, model: str, within: float = 10) -> Received:
        """Wait until the last call of a model is over."""
        with self._changed:
            over = self._changed.wait_for(
                lambda: [c for c in self.received(model)[-1:] if c.closed is not None], within
            )
            assert over, f"{model} is still read"
            return over[0]

    def begin(self, exchange: Exchange) -> Step:
        """A call has arrived."""
        with self._changed:
            self._changed.notify_all()
            if exchange.asks_for_models:
                self._listed.append(exchange.headers)
                return self._models
            self._log[exchange] = Received(
                exchange.model, exchange.body, exchange.headers, exchange.port, exchange.arrived
            )
            steps, then = self._scripts.get(exchange.model, (deque(), answer()))
            return steps.popleft() if steps else then

    def end(self, exchange: Exchange, disconnected: bool) -> None:
        """A call is over."""
        with self._changed:
            if exchange in self._log:
                self._log[exchange] = replace(self._log[exchange], closed=time.monotonic(), disconnected=disconnected)
                self._changed.notify_all()


@contextlib.contextmanager
def running_upstream() -> Iterator[Upstream]:
    """The server on a free port, in a thread with a loop of its own."""
    upstream = Upstream()
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(_serving(upstream.begin, upstream.end)) as upstream.base_url,
    ):
        yield upstream


# --- For benchmarks --------------------------------------------------------------------------------


class _Asked(msgspec.Struct):
    model: str
    stream: bool = False


_PAGE = """## A heading

A paragraph with **bold** words, `code` and a price of $5. It goes on for a while, as answers do, and
has a second line.

- one thing
- another thing

```python
def answer() -> int:
    return 42
```

"""


async def _benchmark(port: int, tokens: int, token_delay: float) -> None:
    slow, good = answer(tokens=tokens, token_delay=token_delay), answer(tokens=tokens)
    page = replace(slow, tokens=(re.findall(r"\S+\s*", _PAGE) * tokens)[:tokens])
    refusal = _whole(503, {"error": {"code": 503, "message": "Refused."}})
    asked = msgspec.json.Decoder(_Asked)

    @functools.cache
    def prepared(model: str, stream: bool) -> bytes:
        return on_the_wire(good, model, stream=stream)

    def begin(exchange: Exchange) -> Step | bytes:
        call = asked.decode(exchange.data)
        if call.model.startswith("refuse-"):
            return refusal
        if call.model.startswith("page-"):
            return page
        return slow if call.model.startswith("slow-") else prepared(call.model, call.stream)

    async with _serving(begin, lambda exchange, disconnected: None, port) as base_url:
        print(base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=20, help="tokens of every answer")
    parser.add_argument("--token-delay", type=float, default=0.05, help="seconds before each token of slow models")
    asyncio.run(_benchmark(**vars(parser.parse_args())))
