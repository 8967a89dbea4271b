"""What vendors say of an error: each file of errors/*.yaml, wherever it can stand."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from router.core.errors import ProviderError
from router.providers.failures import failure
from tests.scripted import KEY, Body, Speaks, Wire
from tests.virtual_time import run_virtual

CASES = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).with_name("errors").glob("*.yaml"))
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
each_protocol = pytest.mark.parametrize("protocol", ["openai", "anthropic"])


def told(error: ProviderError) -> dict[str, Any]:
    said = {"kind": error.kind, "words": str(error), "retry_after": error.retry_after}
    return {name: value for name, value in said.items() if value is not None}


def body_of(case: Mapping[str, Any]) -> bytes:
    return case["text"].encode() if "text" in case else json.dumps(case["body"]).encode()


@each_case
@each_protocol
async def test_an_error_is_told_in_the_provider_s_own_words(
    tmp_path: Path, protocol: Speaks, case: Mapping[str, Any]
) -> None:
    answer = httpx.Response(case["status"], headers=case.get("headers", {}), stream=Body(body_of(case)))
    error = await Wire(tmp_path, protocol).error(answer)
    assert (told(error), error.status) == (case["gives"], case["status"])


# Bodies that say what failed without their status; the others are told as what the server failed with.
SAY_IT = {name: case for name, case in CASES.items() if "body" in case}


@pytest.mark.parametrize("case", SAY_IT.values(), ids=SAY_IT)
@each_protocol
@pytest.mark.parametrize("place", ["in a 200", "event: error", "in a stream", "bare in a stream", "bare at the end"])
async def test_an_error_inside_an_answer_is_told_in_the_same_words(
    tmp_path: Path, protocol: Speaks, case: Mapping[str, Any], place: str
) -> None:
    data = body_of(case)
    begun = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    if protocol == "anthropic":
        begun = b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}\n\n'
    stream = {
        "in a 200": data,
        "event: error": b"event: error\ndata: " + data + b"\n\n",
        "in a stream": begun + b"data: " + data + b"\n\n",
        "bare in a stream": begun + data + b"\n\ndata: [DONE]\n\n",
        "bare at the end": begun + data,
    }[place]
    error = await Wire(tmp_path, protocol).error(httpx.Response(200, stream=Body(stream)))
    assert str(error) == case["gives"]["words"]


@pytest.mark.parametrize("status", [400, 401, 429, 503])
@pytest.mark.parametrize("body", [b'{"error": {"mess', b"", b"\x1f\x8bno", b"[", b"\xff\xfe", b"[" * 100_000], ids=str)
def test_a_body_that_says_nothing_leaves_its_status(status: int, body: bytes) -> None:
    assert failure(status, body).status == status


class Stalling(Body):
    """A body that stops in its middle, for ever."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in super().__aiter__():
            yield part
        await asyncio.Event().wait()


BROKEN = {
    "cut": lambda: Body(b'{"error": {', error=httpx.RemoteProtocolError("peer closed")),
    "reset": lambda: Body(error=OSError("reset")),
    "stalled": lambda: Stalling(b'{"error": {'),
    "not gzip": lambda: Body(b'{"error": {"message": "Why."}}'),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limited"), (401, "authentication_failed")])
def test_a_body_that_cannot_be_read_hides_no_status(tmp_path: Path, make: Any, status: int, kind: str) -> None:
    headers = {"retry-after": "7", "content-encoding": "gzip"}
    answer = httpx.Response(status, headers=headers, stream=make())
    error = run_virtual(Wire(tmp_path).error(answer))
    assert (error.kind, error.status, error.retry_after) == (kind, status, 7)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "Your credit balance and quota are used up; see billing."}}, "rate_limited"),
        (429, {"error": {"code": "insufficient_quota"}}, "quota_exhausted"),
        (429, {"error": {"code": 429, "type": "insufficient_quota"}}, "quota_exhausted"),
        (402, {"error": {"message": "Slow down."}}, "payment_required"),
    ],
    ids=str,
)
@pytest.mark.parametrize("headers", [{}, {"retry-after": "1"}, {"retry-after-ms": "1"}], ids=str)
def test_only_a_code_makes_a_rate_a_bill(status: int, body: object, kind: str, headers: dict[str, str]) -> None:
    assert failure(status, body, headers).kind == kind


@pytest.mark.parametrize("text", ["x" * 490 + KEY, "<title>" + "x" * 490 + KEY + "</title>"], ids=["text", "page"])
async def test_a_key_that_reaches_over_the_end_of_a_message_is_taken_out(tmp_path: Path, text: str) -> None:
    error = await Wire(tmp_path, api_key="${A_KEY}").error(httpx.Response(500, stream=Body(text.encode())))
    assert str(error) == "x" * 490 + "***"


@pytest.mark.parametrize("opens", ["<title>", "<", "<script>", "<h1"])
def test_a_page_without_an_end_takes_no_time(opens: str) -> None:
    began = time.process_time()
    failure(500, opens * (2_000_000 // len(opens)))
    assert time.process_time() - began < 2
