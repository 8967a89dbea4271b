"""The Tune page without a browser: verdicts, gaps, goals, and what cannot be, in every state of a Lab."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from streamlit.testing.v1 import AppTest

from router.config.loading import parse_config
from router.config.schema import Config
from router.core.suites import Suite
from tests.evaluated import Skill, write_run
from tests.pages.conftest import HOSTILE, PAGES, field, look, press, texts
from tests.tune.labs import AURORA, GLM, KIMI, MODELS_YAML, fill
from tests.tune.logs import case_of

OpenTune: TypeAlias = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def simulated_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.tune.what_if.ROUNDS", ((3, 10),))
    monkeypatch.setattr("router.tune.tuning.REQUESTS", 10)
    monkeypatch.setattr("router.tune.tuning.RUNS", 3)


@pytest.fixture
def open_tune(home: Path) -> OpenTune:
    """Opens the page on a models.yaml, if there is none yet, at a link's query."""

    def open_it(models_yaml: str = MODELS_YAML, **query: str) -> AppTest:
        if not (home / "models.yaml").exists():
            (home / "models.yaml").write_text(models_yaml, encoding="utf-8")
        app = AppTest.from_file(PAGES / "main.py", default_timeout=60)
        app.switch_page("tune.py")
        for name, value in query.items():
            app.query_params[name] = value
        return look(app)

    return open_it


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder)
    return folder


@pytest.fixture
def filled(home: Path, template: Path) -> Path:
    """The folder that the app runs in, with traffic and evaluations."""
    shutil.copytree(template, home, dirs_exist_ok=True)
    return home


def evaluated(home: Path, cases: int, **skills: Skill) -> None:
    """A finished run of the category `code`."""
    suite = Suite(name="code", cases=tuple(case_of(f"code {number}") for number in range(cases)))
    write_run(home / ".lab" / "runs" / "20260101-000000-0000.jsonl", suite, skills, at=time.time())


def table(app: AppTest, column: str) -> Any:
    """The one table that has a column."""
    (found,) = [each.value for each in app.dataframe if column in each.value.columns]
    return found


def said(app: AppTest, words: str) -> bool:
    return any(words in text for text in texts(app))


def has(app: AppTest, label: str) -> bool:
    return any(button.label == label for button in app.button)


# --- Gaps ------------------------------------------------------------------------------------------


def test_on_an_empty_lab_the_gap_is_said_with_the_evaluation_that_fills_it(open_tune: OpenTune) -> None:
    app = open_tune()
    assert said(app, "0 prompts were graded for the models of code; it takes 30.")
    assert said(app, f"cases on {AURORA}, {GLM}: ")
    assert has(app, "Run this evaluation")


