"""Bodies, paths, methods and headers that nobody should send: `python -m tests.benchmarks.fuzz --bodies 20000`.

Each body is a valid one with up to four changes: a field left out, put somewhere else, doubled, or of another type. No
answer may be a 500, nothing may be logged as an internal error, no key may come back, and nothing of a body may be
stored.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import copy
import json
import logging
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from router.library.router import Router
from router.server.endpoint import _DIALECTS, Endpoint
from tests.upstream import running_upstream

KEY, PROVIDER_KEY = "lab-key-that-callers-have", "provider-key-that-goes-out"
MARK = "zebra-crossing-7141"
"""In every text of every body."""

_TOOL = {"name": "f", "description": MARK, "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGMQmdENAAH7ATicNknqAAAAAElFTkSuQmCC"
VALID: Mapping[str, Mapping[str, Any]] = {
    "/v1/chat/completions": {
        "model": "chat",
        "messages": [
            {"role": "system", "content": MARK},
            {"role": "user", "content": [
                {"type": "text", "text": MARK},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PNG}"}},
            ]},
            {"role": "assistant", "content": None, "reasoning_details": [{"type": "reasoning.text", "text": MARK}],
             "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": MARK},
        ],
        "stream": False, "stream_options": {"include_usage": True}, "n": 1, "seed": 1, "stop": ["."], "user": "u",
        "tools": [{"type": "function", "function": _TOOL}], "tool_choice": "auto", "parallel_tool_calls": True,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "temperature": 0.5, "top_p": 0.5, "max_completion_tokens": 9, "reasoning_effort": "low",
        "metadata": {"app": "shop"}, "prompt_cache_key": "p", "session_id": "s", "modalities": ["text"],
    },
    "/v1/messages": {
        "model": "chat", "max_tokens": 9, "stream": False, "system": [{"type": "text", "text": MARK}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": MARK, "cache_control": {"type": "ephemeral"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PNG}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": MARK, "signature": "c2ln"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "b"}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": MARK}]},
        ],
        "tools": [{"name": "f", "description": MARK, "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"}, "metadata": {"user_id": "u"}, "stop_sequences": ["."],
        "temperature": 0.5, "top_p": 0.5, "top_k": 3, "thinking": {"type": "enabled", "budget_tokens": 1_024},
    },
    "/v1/responses": {
        "model": "chat", "instructions": MARK, "stream": False, "store": False, "max_output_tokens": 9,
        "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": MARK},
                {"type": "input_image", "image_url": f"data:image/png;base64,{_PNG}"},
            ]},
            {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": MARK}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": MARK},
        ],
        "tools": [{"type": "function", **_TOOL}], "tool_choice": "auto", "parallel_tool_calls": True,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low", "summary": "auto"}, "temperature": 0.5, "top_p": 0.5, "user": "u",
        "metadata": {"app": "shop"}, "prompt_cache_key": "p", "include": ["reasoning.encrypted_content"],
    },
}  # fmt: skip


def _deep(levels: int) -> Any:
    found: Any = "x"
    for level in range(levels):
        found = {"a": found} if level % 2 else [found]
    return found


ODD: Sequence[Any] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    -(2**70),
    0.5,
    -0.0,
    1e308,
    "",
    " ",
    "a",
    "0",
    "null",
    "\x00",
    "\ufeff",
    "é",
    "\U0001f600",
    "\u202e",
    "../../etc/passwd",
    "${CANARY_KEY}",
    "{{7*7}}",
    "a" * 5_000,
    "%00",
    "\r\nX: y",
    "local:x",
    "chat",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": ""},
    {"type": "text"},
    {"type": "x"},
    {"role": "user", "content": "x"},
    [0] * 50,
    _deep(30),
    _deep(700),
    "data:image/png;base64,",
    "data:,",
    "http://[",
    "file:///etc/passwd",
    "auto",
    "assistant",
    "tool",
)
"""Values for any place."""

_ODD = [json.dumps(value) for value in ODD]

_NESTED = b'{"model":"chat","max_tokens":9,"input":"x","messages":[{"role":"user","content":"x"}],"x":%s1%s}'
_RAW = (
    *(b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"1e999", b"[" * 100_000, b'{"a":' * 50_000, b"\xef\xbb\xbf{}"),
    *(b'{"a":"\\ud800"}', *(_NESTED % (b"[" * levels, b"]" * levels) for levels in (50, 300, 600, 900, 990, 1_100))),
)

HEADERS: Sequence[tuple[str, str]] = (
    ("x-fallback-lab-buffer", "true"),
    ("x-fallback-lab-trace", "1"),
    ("x-fallback-lab-cache", "refresh"),
    ("x-session-id", "é\x7f"),
    ("x-fallback-lab-cache", "\x00"),
    ("session_id", "s" * 5_000),
    ("content-type", ""),
    ("content-type", "text/html"),
    ("accept", "x" * 500),
    ("content-length", "-1"),
    ("content-length", "²"),
    ("content-encoding", "gzip"),
    ("origin", "null"),
    ("authorization", "Bearer \xff\xfe"),
    ("authorization", ""),
    ("authorization", "Basic"),
    ("x-api-key", "é"),
    ("expect", "100-continue"),
    ("host", "[::1"),
    ("cookie", "a=b"),
)

_ODD_PATHS = (
    "/v1",
    "/v1/",
    "/v1//models",
    "/v1/models/chat",
    "/v1/models/%2e%2e",
    "/v1/\x00",
    "/v1/chat/completions/",
    "/V1/models",
    "/v1/é",
    "/v1/" + "a" * 3_000,
    "/v1/models?x=1",
    "/metrics/",
    "/healthz/x",
    "/v1/embeddings",
    "*",
    "",
)
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "")


class Sent(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


def _places(node: Any, levels: int = 20) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or index in it, so many levels down."""
    for at in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, at
        if levels and isinstance(node[at], dict | list):
            yield from _places(node[at], levels - 1)


