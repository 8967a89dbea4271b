"""Evaluations against a real server: every case once, nothing paid twice, and what a stop or a kill leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.core.requests import Request
from router.core.runs import LEAST_SCREENED, CellKey, Planned, Sent
from router.core.suites import Answered, Case, Check, Grade, Suite
from router.evaluate.evaluations import Evaluations
from router.evaluate.people import opinion
from router.evaluate.results import Results
from router.evaluate.summary import mean_cost
from router.lab import Lab
from router.runs.journal import Journal
from tests.conftest import MakeLab
from tests.upstream import Upstream, answer, chain_yaml, stall_after, status, when


def case(number: int, **rest: Any) -> Case:
    messages = ({"role": "user", "content": f"Question {number}"},)
    return Case(id=f"case-{number}", request=Request(messages=messages), checks=(Check(type="equals"),), **rest)


def suite(count: int = 4, **rest: Any) -> Suite:
    return Suite(name="s", cases=tuple(case(number, **rest) for number in range(count)))


def says_yes(answered: Answered) -> tuple[Grade, ...]:
    is_right = answered.answer.text == "yes"
    return (Grade(check="equals", score=float(is_right), passed=is_right),)


@pytest.fixture
def lab(make_lab: MakeLab, upstream: Upstream) -> Lab:
    return make_lab(chain_yaml(upstream, "a", "b", retries=0, cache={"enabled": False}))


@pytest.fixture
def evaluations(lab: Lab, tmp_path: Path) -> Iterator[Evaluations]:
    evaluations = Evaluations(
        tmp_path / "runs",
        lab.start,
        lab.config,
        grader=lambda _: says_yes,
        asked_first=lab._asked_first,
        scores=lab.store.scores,
        usual=lab.store.comparisons.usual,
    )
    yield evaluations
    evaluations.close()


def reopened(evaluations: Evaluations) -> Evaluations:
    """What a new process sees."""
    of = evaluations
    return Evaluations(
        of._folder,
        of._start,
        of._config,
        grader=of._grader,
        asked_first=of._asked_first,
        scores=of._scores,
        usual=of._usual,
    )


def planned(evaluations: Evaluations, *lanes: str, **rest: Any) -> Planned:
    return Planned(
        **{
            "at": time.time(),
            "suite": suite(),
            "lanes": tuple(evaluations.lane(Settings(model=name)) for name in lanes or ("a",)),
            **rest,
        }
    )


def over(evaluations: Evaluations, run: str) -> Results:
    """The results of a run when it has ended."""
    evaluation = evaluations.running(run)
    assert evaluation is None or evaluation.wait(30)
    return evaluations.results(run)


def test_every_case_is_asked_once_in_every_lane_and_repeat(evaluations: Evaluations, upstream: Upstream) -> None:
    results = over(evaluations, evaluations.begin(planned(evaluations, "a", "b", repeats=2)))
    assert results.ended == "complete"
    assert [len(upstream.received(model)) for model in "ab"] == [8, 8]
    assert [asked.state for asked in results.asked.values()] == ["answered"] * 16


def test_an_answer_is_scored_by_its_checks(evaluations: Evaluations, upstream: Upstream) -> None:
    upstream.script("a", answer("no"), then=answer("yes"))
    results = over(evaluations, evaluations.begin(planned(evaluations), in_flight=1))
    assert [(scored.score, scored.passed) for scored in results.scored.values()] == [(0, False), *[(1, True)] * 3]


def test_a_failed_call_is_no_wrong_answer(evaluations: Evaluations, upstream: Upstream) -> None:
    upstream.script("a", status(400, "No."))
    results = over(evaluations, evaluations.begin(planned(evaluations), in_flight=1))
    assert [asked.state for asked in results.asked.values()] == ["failed", *["answered"] * 3]
    assert len(results.scored) == 3


def test_failed_cells_alone_are_asked_again_where_that_is_wanted(evaluations: Evaluations, upstream: Upstream) -> None:
    upstream.script("a", status(400, "No."))
    run = evaluations.begin(planned(evaluations), in_flight=1)
    over(evaluations, run)
    evaluations.resume(run)
    assert len(over(evaluations, run).scored) == 3
    evaluations.resume(run, retry_failed=True)
    assert len(over(evaluations, run).scored) == 4
    assert len(upstream.received("a")) == 5


def test_a_run_that_was_stopped_asks_the_others_when_it_is_resumed(
    evaluations: Evaluations, upstream: Upstream
) -> None:
    upstream.script("a", answer("yes"), stall_after(1))
    run = evaluations.begin(planned(evaluations), in_flight=1)
    while len(upstream.received("a")) < 2:
        upstream.wait_received("a")
    evaluation = evaluations.running(run)
    assert evaluation is not None
    evaluation.stop()
    results = over(evaluations, run)
    assert (results.ended, [asked.state for asked in results.asked.values()]) == ("stopped", ["answered", "cut"])
    evaluations.resume(run)
    results = over(evaluations, run)
    assert (results.ended, len(results.scored), len(upstream.received("a"))) == ("complete", 4, 5)


def test_what_a_killed_process_had_sent_is_asked_again_and_counted_as_possibly_paid(
    evaluations: Evaluations, upstream: Upstream, tmp_path: Path
) -> None:
    run = evaluations.begin(planned(evaluations))
    results = over(evaluations, run)
    path = tmp_path / "runs" / f"{run}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    first = next(iter(results.asked))
    sent = msgspec.json.encode(Sent(0, first)) + b"\n"
    path.write_bytes(lines[0] + sent + b'{"type": "answer", "at"')  # killed while it wrote the answer
    again = reopened(evaluations)
    again.resume(run)
    results = over(again, run)
    assert results.possibly_paid == {first}
    assert (len(results.scored), len(upstream.received("a"))) == (4, 8)


def test_an_answer_whose_grades_were_lost_is_graded_without_a_call(
    evaluations: Evaluations, upstream: Upstream, tmp_path: Path
) -> None:
    run = evaluations.begin(planned(evaluations))
    over(evaluations, run)
    path = tmp_path / "runs" / f"{run}.jsonl"
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(keepends=True) if b'"grades"' not in line))
    again = reopened(evaluations)
    again.resume(run)
    assert (len(over(again, run).scored), len(upstream.received("a"))) == (4, 4)


@pytest.mark.parametrize(
    ("extended", "calls"),
    [
        (lambda evaluations, plan: {"repeats": 2}, {"a": 8, "b": 0}),
        (lambda evaluations, plan: {"suite": suite(6)}, {"a": 6, "b": 0}),
        (lambda evaluations, plan: {"lanes": planned(evaluations, "a", "b").lanes}, {"a": 4, "b": 4}),
    ],
    ids=["repeats", "cases", "lanes"],
)
def test_a_run_that_is_extended_asks_only_what_is_new(
    evaluations: Evaluations,
    upstream: Upstream,
    extended: Callable[[Evaluations, Planned], dict[str, Any]],
    calls: dict[str, int],
) -> None:
    run = evaluations.begin(planned(evaluations))
    over(evaluations, run)
    evaluations.resume(run, lambda plan: msgspec.structs.replace(plan, **extended(evaluations, plan)))
    assert len(over(evaluations, run).scored) == sum(calls.values())
    assert {model: len(upstream.received(model)) for model in "ab"} == calls


def test_all_answers_are_graded_again_where_that_is_wanted(evaluations: Evaluations, upstream: Upstream) -> None:
    run = evaluations.begin(planned(evaluations))
    over(evaluations, run)
    changed = reopened(evaluations)
    changed._grader = lambda _: lambda _: (Grade(check="equals", score=1.0, passed=True),)
    changed.resume(run, lambda plan: msgspec.structs.replace(plan, grade_again=True))
    assert [scored.passed for scored in over(changed, run).scored.values()] == [True] * 4
    assert len(upstream.received("a")) == 4


def test_cases_that_ask_the_same_share_one_call_and_have_grades_of_their_own(
    evaluations: Evaluations, upstream: Upstream
) -> None:
    twins = Suite(name="s", cases=(case(1), msgspec.structs.replace(case(1), id="twin")))
    results = over(evaluations, evaluations.begin(planned(evaluations, suite=twins)))
    assert [name for _, name in results.scored] == ["case-1", "twin"]
    assert len(upstream.received("a")) == 1


def test_each_further_turn_follows_the_answer_before_it(evaluations: Evaluations, upstream: Upstream) -> None:
    upstream.script("a", answer("Hello."), answer("yes"))
    turns = suite(1, then=({"role": "user", "content": "And now?"},))
    results = over(evaluations, evaluations.begin(planned(evaluations, suite=turns)))
    said = [message["content"] for message in upstream.received("a")[-1].body["messages"]]
    assert said == ["Question 0", "Hello.", "And now?"]
    assert [scored.passed for scored in results.scored.values()] == [True]


def test_at_its_spending_limit_nothing_more_is_asked(evaluations: Evaluations, upstream: Upstream) -> None:
    plan = planned(evaluations, suite=suite(20), max_cost=0.00042 * 3)
    results = over(evaluations, evaluations.begin(plan, in_flight=1))
    assert (results.ended, len(upstream.received("a"))) == ("limit", 3)


def test_a_lane_s_own_parameters_count(evaluations: Evaluations, upstream: Upstream) -> None:
    lane = evaluations.lane(Settings(model="a", temperature=0.5, system="Be brief.", params={"top_p": 0.9}), "warm")
    over(evaluations, evaluations.begin(planned(evaluations, lanes=(lane,), suite=suite(1))))
    [received] = upstream.received("a")
    assert (received.body["temperature"], received.body["top_p"]) == (0.5, 0.9)
    assert received.body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_chain_that_was_changed_is_another_lane(evaluations: Evaluations, upstream: Upstream, lab: Lab) -> None:
    before = evaluations.lane(Settings(category="chat"))
    lab.path.write_text(chain_yaml(upstream, "b", "a"), encoding="utf-8")
    assert evaluations.lane(Settings(category="chat")).key != before.key


def test_an_answer_outlives_the_process_that_asked(
    evaluations: Evaluations, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.script("a", then=answer("yes"))
    run = evaluations.begin(planned(evaluations))
    over(evaluations, run)
    results = Results(tmp_path / "runs" / f"{run}.jsonl").refresh()
    answers = [result.answers[-1].text for cell in results.asked if (result := results.answer(cell))]
    assert answers == ["yes"] * 4


def test_another_process_does_not_resume_a_run_in_progress(
    evaluations: Evaluations, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.script("a", then=stall_after(1))
    run = evaluations.begin(planned(evaluations))
    with pytest.raises(InvalidRequest, match=f"^Another process is running {run}"):
        Journal(tmp_path / "runs" / f"{run}.jsonl")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"suite": Suite(name="s")}, "The suite s has no cases. Add at least one."),
        ({"lanes": ()}, "A run has 1 to 40 lanes, not 0."),
        ({"repeats": 0}, "Repeats must be 1 to 100, not 0."),
        ({"suite": Suite(name="s", cases=(Case(id="x", request=Request(messages=())),))}, "Case x: The prompt is"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_cannot_be_run_is_told_in_one_sentence(
    evaluations: Evaluations, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        evaluations.begin(planned(evaluations, **change))
    assert str(caught.value).startswith(sentence)


def test_the_same_lane_twice_is_refused(evaluations: Evaluations) -> None:
    with pytest.raises(InvalidRequest, match=r"^Two lanes are the same: a"):
        evaluations.begin(planned(evaluations, "a", "a"))


def test_a_deleted_run_is_gone(evaluations: Evaluations, tmp_path: Path) -> None:
    run = evaluations.begin(planned(evaluations))
    evaluations.delete(run)
    assert (evaluations.all(), list((tmp_path / "runs").iterdir())) == ([], [])
    with pytest.raises(InvalidRequest, match=r"^There is no run "):
        evaluations.results(run)


@pytest.mark.parametrize("run", ["", ".", "a/", "../lab", "/etc/passwd", "..", "a\0b", "x" * 5000, "\ud800", "🙂" * 70])
def test_no_name_leads_out_of_the_folder(evaluations: Evaluations, run: str) -> None:
    with pytest.raises(InvalidRequest):
        evaluations.results(run)


def test_stop_ends_all_calls_in_progress(evaluations: Evaluations, upstream: Upstream) -> None:
    upstream.script("a", then=stall_after(1))
    run = evaluations.begin(planned(evaluations), in_flight=2)
    upstream.wait_received("a")
    threading.Thread(target=evaluations.close).start()
    assert over(evaluations, run).ended == "stopped"
    assert upstream.wait_closed("a").disconnected


def test_what_cannot_be_written_is_not_asked(
    evaluations: Evaluations, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    is_full = threading.Event()
    upstream.script("a", then=when(is_full.is_set, answer("yes")))
    run = evaluations.begin(planned(evaluations), in_flight=1)
    upstream.wait_received("a")
    evaluation = evaluations.running(run)
    assert evaluation is not None
    monkeypatch.setattr("router.runs.journal.os.write", full)
    is_full.set()
    assert evaluation.wait(30)
    assert (len(upstream.received("a")), evaluation.problem and "No space left" in evaluation.problem) == (1, True)


# --- Graded again, once ----------------------------------------------------------------------------


def test_going_on_after_answers_were_graded_again_keeps_those_grades(
    evaluations: Evaluations, upstream: Upstream
) -> None:
    run = evaluations.begin(planned(evaluations))
    over(evaluations, run)
    evaluations.resume(run, lambda plan: msgspec.structs.replace(plan, grade_again=True))
    over(evaluations, run)
    graded: list[str] = []
    evaluations._grader = lambda _: lambda answered: graded.append(answered.case.id) or says_yes(answered)
    evaluations.resume(run, lambda plan: msgspec.structs.replace(plan, suite=suite(5)))
    assert len(over(evaluations, run).scored) == 5
    assert graded == ["case-4"]


# --- Screening -------------------------------------------------------------------------------------


def screening(evaluations: Evaluations, screen: int | None = LEAST_SCREENED, **rest: Any) -> Planned:
    return planned(evaluations, "a", "b", suite=suite(30), screen=screen, **rest)


def asked(upstream: Upstream, model: str) -> set[str]:
    return {call.body["messages"][0]["content"] for call in upstream.received(model)}


def test_the_lanes_after_the_first_are_asked_only_so_many_cases(evaluations: Evaluations, upstream: Upstream) -> None:
    plan = screening(evaluations)
    results = over(evaluations, evaluations.begin(plan))
    assert [len(upstream.received(model)) for model in "ab"] == [30, 20]
    assert (results.ended, results.over, plan.cells) == ("complete", 50, 50)


def test_the_cases_of_a_screening_are_not_those_that_come_first(evaluations: Evaluations, upstream: Upstream) -> None:
    over(evaluations, evaluations.begin(screening(evaluations)))
    assert asked(upstream, "b") != {f"Question {number}" for number in range(LEAST_SCREENED)}


@pytest.mark.parametrize(("screen", "calls"), [(25, 25), (None, 30), (99, 30)])
def test_a_screening_that_is_extended_asks_only_the_rest(
    screen: int | None, calls: int, evaluations: Evaluations, upstream: Upstream
) -> None:
    run = evaluations.begin(screening(evaluations))
    over(evaluations, run)
    evaluations.resume(run, lambda plan: msgspec.structs.replace(plan, screen=screen))
    results = over(evaluations, run)
    assert ([len(upstream.received(model)) for model in "ab"], len(asked(upstream, "b"))) == ([30, calls], calls)
    assert results.over == results.planned.cells == 30 + calls


def test_the_estimate_counts_the_calls_of_a_screening(evaluations: Evaluations) -> None:
    assert evaluations.estimate(screening(evaluations, repeats=2)).calls == 100


def test_a_screening_of_too_few_cases_is_one_sentence(evaluations: Evaluations) -> None:
    with pytest.raises(InvalidRequest, match=r"^Screening needs at least 20 cases, not 19\.$"):
        evaluations.begin(screening(evaluations, 19))


# --- What people say -------------------------------------------------------------------------------


def rated(evaluations: Evaluations, run: str) -> list[bool]:
    return [grade.passed for grade in evaluations.results(run).people.values()]


def test_a_person_s_grade_is_kept_replaced_and_taken_back(evaluations: Evaluations) -> None:
    run = evaluations.begin(planned(evaluations, suite=suite(1)))
    [cell] = over(evaluations, run).asked
    said = []
    for grade in (opinion(passed=False), opinion(passed=True), None):
        evaluations.rate(run, cell, "case-0", grade)
        said.append(rated(evaluations, run))
    assert said == [[False], [True], []]


def test_a_person_grades_a_run_of_another_process(evaluations: Evaluations, upstream: Upstream) -> None:
    upstream.script("a", answer("yes"), then=stall_after(1))
    run = evaluations.begin(planned(evaluations), in_flight=1)
    while len(upstream.received("a")) < 2:
        upstream.wait_received("a")
    other = reopened(evaluations)
    [cell] = [cell for cell, each in other.results(run).asked.items() if each.state == "answered"]
    [case_id] = [name for found, name in other.results(run).scored if found == cell]
    other.rate(run, cell, case_id, opinion(passed=False))
    assert rated(evaluations, run) == [False]
    evaluations.close()
    assert over(evaluations, run).ended == "stopped"


def test_an_answer_that_there_is_not_cannot_be_graded(evaluations: Evaluations, upstream: Upstream) -> None:
    upstream.script("a", then=status(400, "No."))
    run = evaluations.begin(planned(evaluations, suite=suite(1)))
    [cell] = over(evaluations, run).asked
    for missing in (cell, CellKey("question", "lane", 0)):
        with pytest.raises(InvalidRequest, match=r"^This cell has no answer to grade\.$"):
            evaluations.rate(run, missing, "case-0", opinion(passed=True))


def test_a_run_that_there_is_not_cannot_be_graded(evaluations: Evaluations) -> None:
    with pytest.raises(InvalidRequest, match=r"^There is no run x\."):
        evaluations.rate("x", CellKey("question", "lane", 0), "case-0", opinion(passed=True))


# --- Costs -----------------------------------------------------------------------------------------


def test_a_run_that_is_answered_from_the_cache_costs_nothing_and_says_nothing_of_prices(
    make_lab: MakeLab, upstream: Upstream
) -> None:
    lab = make_lab(chain_yaml(upstream, "a", retries=0))
    first, second = (over(lab.evaluations, lab.evaluations.begin(planned(lab.evaluations))) for _ in range(2))
    assert len(upstream.received("a")) == 4
    assert (first.spent, second.spent) == (pytest.approx(4 * 0.00042), 0)
    assert (mean_cost(first.asked.values()), mean_cost(second.asked.values())) == (pytest.approx(0.00042), None)
