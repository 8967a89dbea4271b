"""Tuning a Lab: evidence that is put together once, gaps that are named, and plans that fill them."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from router.core.errors import ConfigError, InvalidRequest
from router.core.suites import Suite
from router.evaluate.suites import suite_text
from router.lab import Lab
from router.metrics.chains import EVALUATED_DAYS
from router.tune.choice import LEAST_PROMPTS
from router.tune.goals import Goals, Limits
from router.tune.tuning import Tuning
from tests.evaluated import Skill, write_run
from tests.tune.labs import AURORA, GLM, KIMI, MODELS_YAML, SKILLS
from tests.tune.logs import RunLog, attempt, case_of

DAY = 86_400


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Lab]:
    """A Lab without traffic and runs."""
    (tmp_path / "models.yaml").write_text(MODELS_YAML, encoding="utf-8")
    lab = Lab(tmp_path / "models.yaml", environ={})
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def tuning(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuning]:
    folder = tmp_path_factory.mktemp("lab") / "lab"
    shutil.copytree(filled, folder)
    lab = Lab(folder / "models.yaml", environ={})
    yield lab.tuning
    lab.close()


def evaluate(lab: Lab, cases: int, *models: str, run: str = "20260101-000000-0000", days: float = 0) -> None:
    """A finished run of the category `code`, so many days old."""
    suite = Suite(name="code", cases=tuple(case_of(f"code {number}") for number in range(cases)))
    skills = {model: SKILLS["code"].get(model, Skill(0.5)) for model in models}
    write_run(lab.folder / "runs" / f"{run}.jsonl", suite, skills, at=time.time() - days * DAY)


# --- Gaps ------------------------------------------------------------------------------------------


def test_of_an_empty_lab_nothing_is_known_and_that_is_said(empty: Lab) -> None:
    found = empty.tuning.evidence("code")
    assert (found.models, found.measured.models, found.worth.value) == ({}, {}, None)
    assert found.gap() == f"0 prompts were graded for the models of code; it takes {LEAST_PROMPTS}."


def test_one_prompt_is_singular(empty: Lab) -> None:
    evaluate(empty, 1, AURORA)
    assert empty.tuning.evidence("code").gap() == f"{GLM} was graded on too few prompts of code; it takes 30."
    evaluate(empty, 1, AURORA, run="20260101-000000-0001")
    (empty.path).write_text(MODELS_YAML.replace(f"code: [{AURORA}, {GLM}]", f"code: [{AURORA}]"), encoding="utf-8")
    assert empty.tuning.evidence("code").gap() == "1 prompt was graded for the models of code; it takes 30."


def test_with_enough_prompts_there_is_no_gap(empty: Lab) -> None:
    evaluate(empty, LEAST_PROMPTS, AURORA, GLM)
    assert empty.tuning.evidence("code").gap() is None


def test_a_model_whose_provider_left_models_yaml_is_not_proposed(empty: Lab) -> None:
    evaluate(empty, LEAST_PROMPTS, AURORA, GLM, "openai:gpt")
    grid = empty.tuning.evidence("code").evaluated.grid
    assert grid is not None and "openai:gpt" in grid.models
    text = "\n".join(line for line in MODELS_YAML.splitlines() if not line.startswith("  openai:"))
    empty.path.write_text(text, encoding="utf-8")
    grid = empty.tuning.evidence("code").evaluated.grid
    assert grid is not None and {*grid.models} == {AURORA, GLM}


def test_a_name_that_another_provider_serves_now_is_another_model(empty: Lab) -> None:
    evaluate(empty, LEAST_PROMPTS, AURORA, GLM)
    assert empty.tuning.evidence("code").gap() is None
    text = MODELS_YAML.replace("default_provider: openrouter", "default_provider: openai")
    empty.path.write_text(text, encoding="utf-8")
    assert (
        empty.tuning.evidence("code").gap()
        == f"0 prompts were graded for the models of code; it takes {LEAST_PROMPTS}."
    )


def test_where_there_is_a_gap_nothing_is_advised(empty: Lab) -> None:
    with pytest.raises(InvalidRequest, match=r"^0 prompts were graded"):
        empty.tuning.advise("code")


def test_grades_that_are_too_old_are_no_evidence(empty: Lab) -> None:
    evaluate(empty, 40, AURORA, GLM, days=EVALUATED_DAYS + 1)
    assert empty.tuning.evidence("code").evaluated.prompts == 0
    evaluate(empty, 40, AURORA, GLM, days=EVALUATED_DAYS - 1, run="20260101-000000-0001")
    assert empty.tuning.evidence("code").gap() is None


def test_an_unknown_category_is_one_sentence(empty: Lab) -> None:
    with pytest.raises(ConfigError, match="cooking"):
        empty.tuning.evidence("cooking")


# --- Kept until there is more ----------------------------------------------------------------------


def test_evidence_is_put_together_once(tuning: Tuning) -> None:
    assert tuning.evidence("code") is tuning.evidence("code")


def test_a_new_run_is_new_evidence(empty: Lab) -> None:
    before = empty.tuning.evidence("code")
    evaluate(empty, 5, AURORA, GLM)
    assert empty.tuning.evidence("code").evaluated.prompts == 5 > before.evaluated.prompts


def test_another_chain_is_other_evidence(empty: Lab) -> None:
    assert empty.tuning.evidence("code").chain == (AURORA, GLM)
    empty.path.write_text(MODELS_YAML.replace(f"[{AURORA}, {GLM}]", f"[{GLM}]"), encoding="utf-8")
    assert empty.tuning.evidence("code").chain == (GLM,)


def test_advice_is_worked_out_once_for_each_goal(tuning: Tuning) -> None:
    single = Goals(limits=Limits(links=1))
    assert tuning.advise("code", single) is tuning.advise("code", single)
    assert tuning.advise("code", single) is not tuning.advise("code", Goals(limits=Limits(links=1), margin=0.05))


def test_advice_on_more_evidence_is_new(empty: Lab) -> None:
    single = Goals(limits=Limits(links=1))
    for count in range(3):  # the address of evidence that is gone may come again
        evaluate(empty, 40 + count, AURORA, GLM, run=f"20260101-00000{count}-0000")
        assert empty.tuning.advise("code", single).prompts == 40 + count


# --- What it rests on ------------------------------------------------------------------------------


def test_all_models_that_were_called_in_the_category_are_known(tuning: Tuning) -> None:
    found = tuning.evidence("code")
    assert {AURORA, GLM} <= {*found.models}
    assert (found.models[AURORA].quality.rows, found.models[AURORA].provider) == (60, "openrouter")
    assert 1 <= (found.worth.value or 0) <= 2


def test_a_better_order_is_advised(tuning: Tuning) -> None:
    found = tuning.advise("code")
    assert found.choice.kind == "better"
    assert found.proposed is not None
    assert found.proposed.models[0] == GLM


def test_a_link_that_is_too_slow_for_its_limit_is_judged_as_it_will_be(empty: Lab) -> None:
    evaluate(empty, 40, AURORA, GLM)  # first tokens come after 0.125 s
    text = MODELS_YAML.replace("chains:", "policy: {first_token: 0.1}\nchains:")
    empty.path.write_text(text, encoding="utf-8")
    assert empty.tuning.advise("code").current.figures.answered == 0


def test_a_day_without_a_network_is_no_evidence_of_models(config: Path) -> None:
    config.write_text(MODELS_YAML.replace("127.0.0.1:9", "models.test"), encoding="utf-8")
    with closing(sqlite3.connect(config.parent / ".lab" / "lab.sqlite")) as database, database:
        (since,) = database.execute("SELECT max(started) - 86400 FROM observations").fetchone()
        offline = "outcome = 'failed', reason = 'connection_failed', cached = 0, shared = 0"
        database.execute(f"UPDATE observations SET {offline} WHERE started > ? AND number > 0", (since,))
    with closing(Lab(config, environ={})) as lab:
        found = lab.tuning.evidence("code")
    assert max(each.newest or 0 for each in found.models.values()) <= since
    assert re.match(r"Left out: \d+ calls made while no provider could be reached", found.left_out() or "")


def test_a_chain_with_a_model_that_nobody_called_cannot_be_simulated(tuning: Tuning, empty: Lab) -> None:
    with pytest.raises(InvalidRequest, match=rf"^Nothing was observed of {AURORA}, {GLM} in the last 30 days"):
        empty.tuning.simulate("code", empty.config().chain("code"))


def test_a_chain_is_simulated_as_it_was_measured(tuning: Tuning, empty: Lab) -> None:
    found = tuning.simulate("code", empty.config().chain("code"))
    assert 0.5 < (found.figures()["answered"].value or 0) <= 1


# --- Plans -----------------------------------------------------------------------------------------


def keep_suite(lab: Lab, name: str, *questions: str, category: str = "tools") -> None:
    folder = lab.folder / "suites"
    folder.mkdir(exist_ok=True, mode=0o700)
    suite = Suite(name=name, cases=tuple(case_of(question, category) for question in questions))
    (folder / f"{name}.yaml").write_text(suite_text(suite), encoding="utf-8")


@pytest.fixture
def mine(empty: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A Lab that has suites of its own alone."""
    monkeypatch.setattr("router.evaluate.library.BUNDLED", empty.folder / "none")
    return empty


