"""What a server can send up to the largest size, and what it may cost to read."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from tests.scripted import Body, Wire

SIZE = 8_000_000


def named(text: str) -> dict[str, object]:
    return {"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": text}}]}}]}


def repeated(event: object) -> bytes:
    data = f"data: {json.dumps(event)}\n\n".encode()
    return data * (SIZE // len(data) // 4)


SLOW = {
    "values in a row": b"data: " + b"1 " * (SIZE // 2) + b"\n\n",
    "half characters": repeated({"choices": [{"delta": {"content": "\ud83d"}}]}),
    "blank pieces": repeated({"choices": [{"delta": {"content": " "}}]}),
    "tags without an end": repeated({"choices": [{"delta": {"content": "<think>"}}]}),
    "pieces that repeat a name": repeated(named("{")),
    "broken events": b'data: {"content":\n\n' * (SIZE // 76),
    "a broken event": b'data: {"content"' + b" " * SIZE + b"\n\n",
    "blank lines": b"\n" * SIZE,
}


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
async def test_nothing_takes_much_longer_than_its_bytes(tmp_path: Path, data: bytes) -> None:
    parts = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    began = time.process_time()
    await Wire(tmp_path).error(httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(*parts)))
    assert time.process_time() - began < 10
