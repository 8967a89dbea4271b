"""Grades a run's answers by the checks of their cases, with the run's judge."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from router.config.schema import Config
from router.core.attempts import Completion
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.requests import Request
from router.core.runs import Planned
from router.core.suites import Answered, Case, Check, Grade
from router.engine.handle import Handle
from router.engine.options import Options
from router.evaluate.evaluation import GradeAll
from router.evaluate.graders import GRADERS, Ask, Asked, Tools, grade


def grader(start: Callable[..., Handle], config: Callable[[], Config], plan: Planned) -> GradeAll:
    """What grades the answers of a run.

    Args:
        start: sends a request; `Lab.start`.

    Raises:
        InvalidRequest: a check needs a judge, and there is none.
    """
    for case in plan.suite.cases:
        for check in case.checks:
            if asks_judge(check):
                judge_named(case, check, plan)

    tools = Tools(ask=judge_by(start, config, plan.judge), unconfined=plan.unconfined)

    def grade_all(answered: Answered) -> tuple[Grade, ...]:
        return tuple(grade(answered, check, tools) for check in answered.case.checks)

    return grade_all


def judge_by(start: Callable[..., Handle | Future[Completion]], config: Callable[[], Config], judge: str | None) -> Ask:
    """What asks judges, and waits for their answers.

    Args:
        start: sends a request, as `Lab.start`.
        judge: the one that is asked where a check names none.
    """

    def ask(request: Request, name: str | None) -> Asked:
        asked = judge_settings(name or judge or "", config())
        options = Options(source="eval")
        completion = start(request, category=asked.category, model=asked.model, options=options).result()
        return Asked(completion.answer, completion.cost)

    return ask


def asks_judge(check: Check) -> bool:
    """Whether a check's grader calls a model."""
    found = GRADERS.get(check.type)
    return found is not None and found.judges


def judge_named(case: Case, check: Check, plan: Planned) -> str:
    """The judge of a check: its own, or the run's.

    Raises:
        InvalidRequest: there is none.
    """
    if judge := check.options.get("judge") or plan.judge:
        return str(judge)
    what = f"`{check.type}` of case {case.id} needs a judge."
    raise InvalidRequest(f"{what} Choose a judge for the run, or name one in it.")


def judge_settings(judge: str, config: Config) -> Settings:
    """A judge by its name, which is a chain's where there is one."""
    return Settings(category=judge) if judge in config.chains else Settings(model=judge)
