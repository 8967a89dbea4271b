"""promptfoo's assertions as checks (https://www.promptfoo.dev/docs/configuration/expected-outputs/)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from router.config.values import shortened
from router.core.suites import Check
from router.core.untrusted import number
from router.evaluate.importers.imported import NotTaken
from router.evaluate.importers.json_text import decode
from router.evaluate.importers.promptfoo.templates import Vars, render, written
from router.evaluate.suites.schema import NEGATION, REFUSED

ELSEWHERE = "Run these cases with promptfoo itself, with Fallback Lab's endpoint as its provider."
_OR_ELSEWHERE = f"Or r{ELSEWHERE[1:]}"

RUN_CODE = ("javascript", "python", "ruby", "webhook")
"""Assertions that run code, or send the answer somewhere that does."""

TEXT = frozenset({"equals", "contains", "icontains", "starts-with", "regex", "finish-reason", "llm-rubric"})
"""Assertions whose grader here has the same name, and reads the same text."""

LISTS = frozenset({"contains-all", "contains-any", "icontains-all", "icontains-any", "tool-call-f1"})
"""The same, with a list, or a text with commas."""

FORMS = frozenset({"is-json", "contains-json", "is-xml", "is-sql", "is-refusal", "is-valid-openai-tools-call"})
"""The same, with a value that may be left out."""

LIMITS = frozenset({"cost", "latency"})

OTHERS = (
    *("agent-rubric", "answer-relevance", "bleu", "classifier", "contains-html", "contains-sql", "contains-xml"),
    *("context-faithfulness", "context-recall", "context-relevance", "conversation-relevance", "factuality", "g-eval"),
    *("gleu", "guardrails", "human", "is-html", "is-valid-function-call", "is-valid-openai-function-call", "max-score"),
    *("meteor", "model-graded-closedqa", "model-graded-factuality", "moderation", "perplexity", "perplexity-score"),
    *("pi", "search-rubric", "select-best", "similar", "skill-used"),
)
"""Assertions that no grader here does."""

TAKEN = TEXT | LISTS | FORMS | LIMITS | {"levenshtein", "rouge-n", "word-count"}

PASSES_FROM: Mapping[str, float] = {"rouge-n": 0.75, "tool-call-f1": 1.0}
"""From which score on an assertion passes where it does not say so."""

MAX_DISTANCE = 5
"""The edits that `levenshtein` allows where it does not say so."""

_KEYS = frozenset({"type", "value", "threshold", "weight", "metric"})
_NEED_CODE = ("transform", "contextTransform", "config", "rubricPrompt")


class Assertion(NamedTuple):
    """An assertion, and its share where it stands in a set."""

    given: Mapping[str, Any]
    weight: float


class Graded(NamedTuple):
    """What a test's assertions became.

    Attributes:
        notes: what is left of them and takes no case with it; what, and what to do.
    """

    checks: tuple[Check, ...]
    threshold: float | None
    notes: tuple[tuple[str, str], ...]


def graded(asserts: Sequence[Any], threshold: float | None, given: Vars) -> Graded:
    """The checks of a test.

    Args:
        threshold: the weighted mean from which on the test passes; None if all must pass.

    Raises:
        NotTaken: one of them cannot be taken, and the test would pass more easily without it.
    """
    if len(asserts) == 1 and threshold is None and _is_set(asserts[0]):
        threshold = number(asserts[0].get("threshold"))
        asserts = [{**asserts[0], "threshold": None}]
    found = [assertion for item in asserts for assertion in _flat(item, 1.0, threshold)]
    decisive = [assertion for assertion in found if assertion.given.get("metricOnly") is not True]
    notes = [note for assertion in found for note in _notes(assertion.given)]
    return Graded(tuple(_check(assertion, given) for assertion in decisive), threshold, tuple(notes))


def _is_set(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "assert-set"


def _flat(item: Any, share: float, threshold: float | None) -> Iterator[Assertion]:
    """An assertion, or those of a set, whose weights add up to the set's."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise NotTaken("One of its assertions has no `type`.", "Write it as a mapping with `type` and `value`.")
    weight = 1.0 if item.get("weight") is None else number(item["weight"])
    if weight is None or weight < 0:
        raise NotTaken("The weight of one of its assertions is not a number.", "Set a number of at least 0.")
    if not _is_set(item):
        yield Assertion(item, share * weight)
        return
    if item.get("threshold") is not None and threshold is None:
        raise NotTaken(
            "It has an `assert-set` with a threshold beside other assertions.", "Make the set a test of its own."
        )
    inner = item.get("assert") if isinstance(item.get("assert"), list) else []
    flat = [assertion for each in inner or () for assertion in _flat(each, 1.0, threshold)]
    total = sum(assertion.weight for assertion in flat)
    for assertion in flat:
        yield assertion._replace(weight=share * weight * assertion.weight / total if total else 0.0)


