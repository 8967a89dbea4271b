"""A run's likely cost and duration, judges included, from known prices and stored calls."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from router.config.schema import Config
from router.core.capabilities import USUAL_CHARACTERS_PER_TOKEN
from router.core.comparisons import Usual
from router.core.conversations import Settings
from router.core.errors import FallbackLabError
from router.core.messages import Answer
from router.core.requests import Request
from router.core.runs import Lane, Planned
from router.core.suites import Answered, Case, Check
from router.evaluate.evaluation import IN_FLIGHT, asked_of
from router.evaluate.graders import GRADERS, Asked, Tools
from router.evaluate.graders.judges import ANY_VERDICT
from router.evaluate.grading import asks_judge, judge_named, judge_settings
from router.runs.estimate import (
    LENGTH_UNKNOWN,
    AskedFirst,
    Estimate,
    LaneEstimate,
    lane_estimate,
    likely_length,
    together,
)

AskedFirstOf = Callable[[Settings], AskedFirst]
UsualOf = Callable[[str, str], Usual | None]


def estimate(plan: Planned, config: Config, asked_first: AskedFirstOf, usual: UsualOf) -> Estimate:
    """A plan's likely cost and duration if every first model answers, and every verdict can be read.

    Args:
        asked_first: the model that a lane or a judge would call first.
        usual: the newest calls of a provider's model; None if there are none.

    Raises:
        InvalidRequest: a check needs a judge, and there is none.
    """
    asked = [_Asked.of(plan, number, asked_first, usual) for number in range(len(plan.lanes))]
    judged: dict[str, list[_Judged]] = {}
    for number, case in enumerate(plan.suite.cases):
        lanes = [lane for lane in asked if number < len(lane.cases)]
        for each in _judged(case, lanes, plan):
            judged.setdefault(each.judge, []).append(each)
    judges = [_of_judge(name, calls, config, asked_first, usual) for name, calls in judged.items()]
    found = together([lane.estimate(plan) for lane in asked], judges)
    turns = sum(1 + len(case.then) for case in plan.suite.cases)
    several = turns > len(plan.suite.cases)
    return found._replace(why=f"the cases have {turns:,} turns, each a call" if several else "")


class _Asked(NamedTuple):
    """A lane with the cases that it is asked."""

    lane: Lane
    cases: Sequence[Case]
    first: AskedFirst
    seen: Usual | None

    @classmethod
    def of(cls, plan: Planned, number: int, asked_first: AskedFirstOf, usual: UsualOf) -> _Asked:
        lane = plan.lanes[number]
        first = asked_first(lane.settings)
        cases = plan.suite.cases[: plan.screen if number else None]
        return cls(lane, cases, first, usual(first.provider, first.model))

    def estimate(self, plan: Planned) -> LaneEstimate:
        requests = (request for case in self.cases for request in self._turns(case) for _ in range(plan.repeats))
        calls = sum(1 + len(case.then) for case in self.cases) * plan.repeats
        at_once = max(1, IN_FLIGHT // len(plan.lanes))
        return lane_estimate(self.lane.name, requests, calls, self.first, self.seen, at_once=at_once)

    def _turns(self, case: Case) -> Iterator[Request]:
        """A case's requests, as far as they are known before it is asked: without the answers of earlier turns."""
        for number in range(len(case.then) + 1):
            messages = (*case.request.messages, *case.then[:number])
            yield asked_of(self.lane.settings, msgspec.structs.replace(case.request, messages=messages))

    def length(self, case: Case) -> float | None:
        """Tokens of an answer; None if unknown."""
        return likely_length(self.first.request(asked_of(self.lane.settings, case.request)), self.seen)


# --- Judges ----------------------------------------------------------------------------------------


class _Judged(NamedTuple):
    """A request to a judge.

    Attributes:
        times: how often it is made.
        is_whole: whether the length of the answers that are judged is known.
    """

    judge: str
    request: Request
    times: int
    is_whole: bool


def _judged(case: Case, lanes: Sequence[_Asked], plan: Planned) -> Iterator[_Judged]:
    """What the judges of a case are asked about the answers of its lanes, which are as long as their mean."""
    checks = [check for check in case.checks if asks_judge(check)]
    if not checks:
        return
    lengths = [lane.length(case) for lane in lanes]
    mean = statistics.fmean(LENGTH_UNKNOWN if length is None else length for length in lengths)
    answer = Answer(text="x" * round(mean * USUAL_CHARACTERS_PER_TOKEN))
    for check in checks:
        for request in _requests(case, check, answer):
            yield _Judged(judge_named(case, check, plan), request, len(lanes) * plan.repeats, None not in lengths)


def _requests(case: Case, check: Check, answer: Answer) -> list[Request]:
    """What a grader asks its judge: it is run on an answer that stands in for the real ones."""
    requests: list[Request] = []

    def ask(request: Request, _: str | None) -> Asked:
        requests.append(request)
        return Asked(Answer(text=ANY_VERDICT), 0.0)

    answered = Answered(case=case, answer=answer, earlier=(answer,) * len(case.then))
    with contextlib.suppress(FallbackLabError):  # a check that cannot be used asks nobody
        GRADERS[check.type].run(answered, check, Tools(ask=ask))
    return requests


def _of_judge(
    name: str, judged: Sequence[_Judged], config: Config, asked_first: AskedFirstOf, usual: UsualOf
) -> LaneEstimate:
    first = asked_first(judge_settings(name, config))
    requests = (each.request for each in judged for _ in range(each.times))
    calls, seen = sum(each.times for each in judged), usual(first.provider, first.model)
    are_whole = all(each.is_whole for each in judged)
    return lane_estimate(f"the judge {name}", requests, calls, first, seen, at_once=IN_FLIGHT, prompts_known=are_whole)
