"""What every grader is made of: what it is given, what it returns, and how it reads a check's value and options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from router.core.errors import GraderFailed, InvalidRequest
from router.core.messages import Answer
from router.core.requests import Request
from router.core.suites import Answered, Case, Check

MAX_ANSWER = 1_000_000
"""Characters of an answer that is graded."""


class Found(NamedTuple):
    """What a grader says of an answer.

    Attributes:
        score: 0 to 1.
        reason: why, one sentence.
        cost: US dollars of the models that were asked; None if unknown.
        vetoed: whether the answer fails whatever its score.
    """

    score: float
    reason: str = ""
    cost: float | None = 0.0
    vetoed: bool = False


class Asked(NamedTuple):
    """A judge's answer, and what it cost with all attempts: US dollars, None if unknown."""

    answer: Answer
    cost: float | None


Ask = Callable[[Request, str | None], Asked]
"""Asks a judge, by its model reference or its category, or the run's own where that is None; it waits for the answer,
and raises a FallbackLabError where there is none."""


class Tools(NamedTuple):
    """What graders may use.

    Attributes:
        ask: asks a judge; None if there is none.
        unconfined: whether code may run without a sandbox, see `router.evaluate.sandbox`.
    """

    ask: Ask | None = None
    unconfined: bool = False


Run = Callable[[Answered, Check, Tools], Found]


class Grader(NamedTuple):
    """A grader, as suites name it.

    Attributes:
        run: grades an answer; raises GraderFailed where it cannot tell.
        read: reads the check as `run` will; raises InvalidRequest where it cannot be used.
        help: what it grades, one line.
        value: what its value is, a noun.
        options: its settings, each with a noun.
        threshold: the score from which on it passes, where the check says nothing else.
        judges: whether it calls a model.
        runs_code: whether it runs code that a model wrote.
    """

    run: Run
    read: Callable[[Check, Case], object]
    help: str
    value: str
    options: Mapping[str, str] = {}
    threshold: float = 1.0
    judges: bool = False
    runs_code: bool = False


def plain(run: Callable[[Answered, Check], Found]) -> Run:
    """A grader that needs no tools."""
    return lambda answered, check, _: run(answered, check)


def yes_or_no(passed: bool, reason: str) -> Found:
    """All or nothing; the reason says why it is nothing."""
    return Found(1.0) if passed else Found(0.0, reason)


def quoted(text: str, most: int = 80) -> str:
    """A text in a sentence, cut and on one line."""
    line = " ".join(text[: 2 * most].split())
    return f"`{line[:most]}…`" if len(line) > most or len(text) > 2 * most else f"`{line}`"


def listed(texts: Sequence[str], most: int = 3) -> str:
    """A few texts in a sentence."""
    return ", ".join(map(quoted, texts[:most])) + (", …" if len(texts) > most else "")


# --- Readers ---------------------------------------------------------------------------------------


def nothing(check: Check, _: Case) -> None:
    """For graders without a value."""
    if check.value is not None:
        raise InvalidRequest(f"`{check.type}` takes no value.")


def references(check: Check, case: Case) -> tuple[str, ...]:
    """The texts that a grader compares with, any of which is right: its value, or the case's target."""
    found = case.target if check.value is None else tuple(_texts(check, check.value))
    if not found or not all(found):
        raise InvalidRequest(f"`{check.type}` has nothing to compare with. Give it a text, or the case a target.")
    return found


def reference(check: Check, case: Case) -> tuple[str, ...]:
    """The same, where a list as the value would not say whether all of it or any of it is meant."""
    if isinstance(check.value, list | tuple | dict):
        raise InvalidRequest(f"The value of `{check.type}` must be a text.")
    return references(check, case)


def several(check: Check, case: Case) -> tuple[str, ...]:
    """The texts of a list, or of a text with commas."""
    if isinstance(check.value, str):
        found = tuple(part for item in check.value.split(",") if (part := item.strip()))
        if found:
            return found
    return references(check, case)


def _texts(check: Check, value: Any) -> list[str]:
    return [
        as_text(item, f"The value of `{check.type}`")
        for item in (value if isinstance(value, list | tuple) else [value])
    ]


def as_text(value: Any, what: str) -> str:
    """A text, also one that YAML reads as a number or a truth value.

    Raises:
        InvalidRequest: it is none.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    raise InvalidRequest(f"{what} must be a text.")


def positive(check: Check, what: str, value: Any) -> float:
    """A finite number that is not negative."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:
        raise InvalidRequest(f"{what} of `{check.type}` must be a number of at least 0.")
    return float(value)


def whole(check: Check, what: str, value: Any) -> int:
    """A whole number that is not negative."""
    number = positive(check, what, value)
    if not number.is_integer():
        raise InvalidRequest(f"{what} of `{check.type}` must be a whole number.")
    return int(number)


def text_of(answered: Answered) -> str:
    """The answer's text.

    Raises:
        GraderFailed: it is too long to be graded.
    """
    text = answered.answer.text
    if len(text) > MAX_ANSWER:
        raise GraderFailed(f"The answer is longer than {MAX_ANSWER:,} characters.")
    return text
