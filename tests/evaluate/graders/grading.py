"""What the tests of graders share: an answer to a case, graded by one check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.core.messages import Answer, ToolCall
from router.core.requests import Request
from router.core.suites import Answered, Case, Check, Grade
from router.evaluate.graders import Tools, grade, problem


def case(*, target: Sequence[str] = (), tools: Sequence[Mapping[str, Any]] = (), prompt: str = "Well?") -> Case:
    request = Request(messages=({"role": "user", "content": prompt},), tools=tuple(tools))
    return Case(id="a", request=request, target=tuple(target))


def graded(
    answer: str | Answer,
    kind: str,
    value: Any = None,
    *,
    of: Case | None = None,
    tools: Tools = Tools(),
    negated: bool = False,
    threshold: float | None = None,
    latency: float | None = None,
    cost: float | None = None,
    **options: Any,
) -> Grade:
    """What a check says of an answer; the check must be one that can be used."""
    of = of or case()
    check = Check(type=kind, value=value, options=options, negated=negated, threshold=threshold)
    assert problem(check, of) is None
    given = answer if isinstance(answer, Answer) else Answer(text=answer)
    return grade(Answered(case=of, answer=given, latency=latency, cost=cost), check, tools)


def refused(kind: str, value: Any = None, *, of: Case | None = None, **options: Any) -> str:
    """Why a check cannot be used."""
    said = problem(Check(type=kind, value=value, options=options), of or case())
    assert said is not None
    return said


def called(*calls: tuple[str, str]) -> Answer:
    """An answer that calls tools, each with its arguments as text."""
    return Answer(
        tool_calls=tuple(ToolCall(id=f"c{n}", name=name, arguments=text) for n, (name, text) in enumerate(calls))
    )
