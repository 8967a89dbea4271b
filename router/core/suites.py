"""Suites as plain data: cases, what is asked in them, and the checks that grade their answers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from router.core.messages import Answer, Frozen, Message, digest
from router.core.requests import Request


class Check(Frozen, frozen=True, kw_only=True):
    """One grader of a case, as its suite configures it.

    Attributes:
        type: the grader's name, such as `contains`.
        value: what the grader compares with; None for the case's target.
        threshold: the score from which on it passes; None for the grader's own.
        weight: its share of the case's score, beside the weights of the other checks.
        negated: whether the grader must fail for the check to pass.
        name: the name that its grades have; empty for the type, with `not-` before it where it is negated.
        options: the grader's other settings.
    """

    type: str
    value: Any = None
    threshold: float | None = None
    weight: float = 1.0
    negated: bool = False
    name: str = ""
    options: Mapping[str, Any] = {}

    @property
    def title(self) -> str:
        return self.name or f"{'not-' if self.negated else ''}{self.type}"


class Case(Frozen, frozen=True, kw_only=True, dict=True):
    """A prompt with its graders.

    Attributes:
        id: unique in its suite.
        request: what is asked first; it has no model.
        then: the user's further turns, each sent after the answer to the one before. Checks read the last answer.
        category: the kind of work; None if unknown.
        target: the reference answers, any of which is right.
        weight: its share of the suite's score.
        group: cases of one template or source, which are no independent evidence; empty for a group of its own.
        threshold: the weighted mean of its checks' scores from which on it passes; None if all checks must pass.
        place: where it was read, as `file:line`.
    """

    id: str
    request: Request
    then: tuple[Message, ...] = ()
    category: str | None = None
    target: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    group: str = ""
    checks: tuple[Check, ...] = ()
    threshold: float | None = None
    metadata: Mapping[str, Any] = {}
    place: str = ""

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 of all that is asked, in hexadecimal: two cases that ask the same share their answers.

        Raises:
            InvalidRequest: it cannot be sent.
        """
        return digest(self.request.canonical(), msgspec.json.encode(self.then, order="sorted"))


class Suite(Frozen, frozen=True, kw_only=True):
    """An evaluation's cases.

    Attributes:
        name: unique among a Lab's suites; letters, digits, `-`, `_` and `.`.
    """

    name: str
    description: str = ""
    cases: tuple[Case, ...] = ()


class Grade(Frozen, frozen=True, kw_only=True):
    """What one check says of one answer.

    Attributes:
        check: the check's title.
        score: 0 to 1; None where the grader could not tell, which `error` explains.
        passed: never true without a score.
        reason: why, in one sentence.
        cost: US dollars that grading took; None if unknown.
        seconds: how long grading took.
    """

    check: str
    score: float | None
    passed: bool
    reason: str = ""
    error: str | None = None
    cost: float | None = 0.0
    seconds: float = 0.0


class Answered(Frozen, frozen=True, kw_only=True):
    """What graders read.

    Attributes:
        earlier: the answers to the turns before the last one.
        latency: seconds that the person would have waited, over all turns; None if unknown.
        cost: US dollars of all turns with their failed attempts; None if unknown.
    """

    case: Case
    answer: Answer
    earlier: tuple[Answer, ...] = ()
    latency: float | None = None
    cost: float | None = None
