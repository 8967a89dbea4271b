"""The calls of tools: right ones pass, and every change of a right one fails."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from router.core.suites import Grade
from tests.evaluate.graders.grading import called, case, graded, refused


def tool(name: str, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TEXT, INTEGER, NUMBER, TRUTH = ({"type": kind} for kind in ("string", "integer", "number", "boolean"))
NUMBERS = {"type": "array", "items": INTEGER}
PLACE = {"type": "object", "properties": {"city": TEXT, "zone": TEXT}}

CASE = case(
    tools=[
        tool("forecast", ("city",), city=TEXT, days=INTEGER, warm=TRUTH),
        tool("convert", ("amount", "to"), amount=NUMBER, to=TEXT),
        tool("total", ("values",), values=NUMBERS),
        tool("travel", ("place",), place=PLACE, stops={"type": "array", "items": PLACE}),
    ]
)

Call = tuple[str, dict[str, Any]]

TRUTHS: list[tuple[list[Mapping[str, Any]], list[Call]]] = [
    (
        [{"forecast": {"city": ["Oslo", "Oslo, Norway"], "days": [3], "warm": [True, ""]}}],
        [("forecast", {"city": "Oslo", "days": 3, "warm": True})],
    ),
    (
        [{"convert": {"amount": [12.5], "to": ["EUR"]}}, {"convert": {"amount": [3], "to": ["USD"]}}],
        [("convert", {"amount": 12.5, "to": "EUR"}), ("convert", {"amount": 3, "to": "USD"})],
    ),
    ([{"total": {"values": [[1, 2, 3]]}}], [("total", {"values": [1, 2, 3]})]),
    (
        [{"travel": {"place": [{"city": ["Oslo"], "zone": ["UTC"]}], "stops": [[{"city": ["Rome"]}]]}}],
        [("travel", {"place": {"city": "Oslo", "zone": "UTC"}, "stops": [{"city": "Rome"}]})],
    ),
]


def grade(calls: list[Call], truth: Any) -> Grade:
    return graded(called(*((name, json.dumps(arguments)) for name, arguments in calls)), "tool-calls", truth, of=CASE)


def wrong(value: Any) -> Iterator[Any]:
    """Values that are not an accepted one, of the same type and of others."""
    if isinstance(value, bool):
        yield from (not value, int(value), str(value))
    elif isinstance(value, int | float):
        yield from (value + 1, -value, str(value), [value], None)
    elif isinstance(value, str):
        yield from (f"{value}x", value[1:], "", 7, [value], None)
    elif isinstance(value, list):
        yield from ([*value, *value], value[:-1], [], str(value))
        for at, item in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in wrong(item))
    elif isinstance(value, dict):
        yield from ({}, {**value, "other": 1}, json.dumps(value))
        for name, item in value.items():
            yield from ({**value, name: other} for other in wrong(item))


def changed(calls: list[Call]) -> Iterator[list[Call]]:
    """Every way to change one thing of right calls."""
    yield [*calls, calls[0]]
    for at, (name, arguments) in enumerate(calls):
        before, after = calls[:at], calls[at + 1 :]
        yield [*before, *after]
        yield [*before, ("forecasts", arguments), *after]
        yield [*before, (name, {**arguments, "other": 1}), *after]
        for key, value in arguments.items():
            if key != "warm":
                yield [*before, (name, {k: v for k, v in arguments.items() if k != key}), *after]
            yield from ([*before, (name, {**arguments, key: other}), *after] for other in wrong(value))


@pytest.mark.parametrize(("truth", "calls"), TRUTHS)
def test_a_truth_passes(truth: Any, calls: list[Call]) -> None:
    assert grade(calls, truth).passed


@pytest.mark.parametrize(("truth", "calls"), TRUTHS)
def test_every_change_of_a_truth_fails(truth: Any, calls: list[Call]) -> None:
    passed = [each for each in changed(calls) if grade(each, truth).passed]
    assert not passed


@pytest.mark.parametrize(
    "arguments",
    [
        {"city": "oslo", "days": 3},
        {"city": "O.s-l_o", "days": 3},
        {"city": "Oslo,Norway", "days": 3, "warm": True},
    ],
)
def test_texts_are_compared_roughly_and_optional_parameters_may_be_left_out(arguments: dict[str, Any]) -> None:
    assert grade([("forecast", arguments)], TRUTHS[0][0]).passed


def test_a_whole_number_does_for_a_fraction_and_not_the_other_way_round() -> None:
    truth = [{"convert": {"amount": [12.0], "to": ["EUR"]}}]
    assert grade([("convert", {"amount": 12, "to": "EUR"})], truth).passed
    assert not grade([("forecast", {"city": "Oslo", "days": 3.0})], TRUTHS[0][0]).passed


def test_a_key_of_an_object_may_be_left_out_where_the_truth_says_so() -> None:
    truth = [{"travel": {"place": [{"city": ["Oslo"], "zone": ["UTC", ""]}], "stops": [""]}}]
    assert grade([("travel", {"place": {"city": "Oslo"}})], truth).passed
    assert not grade([("travel", {"place": {"zone": "UTC"}})], truth).passed


def test_parallel_calls_may_come_in_any_order() -> None:
    truth, calls = TRUTHS[1]
    assert grade(calls[::-1], truth).passed


def test_each_expected_call_is_used_once() -> None:
    truth, calls = TRUTHS[1]
    assert grade([calls[0], calls[0]], truth).reason == "The call of `convert` is made too often."


def test_calls_that_fit_several_expected_ones_are_matched_as_well_as_they_can_be() -> None:
    truth = [{"forecast": {"city": ["Oslo", "Rome"]}}, {"forecast": {"city": ["Oslo"]}}]
    assert grade([("forecast", {"city": "Oslo"}), ("forecast", {"city": "Rome"})], truth).passed


def test_a_call_can_be_expected_with_plain_arguments() -> None:
    truth = {"name": "travel", "arguments": {"place": {"city": "Oslo"}, "stops": []}}
    assert grade([("travel", {"place": {"city": "Oslo"}, "stops": []})], truth).passed
    assert not grade([("travel", {"place": {"city": "Rome"}, "stops": []})], truth).passed


def test_what_is_wrong_is_named() -> None:
    assert grade([("forecast", {"city": "Oslo", "days": 4})], TRUTHS[0][0]).reason == (
        "In `forecast`, `days` is `4`, which is none of the accepted values."
    )


@pytest.mark.parametrize("arguments", ["{", "[1]", "", '"x"'])
def test_arguments_that_are_no_object_are_the_answers_fault(arguments: str) -> None:
    found = graded(called(("total", arguments)), "tool-calls", TRUTHS[2][0], of=CASE)
    assert (found.passed, found.error) == (False, None)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "The value of `tool-calls` must be a list of calls, such as "),
        ([{"forecast": {"city": "Oslo"}}], "The value of `tool-calls` must be a list of calls, such as "),
        ([{"fly": {}}], "`tool-calls` expects a call of `fly`, which is not a tool of the case."),
    ],
)
def test_calls_that_cannot_be_expected_are_refused(value: Any, sentence: str) -> None:
    assert refused("tool-calls", value, of=CASE).startswith(sentence)


def test_no_call_is_expected() -> None:
    assert graded("Hello", "no-tool-calls").passed
    assert graded(called(("total", "{}")), "no-tool-calls").reason == "It calls `total`."
    assert graded(called(("total", "{}")), "no-tool-calls", negated=True).passed


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("total", '{"values": [1]}', ""),
        ("total", '{"values": ["1"]}', 'The call of `total`: It does not fit the schema at `values/0`: "1" is not of'),
        ("total", "{}", "The call of `total`: It does not fit the schema: "),
        ("total", "{", "The call of `total`: Its arguments are not JSON: "),
        ("fly", "{}", "It calls `fly`, which is not a tool of the case."),
    ],
)
def test_a_call_fits_its_tool_or_does_not(name: str, arguments: str, reason: str) -> None:
    found = graded(called((name, arguments)), "is-valid-openai-tools-call", of=CASE)
    assert (found.passed, found.reason.startswith(reason)) == (not reason, True)


def test_an_answer_without_a_call_has_no_valid_one() -> None:
    assert not graded("Hello", "is-valid-openai-tools-call", of=CASE).passed


@pytest.mark.parametrize(
    ("names", "score"), [(("a", "b"), 1.0), (("a",), 2 / 3), (("a", "b", "c"), 0.8), (("c",), 0.0), ((), 0.0)]
)
def test_f1_of_the_tools_that_are_called(names: tuple[str, ...], score: float) -> None:
    found = graded(called(*((name, "{}") for name in names)), "tool-call-f1", "a, b")
    assert (found.score, found.passed) == (pytest.approx(score), score == 1)
