"""Recorded answers as other servers might send them: each stays what it was, or is said not to be whole.

A hundred thousand per protocol: uv run python -m tests.wire.test_mutations --cases 100000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections import Counter
from typing import Any

import httpx
import pytest

from router.core.errors import ProviderError
from router.core.messages import Answer
from router.engine.validation import check_whole
from tests.recordings import READERS, RECORDINGS, Recording, built, read
from tests.scripted import Body

CASES = 2_500
"""Per protocol, in an ordinary run of the tests."""

LABELS = ["text/event-stream", "text/plain", "application/json", "application/octet-stream", "", "text/html; charset=x"]
GARBAGE = ["{not json", '{"choices": [{"delta": {"conte', '{"type":"content_blo', "ping", "", "[[[", "null", "5", "{}"]
TEXTS = ("content", "text", "reasoning", "thinking", "partial_json", "arguments")
_BEGINS = re.compile(rf'"({"|".join(TEXTS)})": "[^"]')


class Mutator:
    """Changes events and bytes; the same seed gives the same.

    Attributes:
        damaged: something of the answer may be lost, so that the reader may refuse it.
    """

    def __init__(self, seed: str, recording: Recording) -> None:
        self.random = random.Random(seed)
        lines = recording.data.decode().splitlines()
        self.events = [json.loads(line[5:]) for line in lines if line.startswith("data:") and "{" in line]
        self.damaged = False

    def response(self) -> httpx.Response:
        """The recording, changed in up to four ways."""
        changes = self.random.sample([self.split_text, self.not_finite, self.shuffle], k=self.random.randrange(4))
        for change in changes:
            change()
        halved = self.split_text in changes  # half a character has no bytes of its own
        texts = [json.dumps(event, ensure_ascii=halved or self.random.random() < 0.5) for event in self.events]
        for spoil in (self.cut_event, self.garbage):
            if self.random.random() < 0.3:
                spoil(texts)
        data = self.joined(texts)
        if self.random.random() < 0.2:
            self.damaged = True
            data = data[: self.random.randrange(len(data))]
        cuts = sorted(self.random.choices(range(len(data) + 1), k=self.random.randrange(6)))
        parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        return httpx.Response(200, headers={"content-type": self.random.choice(LABELS)}, stream=Body(*parts))

    def split_text(self) -> None:
        """One text in two events, also in the middle of a character."""
        splittable = [at for at, event in enumerate(self.events) if event.get("type") != "content_block_start"]
        found = [(at, which) for at in splittable for which, _ in enumerate(_texts(self.events[at]))]
        if not found:
            return
        at, which = self.random.choice(found)
        for choice in self.events[at].get("choices", ()):
            choice["delta"].pop("reasoning_details", None)  # says the same again
        rest = json.loads(json.dumps(self.events[at]))
        holder, name = _texts(self.events[at])[which]
        units = holder[name].encode("utf-16-le")
        middle = 2 * self.random.randrange(len(units) // 2 + 1)
        holder[name] = units[:middle].decode("utf-16-le", "surrogatepass")
        for number, (other, field) in enumerate(_texts(rest)):
            other[field] = units[middle:].decode("utf-16-le", "surrogatepass") if number == which else ""
        for choice in rest.get("choices", ()):
            choice.pop("finish_reason", None)
        self.events.insert(at + 1, rest)

    def not_finite(self) -> None:
        event = self.random.choice(self.events)
        event["logprobs"] = {"content": [{"logprob": self.random.choice([float("nan"), float("-inf")])}]}

    def shuffle(self) -> None:
        self.events = [_shuffled(event, self.random) for event in self.events]

    def garbage(self, texts: list[str]) -> None:
        """Extra events that hold nothing."""
        self.damaged = True
        texts.insert(self.random.randrange(len(texts) + 1), self.random.choice(GARBAGE))

    def cut_event(self, texts: list[str]) -> None:
        """An event that breaks off within its text."""
        at = self.random.randrange(len(texts))
        if begun := _BEGINS.search(texts[at]):
            self.damaged = True
            texts[at] = texts[at][: begun.end()]

    def joined(self, texts: list[str]) -> bytes:
        """The events as bytes, with any line ends, and blank lines that are missing."""
        end = self.random.choice(["\n", "\r\n", "\r"])
        blank = "" if self.random.random() < 0.2 else end
        lines = [f"data: {text}{end}{blank}" for text in texts]
        done = self.random.choice(["", f"data: [DONE]{end}{end}"])
        return ("".join(lines) + done).rstrip("\r\n" if self.random.random() < 0.5 else "").encode()


def _texts(event: Any) -> list[tuple[Any, str]]:
    """Each text of an event, with what holds it."""
    if isinstance(event, list):
        return [pair for item in event for pair in _texts(item)]
    if not isinstance(event, dict):
        return []
    own = [(event, name) for name in TEXTS if isinstance(event.get(name), str)]
    return own + [pair for name, value in event.items() if name != "reasoning_details" for pair in _texts(value)]


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {name: _shuffled(value[name], chance) for name in names}
    return [_shuffled(item, chance) for item in value] if isinstance(value, list) else value


def said(answer: Answer) -> tuple[object, ...]:
    calls = [(call.id, call.name, json.loads(call.arguments or "{}")) for call in answer.tool_calls]
    return answer.text, answer.reasoning, calls, answer.finish_reason


async def check(recording: Recording, seed: str) -> str:
    """Read one changed recording; how it ended."""
    mutator = Mutator(seed, recording)
    response = mutator.response()
    try:
        builder = built(await read(response, READERS[recording.protocol]()))
        check_whole(builder.answer())
    except ProviderError as error:
        assert str(error)
        assert mutator.damaged, error
        return error.kind
    assert said(builder.answer()) == said(recording.answer)
    return "whole"


def mutate(protocol: str, cases: int, seed: str) -> Counter[str]:
    """Read so many changed recordings of a protocol; how often each ending came."""
    recordings = [recording for recording in RECORDINGS.values() if recording.protocol == protocol]
    endings: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        for number in range(cases):
            recording = recordings[number % len(recordings)]
            try:
                endings[runner.run(check(recording, f"{seed}/{number}"))] += 1
            except Exception as error:
                error.add_note(f"--protocol {protocol}, seed {seed}/{number}")
                raise
    return endings


@pytest.mark.parametrize("protocol", READERS)
def test_an_answer_is_whole_or_said_not_to_be(protocol: str) -> None:
    assert mutate(protocol, CASES, "ci").keys() >= {"whole", "stream_cut"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="per protocol")
    parser.add_argument("--protocol", choices=READERS, action="append", help="all of them by default")
    parser.add_argument("--seed", default="0")
    asked = parser.parse_args()
    for name in asked.protocol or READERS:
        print(name, dict(mutate(name, asked.cases, asked.seed).most_common()))