def test_a_plan_asks_cases_of_the_category_that_were_not_graded_yet(mine: Lab) -> None:
    keep_suite(mine, "mine", *(f"code {number}" for number in range(5)), category="code")
    evaluate(mine, 3, AURORA, GLM)
    plan = mine.tuning.plan("code", [AURORA, GLM], 60)
    assert [case.id for case in plan.suite.cases] == ["code 3", "code 4"]
    assert [lane.name for lane in plan.lanes] == [AURORA, GLM]


def test_a_plan_asks_a_model_what_only_another_was_graded_on(mine: Lab) -> None:
    keep_suite(mine, "mine", *(f"code {number}" for number in range(5)), category="code")
    evaluate(mine, 5, AURORA)
    assert len(mine.tuning.plan("code", [AURORA, GLM], 60).suite.cases) == 5


def test_a_plan_asks_again_what_a_run_without_a_network_has_asked(mine: Lab) -> None:
    keep_suite(mine, "mine", "a", "b")
    (mine.folder / "runs").mkdir(mode=0o700, exist_ok=True)
    log = RunLog(mine.folder / "runs" / "20260101-000000-0000.jsonl", "ab", [AURORA], category="tools", at=time.time())
    for case in "ab":
        log.answer(case, AURORA, attempt(AURORA, "connection_failed"))
    log.results()
    assert len(mine.tuning.plan("tools", [AURORA], 60).suite.cases) == 2


def test_a_plan_has_at_most_so_many_prompts(mine: Lab) -> None:
    keep_suite(mine, "mine", *"abcdef")
    assert len(mine.tuning.plan("tools", [AURORA, KIMI], 4).suite.cases) == 4


def test_cases_that_two_suites_share_are_asked_once(mine: Lab) -> None:
    keep_suite(mine, "one", "a", "b")
    keep_suite(mine, "two", "b", "c")
    assert [case.id for case in mine.tuning.plan("tools", [AURORA], 60).suite.cases] == ["a", "b", "c"]


def test_where_every_case_was_graded_it_says_what_to_do(mine: Lab) -> None:
    keep_suite(mine, "mine", *(f"code {number}" for number in range(3)), category="code")
    evaluate(mine, 3, AURORA)
    with pytest.raises(InvalidRequest, match=r"^All cases of code .* Add cases to a suite, then try again\.$"):
        mine.tuning.plan("code", [AURORA], 60)


def test_where_no_suite_has_a_case_it_says_so(mine: Lab) -> None:
    with pytest.raises(InvalidRequest, match=r"^No suite has a case of tools\. Add cases to a suite"):
        mine.tuning.plan("tools", [AURORA], 60)
