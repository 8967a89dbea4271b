"""A run of an evaluation without its calls: for pictures, and for the pages' speed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.config.chains import parse_reference
from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.messages import Answer, Usage
from router.core.requests import Request
from router.core.runs import CellKey, CellResult, Ended, Graded, Lane, Planned, Sent
from router.core.suites import Case, Check, Grade, Suite


class Skill(NamedTuple):
    """What a lane achieves: the share of cases, from the easiest on, with its latency and cost an answer."""

    share: float
    latency: float = 0.5
    cost: float = 0.001


def plain_suite(category: str, count: int) -> Suite:
    """So many short cases of a category."""
    cases = (
        Case(
            id=f"{category}-{number}",
            category=category,
            request=Request(messages=({"role": "user", "content": f"{category} {number}"},)),
            target=("x",),
            checks=(Check(type="contains"),),
        )
        for number in range(count)
    )
    return Suite(name=f"{category}-cases", cases=tuple(cases))


def write_run(
    path: Path,
    suite: Suite,
    lanes: Mapping[str, Skill],
    *,
    repeats: int = 1,
    at: float = 0.0,
    default_provider: str = "openrouter",
) -> str:
    """Write a finished run; returns its id.

    Args:
        path: ends with `.jsonl`.
        lanes: by the names of their models.
        at: Unix time, seconds.
        default_provider: of models whose names say none.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    of = tuple(Lane(name, Settings(model=name), "chain") for name in lanes)
    with path.open("wb") as file:
        plan = Planned(at=at, suite=suite, lanes=of, repeats=repeats)
        for entry in _entries(plan, lanes, at, default_provider):
            file.write(msgspec.json.encode(entry) + b"\n")
    return path.stem


def _entries(plan: Planned, skills: Mapping[str, Skill], at: float, default_provider: str) -> Iterator[Any]:
    yield plan
    for lane in plan.lanes:
        skill = skills[lane.name]
        for case in plan.suite.cases:
            for repeat in range(plan.repeats):
                cell = CellKey(case.key, lane.key, repeat)
                luck = _uniform(case.key, lane.name, str(repeat))
                yield Sent(at, cell)
                attempt = _attempt(lane, skill, luck, default_provider)
                yield CellResult(at, cell, "answered", (_answer(case, skill, luck),), (attempt,), attempt.latency)
                yield Graded(at, cell, case.id, tuple(_grades(case, is_right=_is_right(case, skill, luck))))
    yield Ended(at, "complete")


def _is_right(case: Case, skill: Skill, luck: float) -> bool:
    """Mostly by how hard the case is for all, and a little by luck."""
    return 0.8 * _uniform(case.key) + 0.2 * luck < skill.share


def _uniform(*parts: str) -> float:
    """A number from 0 to 1 that depends on these alone."""
    return int(hashlib.sha256("/".join(parts).encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def _answer(case: Case, skill: Skill, luck: float) -> Answer:
    right = case.target[0] if case.target else "the right answer"
    return Answer(
        text=f"Step by step, this leads to one result.\n\nAnswer: {right if _is_right(case, skill, luck) else 42}"
    )


def _attempt(lane: Lane, skill: Skill, luck: float, default_provider: str) -> Attempt:
    provider = parse_reference(lane.name, dict.fromkeys(("openai", "anthropic")), default_provider).provider
    return Attempt(
        model=lane.name, provider=provider, place=0, number=1, outcome="answered", started=0.0, offset=0.0,
        latency=skill.latency * (0.6 + luck), ttft=skill.latency / 4, cost=skill.cost * (0.7 + 0.6 * luck),
        usage=Usage(prompt_tokens=120, completion_tokens=240),
    )  # fmt: skip


def _grades(case: Case, *, is_right: bool) -> Iterator[Grade]:
    for check in case.checks:
        reason = "" if is_right else "The answer is another one."
        yield Grade(check=check.title, score=float(is_right), passed=is_right, reason=reason)
