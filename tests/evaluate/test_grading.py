"""A run's graders: who judges, and what that costs."""

from __future__ import annotations

import time

import pytest

from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.messages import Answer
from router.core.requests import Request
from router.core.runs import Planned
from router.core.suites import Answered, Case, Check, Grade, Suite
from router.evaluate.grading import grader
from router.lab import Lab
from tests.conftest import MakeLab
from tests.upstream import Upstream, answer, chain_yaml

VERDICT = '{"reason": "It greets.", "score": 1, "pass": true}'


@pytest.fixture
def lab(make_lab: MakeLab, upstream: Upstream) -> Lab:
    for model in ("a", "other"):
        upstream.script(model, then=answer(VERDICT))
    return make_lab(chain_yaml(upstream, "a", retries=0))


def graded(lab: Lab, *, judge: str | None = None, own: str | None = None) -> Grade:
    """What the rubric of one case says, with the run's judge and the check's own."""
    check = Check(type="llm-rubric", value="It greets.", options={"judge": own} if own else {})
    case = Case(id="c", request=Request(messages=({"role": "user", "content": "Greet."},)), checks=(check,))
    lane = lab.evaluations.lane(Settings(category="chat"))
    plan = Planned(at=time.time(), suite=Suite(name="s", cases=(case,)), lanes=(lane,), judge=judge)
    [grade] = grader(lab.start, lab.config, plan)(Answered(case=case, answer=Answer(text="Hello.")))
    return grade


@pytest.mark.parametrize(("judge", "model"), [("chat", "a"), ("other", "other")], ids=["a chain", "a model"])
def test_the_run_s_judge_is_asked(lab: Lab, upstream: Upstream, judge: str, model: str) -> None:
    assert graded(lab, judge=judge).passed
    assert len(upstream.received(model)) == 1


def test_a_check_s_own_judge_comes_first(lab: Lab, upstream: Upstream) -> None:
    assert graded(lab, judge="chat", own="other").passed
    assert [call.model for call in upstream.requests] == ["other"]


def test_what_a_judge_costs_is_kept(lab: Lab) -> None:
    assert graded(lab, judge="chat").cost == pytest.approx(0.00042)


def test_without_a_judge_nothing_is_asked_and_the_sentence_says_what_to_do(lab: Lab) -> None:
    sentence = r"^`llm-rubric` of case c needs a judge\. Choose a judge for the run, or name one in it\.$"
    with pytest.raises(InvalidRequest, match=sentence):
        graded(lab)
