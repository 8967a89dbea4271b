"""Grades a run's answers by the checks of their cases, with the run's judge."""

from __future__ import annotations

from collections.abc import Callable

from router.config.schema import Config
from router.core.errors import InvalidRequest
from router.core.requests import Request
from router.core.runs import Planned
from router.core.suites import Answered, Grade
from router.engine.chain import Options
from router.engine.handle import Handle
from router.evaluate.evaluation import GradeAll
from router.evaluate.graders import GRADERS, Asked, Tools, grade


def grader(start: Callable[..., Handle], config: Callable[[], Config], plan: Planned) -> GradeAll:
    """What grades the answers of a run.

    Args:
        start: sends a request; `Lab.start`.

    Raises:
        InvalidRequest: a check needs a judge, and there is none.
    """
    for case in plan.suite.cases if plan.judge is None else ():
        for check in case.checks:
            if GRADERS[check.type].judges and not check.options.get("judge"):
                what = f"`{check.type}` of case {case.id} needs a judge."
                raise InvalidRequest(f"{what} Choose a judge for the run, or name one in it.")

    def ask(request: Request, name: str | None) -> Asked:
        judge = name or plan.judge or ""
        chosen = {"category" if judge in config().chains else "model": judge}
        completion = start(request, **chosen, options=Options(source="eval")).result()
        return Asked(completion.answer, completion.cost)

    tools = Tools(ask=ask, unconfined=plan.unconfined)

    def grade_all(answered: Answered) -> tuple[Grade, ...]:
        return tuple(grade(answered, check, tools) for check in answered.case.checks)

    return grade_all
