"""What a run is likely to cost, judges included: the known is added up, the unknown is said."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from router.core.capabilities import needs_of
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.messages import Answer as Said
from router.core.requests import Request
from router.core.runs import Planned
from router.core.suites import Answered, Case, Check, Suite
from router.evaluate.graders import GRADERS, Asked, Tools
from router.evaluate.graders.judges import ANY_VERDICT
from router.lab import Lab
from router.runs.estimate import Estimate
from tests.conftest import MakeLab
from tests.evaluate.written import case
from tests.upstream import Answer, Upstream, answer, chain_yaml

A_DOLLAR_A_TOKEN = {"price": {"input": 1_000_000, "output": 0}}
FREE = {"price": {"input": 0, "output": 0}}

RUBRIC = Check(type="llm-rubric", value="It greets.")
PAIR = Check(type="pairwise", value="Good day.")


@pytest.fixture
def lab(make_lab: MakeLab, upstream: Upstream) -> Lab:
    for model in ("judge", "other"):
        upstream.script(model, then=answer(ANY_VERDICT))
    for number, model in enumerate(("a", "b")):
        # Of four characters a token, as estimates take them to be; and no two alike, which judges would be asked once.
        upstream.script(model, *(Answer(tokens=(f"{number}{n:03}",) * 7) for n in range(100)))
    prices = {"local:a": FREE, "local:b": FREE, "local:judge": A_DOLLAR_A_TOKEN, "local:free": FREE}
    config = json.loads(chain_yaml(upstream, "a", retries=0, cache={"enabled": False}))
    config["chains"]["brief"] = [{"model": "judge", "params": {"max_tokens": 4}}]
    return make_lab(json.dumps({**config, "models": prices}))


def planned(lab: Lab, *cases: Case, lanes: tuple[str, ...] = ("a", "b"), **rest: Any) -> Planned:
    found = tuple(lab.evaluations.lane(Settings(model=name)) for name in lanes)
    return Planned(at=time.time(), suite=Suite(name="s", cases=cases), lanes=found, **{"judge": "judge", **rest})


def likely(lab: Lab, *cases: Case, **rest: Any) -> Estimate:
    return lab.evaluations.estimate(planned(lab, *cases, **rest))


def run(lab: Lab, plan: Planned) -> None:
    evaluation = lab.evaluations.running(lab.evaluations.begin(plan))
    assert evaluation is None or evaluation.wait(30)
    lab.store.writer.flush()


def see(lab: Lab, model: str) -> None:
    """Call a model, so that its answers' length is known."""
    lab.start(Request(messages=({"role": "user", "content": "Hello"},)), model=model).result()
    lab.store.writer.flush()


CASES = (
    case("greets", checks=(RUBRIC, PAIR)),
    case("talks", then=({"role": "user", "content": "And again?"},), checks=(RUBRIC,)),
    case("equals", target=("x",)),
)


def test_the_calls_of_judges_are_those_that_a_run_makes(lab: Lab, upstream: Upstream) -> None:
    plan = planned(lab, *CASES, repeats=2)
    found = lab.evaluations.estimate(plan)
    run(lab, plan)
    assert (found.calls, found.judge_calls) == (16, 16)
    assert len(upstream.received("a")) + len(upstream.received("b")) == found.calls
    assert len(upstream.received("judge")) == found.judge_calls


def test_calls_of_cases_with_one_turn_need_no_explanation(lab: Lab) -> None:
    assert likely(lab, CASES[0]).sentence().startswith("2 calls and ")


def test_what_judges_cost_is_the_price_of_what_they_are_going_to_read(lab: Lab, upstream: Upstream) -> None:
    plan = planned(lab, *CASES)
    run(lab, plan)
    read = [Request(messages=tuple(call.body["messages"])) for call in upstream.received("judge")]
    found = lab.evaluations.estimate(plan)
    assert found.cost == sum(needs_of(request).likely_tokens for request in read)
    assert found.no_cost == ()


def test_a_judge_whose_price_is_unknown_is_named(lab: Lab) -> None:
    assert likely(lab, *CASES, judge="other").sentence() == (
        "8 calls (the cases have 4 turns, each a call) and 8 judge calls."
        " Likely cost: $0 without the judge other (price or length unknown)."
        " Likely time: unknown."
    )


def test_a_judge_of_answers_of_unknown_length_is_named_unless_it_is_free(lab: Lab) -> None:
    assert likely(lab, *CASES, judge="brief").no_cost == ("the judge brief",)
    assert likely(lab, *CASES, judge="free").no_cost == ()
    for model in ("a", "b"):
        see(lab, model)
    assert likely(lab, *CASES, judge="brief").no_cost == ()


def test_a_judge_without_a_price_costs_what_its_earlier_answers_did(lab: Lab) -> None:
    see(lab, "other")
    assert likely(lab, *CASES, judge="other").cost == pytest.approx(8 * 0.00042)


def test_judges_are_told_apart(lab: Lab) -> None:
    own = Check(type="llm-rubric", value="It greets.", options={"judge": "chat"})
    found = likely(lab, case("greets", checks=(RUBRIC, own)), lanes=("a",), judge="other")
    assert (found.judge_calls, found.no_cost) == (2, ("the judge other",))  # the chain's first model is free


def test_judges_take_their_time_after_the_answers(lab: Lab) -> None:
    for model in ("a", "b", "judge"):
        see(lab, model)
    plan = planned(lab, *CASES)
    with_judges = lab.evaluations.estimate(plan)
    without = likely(lab, *(case(each.id, then=each.then) for each in CASES))
    assert with_judges.time > without.time > 0


def test_a_screening_asks_judges_for_fewer_answers(lab: Lab) -> None:
    cases = [case(f"case {number}", checks=(RUBRIC,)) for number in range(30)]
    assert likely(lab, *cases, screen=20).judge_calls == 50


def test_without_a_judge_the_sentence_says_what_to_do(lab: Lab) -> None:
    with pytest.raises(
        InvalidRequest, match=r"^`llm-rubric` of case greets needs a judge\. Choose a judge for the run"
    ):
        likely(lab, *CASES, judge=None)


def test_without_checks_that_ask_one_no_judge_is_counted(lab: Lab) -> None:
    found = likely(lab, case("equals", target=("x",)))
    assert (found.judge_calls, "judge" in found.sentence()) == (0, False)


@pytest.mark.parametrize("name", [name for name, grader in GRADERS.items() if grader.judges])
def test_every_grader_that_asks_a_judge_reads_what_stands_in_for_a_verdict(name: str) -> None:
    asked: list[Request] = []

    def ask(request: Request, _: str | None) -> Asked:
        asked.append(request)
        return Asked(Said(text=ANY_VERDICT), 0.0)

    check = Check(type=name, value="It greets.")
    GRADERS[name].run(Answered(case=case("greets", checks=(check,)), answer=Said(text="Hi")), check, Tools(ask=ask))
    assert len(asked) == {"llm-rubric": 1, "pairwise": 2}[name]
