"""No stream whatsoever is an accident: recorded events, mutated at random, end in events or in a ProviderError.

A million per protocol: uv run python -m tests.providers.test_fuzz --events 1000000
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from router.core.errors import ProviderError
from router.core.events import AnswerBuilder, ProviderEvent, replay
from router.core.messages import Answer
from router.core.requests import Request
from router.providers.anthropic_request import messages_body
from router.providers.reader import AnswerReader
from tests.recordings import ERRORS, READERS, RECORDINGS, WHOLE, built

EVENTS = 20_000
"""Per protocol, in an ordinary run of the tests."""


def recorded(protocol: str) -> list[list[Any]]:
    """The events of each recorded stream."""
    streams = []
    for recording in RECORDINGS.values():
        if recording.protocol == protocol:
            lines = (line.removeprefix("data:").strip() for line in recording.data.decode().splitlines())
            streams.append([json.loads(line) for line in lines if line.startswith("{")])
    return streams


class Mutator:
    """Spoils JSON values, texts and streams; the same seed gives the same."""

    def __init__(self, seed: str, protocol: str) -> None:
        self.random = random.Random(seed)
        self.streams = recorded(protocol)
        self.events = [*(event for stream in self.streams for event in stream), ERRORS[protocol]]
        self.body = WHOLE[protocol]

    def stream(self) -> Iterator[str]:
        """The data of a stream's events."""
        events = list(self.random.choice(self.streams))
        for _ in range(self.random.randrange(4)):
            at = self.random.randrange(len(events) + 1)
            events[at : at + self.random.randrange(3)] = self.random.choices(self.events, k=self.random.randrange(3))
        for event in events:
            yield self.text(self.value(event) if self.random.random() < 0.5 else event)

    def whole(self) -> dict[str, Any]:
        """The answer in one body."""
        body = self.value(self.body)
        return body if isinstance(body, dict) else {"content": body, "choices": body}

    def value(self, value: Any) -> Any:
        """A copy with something in it changed."""
        value = _copy(value)
        for _ in range(self.random.randrange(1, 4)):
            holders = list(_holders(value))
            if not holders:
                return self.anything()
            self._spoil(*self.random.choice(holders))
        return value

    def _spoil(self, holder: Any, key: Any) -> None:
        match self.random.randrange(7):
            case 0:
                del holder[key]
            case 1:
                holder[key] = self.anything()
            case 2:
                holder[key] = [holder[key]] * self.random.randrange(3)
            case 3:
                holder[key] = {self.random.choice(["index", "type", "text", "x", ""]): holder[key]}
            case 4:
                self._put(holder, key, _copy(holder[key]))
            case 5:
                other, name = self.random.choice(list(_holders(self.random.choice(self.events))))
                self._put(holder, name, _copy(other[name]))
            case 6:
                for level in range(self.random.choice([1, 10, 100])):
                    holder[key] = [holder[key]] if level % 2 else {"content": holder[key]}

    def _put(self, holder: Any, key: Any, value: Any) -> None:
        if isinstance(holder, list):
            holder.append(value)
        else:
            holder[str(key) if self.random.random() < 0.8 else f"{key}_"] = value

    def anything(self) -> Any:
        """A value of any kind."""
        return self.random.choice(
            [
                *(None, True, False, 0, 1, -1, 7, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**30, 10**400),
                *(0.5, -0.0, 1e308, 5e-324, "", "x", "0", "stop", "error", "content_filter", "refusal", "end_turn"),
                *("tool_use", "thinking", "redacted_thinking", "reasoning.text", "é\u2028😀\x00\x85", "x" * 5000),
                *([], {}, [None], [[]], {"": {}}, {"type": "text", "text": "x"}, "{}", '{"x": ', "1e999"),
            ]
        )

    def text(self, value: Any) -> str:
        """JSON, mostly as it should be."""
        text = json.dumps(value, ensure_ascii=self.random.random() < 0.5)
        match self.random.randrange(40):
            case 0:
                return text[: self.random.randrange(len(text) + 1)]
            case 1:
                data = bytearray(text.encode())
                for _ in range(self.random.randrange(1, 5)):
                    data[self.random.randrange(len(data))] = self.random.randrange(256)
                return data.decode(errors="replace")
            case 2:
                return self.random.randbytes(self.random.randrange(100)).decode(errors="replace")
            case 3:
                return text + self.random.choice([text, ",", "\n", "]", "\ufeff"])
            case 4:
                return self.random.choice(["[", '{"delta":', '{"choices":[']) * self.random.choice([500, 5000])
            case 5:
                at = self.random.randrange(len(text) + 1)
                odd = self.random.choice(['\\ud800"', "1e999", "-", "NaN", "\\u0000", '"', "9" * 5000])
                return text[:at] + odd + text[at:]
            case 6:
                depth = self.random.randrange(1100)  # about as deep as can be read
                nested = self.random.choice(["[" * depth + "]" * depth, '{"a":' * depth + "{}" + "}" * depth])
                return text.replace(self.random.choice(['""', "null", "0", "{}", '"Hm, é"', '"c2ln"']), nested, 1)
            case _:
                return text


def _copy(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list and object, with each of its places."""
    todo = [value]
    while todo:
        holder = todo.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            todo.append(holder[key])


def check(reader: AnswerReader, mutator: Mutator) -> tuple[int, str]:
    """Read one spoilt stream or body; how many events it had, and how it ended."""
    builder = AnswerBuilder()
    count = 0
    ended = "finished"
    try:
        if mutator.random.random() < 0.1:
            count += 1
            for event in reader.whole(mutator.whole()):
                take(builder, event)
        else:
            for data in mutator.stream():
                count += 1
                for event in reader.read(data):
                    take(builder, event)
            for event in reader.end():
                take(builder, event)
    except ProviderError as error:
        assert str(error)
        ended = error.kind
    answer = builder.answer()
    stored = msgspec.json.decode(msgspec.json.encode(answer), type=Answer)
    assert stored == answer
    assert built(replay(stored)).answer() == answer
    message = answer.message()
    assert msgspec.json.encode(messages_body(Request(messages=(message,)), "m"))
    return count, ended


def take(builder: AnswerBuilder, event: ProviderEvent) -> None:
    """Add an event that is what its class says."""
    assert isinstance(event, get_args(ProviderEvent))
    msgspec.convert(msgspec.to_builtins(event), type(event))
    builder.add(event)


def fuzz(protocol: str, events: int, seed: str, case: int | None = None) -> Counter[str]:
    """Read spoilt streams up to so many events; how often each ending came.

    Args:
        case: this stream alone.
    """
    endings: Counter[str] = Counter()
    number = case or 0
    while endings.total() == 0 or (case is None and events > 0):
        try:
            count, ended = check(READERS[protocol](), Mutator(f"{seed}/{number}", protocol))
        except Exception as error:
            error.add_note(f"python -m tests.providers.test_fuzz --protocol {protocol} --seed {seed} --case {number}")
            raise
        events -= count
        number += 1
        endings[ended] += 1
    return endings


@pytest.mark.parametrize("protocol", READERS)
def test_no_stream_whatsoever_is_an_accident(protocol: str) -> None:
    endings = fuzz(protocol, EVENTS, "ci")
    assert endings.keys() >= {"finished", "stream_cut", "server_failed"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="per protocol")
    parser.add_argument("--protocol", choices=READERS, action="append", help="all of them by default")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--case", type=int, help="this one stream alone")
    asked = parser.parse_args()
    for name in asked.protocol or READERS:
        print(name, dict(fuzz(name, asked.events, asked.seed, asked.case).most_common()))
