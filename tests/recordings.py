"""Answers as servers send them, byte for byte, in each protocol; and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import httpx

from router.core.events import AnswerBuilder, ProviderEvent
from router.core.messages import Answer, ToolCall, Usage
from router.providers.anthropic import MessageReader
from router.providers.body import Body
from router.providers.openai import ChunkReader
from router.providers.reader import AnswerReader

READERS: Mapping[str, type[ChunkReader | MessageReader]] = {"openai": ChunkReader, "anthropic": MessageReader}


class Recording(NamedTuple):
    """A stream's bytes, and the answer and usage that it gives."""

    protocol: str
    data: bytes
    answer: Answer
    usage: Usage | None


async def read(response: httpx.Response, reader: AnswerReader) -> list[ProviderEvent]:
    """The events of an answer, as `exchange` reads them."""
    events: list[ProviderEvent] = []
    body = Body(response)
    if not await body.is_stream():
        answer = await body.read_json()
        return [*reader.whole(answer if isinstance(answer, dict) else {}), *reader.end()]
    async with aclosing(body.events()) as stream:
        async for message in stream:
            if message.data == "[DONE]":
                break
            events += reader.read(message.data)
    return [*events, *reader.end()]


def built(events: Iterable[ProviderEvent]) -> AnswerBuilder:
    """What events add up to."""
    builder = AnswerBuilder()
    for event in events:
        builder.add(event)
    return builder


