"""Whatever a body holds, a dialect asks or refuses; FALLBACK_LAB_FUZZ sets how many bodies are tried."""

from __future__ import annotations

import contextlib
import copy
import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.server.dialects.base import Asked, Dialect, Refusal
from router.server.dialects.messages import count_tokens
from tests.server.dialects import test_messages, test_responses
from tests.server.dialects.speaking import MESSAGES, RESPONSES, TEXT, said, streamed, written

TRIES = int(os.environ.get("FALLBACK_LAB_FUZZ", "300"))

IMAGE = {"type": "image", "source": test_messages.PIXEL}
WHOLE: dict[str, Any] = {
    **test_messages.THINKING,
    "system": [{"type": "text", "text": "x", **test_messages.MARK}],
    "tools": test_messages.TOOLS,
    "tool_choice": {"type": "tool", "name": "weather"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "{}"},
    "stop_sequences": ["x"],
    "top_k": 5,
    "messages": [
        test_messages.user(IMAGE, {"type": "document", "source": {"type": "content", "content": [IMAGE]}}),
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "x", "signature": "fallback-lab-1.e30="},
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "1", "name": "weather", "input": {"a": [1]}},
            ],
        },
        test_messages.user({"type": "tool_result", "tool_use_id": "1", "content": [IMAGE], **test_messages.MARK}),
    ],
}
ITEMS: dict[str, Any] = {
    **test_responses.CODEX,
    "text": {"format": {"type": "json_schema", "name": "x", "schema": {}}},
    "metadata": {"a": "b"},
    "input": [
        test_responses.message("developer", "x"),
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}]},
        {"type": "reasoning", "summary": [{"text": "x"}], "encrypted_content": "fallback-lab-1.e30="},
        test_responses.call("1"),
        test_responses.output("1"),
        {"type": "custom_tool_call", "call_id": "2", "name": "apply_patch", "input": "x"},
    ],
}  # fmt: skip

WORDS = ["text", "tool_use", "message", "function", "namespace", "user", "", "\ud83d", "e\x00", "data:,", "call_0"]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(WORDS))
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "name", "source", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every element of every object and list, as its holder and its name or index."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, inner in pairs for found in [(value, name), *places(inner)]]


@pytest.mark.parametrize(("dialect", "body"), [(MESSAGES, WHOLE), (RESPONSES, ITEMS)], ids=["messages", "responses"])
@settings(max_examples=TRIES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 2**32), values=st.lists(VALUES, min_size=1, max_size=3))
def test_a_changed_body_asks_or_is_refused(dialect: Dialect, body: dict[str, Any], seed: int, values: Any) -> None:
    chance = random.Random(seed)  # places to change
    changed = copy.deepcopy(body)
    for value in values:
        holder, name = chance.choice(places(changed))
        if chance.random() < 0.2 and isinstance(holder, dict):
            del holder[name]
        else:
            holder[name] = value
        if not places(changed):
            break
    check(dialect, changed)


@pytest.mark.parametrize("dialect", [MESSAGES, RESPONSES], ids=["messages", "responses"])
@settings(max_examples=TRIES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    body=st.dictionaries(
        st.sampled_from(["model", "messages", "input", "max_tokens", "tools", "tool_choice", "system", "x"]), VALUES
    )
)
def test_a_random_body_asks_or_is_refused(dialect: Dialect, body: dict[str, Any]) -> None:
    check(dialect, body)


@pytest.mark.parametrize(("dialect", "body"), [(MESSAGES, WHOLE), (RESPONSES, ITEMS)], ids=["messages", "responses"])
def test_a_body_however_deep_asks_or_is_refused(dialect: Dialect, body: dict[str, Any]) -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": [deep]}
    for index in range(len(places(body))):
        changed = copy.deepcopy(body)
        holder, name = places(changed)[index]
        holder[name] = deep
        assert isinstance(read(dialect, changed), Asked | None)


def read(dialect: Dialect, body: dict[str, Any]) -> Asked | None:
    try:
        return dialect.read(body)
    except Refusal as refusal:
        assert refusal.status == 400
        assert refusal.message.endswith(".")
        return None


def check(dialect: Dialect, body: dict[str, Any]) -> None:
    if dialect is MESSAGES:
        with contextlib.suppress(Refusal):
            count_tokens(body)
    if read(dialect, body) is not None and "\\ud83d" not in ascii(body):
        assert written(dialect, body, said(*TEXT))
        assert streamed(dialect, body, said(*TEXT))
