"""Graders: small functions that say how good an answer is, and why.

A grader that cannot tell, such as a judge that is down, is an error of its own: it says nothing of the answer, and the
check has not passed, whether it is negated or not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import MappingProxyType

from router.config.explain import nearest
from router.core.errors import FallbackLabError, GraderFailed
from router.core.suites import Answered, Case, Check, Grade
from router.evaluate.graders import calls, code, distances, expenses, instructions, judges, numbers, structures, texts
from router.evaluate.graders.base import Ask, Asked, Found, Grader, Tools

__all__ = ["GRADERS", "Ask", "Asked", "Found", "Grader", "Tools", "grade", "problem"]

GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        **texts.GRADERS,
        **distances.GRADERS,
        **structures.GRADERS,
        **numbers.GRADERS,
        **calls.GRADERS,
        **instructions.GRADERS,
        **expenses.GRADERS,
        **code.GRADERS,
        **judges.GRADERS,
    }
)
"""Every grader, by the name that suites give it."""

_ROUNDING = 1e-9


def problem(check: Check, case: Case) -> str | None:
    """Why a check of a case cannot be used, one sentence; None if it can. No answer is needed for it."""
    grader = GRADERS.get(check.type)
    if grader is None:
        return f"`{check.type[:80]}` is not a grader{nearest(check.type, GRADERS)}"
    for name in check.options.keys() - grader.options.keys():
        return f"`{check.type}` has no option `{name[:80]}`{nearest(name, grader.options) if grader.options else '.'}"
    if check.threshold is not None and not 0 <= check.threshold <= 1:
        return f"The threshold of `{check.type}` must be from 0 to 1."
    if not math.isfinite(check.weight) or check.weight < 0:
        return f"The weight of `{check.type}` must be a number of at least 0."
    try:
        grader.read(check, case)
    except FallbackLabError as error:
        return str(error)
    return None


def grade(answered: Answered, check: Check, tools: Tools = Tools()) -> Grade:
    """What one check says of an answer; it never raises, and waits for judges and for code that runs."""
    began = time.perf_counter()
    try:
        found = _found(answered, check, tools)
    except GraderFailed as error:
        return _failed(check, str(error), error.cost, began)
    except FallbackLabError as error:
        return _failed(check, str(error), 0.0, began)
    except Exception as error:  # noqa: BLE001  # a mistake in a grader ends no run, and passes nothing
        cost = None if GRADERS[check.type].judges else 0.0
        return _failed(check, f"The grader failed: {type(error).__name__}: {str(error)[:200]}.", cost, began)
    threshold = GRADERS[check.type].threshold if check.threshold is None else check.threshold
    passed = not found.vetoed and found.score >= threshold - _ROUNDING
    reason = found.reason or ("It is what the check rules out." if check.negated and passed else "")
    return Grade(
        check=check.title,
        score=1 - found.score if check.negated else found.score,
        passed=passed != check.negated,
        reason=reason,
        cost=found.cost,
        seconds=time.perf_counter() - began,
    )


def _found(answered: Answered, check: Check, tools: Tools) -> Found:
    grader = GRADERS.get(check.type)
    if grader is None:
        raise GraderFailed(f"`{check.type[:80]}` is not a grader.")
    found = grader.run(answered, check, tools)
    if not 0 <= found.score <= 1:
        raise GraderFailed(f"Its score is {found.score}, which is not from 0 to 1.", found.cost)
    return found


def _failed(check: Check, error: str, cost: float | None, began: float) -> Grade:
    seconds = time.perf_counter() - began
    return Grade(check=check.title, score=None, passed=False, error=error, cost=cost, seconds=seconds)
