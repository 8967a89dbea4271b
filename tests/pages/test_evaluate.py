"""The Evaluate page without a browser: the form, a run and what can be done with it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from router.core.conversations import Settings
from router.lab import close_lab, open_lab
from router.runs.journal import Journal
from tests.pages.conftest import OpenApp, as_read, look, open_page, texts
from tests.pages.evaluate_page import (
    SUITE,
    begin,
    click,
    fill,
    finish,
    has,
    link,
    put,
    results,
    run,
    tab,
    table,
)
from tests.upstream import Upstream, answer, silent, status


@pytest.fixture(autouse=True)
def suite(home: Path) -> Path:
    return put(home)


def problem(app: AppTest) -> str:
    """Why the button Run is disabled; empty if it is not."""
    if not app.button(key="evaluate_start").disabled:
        return ""
    [said] = [text for text in texts(app) if ":material/info: " in text]
    return said.partition(":material/info: ")[2].removesuffix("]")


def errors(app: AppTest) -> list[str]:
    return [as_read(error.value) for error in app.error]


# --- The form --------------------------------------------------------------------------------------


def test_at_first_a_chain_stands_beside_its_primary(open_evaluate: OpenApp) -> None:
    app = open_evaluate()
    assert app.multiselect(key="evaluate_suites").value == ["reasoning"]
    assert app.multiselect(key="evaluate_lanes").value == ["conversation", "one"]
    assert problem(app) == ""


def test_the_calls_and_the_cases_are_told_before_a_run(open_evaluate: OpenApp) -> None:
    said = " ".join(texts(fill(open_evaluate(), "one", "two")))
    assert "2 cases. " in said
    assert "4 calls. " in said


KEYLESS = """\
default_provider: far
providers:
  far: {protocol: openai, base_url: "http://127.0.0.1:9", api_key: "${NO_SUCH_API_KEY}"}
  near: {protocol: openai, base_url: "http://127.0.0.1:9"}