def test_where_no_suite_has_a_case_it_says_so(open_tune: OpenTune, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr("router.evaluate.library.BUNDLED", home / "none")
    app = open_tune()
    assert said(app, "Add cases to a suite, then try again.")
    assert not has(app, "Run this evaluation")


def test_a_model_with_too_few_grades_is_named(open_tune: OpenTune, home: Path) -> None:
    evaluated(home, 40, **{AURORA: Skill(0.5)})
    assert said(open_tune(), f"{GLM} was graded on too few prompts of code; it takes 30.")


# --- Verdicts --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_a_verdict_comes_with_its_table(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    assert said(app, "in code: ")
    assert said(app, "(60 prompts).")
    chains = table(app, "chain")
    assert chains["chain"].iloc[0] == f"{AURORA} → {GLM}"
    assert chains["chain"].iloc[1].startswith(GLM)
    assert chains["gain"].iloc[1].startswith("+")
    assert has(app, "Review and save")
    assert said(app, "Quality, cost and latency: of the 60 prompts that ")


def test_a_cheaper_chain_is_not_called_as_good_but_as_likely_to_be_as_it_is(open_tune: OpenTune, home: Path) -> None:
    evaluated(home, 60, **{AURORA: Skill(0.6, cost=0.002), GLM: Skill(0.6, cost=0.001), KIMI: Skill(0.9, cost=0.004)})
    app = open_tune()
    cheapest = table(app, "chain").set_index("what").loc["Cheapest"]
    title = f"Cheapest, {cheapest['close']:.0f}% likely within a point of the best: "
    assert any(button.label.startswith(title) for button in app.button)


@pytest.mark.usefixtures("filled")
def test_a_chain_that_cannot_be_better_is_kept(open_tune: OpenTune) -> None:
    app = open_tune(category="reasoning")
    assert said(app, "Keep the current chain in reasoning: no other is better by 2 points or more (60 prompts).")
    assert not has(app, "Review and save")


@pytest.mark.usefixtures("filled")
def test_the_category_of_a_link_is_shown_and_an_unknown_one_is_the_default(open_tune: OpenTune) -> None:
    assert said(open_tune(category="tools"), "models of tools")
    assert said(open_tune(category="cooking"), "in code: ")


def test_a_proposal_is_opened_for_review_with_its_reason(open_tune: OpenTune, filled: Path) -> None:
    app = press(open_tune(category="code"), "Review and save")
    assert app.session_state["chains_why"].startswith("Swap primary and fallback 1 in code: ")
    assert "situations of the fault matrix" in app.session_state["chains_why"]
    assert (filled / "models.yaml").read_text(encoding="utf-8") == MODELS_YAML
    assert [*(filled / ".lab" / "certificates").glob("*.json")]


@pytest.mark.usefixtures("filled")
def test_a_models_yaml_that_is_read_only_cannot_be_changed(
    open_tune: OpenTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALLBACK_LAB_READONLY", "1")
    app = open_tune(category="code")
    assert field(app.button, "Review and save").disabled
    assert said(app, "in code: ")


# --- Goals -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("limit", "value"), [("cost", 0.0001), ("answered", 100.0), ("latency", 0.0001)])
def test_a_limit_that_no_chain_keeps_is_one_sentence(open_tune: OpenTune, limit: str, value: float) -> None:
    app = open_tune(category="code")
    app.number_input(key=f"tune_limit_{limit}").set_value(value)
    assert said(look(app), "No chain of these models keeps to your limits. Loosen one of them.")


@pytest.mark.usefixtures("filled")
def test_a_model_that_must_be_there_and_was_never_graded_is_one_sentence(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    app.multiselect(key="tune_must").set_value([KIMI])
    assert said(look(app), f"Nothing is known of {KIMI} on these prompts. Evaluate it beside the others first.")


@pytest.mark.usefixtures("filled")
def test_without_any_model_left_it_says_so(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    app.multiselect(key="tune_never").set_value([AURORA, GLM])
    assert said(look(app), "No model is left to make a chain of. Allow one more.")


@pytest.mark.usefixtures("filled")
def test_a_model_that_must_not_be_there_breaks_the_limits(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    app.multiselect(key="tune_never").set_value([AURORA])
    assert said(look(app), "The current chain does not keep to your limits.")


ENTERED: dict[str, Any] = {
    "tune_place_code_0": GLM, "tune_place_code_2": AURORA, "tune_first_token_code": 7.5, "tune_deadline_code": 90.0,
    "tune_retries_code": 0, "tune_down": [GLM, "openai"], "tune_prices": 2.0, "tune_traffic": 10.0,
    "tune_limit_cost": 2.5, "tune_must": [GLM], "tune_links": 2, "tune_apart": True, "tune_margin": 1.0,
}  # fmt: skip
KINDS = ("selectbox", "number_input", "multiselect", "toggle")


def entered(app: AppTest) -> dict[str, Any]:
    values = {each.key: each.value for kind in KINDS for each in getattr(app, kind)}
    return {name: values[name] for name in ENTERED}


@pytest.mark.usefixtures("filled")
def test_a_link_with_what_was_entered_opens_with_it(open_tune: OpenTune) -> None:
    link = {name: value if isinstance(value, list) else str(value) for name, value in ENTERED.items()}
    assert entered(open_tune(category="code", **link)) == ENTERED


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("value", ["-5", "1e999", "nan", "", "x", "9" * 400, "<b>"])
def test_a_link_with_values_that_cannot_be_is_a_link_without_them(open_tune: OpenTune, value: str) -> None:
    app = open_tune(category="code", **dict.fromkeys(ENTERED.keys() - {"tune_must"}, value))
    assert not app.error
    assert all(table(app, "figure")["now"])


# --- What if ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_the_current_chain_is_simulated(open_tune: OpenTune) -> None:
    figures = table(open_tune(category="code"), "figure")
    assert figures["figure"].tolist()[:3] == ["Answered", "Quality", "Cost per 1,000"]
    assert all(figures["now"])


@pytest.mark.usefixtures("filled")
def test_another_chain_stands_beside_it(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    app.selectbox(key="tune_place_code_0").set_value(GLM)
    figures = table(look(app), "figure")
    assert all(figures["then"])
    assert said(app, ". What if: primary ")
    assert has(app, "Review this chain")


@pytest.mark.usefixtures("filled")
def test_a_model_that_is_entered_twice_is_named_and_stays_entered(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    app.selectbox(key="tune_place_code_2").set_value(AURORA)
    assert said(look(app), f"A chain holds a model once: {AURORA} is simulated as primary alone.")
    assert app.selectbox(key="tune_place_code_2").value == AURORA


@pytest.mark.usefixtures("filled")
def test_a_chain_without_a_model_is_none(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    for number in (0, 1):
        app.selectbox(key=f"tune_place_code_{number}").set_value("–")
    assert said(look(app), "Choose at least one model.")


@pytest.mark.usefixtures("filled")
def test_while_its_provider_is_down_no_model_answers(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    app.multiselect(key="tune_down").set_value(["openrouter"])
    figures = table(look(app), "figure").set_index("figure")["now"]
    assert figures["Answered"].startswith("0.0%")
    assert said(app, "Answered by: no model.")


def test_what_was_never_observed_cannot_be_simulated(open_tune: OpenTune) -> None:
    assert said(open_tune(), f"Nothing was observed of {AURORA}, {GLM} in the last 30 days")


# --- Evidence, and every state ---------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_each_model_s_evidence_is_a_row_and_the_chain_s_come_first(open_tune: OpenTune) -> None:
    models = table(open_tune(category="code"), "model")["model"].tolist()
    assert models[:2] == [AURORA, GLM]
    assert len(models) == len({*models})


def test_an_empty_lab_says_that_there_is_no_evidence_instead_of_a_table(open_tune: OpenTune) -> None:
    app = open_tune()
    assert said(app, "No calls in the last 30 days, and nothing was graded.")
    assert not [each for each in app.dataframe if "model" in each.value.columns]


def test_a_missing_key_is_said_beside_the_evaluation(open_tune: OpenTune, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_API_KEY", raising=False)
    provider = "{protocol: openai, base_url: 'http://127.0.0.1:9', api_key: '${NO_SUCH_API_KEY}'}"
    app = open_tune(f"default_provider: far\nproviders:\n  far: {provider}\nchains: {{code: [one, two]}}\n")
    assert said(app, "one, two cannot answer. NO_SUCH_API_KEY is not set.")


STATES = {
    "no attempts": "DELETE FROM observations",
    "no requests": "DELETE FROM requests",
    "all failed": "UPDATE observations SET outcome = 'failed', reason = 'server_failed'",
    "nothing known": "UPDATE observations SET cost = NULL, ttft = NULL, latency = NULL",
    "all cached": "UPDATE observations SET cached = 1",
    "all injected": "UPDATE observations SET injected = 1",
    "one call": "DELETE FROM observations WHERE id > 1",
    "all at once": "UPDATE observations SET started = (SELECT max(started) FROM observations)",
    "in the future": "UPDATE observations SET started = started + 4e7",
}


@pytest.mark.parametrize("change", STATES.values(), ids=STATES)
@pytest.mark.parametrize("category", ["code", "tools"])
def test_in_every_state_of_the_database_the_page_is_drawn(
    filled: Path, open_tune: OpenTune, change: str, category: str
) -> None:
    with closing(sqlite3.connect(filled / ".lab" / "lab.sqlite")) as connection, connection:
        connection.execute(change)
    app = open_tune(category=category)
    assert said(app, "Evidence")
    assert not app.error


def test_with_grades_and_without_traffic_there_is_a_verdict_to_review(open_tune: OpenTune, home: Path) -> None:
    evaluated(home, 40, **{AURORA: Skill(0.3), GLM: Skill(1.0)})
    app = open_tune()
    assert said(app, "in code: ")
    press(app, "Review and save")
    assert "no fault matrix, since not all of its models were observed" in app.session_state["chains_why"]


def test_a_single_model_is_a_chain_too(open_tune: OpenTune, home: Path) -> None:
    evaluated(home, 40, **{AURORA: Skill(0.5)})
    app = open_tune(MODELS_YAML.replace(f"[{AURORA}, {GLM}]", f"[{AURORA}]"))
    assert said(app, "Keep the current chain in code")


def test_names_are_shown_as_they_are(open_tune: OpenTune, home: Path) -> None:
    evaluated(home, 40, **{HOSTILE: Skill(1.0), AURORA: Skill(0.3)})
    yaml = MODELS_YAML.replace(f"[{AURORA}, {GLM}]", f"[{AURORA}, '{HOSTILE}']")
    assert said(open_tune(yaml), HOSTILE)


# --- Experiments -----------------------------------------------------------------------------------


def tried(home: Path) -> None:
    """An experiment of hostile names, with requests of both chains."""
    text = (home / "models.yaml").read_text(encoding="utf-8")
    candidate = "{category: code, share: 0.5, candidate: [z-ai/glm-5]}"
    (home / "models.yaml").write_text(f"{text}\nexperiments:\n  cheaper: {candidate}\n", encoding="utf-8")
    with closing(sqlite3.connect(home / ".lab" / "lab.sqlite")) as connection, connection:
        connection.execute(
            "UPDATE requests SET experiment = 'cheaper', arm = CASE id % 2 WHEN 0 THEN 'candidate' ELSE 'current' END,"
            " probability = 0.5, cached = 0, shared = 0, stand_in = 0, keyless = 0, injected = 0,"
            " outcome = CASE id % 2 WHEN 0 THEN 'failed' ELSE 'answered' END"
            " WHERE id IN (SELECT id FROM requests WHERE category = 'code' LIMIT 400)"
        )


def test_an_experiment_says_what_came_of_it_and_can_be_stopped(filled: Path, open_tune: OpenTune) -> None:
    tried(filled)
    app = open_tune(category="code")
    (table,) = (each.value for each in app.dataframe if "Candidate" in each.value)
    verdicts = dict(table[["Figure", "Verdict"]].values.tolist())
    assert (verdicts["Answered"], verdicts["Feedback"]) == ("worse", "no ratings yet")
    assert said(app, "Left out of the cost: ")
    press(app, "Stop")
    assert "share: 0" in (filled / "models.yaml").read_text(encoding="utf-8")
    assert any("Stopped by hand" in text for text in texts(look(app)))


def test_without_experiments_the_page_does_not_speak_of_them(filled: Path, open_tune: OpenTune) -> None:
    assert "Experiments" not in [each.value for each in open_tune(category="code").subheader]


def reviewed(app: AppTest, opener: str) -> tuple[Config, str]:
    """What the form in an open dialog would make of models.yaml, and the reason; only a browser draws it by itself."""
    next(each for each in app.button if each.label == opener).click()
    app = press(app, "Review the change")
    draft, why = app.session_state["chains_draft"], app.session_state["chains_why"]
    return parse_config(draft.text, Path("models.yaml")), why


@pytest.mark.usefixtures("filled")
def test_a_proposal_can_be_tried_on_real_traffic(open_tune: OpenTune) -> None:
    app = press(open_tune(category="code"), "Try on real traffic")
    app.number_input(key="tune_trial_share").set_value(20)
    app.number_input(key="tune_trial_cost").set_value(2.0)
    config, why = reviewed(app, "Try on real traffic")
    experiment = config.tried["code"]
    assert (experiment.share, experiment.guardrails.answered, experiment.guardrails.cost) == (0.2, 0.05, 2)
    assert experiment.chain.models[0].text == GLM
    assert why.startswith(f"experiment {experiment.name}: 20% of code to {GLM}")


@pytest.mark.usefixtures("filled")
def test_a_chain_that_was_tried_goes_on_real_traffic_with_its_limits(open_tune: OpenTune) -> None:
    app = open_tune(category="code")
    app.selectbox(key="tune_retries_code").set_value(0)
    look(app).button(key="tune_what_if_trial").click()
    look(app).button(key="tune_what_if_trial").click()
    app = press(app, "Review the change")
    config = parse_config(app.session_state["chains_draft"].text, Path("models.yaml"))
    assert (config.tried["code"].chain.policy.retries, config.chain("code").policy.retries) == (0, 2)


@pytest.mark.usefixtures("filled")
def test_a_name_that_is_none_starts_no_experiment(open_tune: OpenTune) -> None:
    app = press(open_tune(category="code"), "Try on real traffic")
    app.text_input(key="tune_trial_name").set_value("my trial")
    next(each for each in app.button if each.label == "Try on real traffic").click()
    assert said(press(app, "Review the change"), "up to 64 letters, digits and")


def test_while_an_experiment_runs_no_other_is_started(filled: Path, open_tune: OpenTune) -> None:
    tried(filled)
    button = next(each for each in open_tune(category="code").button if each.label == "Try on real traffic")
    assert (button.disabled, "The experiment cheaper runs in code." in button.help) == (True, True)


def test_where_evidence_lacks_models_can_be_asked_behind_real_requests(open_tune: OpenTune) -> None:
    config, why = reviewed(press(open_tune(), "Ask on real traffic"), "Ask on real traffic")
    shadow = config.shadow["code"]
    assert ([ref.text for ref in shadow.models], shadow.share) == ([AURORA, GLM], 0.05)
    assert why == "shadow of code: 5% to 2 models"