def _notes(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = given["type"]
    if given.get("metricOnly") is True:
        yield f"A `{kind}` that is only a metric is not taken.", "Nothing needs to be done: it decides nothing."
        return
    if given.get("provider") is not None:
        yield f"The `provider` of a `{kind}` is not taken.", "Choose the judge when you run the suite."
    for key in sorted(given.keys() - _KEYS - {"provider", "metricOnly", *_NEED_CODE}):
        yield (
            f"`{shortened(key)}` of a `{kind}` is not used.",
            "Nothing needs to be done if it only describes it.",
        )


def _check(assertion: Assertion, given: Vars) -> Check:
    asked = assertion.given
    kind = str(asked["type"]).removeprefix(NEGATION)
    _refuse(kind, asked)
    limit = None if asked.get("threshold") is None else number(asked["threshold"])
    if asked.get("threshold") is not None and limit is None:
        raise NotTaken(f"The threshold of its `{kind}` is not a number.", "Write a number.")
    metric = asked.get("metric")
    return Check(
        **_graded_by(kind, render(asked.get("value"), given), limit),
        weight=assertion.weight,
        negated=str(asked["type"]).startswith(NEGATION),
        name=render(metric, given) if isinstance(metric, str) else "",
    )


def _refuse(kind: str, asked: Mapping[str, Any]) -> None:
    """Raise NotTaken for what runs code, and for what no grader here does."""
    value = asked.get("value")
    if kind in RUN_CODE:
        raise NotTaken(f"Its `{kind}` assertion runs code, which is not done here.", ELSEWHERE)
    if isinstance(value, str) and value.startswith(("file://", "package:")):
        raise NotTaken(
            f"Its `{kind}` assertion is in another file (`{shortened(value)}`).",
            f"Write the value there. {_OR_ELSEWHERE}",
        )
    for key in _NEED_CODE:
        if asked.get(key) is not None:
            raise NotTaken(f"Its `{kind}` assertion has a `{key}`, which is not done here.", ELSEWHERE)
    if (refused := REFUSED.get(kind)) is not None:
        raise NotTaken(f"No grader here does `{kind}`: {refused.why}.", f"{refused.instead} {_OR_ELSEWHERE}")
    if kind not in TAKEN:
        raise NotTaken(
            f"No grader here does `{shortened(kind)}`.", f"Use another assertion, such as `llm-rubric`. {_OR_ELSEWHERE}"
        )
    if value is None and kind not in FORMS | LIMITS:
        raise NotTaken(f"Its `{kind}` assertion has no value.", "Write one.")


def _graded_by(kind: str, value: Any, limit: float | None) -> dict[str, Any]:
    """The grader of an assertion, as fields of a check."""
    if kind in LIMITS:
        if limit is None:
            raise NotTaken(f"Its `{kind}` assertion has no threshold.", "Set one.")
        return {"type": kind, "value": limit / 1000 if kind == "latency" else limit}  # from milliseconds to seconds
    if kind == "levenshtein":
        return {"type": kind, "value": written(value), "options": {"max": MAX_DISTANCE if limit is None else limit}}
    if kind == "equals" and isinstance(value, dict | list):
        return {"type": "json-match", "value": value}
    passes = PASSES_FROM.get(kind) if limit is None else limit
    if passes is not None and not 0 <= passes <= 1:
        raise NotTaken(f"The threshold of its `{kind}` is not from 0 to 1.", "Set one that is.")
    return {"type": kind, "value": _value(kind, value), "threshold": passes}


def _value(kind: str, value: Any) -> Any:
    if kind in LISTS:
        items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
        return [written(item).strip() for item in items]
    if kind in ("is-json", "contains-json", "word-count") and isinstance(value, str):
        try:
            return decode(value)
        except ValueError as error:
            raise NotTaken(f"The value of its `{kind}` cannot be read: {error}.", "Write it as YAML.") from None
    return written(value) if kind in TEXT or kind == "rouge-n" else value
