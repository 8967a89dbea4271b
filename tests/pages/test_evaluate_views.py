"""What the Evaluate page shows of a run: cases by lanes, the answers behind a cell, what changed since another run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from router.lab import open_lab
from tests.pages.conftest import HOSTILE, OpenApp, look, sources, texts
from tests.pages.evaluate_page import (
    SUITE,
    click,
    fill,
    finish,
    link,
    open_cell,
    put,
    results,
    run,
    tab,
    table,
    view,
)
from tests.upstream import Upstream, answer, status

THREE = """\
name: mine
cases:
  - {id: right, prompt: The capital of France?, category: code, checks: [contains: word1]}
  - {id: wrong, prompt: The capital of Peru?, category: tools, checks: [contains: Lima]}
  - {id: unlike, prompt: Anything else?, category: tools, tags: [last], checks: [contains: word1]}
"""


@pytest.fixture(autouse=True)
def suite(home: Path) -> Path:
    return put(home, text=THREE)


@pytest.fixture
def cases(open_evaluate: OpenApp, upstream: Upstream) -> AppTest:
    """The cases of a run: lane one passes two of three, lane two one."""
    upstream.script("two", then=answer("word1 is Lima, unlike others."))
    app = run(open_evaluate(), "one", "two")
    return view(app, "Cases")


# --- Cases by lanes --------------------------------------------------------------------------------


def cells(app: AppTest) -> dict[str, list[str]]:
    """Each case's cells."""
    return {row["case"]: [str(row[name][0]) for name in row if name.startswith("lane_")] for row in table(app)}


def test_each_case_has_a_cell_a_lane(cases: AppTest) -> None:
    assert cells(cases) == {"right": ["✓", "✓"], "wrong": ["✕", "✓"], "unlike": ["✓", "✓"]}
    assert [row["prompt"] for row in table(cases)] == [
        "The capital of France?",
        "The capital of Peru?",
        "Anything else?",
    ]


def test_only_filters_that_leave_something_are_offered(cases: AppTest) -> None:
    assert [option.content for option in cases.button_group(key="evaluate_show").proto.options] == [
        "All 3",
        "Wrong 1",
        "Lanes differ 1",
    ]


@pytest.mark.parametrize("show", ["wrong", "differs"])
def test_a_filter_leaves_its_cases(show: str, cases: AppTest) -> None:
    cases.button_group(key="evaluate_show").set_value(show)
    assert list(cells(look(cases))) == ["wrong"]


def test_a_category_leaves_its_cases(cases: AppTest) -> None:
    cases.button_group(key="evaluate_matrix_category").set_value("tools")
    assert list(cells(look(cases))) == ["wrong", "unlike"]


@pytest.mark.parametrize(
    ("words", "left"), [("capital", ["right", "wrong"]), ("PERU", ["wrong"]), ("last", ["unlike"])]
)
def test_a_search_leaves_the_cases_with_these_words(words: str, left: list[str], cases: AppTest) -> None:
    cases.text_input(key="evaluate_search").set_value(words)
    assert list(cells(look(cases))) == left


def test_where_no_case_is_left_the_page_says_so(cases: AppTest) -> None:
    cases.text_input(key="evaluate_search").set_value("nowhere")
    assert "No case is like this." in texts(look(cases))


def test_a_cell_that_was_clicked_before_a_filter_left_fewer_rows_opens_nothing(cases: AppTest) -> None:
    app = open_cell(cases, 2, 0)
    app.text_input(key="evaluate_search").set_value("peru")
    app = open_cell(app, 2, 0)
    assert "Click a lane's cell to see its answers and grades." in texts(app)


def test_a_failed_call_stands_beside_wrong_answers(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=status(400, "No."))
    app = view(run(open_evaluate(), "one"), "Cases")
    assert cells(app) == {name: ["no answer"] for name in ("right", "wrong", "unlike")}


# --- The answers behind a cell ---------------------------------------------------------------------


def test_a_cell_opens_its_question_answer_and_grades(cases: AppTest) -> None:
    app = open_cell(cases, 1, 1)
    said = texts(app)
    assert "**wrong** · two" in said
    assert {"The capital of Peru?", "word1 is Lima, unlike others."} <= {text.strip() for text in said}
    [grade] = table(app, 1)
    assert (grade["check"], grade["result"], grade["score"]) == ("contains", "passed", 1)


def test_a_right_answer_that_the_case_names_is_shown(open_evaluate: OpenApp, home: Path) -> None:
    put(home, text=SUITE)
    app = open_cell(view(run(open_evaluate(), "one"), "Cases"), 1, 0)
    assert "word1 word1" in texts(app)
    assert "Right answer" in texts(app)


def test_a_case_that_was_not_asked_says_so(open_evaluate: OpenApp, home: Path, upstream: Upstream) -> None:
    app = run(open_evaluate(), "one")
    put(home, text=THREE)
    app.multiselect(key=f"evaluate_more_lanes_{link(app)}").set_value(["two"])
    app.number_input(key=f"evaluate_more_limit_{link(app)}").set_value(0.00001)
    app = finish(click(look(app), "evaluate_extend_run"))
    app = open_cell(view(app, "Cases"), 0, 1)
    assert "Not asked yet." in texts(app)


def test_why_no_model_answered_is_told(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=status(400, f"No {HOSTILE}."))
    app = open_cell(view(run(open_evaluate(), "one"), "Cases"), 0, 0)
    (error,) = app.error
    assert "No " in error.value
    assert not [element for element in app.get("form") if element]


def test_each_repeat_has_a_page(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=answer("word1"))
    app = fill(open_evaluate(), "one")
    app.number_input(key="evaluate_repeats").set_value(2)
    app = finish(click(look(app), "evaluate_start"))
    app = open_cell(view(app, "Cases"), 0, 0)
    assert [each.num_pages for each in app.pagination] == [2]
    app.pagination[0].set_value(2)
    assert "word1" in texts(look(app))


