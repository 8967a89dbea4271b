"""What reading a stream costs, beside `json.loads` alone on the same events.

uv run python -m tests.benchmarks.parsing
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from tests.benchmarks.harness import Measured, measure_in_turns, report
from tests.recordings import READERS, read
from tests.scripted import Body

EVENTS = 2000
PIECE = 16_384
"""Bytes that the transport hands on at once where a server is fast."""


def chunks(deltas: Iterable[str]) -> list[str]:
    """A stream of chat completions, as OpenRouter sends it."""
    base = (
        '{"id":"gen-1763900000-AbCdEfGhIjKl","provider":"Host","model":"maker/model-1","object":"chat.completion.chunk",'
        '"created":1763900000,"choices":[{"index":0,"delta":'
    )
    first = base + '{"role":"assistant","content":""}}]}'
    rest = ',"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}'
    end = base + '{"role":"assistant","content":""},"finish_reason":"stop","native_finish_reason":"stop"}]}'
    usage = '{"id":"gen-1763900000-AbCdEfGhIjKl","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":1997}}'
    return [first, *(base + delta + rest for delta in deltas), end, usage]


def messages(deltas: Iterable[str]) -> list[str]:
    """A stream of messages, as Anthropic sends it."""
    start = '{"type":"message_start","message":{"id":"msg_1","model":"m-1","usage":{"input_tokens":11}}}'
    block = '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"i","name":"f"}}'
    base = '{"type":"content_block_delta","index":0,"delta":'
    end = '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1998}}'
    return [start, block, *(base + delta + "}" for delta in deltas), end]


NUMBERS = range(EVENTS - 3)
STREAMS: dict[str, tuple[str, list[str]]] = {
    "openai, text": ("openai", chunks(f'{{"role":"assistant","content":" word{n}"}}' for n in NUMBERS)),
    "openai, reasoning": (
        "openai",
        chunks(
            f'{{"role":"assistant","content":"","reasoning":" word{n}","reasoning_details":[{{"type":"reasoning.text",'
            f'"text":" word{n}","format":"unknown","index":0}}]}}'
            for n in NUMBERS
        ),
    ),
    "openai, a tool call": (
        "openai",
        chunks(f'{{"tool_calls":[{{"index":0,"function":{{"arguments":" word{n}"}}}}]}}' for n in NUMBERS),
    ),
    "anthropic, text": ("anthropic", messages(f'{{"type":"text_delta","text":" word{n}"}}' for n in NUMBERS)),
    "anthropic, thinking": (
        "anthropic",
        messages(f'{{"type":"thinking_delta","thinking":" word{n}"}}' for n in NUMBERS),
    ),
    "anthropic, a tool call": (
        "anthropic",
        messages(f'{{"type":"input_json_delta","partial_json":" word{n}"}}' for n in NUMBERS),
    ),
}


def on_the_wire(protocol: str, event: str) -> bytes:
    """One event's bytes; Anthropic names its kind in a line of its own."""
    kind = f"event: {json.loads(event)['type']}\n" if protocol == "anthropic" else ""
    return f"{kind}data: {event}\n\n".encode()


async def measure(protocol: str, events: list[str]) -> dict[str, Measured]:
    """CPU and wall seconds of a whole stream, for each way to read it."""
    single = [on_the_wire(protocol, event) for event in events]
    data = b"".join(single)
    pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
    reader = READERS[protocol]

    async def loads(_: int) -> None:
        for event in events:
            json.loads(event)

    async def read_alone(_: int) -> None:
        one = reader()
        for event in events:
            for _event in one.read(event):
                pass

    async def from_pieces(_: int) -> None:
        await read(Body(*pieces).response(), reader())

    async def from_single(_: int) -> None:
        await read(Body(*single).response(), reader())

    ways = {"loads": loads, "reader": read_alone, "pieces": from_pieces, "single": from_single}
    return await measure_in_turns(ways, rounds=10, times=3)


def main() -> None:
    rows = []
    for name, (protocol, events) in STREAMS.items():
        assert len(events) == EVENTS
        seen = asyncio.run(measure(protocol, events))
        for way, words, asked in (
            ("reader", "reader alone", "reported"),
            ("pieces", f"from bytes, {PIECE // 1024} KiB at once", "at most 4 x"),
            ("single", "from bytes, one event at once", "reported"),
        ):
            ratio = seen[way].cpu / seen["loads"].cpu
            each, bare = (seen[key].cpu / EVENTS * 1e6 for key in (way, "loads"))
            rows.append(
                (
                    f"{name}: {words}, beside json.loads",
                    asked,
                    f"CPU {ratio:.2f} x ({each:.1f} / {bare:.1f} µs an event)",
                )
            )
    report(rows)


if __name__ == "__main__":
    main()
