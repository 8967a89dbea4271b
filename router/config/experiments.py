"""The sections `experiments` and `shadow` of models.yaml: which real requests other models get too, or instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

import pydantic
from pydantic import BeforeValidator, Field

from router.config.values import SECONDS, Count, Data, Dollars, Seconds, shortened

MAX_EXPERIMENTS = 100
MAX_SHADOWS = 10
"""Models that a request is sent to besides, at most."""

MAX_CHECKS = 20
"""Checks of a live answer, at most."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Limit(NamedTuple):
    """A limit of the candidate's: a number of its own, or a multiple of what the current chain has."""

    value: float | None = None
    times: float | None = None


def _points(value: object) -> object:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?) ?(?:points?|%)", value.strip()) if isinstance(value, str) else None
    if match is None or not 0 <= float(match[1]) <= 100:
        raise ValueError(f"`{shortened(value)}` is not a number of points of 100. Write it so: 2 points")
    return float(match[1]) / 100


def _times(value: object) -> float | None:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?x", value.strip()) if isinstance(value, str) else None
    return float(match[1]) if match and float(match[1]) >= 1 else None


def _multiple(value: object) -> object:
    found = _times(value)
    if found is None:
        raise ValueError(f"`{shortened(value)}` is not a multiple of 1 or more. Write it so: 2x")
    return found


def _limit(value: object) -> Limit:
    found = _times(value)
    if found is not None:
        return Limit(times=found)
    try:
        return Limit(value=SECONDS.validate_python(value))
    except ValueError:
        raise ValueError(f"`{shortened(value)}` is neither a duration nor a multiple. Write 8s, or 1.5x") from None


def _moment(value: object) -> object:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"`{shortened(value)}` is not a date with a time. Write it so: 2026-12-01T09:00Z")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


Points = Annotated[float, BeforeValidator(_points)]
Multiple = Annotated[float, BeforeValidator(_multiple)]
Moment = Annotated[float, BeforeValidator(_moment)]
Share = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]


class Guardrails(Data):
    """What stops an experiment by itself; None is no limit.

    Attributes:
        answered: by how much fewer requests the candidate may answer, as a share.
        latency_p95: the time within which 95% of the candidate's answers have to be whole: seconds, or a multiple of
            that of the current chain.
        cost: how many times the current chain's mean cost the candidate's may be.
        grade: by how much lower the mean grade of the candidate's answers may be, as a share.
        min_requests: of the candidate, before any of these is looked at.
    """

    answered: Points | None = 0.05
    latency_p95: Annotated[Limit | None, BeforeValidator(lambda value: None if value is None else _limit(value))] = None
    cost: Multiple | None = None
    grade: Points | None = None
    min_requests: Count = 20


class GradingSettings(Data):
    """Which of an experiment's answers are graded, and how.

    Attributes:
        checks: as a suite's; see docs/evaluating.md. They read the answer alone: there is no reference answer.
        share: of the answers of both chains, 0 to 1.
        judge: the model or chain that graders ask, where they ask one.
        dollars_per_day: what judges may cost in a day (UTC), in US dollars.
    """

    checks: Annotated[Sequence[Any], Field(min_length=1, max_length=MAX_CHECKS)]
    share: Share = 0.1
    judge: str | None = None
    dollars_per_day: Dollars = 1.0


class ExperimentSettings(Data):
    """What an experiment says besides its candidate.

    Attributes:
        category: whose real requests it is about.
        share: of them that the candidate gets, 0 to 1; 0 where it is stopped.
        start: Unix time, seconds; None where it runs as soon as it is read.
        seed: of who gets the candidate; None is the experiment's name.
        margin: the loss up to which the candidate counts as no worse, as a share.
        latency: seconds within which an answer is in time; None where that is not compared.
        grades: None where answers are not graded.
        stopped: why its share is 0.
    """

    category: str
    share: Share
    start: Moment | None = None
    seed: str | None = None
    margin: Points = 0.02
    latency: Seconds | None = None
    guardrails: Guardrails = Guardrails()
    grades: GradingSettings | None = None
    stopped: str | None = None

    @pydantic.field_validator("guardrails", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        return {} if value is None else value


class ShadowSettings(Data):
    """What a category's shadow says besides its models.

    Attributes:
        share: of the category's real requests that its models are asked too, 0 to 1.
        dollars_per_day: what that may cost in a day (UTC), in US dollars.
        unpriced: whether models are asked whose prices are not known, so that the budget cannot be kept.
    """

    share: Share
    dollars_per_day: Dollars
    unpriced: Literal["allow", "refuse"] = "refuse"
