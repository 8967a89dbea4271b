"""promptfoo's assertions as checks: what each means, and which are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.suites import Check
from router.evaluate.importers.imported import NotTaken
from router.evaluate.importers.promptfoo.asserts import FORMS, LIMITS, LISTS, OTHERS, RUN_CODE, TAKEN, TEXT, graded
from tests.evaluate.known import GRADERS

VARS = {"city": "Paris", "n": 3}


def checks(*asserts: Any, threshold: float | None = None) -> tuple[Check, ...]:
    return graded(asserts, threshold, VARS).checks


def refused(*asserts: Any, threshold: float | None = None) -> str:
    with pytest.raises(NotTaken) as caught:
        checks(*asserts, threshold=threshold)
    return caught.value.what


@pytest.mark.parametrize(
    ("given", "check"),
    [
        ({"type": "equals", "value": "x"}, Check(type="equals", value="x")),
        ({"type": "equals", "value": 4}, Check(type="equals", value="4")),
        ({"type": "equals", "value": {"a": 1}}, Check(type="json-match", value={"a": 1})),
        ({"type": "contains", "value": "in {{city}}"}, Check(type="contains", value="in Paris")),
        ({"type": "not-contains", "value": "x"}, Check(type="contains", value="x", negated=True)),
        ({"type": "icontains-any", "value": "a, b"}, Check(type="icontains-any", value=["a", "b"])),
        ({"type": "contains-all", "value": ["a", "{{city}}"]}, Check(type="contains-all", value=["a", "Paris"])),
        ({"type": "is-json"}, Check(type="is-json")),
        ({"type": "is-json", "value": '{"type": "object"}'}, Check(type="is-json", value={"type": "object"})),
        ({"type": "word-count", "value": {"min": 2}}, Check(type="word-count", value={"min": 2})),
        ({"type": "word-count", "value": "5"}, Check(type="word-count", value=5)),
        ({"type": "cost", "threshold": 0.01}, Check(type="cost", value=0.01)),
        ({"type": "latency", "threshold": 1500}, Check(type="latency", value=1.5)),
        ({"type": "levenshtein", "value": "x"}, Check(type="levenshtein", value="x", options={"max": 5})),
        (
            {"type": "levenshtein", "value": "x", "threshold": 2},
            Check(type="levenshtein", value="x", options={"max": 2}),
        ),
        ({"type": "rouge-n", "value": "x"}, Check(type="rouge-n", value="x", threshold=0.75)),
        ({"type": "tool-call-f1", "value": ["a"]}, Check(type="tool-call-f1", value=["a"], threshold=1.0)),
        (
            {"type": "llm-rubric", "value": "is kind", "threshold": 0.8},
            Check(type="llm-rubric", value="is kind", threshold=0.8),
        ),
        (
            {"type": "contains", "value": "x", "weight": 3, "metric": "{{city}}"},
            Check(type="contains", value="x", weight=3.0, name="Paris"),
        ),
    ],
)
def test_an_assertion_is_a_check_of_the_same_meaning(given: dict[str, Any], check: Check) -> None:
    assert checks(given) == (check,)


def test_every_assertion_that_is_taken_has_a_grader() -> None:
    assert TAKEN <= GRADERS


def test_each_kind_of_assertion_is_of_one_sort() -> None:
    sorts = [TEXT, LISTS, FORMS, LIMITS, frozenset(OTHERS), frozenset(RUN_CODE)]
    assert len(frozenset().union(*sorts)) == sum(map(len, sorts))


@pytest.mark.parametrize("kind", RUN_CODE)
@pytest.mark.parametrize("prefix", ["", "not-"])
def test_what_runs_code_is_refused_by_name(kind: str, prefix: str) -> None:
    given = {"type": f"{prefix}{kind}", "value": "output.length > 3"}
    assert refused(given) == f"Its `{kind}` assertion runs code, which is not done here."


@pytest.mark.parametrize("value", ["file://check.js", "file:///etc/passwd", "file://check.py:main", "package:x:y"])
def test_a_value_in_another_file_is_refused(value: str) -> None:
    assert refused({"type": "contains", "value": value}) == f"Its `contains` assertion is in another file (`{value}`)."


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"type": "moderation", "value": "x"}, "No grader here does `moderation`."),
        ({"type": "contains"}, "Its `contains` assertion has no value."),
        ({"type": "cost"}, "Its `cost` assertion has no threshold."),
        (
            {"type": "contains", "value": "x", "transform": "output.trim()"},
            "Its `contains` assertion has a `transform`",
        ),
        ({"type": "llm-rubric", "value": "x", "rubricPrompt": "y"}, "Its `llm-rubric` assertion has a `rubricPrompt`"),
        (
            {"type": "contains", "value": "{{ city | upper }}"},
            "Its template computes something (`{{ city | upper }}`).",
        ),
        ({"type": "contains", "value": "{{gone}}"}, "Its template needs `{{gone}}`, which has no value."),
        ({"type": "rouge-n", "value": "x", "threshold": 3}, "The threshold of its `rouge-n` is not from 0 to 1."),
        ({"type": "rouge-n", "value": "x", "threshold": "high"}, "The threshold of its `rouge-n` is not a number."),
        ({"type": "contains", "value": "x", "weight": "heavy"}, "The weight of one of its assertions is not a number."),
        ({"type": "is-json", "value": "{"}, "The value of its `is-json` cannot be read"),
        ({"value": "x"}, "One of its assertions has no `type`."),
        ("contains: x", "One of its assertions has no `type`."),
    ],
)
def test_what_has_no_grader_is_refused_by_name(given: Any, what: str) -> None:
    assert refused(given).startswith(what)


@pytest.mark.parametrize("prefix", ["", "not-"])
@pytest.mark.parametrize(
    ("kind", "why", "instead"),
    [
        ("similar", "it compares embeddings, and no embedding model is asked here", "with what the answer has to mean"),
        ("select-best", "it compares the lanes' answers with one another, and a check", "with the same criteria: the"),
    ],
)
def test_what_is_often_looked_for_is_refused_with_a_reason_and_what_to_do(
    prefix: str, kind: str, why: str, instead: str
) -> None:
    with pytest.raises(NotTaken) as caught:
        checks({"type": f"{prefix}{kind}", "value": "x"})
    assert caught.value.what.startswith(f"No grader here does `{kind}`: {why}")
    assert caught.value.fix.startswith(f"Use `llm-rubric` {instead}")
    assert caught.value.fix.endswith(
        " Or run these cases with promptfoo itself, with Fallback Lab's endpoint as its provider."
    )


def test_one_refused_assertion_takes_the_test_with_it() -> None:
    assert "javascript" in refused({"type": "contains", "value": "x"}, {"type": "javascript", "value": "true"})


A, B = {"type": "contains", "value": "a"}, {"type": "contains", "value": "b", "weight": 3}


def weights(*asserts: Any, threshold: float | None = None) -> list[float]:
    return [check.weight for check in checks(*asserts, threshold=threshold)]


def test_assertions_of_a_set_share_its_weight() -> None:
    assert weights({"type": "assert-set", "assert": [A, B], "weight": 2}, A) == [0.5, 1.5, 1.0]


def test_sets_nest() -> None:
    inner = {"type": "assert-set", "assert": [A, A]}
    assert weights({"type": "assert-set", "assert": [inner, A]}) == [0.25, 0.25, 0.5]


def test_a_set_of_weightless_assertions_weighs_nothing() -> None:
    assert weights({"type": "assert-set", "assert": [{**A, "weight": 0}]}) == [0.0]


def test_a_test_that_is_one_set_takes_its_threshold() -> None:
    found = graded([{"type": "assert-set", "assert": [A, B], "threshold": 0.5}], None, VARS)
    assert (found.threshold, len(found.checks)) == (0.5, 2)


def test_a_set_with_a_threshold_beside_others_is_refused() -> None:
    assert "`assert-set` with a threshold" in refused({"type": "assert-set", "assert": [A], "threshold": 0.5}, B)


def test_a_sets_threshold_means_nothing_where_the_test_has_one() -> None:
    found = graded([{"type": "assert-set", "assert": [A], "threshold": 0.5}, B], 0.7, VARS)
    assert (found.threshold, len(found.checks)) == (0.7, 2)


def test_what_decides_nothing_is_named() -> None:
    found = graded(
        [A, {"type": "javascript", "value": "1", "metricOnly": True}, {**A, "provider": "openai:x"}], None, VARS
    )
    assert len(found.checks) == 2
    assert [what for what, _ in found.notes] == [
        "A `javascript` that is only a metric is not taken.",
        "The `provider` of a `contains` is not taken.",
    ]