RECORDINGS = {
    "openai: text, CRLF": Recording(
        "openai",
        (
            ": OPENROUTER PROCESSING\r\n\r\n"
            'data: {"id":"gen-1","provider":"Host","model":"m-1","object":"chat.completion.chunk",'
            '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\r\n\r\n'
            'data: {"id":"gen-1","model":"m-1","choices":[{"index":0,"delta":{"content":"Grüße, 東京 😀"},'
            '"finish_reason":null,"logprobs":null}]}\r\n\r\n'
            'data: {"id":"gen-1","model":"m-1","choices":[{"index":0,"delta":{"content":"!\\n\\u00e9\\ud83d\\ude00"}}]}'
            "\r\n\r\n"
            'data: {"id":"gen-1","model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\n'
            'data: {"id":"gen-1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"cost":0.00042,'
            '"prompt_tokens_details":{"cached_tokens":4}}}\r\n\r\n'
            "data: [DONE]\r\n\r\n"
        ).encode(),
        Answer(text="Grüße, 東京 😀!\né😀", finish_reason="stop"),
        Usage(prompt_tokens=11, completion_tokens=7, cached_tokens=4, cost=0.00042),
    ),
    "openai: reasoning and tool calls": Recording(
        "openai",
        (
            'data: {"id":"gen-2","choices":[{"delta":{"reasoning":"Hm, é","reasoning_details":[{'
            '"type":"reasoning.text","text":"Hm, é","format":"anthropic-claude-v1","index":0}]}}]}\n\n'
            'data: {"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.text","signature":"c2ln",'
            '"index":0}]}}]}\n\n'
            'data: {"choices":[{"delta":{"content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function",'
            '"function":{"name":"add","arguments":""}}]}}]}\n\n'
            'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\":"}}]}}]}\n\n'
            'data: {"choices":[{"delta":{"tool_calls":[{"index":1,"id":"call_2","function":{"name":"now",'
            '"arguments":"{}"}},{"index":0,"function":{"arguments":"\\"東\\"}"}}]}}]}\n\n'
            'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3}}\n\n'
        ).encode(),
        Answer(
            reasoning="Hm, é",
            reasoning_details=(
                {
                    "type": "reasoning.text",
                    "text": "Hm, é",
                    "signature": "c2ln",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                },
            ),
            tool_calls=(
                ToolCall(id="call_1", name="add", arguments='{"x":"東"}'),
                ToolCall(id="call_2", name="now", arguments="{}"),
            ),
            finish_reason="tool_calls",
        ),
        Usage(prompt_tokens=3),
    ),
    "anthropic: text, CRLF": Recording(
        "anthropic",
        (
            'event: message_start\r\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
            '"role":"assistant","model":"m-1","content":[],"stop_reason":null,"usage":{"input_tokens":3,'
            '"cache_read_input_tokens":100,"cache_creation_input_tokens":20,"output_tokens":1}}}\r\n\r\n'
            'event: content_block_start\r\ndata: {"type":"content_block_start","index":0,'
            '"content_block":{"type":"text","text":""}}\r\n\r\n'
            'event: ping\r\ndata: {"type": "ping"}\r\n\r\n'
            'event: content_block_delta\r\ndata: {"type":"content_block_delta","index":0,'
            '"delta":{"type":"text_delta","text":"Grüße, 東京 😀"}}\r\n\r\n'
            'event: content_block_delta\r\ndata: {"type":"content_block_delta","index":0,'
            '"delta":{"type":"text_delta","text":"!\\n\\u00e9\\ud83d\\ude00"}}\r\n\r\n'
            'event: content_block_stop\r\ndata: {"type":"content_block_stop","index":0}\r\n\r\n'
            'event: message_delta\r\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
            '"stop_sequence":null},"usage":{"output_tokens":7}}\r\n\r\n'
            'event: message_stop\r\ndata: {"type":"message_stop"}\r\n\r\n'
        ).encode(),
        Answer(text="Grüße, 東京 😀!\né😀", finish_reason="stop"),
        Usage(prompt_tokens=123, completion_tokens=7, cached_tokens=100, cache_write_tokens=20),
    ),
    "anthropic: thinking and tool calls": Recording(
        "anthropic",
        (
            'data: {"type":"message_start","message":{"id":"msg_2","model":"m-1","usage":{"input_tokens":3}}}\n\n'
            'data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}\n\n'
            'data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm, é"}}\n\n'
            'data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}\n\n'
            'data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking",'
            '"data":"b25l"}}\n\n'
            'data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1",'
            '"name":"add","input":{}}}\n\n'
            'data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta",'
            '"partial_json":"{\\"x\\":"}}\n\n'
            'data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta",'
            '"partial_json":"\\"東\\"}"}}\n\n'
            'data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}\n\n'
        ).encode(),
        Answer(
            reasoning="Hm, é",
            reasoning_details=(
                {
                    "type": "reasoning.text",
                    "text": "Hm, é",
                    "signature": "c2ln",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                },
                {"type": "reasoning.encrypted", "data": "b25l", "format": "anthropic-claude-v1", "index": 1},
            ),
            tool_calls=(ToolCall(id="toolu_1", name="add", arguments='{"x":"東"}'),),
            finish_reason="tool_calls",
        ),
        Usage(prompt_tokens=3, completion_tokens=7),
    ),
}

WHOLE: Mapping[str, Mapping[str, Any]] = {
    "openai": {
        "id": "gen-1",
        "model": "m-1",
        "provider": "Host",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "reasoning": "Hm.",
                    "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "index": 0}],
                    "tool_calls": [{"id": "call_1", "function": {"name": "add", "arguments": '{"x":1}'}}],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "cost": 0.00042},
    },
    "anthropic": {
        "id": "msg_1",
        "model": "m-1",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "b25l"},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "cache_read_input_tokens": 100, "output_tokens": 7},
    },
}
"""Answers in one body."""

ERRORS: Mapping[str, Mapping[str, Any]] = {
    "openai": {
        "error": {
            "message": "Slow down.",
            "code": 429,
            "type": "rate_limit_exceeded",
            "metadata": {"error_type": "rate_limit_exceeded", "raw": "…"},
            "availability": {"retryable": True, "retry_after": 3},
        },
        "choices": [{"delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502}}],
    },
    "anthropic": {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
}
"""Events that report an error in the middle of a stream."""
