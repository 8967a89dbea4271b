"""The checks of live answers: suites' graders, without a reference answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future

import pydantic

from router.config.experiments import GradingSettings
from router.config.explain import sentence
from router.config.schema import Config, Experiment
from router.core.attempts import Completion
from router.core.errors import ConfigError, GraderFailed
from router.core.requests import Request
from router.core.suites import Answered, Case, Check
from router.evaluate.graders import Ask, Asked, Tools, grade, problem
from router.evaluate.grading import asks_judge, judge_by
from router.evaluate.scores import Scored, score_of
from router.evaluate.suites.schema import CheckFile, Checks

_CHECKS: pydantic.TypeAdapter[Sequence[CheckFile]] = pydantic.TypeAdapter(Checks)


def ask_judges(checks: Iterable[Check]) -> bool:
    """Whether any of them calls a model."""
    return any(map(asks_judge, checks))


def ask_until(
    ended: threading.Event,
    start: Callable[..., Future[Completion]],
    config: Callable[[], Config],
    judge: str | None,
) -> Ask:
    """What asks judges until the event is set: a loop that is about to be closed would never answer."""
    ask = judge_by(start, config, judge)

    def ask_meanwhile(request: Request, name: str | None) -> Asked:
        if ended.is_set():
            raise GraderFailed("It was stopped.")
        return ask(request, name)

    return ask_meanwhile


def score(request: Request, found: Completion, checks: tuple[Check, ...], ask: Ask) -> Scored:
    """What the checks say of an answer; waits for judges."""
    case = Case(id=found.request_id, request=request, checks=checks)
    answered = Answered(case=case, answer=found.answer)
    return score_of(case, [grade(answered, check, Tools(ask=ask)) for check in checks])


def checks_of(settings: GradingSettings) -> tuple[Check, ...]:
    """The checks of live answers.

    Raises:
        ConfigError: one of them cannot be used; one sentence that says why.
    """
    try:
        read = _CHECKS.validate_python(settings.checks)
    except pydantic.ValidationError as error:
        raise ConfigError(sentence(error.errors()[0], CheckFile)) from None
    checks = tuple(Check(**{**dict(each), "name": each.name or ""}) for each in read)
    case = Case(id="", request=Request(messages=({"role": "user", "content": ""},)))
    for check in checks:
        if (said := problem(check, case)) is not None:
            raise ConfigError(said)
        if asks_judge(check) and not (check.options.get("judge") or settings.judge):
            raise ConfigError(f"`{check.type}` needs a judge. Name a model or a chain as `judge`.")
    return checks


def problems(experiments: Iterable[Experiment]) -> Iterator[str]:
    """Why they take no grades, one sentence each."""
    for experiment in experiments:
        try:
            if experiment.grades is not None:
                checks_of(experiment.grades)
        except ConfigError as error:
            yield f"The experiment `{experiment.name}` grades no answers: {error}"
