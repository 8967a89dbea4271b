"""What servers send, and what must come out: each case of answers/*.yaml, in every form that it is written in.

A case has a name, what it `gives`, and one or more of
    deltas    deltas of chat completions, or whole chunks where they hold `choices`; a last chunk is put behind them
    message   the message of a whole chat completion, or the whole body where it holds `choices`
    events    events of Anthropic's messages; a message_delta is put behind them, unless there is one
    content   the blocks of a whole message, or the whole body where it holds `content`
    bytes     what comes as it is; `label` is its Content-Type, `protocol` whose it is
`usage` is put into the last chunk, or into the body. What `gives` does not name must be empty.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml

from router.core.errors import ProviderError
from router.core.events import AnswerBuilder
from router.providers import Call
from tests.scripted import HELLO, Body, Speaks, Wire

CASES = [
    (path.stem, case)
    for path in sorted(Path(__file__).with_name("answers").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]


def sse(events: list[Any]) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)


def forms(case: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bytes]]:
    """Each form of a case: what it is called, its protocol, its label and its bytes."""
    usage = {"usage": case["usage"]} if "usage" in case else {}
    if "deltas" in case:
        chunks = [one if "choices" in one else {"choices": [{"index": 0, "delta": one}]} for one in case["deltas"]]
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **usage}
        yield "deltas", "openai", "text/event-stream", sse([{"id": "gen", "model": "m", "choices": []}, *chunks, last])
    if "message" in case:
        given = case["message"]
        whole = given if "choices" in given else {"choices": [{"message": given, "finish_reason": "stop"}], **usage}
        yield "message", "openai", "application/json", json.dumps(whole).encode()
    if "events" in case:
        events = [{"type": "message_start", "message": {"id": "msg", "model": "m"}}, *case["events"]]
        if not any(event["type"] == "message_delta" for event in events):
            events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **usage})
        yield "events", "anthropic", "text/event-stream", sse(events)
    if "content" in case:
        given = case["content"]
        body = given if isinstance(given, dict) else {"content": given, "stop_reason": "end_turn", **usage}
        yield "content", "anthropic", "application/json", json.dumps(body).encode()
    if "bytes" in case:
        label = case.get("label", "text/event-stream")
        yield "bytes", case.get("protocol", "openai"), label, case["bytes"].encode()


FORMS = [
    pytest.param(protocol, label, data, case["gives"], id=f"{file}: {case['name']} ({form})")
    for file, case in CASES
    for form, protocol, label, data in forms(case)
]


async def given(wire: Wire, answer: httpx.Response) -> dict[str, Any]:
    """What an answer amounts to, in the words of the cases."""
    wire.route.mock(return_value=answer)
    builder = AnswerBuilder()
    failed: ProviderError | None = None
    try:
        async for event in wire.provider.stream(Call("m", HELLO, True, 5.0)):
            builder.add(event)
    except ProviderError as error:
        failed = error
    answered = builder.answer()
    found = {
        "text": answered.text,
        "reasoning": answered.reasoning,
        "calls": [[call.id, call.name, json.loads(call.arguments or "{}")] for call in answered.tool_calls]
        if failed is None
        else [],
        "images": list(answered.images),
        "usage": msgspec.to_builtins(builder.usage) if builder.usage is not None else {},
        "routing": json.loads(msgspec.json.encode(builder.routing)) if builder.routing is not None else {},
        "ends": answered.finish_reason if answered.finish_reason not in ("stop", "tool_calls") else "",
        "error": failed.kind if failed is not None else "",
        "words": str(failed) if failed is not None else "",
    }
    msgspec.json.encode(answered)  # what comes out can be kept
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize(("protocol", "label", "data", "gives"), FORMS)
async def test_an_answer_is_read(
    tmp_path: Path, protocol: Speaks, label: str, data: bytes, gives: dict[str, Any]
) -> None:
    wire = Wire(tmp_path, protocol)
    headers = {"content-type": label} if label else {}
    found = await given(wire, httpx.Response(200, headers=headers, stream=Body(data)))
    if "error" in gives:
        found = {name: found.get(name) for name in gives}
    assert found == gives


GOOD = {
    "streamed": sse([{"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}]),
    "whole": b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}',
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["none", "gzip"])
@pytest.mark.parametrize("size", [1, 1000])
async def test_what_is_labelled_as_gzip_is_read_be_it_gzip_or_not(
    tmp_path: Path, data: bytes, pack: Callable[[bytes], bytes], size: int
) -> None:
    packed = pack(data)
    parts = [packed[at : at + size] for at in range(0, len(packed), size)]
    answer = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Body(*parts))
    assert await given(Wire(tmp_path), answer) == {"text": "Hi"}


@pytest.mark.parametrize(("protocol", "label", "data", "gives"), FORMS)
async def test_an_answer_may_come_byte_by_byte(
    tmp_path: Path, protocol: Speaks, label: str, data: bytes, gives: object
) -> None:
    headers = {"content-type": label} if label else {}
    parts = [data[at : at + 1] for at in range(len(data))]
    whole = await given(Wire(tmp_path, protocol), httpx.Response(200, headers=headers, stream=Body(data)))
    assert await given(Wire(tmp_path, protocol), httpx.Response(200, headers=headers, stream=Body(*parts))) == whole