def _changed(random_: random.Random, valid: Mapping[str, Any]) -> dict[str, Any]:
    body = copy.deepcopy(dict(valid))
    for _ in range(random_.randrange(5)):
        places = list(_places(body))
        if not places:
            break
        node, at = random_.choice(places)
        change = random_.random()
        if change < 0.6:
            node[at] = json.loads(random_.choice(_ODD))
        elif change < 0.75:
            del node[at]
        elif change < 0.85:
            node[at] = [node[at]] * random_.choice((1, 2, 100))
        elif change < 0.95 and isinstance(node, dict):
            node[random_.choice(("x", "type", "role", "content", "id", "é", ""))] = json.loads(random_.choice(_ODD))
        else:
            node[at] = {"value": node[at]}
    if random_.random() < 0.3:
        body["stream"] = True
    return body


def requests(seed: int, path: str, count: int) -> Iterator[Sent]:
    """So many requests of a route; of GET routes and unknown ones where it is none that takes a body."""
    random_ = random.Random(f"{seed} {path}")
    for _ in range(count):
        body = b""
        if path in VALID:
            raw = random_.random() < 0.02
            body = random_.choice(_RAW) if raw else json.dumps(_changed(random_, VALID[path])).encode()
        headers = [("host", "localhost"), ("authorization", f"Bearer {KEY}"), ("content-type", "application/json")]
        headers.append(("x-fallback-lab-cache", "off"))
        if random_.random() < 0.1:
            name, value = random_.choice(HEADERS)
            headers = [pair for pair in headers if pair[0] != name] + [(name, value)]
        method, there = ("POST" if path in VALID else "GET"), path
        if random_.random() < (0.03 if path in VALID else 0.7):
            method, there = random_.choice(_METHODS), random_.choice((path, *_ODD_PATHS))
        yield Sent(method, there, [(n.encode(), v.encode("latin-1", "replace")) for n, v in headers], body)


async def send(endpoint: Endpoint, sent: Sent) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """What the endpoint answers: status, body, headers."""
    parts: list[bytes] = []
    heads: list[Any] = []
    waiting = [{"type": "http.request", "body": sent.body}]
    over = asyncio.Event()

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def take(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert not heads, "a second head"
            heads.append(message)
        else:
            parts.append(message.get("body", b""))

    scope = {"type": "http", "method": sent.method, "path": sent.path, "headers": sent.headers, "query_string": b"",
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "http"}  # fmt: skip
    await endpoint(scope, receive, take)
    return heads[0]["status"], b"".join(parts), heads[0]["headers"]


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(logging.Formatter().format(record))


async def fuzz(base_url: str, folder: Path, path: str, seed: int, count: int) -> dict[int, int]:
    """How often each status came.

    Raises:
        AssertionError: something that must not be; it names the request.
    """
    provider = {"protocol": "openai", "base_url": base_url, "api_key": "${CANARY_KEY}"}
    policy = {"retries": 0, "breaker": {"min_calls": 10**6, "window": 10**6}}
    server = {"keys": {"fuzz": "${LAB_KEY}"}}
    config = {"default_provider": "local", "providers": {"local": provider}, "offline": None, "policy": policy}
    models_yaml = folder / "models.yaml"
    models_yaml.write_text(json.dumps({**config, "chains": {"chat": ["m"]}, "server": server}), encoding="utf-8")
    environ = {"CANARY_KEY": PROVIDER_KEY, "LAB_KEY": KEY, "FALLBACK_LAB_KEYS": "CANARY_KEY"}
    statuses: collections.Counter[int] = collections.Counter()
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    try:
        async with Router.open(models_yaml, environ=environ) as router:
            endpoint = Endpoint(router)
            for sent in requests(seed, path, count):
                status, body, headers = await send(endpoint, sent)
                said = (
                    f"{sent.method} {sent.path[:60]!r} {sent.headers} {sent.body[:3_000]!r} -> {status} {body[:600]!r}"
                )
                statuses[status] += 1
                assert status != 500 and b"internal_error" not in body, said
                assert not errors.found, f"{errors.found} {said}"
                assert not [
                    part
                    for part in (body, repr(headers).encode())
                    for key in (KEY, PROVIDER_KEY)
                    if key.encode() in part
                ], said
                assert sum(len(name) + len(value) for name, value in headers) < 8_000, said
    finally:
        logging.getLogger().removeHandler(errors)
    for file in (folder / ".lab").rglob("*"):
        if file.is_file() and file.name != "keys.json":
            data = file.read_bytes()
            assert not [text for text in (MARK, KEY, PROVIDER_KEY) if text.encode() in data], f"stored in {file.name}"
    return dict(sorted(statuses.items()))


GETS = ("/v1/models", "/metrics", "/healthz")


def routes() -> list[str]:
    """All there are."""
    return [*_DIALECTS, *GETS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=20_000, help="of each route")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with running_upstream() as upstream:
        for path in routes():
            upstream.reset()
            begun = time.process_time()
            count = arguments.bodies if path in VALID else arguments.bodies // 10
            with tempfile.TemporaryDirectory() as folder:
                found = asyncio.run(fuzz(upstream.base_url, Path(folder), path, arguments.seed, count))
            print(f"{path:22} {count:6,} in {time.process_time() - begun:.0f} s of processor time: {found}", flush=True)


if __name__ == "__main__":
    main()
