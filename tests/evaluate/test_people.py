"""People's own grades of a run's answers: what is kept, and how far checks and judges agree with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from router.core.runs import CellKey, Graded
from router.core.suites import Check, Grade
from router.evaluate.people import Rated, agreement_sentence, agreements, opinion
from router.evaluate.results import Results
from router.evaluate.statistics import Agreement, kappa
from router.runs.journal import append
from tests.evaluate.written import A, Came, case, planned, write

EQUALS, JUDGE = Check(type="equals"), Check(type="llm-rubric", name="polite")


def rated(path: Path, came: Sequence[Came], people: Sequence[bool | None], *checks: Check) -> list[Rated]:
    """How far the checks agree with people, who grade each answer of lane a; None takes a grade back."""
    plan = planned(*(case(f"c{n}", checks=checks or (EQUALS,)) for n in range(len(came))), lanes=[A])
    journal = path / "r.jsonl"
    results = write(journal, plan, {"a": {f"c{n}": each for n, each in enumerate(came)}})
    for each, passed in zip(plan.suite.cases, people, strict=False):
        say(journal, CellKey(each.key, A.key, 0), each.id, passed)
    return agreements(results.refresh(), plan)


def say(journal: Path, cell: CellKey, name: str, passed: bool | None, comment: str = "") -> None:
    grades = () if passed is None else (opinion(passed=passed, comment=comment),)
    append(journal, Graded(0, cell, name, grades, by="a person"))


# --- What is kept ----------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "r.jsonl"


@pytest.fixture
def results(journal: Path) -> Results:
    """One answer, which its check passes."""
    return write(journal, planned(case("one"), lanes=[A]), {"a": {"one": True}})


CELL = CellKey(case("one").key, A.key, 0)


def said(results: Results) -> dict[tuple[CellKey, str], Grade]:
    return results.refresh().people


def test_a_person_s_grade_is_kept_with_its_comment(results: Results, journal: Path) -> None:
    say(journal, CELL, "one", False, "Too\n  long.")
    assert said(results) == {(CELL, "one"): Grade(check="person", score=0, passed=False, reason="Too long.")}


def test_the_last_word_counts(results: Results, journal: Path) -> None:
    say(journal, CELL, "one", False)
    say(journal, CELL, "one", True)
    assert [grade.passed for grade in said(results).values()] == [True]


def test_a_grade_that_was_taken_back_is_gone(results: Results, journal: Path) -> None:
    say(journal, CELL, "one", True)
    say(journal, CELL, "one", None)
    assert said(results) == {}


def test_a_person_s_grade_never_changes_the_score(results: Results, journal: Path) -> None:
    say(journal, CELL, "one", False)
    assert results.refresh().scored[CELL, "one"].passed
    assert [grade.check for grade in results.grades(CELL, "one")] == ["equals"]


def test_grades_of_people_outlast_grading_again(results: Results, journal: Path) -> None:
    say(journal, CELL, "one", False)
    append(journal, planned(case("one"), lanes=[A], grade_again=True))
    assert (len(said(results)), results.scored) == (1, {})


# --- Agreement -------------------------------------------------------------------------------------


def test_the_checks_are_set_beside_people(tmp_path: Path) -> None:
    [found] = rated(tmp_path, [True, True, False, False], [True, False, False, False])
    assert (found.check, found.is_judge, found.agreement.items) == ("", False, 4)
    assert found.agreement.share == 0.75


def test_a_judge_is_set_beside_people_by_itself_too(tmp_path: Path) -> None:
    found = rated(tmp_path, [True, False], [True, False], EQUALS, JUDGE)
    assert [(each.check, each.is_judge) for each in found] == [("", False), ("polite", True)]


@pytest.mark.parametrize("came", ["unclear", "not graded yet"])
def test_an_answer_that_a_check_did_not_grade_does_not_count(came: Came, tmp_path: Path) -> None:
    [found] = rated(tmp_path, [True, came], [True, True])
    assert found.agreement.items == 1


def test_an_answer_that_a_judge_could_not_grade_does_not_count(tmp_path: Path) -> None:
    found = rated(tmp_path, [True, "unclear"], [True, True], JUDGE)
    assert {each.check: each.agreement.items for each in found} == {"": 1, "polite": 1}


def test_what_graded_the_most_answers_stands_first(tmp_path: Path) -> None:
    journal = tmp_path / "r.jsonl"
    plan = planned(case("one", checks=(EQUALS, JUDGE)), case("two", checks=(EQUALS, JUDGE)), lanes=[A])
    results = write(journal, plan, {"a": {"one": True, "two": True}})
    unclear = Grade(check="equals", score=None, passed=False, error="It could not tell.")
    append(journal, Graded(0, CELL, "one", (unclear, Grade(check="polite", score=1, passed=True))))
    for each in plan.suite.cases:
        say(journal, CellKey(each.key, A.key, 0), each.id, True)
    found = agreements(results.refresh(), plan)
    assert [(each.check, each.agreement.items) for each in found] == [("polite", 2), ("", 1)]


def test_an_answer_that_people_did_not_grade_does_not_count(tmp_path: Path) -> None:
    [found] = rated(tmp_path, [True, True, True], [True, None])
    assert found.agreement.items == 1


def test_without_grades_of_people_nothing_is_said(tmp_path: Path) -> None:
    assert rated(tmp_path, [True], []) == []


def test_what_people_say_of_a_case_that_left_the_suite_does_not_count(tmp_path: Path) -> None:
    journal = tmp_path / "r.jsonl"
    results = write(journal, planned(case("one"), lanes=[A]), {"a": {"one": True}})
    say(journal, CELL, "one", True)
    append(journal, now := planned(case("two"), lanes=[A]))
    assert agreements(results.refresh(), now) == []


def test_repeats_of_one_case_count_as_a_group(tmp_path: Path) -> None:
    plan = planned(case("one"), case("two"), lanes=[A], repeats=3)
    came: dict[str, Sequence[Came]] = {"one": [True] * 3, "two": [True, False, False]}
    results = write(tmp_path / "r.jsonl", plan, {"a": came})
    for each in plan.suite.cases:
        for repeat in range(3):
            say(tmp_path / "r.jsonl", CellKey(each.key, A.key, repeat), each.id, each.id == "one")
    [found] = agreements(results.refresh(), plan)
    groups = ["one"] * 3 + ["two"] * 3
    assert found.agreement == kappa([True] * 4 + [False] * 2, [True] * 3 + [False] * 3, groups)


# --- In words --------------------------------------------------------------------------------------


def test_the_sentence_on_a_judge_names_it_and_its_kappa() -> None:
    agreement = Agreement(0.5, 0.2, 0.8, 0.1, 0.75, 1200)
    assert agreement_sentence(Rated("polite", is_judge=True, agreement=agreement)) == (
        "The judge polite and people agree on 75% of 1,200 graded answers: kappa 0.50 (0.20 to 0.80)."
    )


def test_where_all_labels_are_the_same_the_sentence_says_what_kappa_needs(tmp_path: Path) -> None:
    [found] = rated(tmp_path, [True, True], [True, True])
    assert agreement_sentence(found) == (
        "The checks and people agree on 100% of 2 graded answers; kappa needs both right and wrong answers among them."
    )