offline: near:small
chains: {conversation: [one]}
"""


def test_lanes_without_a_key_are_named_before_a_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_API_KEY", raising=False)
    said = " ".join(texts(fill(open_page("evaluate.py", home, KEYLESS), "conversation", "one")))
    assert "near:small answers in place of conversation. one cannot answer. NO_SUCH_API_KEY is not" in said


def test_the_calls_of_judges_are_told_before_a_run_and_an_unpriced_judge_is_named(
    open_evaluate: OpenApp, home: Path
) -> None:
    put(home, text="name: mine\ncases:\n  - {id: hi, prompt: Hello, checks: [{llm-rubric: Is it polite?}]}\n")
    app = fill(open_evaluate(), "one", "two")
    app.selectbox(key="evaluate_judge").set_value("three")
    said = " ".join(texts(look(app)))
    assert "2 calls and 2 judge calls. Likely cost: unknown. " in said


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("evaluate_suites", "Choose at least one suite."),
        ("evaluate_lanes", "Choose at least one lane."),
    ],
)
def test_what_is_missing_is_one_sentence(key: str, sentence: str, open_evaluate: OpenApp) -> None:
    app = open_evaluate()
    app.multiselect(key=key).set_value([])
    assert problem(look(app)) == sentence


def test_a_parameter_that_cannot_be_read_is_named(open_evaluate: OpenApp) -> None:
    app = fill(open_evaluate())
    app.text_area(key="evaluate_lanes_variant_params").set_value("{")
    assert problem(look(app)).startswith("Fix the parameters first. ")


def test_all_chains_and_models_are_one_click_away(open_evaluate: OpenApp) -> None:
    app = click(open_evaluate(), "evaluate_lanes_all")
    chosen = app.multiselect(key="evaluate_lanes").value
    assert [*chosen[:2], len(chosen)] == ["conversation", "code", 6]
    assert problem(app) == ""


def test_a_lane_with_parameters_is_asked_with_them(open_evaluate: OpenApp, upstream: Upstream) -> None:
    app = fill(open_evaluate(), "one")
    app.selectbox(key="evaluate_lanes_variant_of").set_value(("one", Settings(model="one")))
    app.number_input(key="evaluate_lanes_variant_temperature").set_value(0.5)
    app = click(look(app), "evaluate_lanes_variant_add")
    assert app.multiselect(key="evaluate_lanes").value == ["one", "one, temperature 0.5"]
    finish(click(app, "evaluate_start"))
    assert sorted(str(call.body.get("temperature")) for call in upstream.received("one")) == ["0.5"] * 2 + ["None"] * 2


def test_another_model_can_be_typed(open_evaluate: OpenApp, upstream: Upstream) -> None:
    run(open_evaluate(), "one", "local:typed")
    assert len(upstream.received("typed")) == 2


@pytest.fixture
def namesakes(home: Path, compare_yaml: str) -> OpenApp:
    """Opens the page where two chains have the names of models that stand in other places of chains."""
    chains = {"conversation": ["two", "one"], "one": ["three", "two"], "local:two": ["three"]}
    models_yaml = json.dumps({**json.loads(compare_yaml), "chains": chains})
    return functools.partial(open_page, "evaluate.py", home, models_yaml)


def test_a_chain_and_a_model_of_one_name_are_lanes_of_their_own(namesakes: OpenApp, upstream: Upstream) -> None:
    app = namesakes()
    offered = app.multiselect(key="evaluate_lanes").options
    assert offered == ["conversation", "one", "local:two", "two", "local:one", "three"]
    app = run(app, "one", "local:one")
    assert [(lane.settings.category, lane.settings.model) for lane in results(app).planned.lanes] == [
        ("one", None),
        (None, "one"),
    ]
    assert [len(upstream.received(model)) for model in ("three", "one")] == [2, 2]


def test_a_chain_with_a_model_s_whole_reference_for_a_name_hides_no_model(
    home: Path, compare_yaml: str, upstream: Upstream
) -> None:
    chains = {"conversation": ["local:one"], "local:one": ["two"]}
    app = open_page("evaluate.py", home, json.dumps({**json.loads(compare_yaml), "chains": chains}))
    assert app.multiselect(key="evaluate_lanes").value == ["conversation", "local:one (model)"]
    assert "local:one (model)" not in app.selectbox(key="evaluate_judge").options
    run(app, "local:one", "local:one (model)")
    assert [len(upstream.received(model)) for model in ("two", "one")] == [2, 2]


def test_nothing_more_is_asked_at_the_spending_limit(open_evaluate: OpenApp, home: Path, upstream: Upstream) -> None:
    cases = "".join(f"  - {{prompt: Question {n}, checks: [contains: word1]}}\n" for n in range(100))
    put(home, text=f"name: mine\ncases:\n{cases}")
    app = fill(open_evaluate(), "one")
    app.number_input(key="evaluate_limit").set_value(0.001)
    app = finish(click(look(app), "evaluate_start"))
    assert len(upstream.received("one")) < 100
    assert [text for text in texts(app) if "at its spending limit" in text]


def test_a_judge_that_is_missing_is_one_sentence_before_any_call(
    open_evaluate: OpenApp, home: Path, upstream: Upstream
) -> None:
    put(home, text="name: mine\ncases:\n  - {id: hi, prompt: Hello, checks: [{llm-rubric: Is it polite?}]}\n")
    said = problem(fill(open_evaluate(), "one"))
    assert said == "`llm-rubric` of case hi needs a judge. Choose a judge for the run, or name one in it."
    assert upstream.requests == []


def test_a_suite_that_was_deleted_meanwhile_is_not_chosen_any_more(open_evaluate: OpenApp, suite: Path) -> None:
    app = fill(open_evaluate())
    suite.unlink()
    assert problem(look(app)) == "Choose at least one suite."


def test_a_suite_that_became_wrong_is_told_with_its_line(open_evaluate: OpenApp, home: Path) -> None:
    app = fill(open_evaluate())
    put(home, text=SUITE.replace("contains", "contain"))
    assert "mine.yaml, line 5: " in problem(look(app))


def test_the_form_is_as_it_was_after_a_visit_to_another_page(open_evaluate: OpenApp) -> None:
    app = fill(open_evaluate(), "two")
    app.number_input(key="evaluate_repeats").set_value(3)
    look(app).switch_page("chat.py")
    look(app).switch_page("evaluate.py")
    look(app)
    assert app.multiselect(key="evaluate_lanes").value == ["two"]
    assert app.number_input(key="evaluate_repeats").value == 3


# --- A run -----------------------------------------------------------------------------------------


def test_a_run_is_begun_shown_while_it_lasts_and_ends_with_a_verdict(
    open_evaluate: OpenApp, upstream: Upstream
) -> None:
    upstream.script("two", silent)
    app = begin(open_evaluate())
    assert [text for text in texts(app) if "in progress" in text]
    upstream.wait_received("two")
    upstream.reset()
    click(app, "evaluate_stop")
    app = finish(click(finish(app), "evaluate_go_on"))
    assert results(app).ended == "complete"
    assert [text for text in texts(app) if "two and one are not separable yet" in text]


def test_the_lanes_stand_in_tiers_with_their_intervals_and_costs(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=answer("word1 word1"))
    app = run(open_evaluate())
    assert [(row["tier"], row["lane"], row["passed"], row["cases"]) for row in table(app)] == [
        (1, "one", 100, 2),
        (1, "two", 50, 2),
    ]
    assert [row["interval"] for row in table(app)] == ["34% to 100%", "9% to 91%"]


def test_a_run_of_one_lane_has_no_verdict_box(open_evaluate: OpenApp) -> None:
    app = run(open_evaluate(), "one")
    assert [block.key for block in app.get("container") if block.key == "evaluate_verdict"] == []
    assert len(table(app)) == 1


def test_costs_that_are_unknown_are_said_to_be(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=answer(usage=None))
    app = run(open_evaluate(), "one")
    assert [(row["cost"], row["unpriced"]) for row in table(app)] == [(pytest.approx(float("nan"), nan_ok=True), 2)]
    assert "Quality and cost: unknown." in texts(app)


def test_stop_cuts_what_is_in_progress_and_go_on_asks_the_rest(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", then=silent)
    app = begin(open_evaluate(), "one")
    upstream.wait_received("one")
    app = click(app, "evaluate_stop")
    assert upstream.wait_closed("one").disconnected
    assert results(app).ended == "stopped"
    upstream.reset()
    app = finish(click(app, "evaluate_go_on"))
    assert (results(app).ended, len(upstream.received("one")), has(app, "evaluate_go_on")) == ("complete", 2, False)


def test_what_no_model_answered_is_asked_again_on_a_click(open_evaluate: OpenApp, upstream: Upstream) -> None:
    upstream.script("one", status(400, "No."), status(400, "No."))
    app = run(open_evaluate(), "one")
    assert app.button(key="evaluate_retry").label == "Ask 2 failed again"
    assert any("2 of 2 answers, 2 failed, complete" in text for text in texts(app))
    app = finish(click(app, "evaluate_retry"))
    assert (len(results(app).scored), has(app, "evaluate_retry")) == (2, False)


def test_a_run_is_extended_by_a_lane_and_by_repeats(open_evaluate: OpenApp, upstream: Upstream) -> None:
    app = run(open_evaluate(), "one")
    named = link(app)
    app.number_input(key=f"evaluate_more_{named}").set_value(2)
    app.multiselect(key=f"evaluate_more_lanes_{named}").set_value(["two"])
    app = finish(click(look(app), "evaluate_extend_run"))
    assert [len(upstream.received(model)) for model in ("one", "two")] == [4, 4]
    assert [row["lane"] for row in table(app)] == ["one", "two"]


THIRD = "  - {id: thrice, prompt: Say hello thrice., checks: [{contains: word1}]}\n"


def test_cases_that_a_suite_has_got_since_are_added_to_a_run(
    open_evaluate: OpenApp, home: Path, upstream: Upstream
) -> None:
    app = run(open_evaluate(), "one")
    assert not has(app, "evaluate_add_cases")
    put(home, text=SUITE + THIRD)
    assert look(app).button(key="evaluate_add_cases").label == "Add 1 new case"
    app = finish(click(app, "evaluate_add_cases"))
    assert (results(app).ended, [row["cases"] for row in table(app)]) == ("complete", [3])
    assert len(upstream.received("one")) == 3
    assert not has(app, "evaluate_add_cases")


def test_what_else_was_edited_meanwhile_leaves_a_run_as_it_is(open_evaluate: OpenApp, home: Path) -> None:
    app = run(open_evaluate(), "one")
    before = results(app).planned.suite.cases
    put(home, text=SUITE.replace("Say hello.", "Say goodbye.").replace("twice, prompt", "both, prompt") + THIRD)
    assert look(app).button(key="evaluate_add_cases").label == "Add 1 new case"
    app = finish(click(app, "evaluate_add_cases"))
    assert results(app).planned.suite.cases[:2] == before
    assert [row["cases"] for row in table(app)] == [3]


def test_cases_are_added_to_suites_that_were_run_as_one_and_under_their_own_names(
    open_evaluate: OpenApp, home: Path
) -> None:
    put(home, "file.yaml", SUITE.replace("name: mine", "name: other"))
    app = fill(open_evaluate(), "one")
    app.multiselect(key="evaluate_suites").set_value(["mine", "file"])
    app = finish(click(look(app), "evaluate_start"))
    put(home, "file.yaml", SUITE.replace("name: mine", "name: other") + THIRD)
    app = finish(click(look(app), "evaluate_add_cases"))
    assert [case.id for case in results(app).planned.suite.cases][-2:] == ["other/twice", "other/thrice"]


@pytest.mark.parametrize(
    "now", ["cases: [", SUITE.replace("Say hello", "Ask") + THIRD, SUITE.replace("name: mine", "name: other") + THIRD]
)
def test_no_cases_are_offered_of_a_suite_that_is_another_one_by_now(
    now: str, open_evaluate: OpenApp, home: Path
) -> None:
    app = run(open_evaluate(), "one")
    put(home, text=now)
    assert not has(look(app), "evaluate_add_cases")
    (home / ".lab" / "suites" / "mine.yaml").unlink()
    assert not has(look(app), "evaluate_add_cases")


def test_a_lane_that_a_run_has_already_is_not_added_again(open_evaluate: OpenApp, upstream: Upstream) -> None:
    app = run(open_evaluate(), "one")
    app.multiselect(key=f"evaluate_more_lanes_{link(app)}").set_value(["one", "two"])
    app = finish(click(look(app), "evaluate_extend_run"))
    assert errors(app) == []
    assert [row["lane"] for row in table(app)] == ["one", "two"]


def test_grading_again_asks_no_model(open_evaluate: OpenApp, upstream: Upstream) -> None:
    app = run(open_evaluate(), "one")
    app = finish(click(app, "evaluate_grade_again"))
    assert (len(upstream.received("one")), len(results(app).scored)) == (2, 2)


def test_after_grading_again_a_run_that_is_extended_keeps_its_grades(open_evaluate: OpenApp) -> None:
    app = finish(click(run(open_evaluate(), "one"), "evaluate_grade_again"))
    app.number_input(key=f"evaluate_more_{link(app)}").set_value(2)
    app = finish(click(look(app), "evaluate_extend_run"))
    assert results(app).planned.grade_again is False


def delete(app: AppTest) -> AppTest:
    """Click both buttons; only a browser draws the dialog again by itself."""
    app.button(key="evaluate_delete").click()
    return click(app, "evaluate_delete_it")


def test_a_run_is_deleted_after_a_second_click(open_evaluate: OpenApp) -> None:
    app = run(open_evaluate(), "one")
    named = link(app)
    app = click(app, "evaluate_delete")
    assert open_lab().evaluations.all() == [named]
    app = delete(app)
    assert (open_lab().evaluations.all(), dict(app.query_params)) == ([], {})
    assert has(app, "evaluate_start")


def test_a_new_run_begins_with_the_form_as_it_was(open_evaluate: OpenApp) -> None:
    app = click(run(open_evaluate(), "two"), "evaluate_new")
    assert app.multiselect(key="evaluate_lanes").value == ["two"]


def test_a_run_exports_in_all_formats(open_evaluate: OpenApp) -> None:
    app = run(open_evaluate(), "one")
    assert [button.label for button in app.download_button] == ["CSV", "JSONL", "Inspect logs", "JUnit", "Markdown"]


def test_why_a_run_had_to_stop_is_one_sentence(
    open_evaluate: OpenApp, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    upstream.script("one", then=silent)
    app = begin(open_evaluate(), "one")
    upstream.wait_received("one")
    monkeypatch.setattr("router.runs.journal.os.write", full)
    app = finish(click(app, "evaluate_stop"))
    (error,) = errors(app)
    assert "cannot be written: No space left on device. Free some space" in error


# --- Links, and runs of before ---------------------------------------------------------------------


def test_a_link_opens_a_run_after_a_restart(open_evaluate: OpenApp) -> None:
    named = link(run(open_evaluate(), "one"))
    close_lab()
    assert [row["lane"] for row in table(open_evaluate(run=named))] == ["one"]


@pytest.mark.parametrize(
    "nonsense", ["20260101-000000-abcd", "../x", "..", "/etc/passwd", "<script>", ":red[x] $1$ `y`", "x" * 5000]
)
def test_a_link_to_no_run_is_one_sentence_and_a_new_run(nonsense: str, open_evaluate: OpenApp) -> None:
    app = open_evaluate(run=nonsense)
    (warning,) = app.warning
    said = as_read(warning.value)
    assert "`fallback-lab runs` lists them. Start a new one below." in said
    assert nonsense[:50] in said
    assert has(app, "evaluate_start")


def test_earlier_runs_are_listed_and_open(open_evaluate: OpenApp) -> None:
    named = link(run(open_evaluate(), "one"))
    app = tab(open_evaluate(), "Earlier runs")
    assert [text for text in texts(app) if "2 of 2 answers, complete, $0.00084" in text]
    assert link(click(app, f"evaluate_open_{named}")) == named


def test_without_earlier_runs_the_list_says_where_they_come_from(open_evaluate: OpenApp) -> None:
    assert "No runs yet. " in " ".join(texts(tab(open_evaluate(), "Earlier runs")))


def test_a_run_that_cannot_be_read_is_one_sentence_in_the_list(open_evaluate: OpenApp, home: Path) -> None:
    (home / ".lab" / "runs").mkdir(parents=True)
    (home / ".lab" / "runs" / "broken.jsonl").write_bytes(b"\xff\n{}\n")
    said = " ".join(texts(tab(open_evaluate(), "Earlier runs")))
    assert "broken: This run has no plan: " in said


@pytest.fixture
def elsewhere(open_evaluate: OpenApp, home: Path) -> Iterator[AppTest]:
    """A run that another process goes on with."""
    named = link(run(open_evaluate(), "one"))
    close_lab()
    journal = Journal(home / ".lab" / "runs" / f"{named}.jsonl")
    yield open_evaluate(run=named)
    journal.close()


@pytest.mark.parametrize("key", ["evaluate_grade_again", "evaluate_extend_run", "evaluate_delete"])
def test_a_run_of_another_process_is_left_to_it(key: str, elsewhere: AppTest) -> None:
    app = delete(click(elsewhere, key)) if key == "evaluate_delete" else click(elsewhere, key)
    assert errors(app) == [f"Another process is running {link(app)}. Wait for it, or stop it first."]


def test_a_run_of_another_process_is_shown(elsewhere: AppTest) -> None:
    assert [row["lane"] for row in table(elsewhere)] == ["one"]