# --- A person's grade ------------------------------------------------------------------------------


def grade(app: AppTest, verdict: str | None, comment: str = "") -> AppTest:
    """Grade the answer that is open."""
    next(group for group in app.button_group if group.label == "Your grade").set_value(verdict)
    next(each for each in app.text_input if each.label == "Comment").set_value(comment)
    next(button for button in app.button if button.label == "Save grade").click()
    return look(app)


def test_a_person_s_grade_is_saved_and_shown_again(cases: AppTest) -> None:
    app = grade(open_cell(cases, 1, 1), "Wrong", "Too short")
    assert [(each.passed, each.reason) for each in results(app).people.values()] == [(False, "Too short")]
    app = open_cell(app, 1, 1)
    assert next(group for group in app.button_group if group.label == "Your grade").value == "Wrong"
    assert next(each for each in app.text_input if each.label == "Comment").value == "Too short"


def test_a_person_s_grade_is_taken_back(cases: AppTest) -> None:
    app = grade(open_cell(cases, 1, 1), "Right")
    app = grade(open_cell(app, 1, 1), None)
    assert results(app).people == {}


def test_the_verdict_says_how_far_checks_and_people_agree(cases: AppTest) -> None:
    app = grade(open_cell(cases, 0, 0), "Right")
    app = grade(open_cell(app, 1, 0), "Right")
    said = " ".join(texts(view(app, "Verdict")))
    assert "The checks and people agree on 50% of 2 graded answers" in said


def test_a_grade_of_a_run_that_was_deleted_meanwhile_is_one_sentence(cases: AppTest) -> None:
    app = open_cell(cases, 0, 0)
    named = link(app)
    open_lab().evaluations.delete(named)
    app = grade(app, "Right")
    assert [warning for warning in app.warning if "There is no run" in warning.value]


# --- Since an earlier run --------------------------------------------------------------------------


def test_without_another_run_of_the_suite_there_is_nothing_to_compare_with(cases: AppTest) -> None:
    assert "No other run has a lane and a case of this one." in texts(view(cases, "Since an earlier run"))


def test_what_changed_since_an_earlier_run_stands_case_by_case(
    open_evaluate: OpenApp, home: Path, upstream: Upstream
) -> None:
    run(open_evaluate(), "one")
    put(home, text=THREE.replace("id: wrong", "id: renamed"))
    upstream.script("one", then=answer("Lima"))
    app = view(run(open_evaluate(), "one"), "Since an earlier run")
    assert "**one**: 2 cases worse, 1 case better" in texts(app)
    assert {row["case"]: (row["change"], row["before"], row["after"]) for row in table(app)} == {
        "right": ("worse", 1, 0),
        "unlike": ("worse", 1, 0),
        "renamed": ("better", 0, 1),
    }
    assert [text for text in texts(app) if "one in the baseline" in text]


def test_a_run_of_other_cases_is_not_offered(open_evaluate: OpenApp, home: Path) -> None:
    run(open_evaluate(), "one")
    put(home, text=SUITE)
    app = view(run(open_evaluate(), "one"), "Since an earlier run")
    assert "No other run has a lane and a case of this one." in texts(app)


# --- Hostile texts ---------------------------------------------------------------------------------


HOSTILE_SUITE = f"""\
name: mine
description: '{HOSTILE}'
category: '{HOSTILE}'
cases:
  - id: '{HOSTILE}'
    prompt: '{HOSTILE}'
    target: '{HOSTILE}'
    checks: [{{contains: {{value: '{HOSTILE}', name: '{HOSTILE}'}}}}]
  - {{id: other, category: other, prompt: Other, checks: [{{contains: x}}]}}
"""


def directives(app: AppTest) -> list[str]:
    """Texts in which Streamlit would read a color or a link that is not ours."""
    labels = [each.label for each in (*app.button, *app.selectbox, *app.multiselect, *app.text_input, *app.expander)]
    return [text for text in [*sources(app), *labels] if re.search(r"(?<!\\):red\[y|(?<!\\)\]\(javascript", text)]


@pytest.fixture
def hostile(open_evaluate: OpenApp, home: Path, upstream: Upstream) -> AppTest:
    """A run in which every name, prompt and answer is hostile."""
    put(home, text=HOSTILE_SUITE)
    upstream.script(HOSTILE, then=answer(HOSTILE))
    return run(open_evaluate(), "code", HOSTILE)


def test_a_hostile_lane_case_prompt_and_answer_are_text(hostile: AppTest) -> None:
    assert directives(hostile) == []
    app = open_cell(view(hostile, "Cases"), 0, 1)
    assert directives(app) == []
    app = grade(app, "Wrong", HOSTILE)
    assert directives(open_cell(app, 0, 1)) == []
    assert directives(view(app, "Verdict")) == []


def test_a_hostile_run_beside_an_earlier_one_is_text(hostile: AppTest, open_evaluate: OpenApp) -> None:
    app = view(run(open_evaluate(), HOSTILE), "Since an earlier run")
    assert directives(app) == []
    assert [text for text in texts(app) if HOSTILE in text]


def test_a_hostile_error_is_text(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=status(400, HOSTILE))
    app = open_cell(view(run(open_evaluate(), "one"), "Cases"), 0, 0)
    assert directives(app) == []


def test_a_hostile_suite_and_run_are_text_in_their_lists(hostile: AppTest, open_evaluate: OpenApp) -> None:
    for name in ("Earlier runs", "Suites"):
        app = tab(open_evaluate(), name)
        assert directives(app) == []
