"""The JSON schema that editors use says what the loader says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings

from router.core.errors import ConfigError
from router.core.suites import Suite
from router.evaluate.suites import parse_suite, suite_schema, suite_text
from tests.evaluate.generated import suites
from tests.evaluate.known import GRADERS

SCHEMA = suite_schema(GRADERS)
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


def fits(text: str) -> bool:
    return VALIDATOR.is_valid(yaml.safe_load(text))


def loads(text: str) -> bool:
    try:
        parse_suite(text, Path("suite.yaml"), GRADERS)
    except ConfigError:
        return False
    return True


@given(suite=suites)
@settings(max_examples=20)
def test_whatever_is_written_fits_the_schema(suite: Suite) -> None:
    errors = [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(suite_text(suite)))]
    assert not errors


@pytest.mark.parametrize(
    "text",
    [
        "cases: [{prompt: x}]",
        "{name: a, description: b, system: c, params: {seed: 1}, threshold: 0.5, cases: [{prompt: x, target: [a, b]}]}",
        "cases: [{prompt: x, checks: [equals, not-contains: y, {number: {value: 1, tolerance: 2, weight: 3}}]}]",
        "cases: [{messages: [{role: user, content: x}], then: [a, {role: user, content: b}], tags: [t]}]",
        "cases: [{prompt: x, checks: [{contains-any: [a, b]}, {is-json: null}, {is-xml: true}, {latency: 3}]}]",
        "{}",
        "cases: []",
        "cases: [{prompt: x, chekcs: []}]",
        "{casess: [], cases: [{prompt: x}]}",
        "cases: [{prompt: 5}]",
        "cases: [{prompt: x, target: 5}]",
        "cases: [{prompt: x, weight: -1}]",
        "cases: [{prompt: x, threshold: 2}]",
        "cases: [{prompt: x, id: ''}]",
        "{name: a b, cases: [{prompt: x}]}",
        "cases: [{prompt: x, checks: [contain]}]",
        "cases: [{prompt: x, checks: [{contain: x}]}]",
        "cases: [{prompt: x, checks: [{contains: x, equals: y}]}]",
        "cases: [{prompt: x, checks: [{}]}]",
        "cases: [{prompt: x, checks: [{number: {weight: a}}]}]",
        "cases: [{prompt: x, checks: [{number: {threshold: 3}}]}]",
        "cases: [{prompt: x, checks: equals}]",
        "cases: [{prompt: x, tools: [5]}]",
    ],
)
def test_the_schema_takes_just_what_the_loader_takes(text: str) -> None:
    assert fits(text) == loads(text)


def test_the_schema_is_one() -> None:
    jsonschema_rs.meta.validate(SCHEMA)


def described(schema: Any) -> set[str]:
    return {name for name, field in schema["properties"].items() if field.get("description")}


def test_editors_show_what_the_keys_mean() -> None:
    assert {"system", "params", "checks", "name"} <= described(SCHEMA)
    assert {"prompt", "then", "target", "group", "images"} <= described(SCHEMA["$defs"]["CaseFile"])
