"""fallback-lab tune and simulate: what is printed, saved and undone, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from router.tune.choice import Choice, choose
from tests.command import Run, rows
from tests.tune.labs import AURORA, GLM, KIMI


@pytest.fixture(autouse=True)
def simulated_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.tune.tuning.REQUESTS", 20)
    monkeypatch.setattr("router.tune.tuning.RUNS", 4)


def lines(run: Run, *args: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*args).stdout.splitlines()]


# --- Proposals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("category", "code"), [("code", 0), ("reasoning", 1), ("tools", 3)])
def test_the_exit_code_says_whether_there_is_a_better_chain(run: Run, category: str, code: int) -> None:
    assert run("tune", "--category", category).exit_code == code


def test_of_all_categories_one_better_chain_is_enough(run: Run) -> None:
    result = run("tune")
    assert result.exit_code == 0
    assert all(f" in {category}" in result.stderr or f"{category}: " in result.stderr for category in ("code", "tools"))


def test_of_all_categories_one_that_cannot_keep_to_the_limits_does_not_hide_the_others(run: Run) -> None:
    result = run("tune", "--limit", "cost=0.0001")
    assert result.exit_code == 2
    for said in ("code: No chain of these models", "reasoning: No chain of these models", "tools: 0 prompts"):
        assert said in result.stderr


def test_the_verdict_is_one_sentence_with_its_interval(run: Run) -> None:
    said = run("tune", "--category", "code").stderr
    assert "in code: " in said
    assert "95% interval +" in said
    assert "(60 prompts)." in said


def test_the_current_chain_and_the_simpler_ways_stand_beside_the_proposals(run: Run) -> None:
    names = [row[0] for row in rows(run("tune", "--category", "code"))]
    assert names[1] == f"current: {AURORA}, {GLM}"
    assert names[2].startswith(f"1: {GLM}")
    assert "Best single model" in names


def test_without_evidence_the_evaluation_that_would_bring_it_is_named(run: Run) -> None:
    said = run("tune", "--category", "tools").stderr
    assert said.startswith("tools: 0 prompts were graded for the models of tools; it takes 30.")
    assert f"Next step: fallback-lab eval tools --lanes {AURORA},{KIMI}" in said


def test_json_has_one_object_for_each_chain_with_intervals(run: Run) -> None:
    current, best, *_ = lines(run, "tune", "--category", "code", "--json")
    assert (current["number"], current["models"], current["verdict"]) == (0, [AURORA, GLM], None)
    assert (best["number"], best["models"][0], best["verdict"]) == (1, GLM, "better")
    value, low, high = best["gains"]["quality"]
    assert 0 < low < value < high
    assert 0 <= current["figures"]["answered"] <= 1


def test_each_category_has_a_line_of_json_with_the_same_fields(run: Run) -> None:
    current = [each for each in lines(run, "tune", "--json") if each["number"] == 0]
    assert [(each["category"], each["verdict"]) for each in current] == [
        ("code", None), ("reasoning", "keep"), ("tools", "not_enough"),
    ]  # fmt: skip
    assert {*current[0]} == {*current[1]} == {*current[2]}
    assert "Next step: fallback-lab eval tools" in current[2]["sentence"]
    assert {each["name"] for each in current[0]["baselines"]} >= {"Best single model", "Cheapest model"}


def test_json_stays_json_while_a_proposal_is_saved(run: Run) -> None:
    assert len(lines(run, "tune", "--category", "code", "--json", "--apply", "1", "--certify")) >= 2


# --- Goals -----------------------------------------------------------------------------------------


def test_a_model_that_must_not_be_there_breaks_the_limits(run: Run) -> None:
    result = run("tune", "--category", "code", "--never", AURORA)
    assert result.exit_code == 0
    assert "The current chain does not keep to your limits." in result.stderr


def test_a_model_may_be_named_with_its_provider(run: Run) -> None:
    result = run(
        "tune", "--category", "code", "--never", f"openrouter:{AURORA}", "--must", f"openrouter:{GLM}", "--json"
    )
    (best,) = [json.loads(line) for line in result.stdout.splitlines()][1:]
    assert best["models"] == [GLM]


def test_a_chain_has_as_many_models_as_may_be(run: Run) -> None:
    found = lines(run, "tune", "--category", "code", "--limit", "links=1", "--json")
    assert all(len(each["models"]) == 1 for each in found[1:])


def test_a_share_of_answers_is_a_percentage(run: Run) -> None:
    assert "No chain of these models" in run("tune", "--category", "code", "--limit", "answered=100%").stderr
    assert run("tune", "--category", "code", "--limit", "answered=50").exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--limit", "price=1"), "price is no limit. Use one of cost, latency, first_token, answered, links."),
        (("--limit", "cost=cheap"), "cost=cheap: 'cheap' is not a valid number. Write a number, such as cost=1."),
        (("--limit", "cost"), "Write a number, such as cost=1."),
        (("--limit", "cost=nan"), "cost=nan: nan is not a number. Write a number, such as cost=1."),
        (("--limit", "cost=1%"), "cost=1%: '1%' is not a valid number."),
        (("--limit", "latency=-2"), "latency=-2: -2.0 is not in the range 0<=x<=3600."),
        (("--limit", "cost=1e300"), "is not in the range 0<=x<=1000000.0."),
        (("--limit", "answered=150%"), "answered=150%: 150.0 is not in the range 0<=x<=100."),
        (("--limit", "links=0"), "links=0: 0 is not in the range 1<=x<=5."),
        (("--limit", "links=300"), "links=300: 300 is not in the range 1<=x<=5."),
        (("--weight", "seconds=-1"), "seconds=-1: -1.0 is not in the range 0<=x<=1000."),
        (("--weight", "quality=1"), "quality has no weight. Use one of cost, seconds."),
        (("--weight", "cost=much"), "cost=much: 'much' is not a valid number. Write a number, such as cost=1."),
        (("--margin", "nan"), "nan is not a number."),
        (("--margin", "0"), "0.0 is not in the range 0<x<=100"),
        (("--apply", "0"), "0 is not in the range x>=1"),
    ],
)
def test_a_goal_that_is_none_is_refused_in_a_sentence(run: Run, options: Sequence[str], said: str) -> None:
    result = run("tune", "--category", "code", *options)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--category", "cooking"), "cooking"),
        (
            ("--category", "code", "--must", "z"),
            "Nothing is known of z on these prompts.",
        ),
        (("--category", "code", "--limit", "cost=0.0001"), "No chain of these models keeps to your limits."),
        (("--category", "code", "--never", AURORA, "--never", GLM), "No model is left to make a chain of."),
        (
            ("--category", "code", "--never", "z"),
            "z is no model of models.yaml, and none that was observed in code.",
        ),
        (("--diff",), "Use --diff and --apply with --category."),
        (("--category", ""), "has no chain ``"),
        (("--category", "code", "--certify"), "Use --certify with --apply"),
        (("--category", "code", "--json", "--diff"), "Use --json or --diff, not both."),
        (("--category", "code", "--apply", "99"), "There is no proposal 99 for code"),
    ],
)
def test_what_cannot_be_is_one_sentence(run: Run, options: Sequence[str], said: str) -> None:
    result = run("tune", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


# --- Changes ---------------------------------------------------------------------------------------


def test_a_diff_changes_nothing(run: Run, config: Path) -> None:
    before = config.read_bytes()
    result = run("tune", "--category", "code", "--diff")
    assert f"-  code: [{AURORA}, {GLM}]" in result.stdout
    assert f"+  code: [{GLM}" in result.stdout
    assert config.read_bytes() == before


def test_without_a_better_chain_there_is_no_diff(run: Run) -> None:
    result = run("tune", "--category", "reasoning", "--diff")
    assert result.exit_code == 1
    assert "+  reasoning" not in result.stdout


def test_a_proposal_is_saved_with_its_reason_and_can_be_undone(run: Run, config: Path) -> None:
    before = config.read_text(encoding="utf-8")
    result = run("tune", "--category", "code", "--apply", "1")
    assert result.exit_code == 0
    after = config.read_text(encoding="utf-8")
    assert f"  code: [{GLM}" in after
    assert "# the second one is better" in after
    reasons = b"".join(path.read_bytes() for path in (config.parent / ".lab" / "history").rglob("*") if path.is_file())
    assert b"95% interval" in reasons
    assert run("chains", "--rollback").exit_code == 0
    assert config.read_text(encoding="utf-8") == before


def test_a_file_that_was_changed_while_the_chain_was_chosen_is_not_saved_over(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_and_choose(*args: Any, **more: Any) -> Choice:
        config.write_text(f"# somebody else\n{config.read_text(encoding='utf-8')}", encoding="utf-8")
        return choose(*args, **more)

    monkeypatch.setattr("router.tune.tuning.choose", change_and_choose)
    result = run("tune", "--category", "code", "--apply", "1")
    assert result.exit_code == 2
    assert "changed" in result.stderr
    assert f"code: [{AURORA}, {GLM}]" in config.read_text(encoding="utf-8")


def test_a_certificate_is_made_where_it_is_asked_for(run: Run, config: Path) -> None:
    result = run("tune", "--category", "code", "--apply", "1", "--certify")
    assert "situations answered." in result.stderr
    (kept,) = (config.parent / ".lab" / "certificates").glob("*.json")
    assert json.loads(kept.read_bytes())["category"] == "code"


# --- Simulation ------------------------------------------------------------------------------------


def test_a_simulation_tells_each_figure_with_its_interval(run: Run) -> None:
    figures = {row[0]: row[1:] for row in rows(run("simulate", "--category", "code"))[1:]}
    assert [*figures] == [
        "answered", "quality", "cost", "latency p50", "latency p95", "first token p50", "first token p95",
    ]  # fmt: skip
    assert figures["answered"][0].endswith("%")
    assert " to " in figures["answered"][1]


def test_while_the_provider_is_down_nothing_is_answered(run: Run) -> None:
    (found,) = lines(run, "simulate", "--category", "code", "--down", "openrouter", "--json")
    assert found["answered"] == [0, 0, 0]
    assert found["latency_p50"][0] is None
    assert sum(found["answered_by"]) == 0


def test_prices_are_a_multiple(run: Run) -> None:
    (one,), (twice,) = (lines(run, "simulate", "--category", "code", "--prices", each, "--json") for each in ("1", "2"))
    assert twice["cost"][0] == pytest.approx(2 * one["cost"][0], rel=0.01)


def test_another_chain_is_simulated_as_named(run: Run) -> None:
    (found,) = lines(run, "simulate", "--category", "code", "--models", f" {GLM} ,", "--json")
    assert found["models"] == [GLM]


def test_a_model_that_is_down_may_be_named_with_its_provider(run: Run) -> None:
    options = ("--models", f"openrouter:{GLM}", "--down", f"openrouter:{GLM}", "--json")
    (found,) = lines(run, "simulate", "--category", "code", *options)
    assert (found["models"], found["answered"]) == ([GLM], [0, 0, 0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "z"), "Nothing was observed of z in the last 30 days, so what it would do is unknown."),
        (("--models", "y,z"), "Nothing was observed of y, z in the last 30 days, so what they would do is unknown."),
        (("--models", f"{GLM},{GLM}"), f"{GLM} is in the chain twice."),
        (("--models", ","), "Name at least one model."),
        (("--down", "mars"), "mars is neither a provider nor a model that was observed in code."),
        (("--category", "cooking"), "cooking"),
        (("--traffic", "0"), "0.0 is not in the range 0.01<=x<=1000"),
        (("--traffic", "1e-9"), "1e-09 is not in the range 0.01<=x<=1000"),
        (("--traffic", "nan"), "nan is not a number."),
        (("--prices", "inf"), "inf is not in the range 0<=x<=1000"),
        (("--prices", "nan"), "nan is not a number."),
    ],
)
def test_what_cannot_be_simulated_is_one_sentence(run: Run, options: Sequence[str], said: str) -> None:
    result = run("simulate", *(() if "--category" in options else ("--category", "code")), *options)
    assert result.exit_code == 2
    assert said in result.stderr
