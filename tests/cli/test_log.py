"""fallback-lab log: the newest calls, the filters, and what it does without a usable models.yaml."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.command import Run, logged, row, rows
from tests.upstream import Upstream, answer, status


def test_the_log_of_a_new_folder_says_what_to_do(run: Run) -> None:
    result = run("log")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "No calls yet. Try: fallback-lab ask 'Hello'\n"


def test_the_log_has_every_attempt_the_newest_last(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404))
    run("ask", "Hello?")
    run("ask", "And now?")
    calls = [(call["model"], call["outcome"], call["reason"]) for call in logged(run)]
    assert calls == [
        ("primary", "failed", "model_not_found"),
        ("fallback", "answered", None),
        ("primary", "answered", None),
    ]


def test_the_log_has_requests_that_no_model_answered(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404))
    upstream.script("fallback", status(402))
    run("ask", "Hello?")
    assert [call["reason"] for call in logged(run)] == ["model_not_found", "payment_required"]


def test_the_last_of_the_log_are_the_newest(run: Run) -> None:
    for model in ("one", "two", "three"):
        run("ask", "--model", model, "Hello?")
    assert [call["model"] for call in logged(run, "--last", "2")] == ["two", "three"]


def test_the_log_holds_neither_prompt_nor_answer(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", answer("Paris it is."))
    run("ask", "--system", "Be brief.", "What is the capital of France?")
    text = run("log", "--json").stdout
    assert text
    assert not any(word in text for word in ("capital", "brief", "Paris"))


def test_the_log_for_people_names_model_outcome_and_reason(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404))
    run("ask", "Hello?")
    cells = row(run("log"), "failed")
    assert cells[1:5] == ["chat", "primary", "failed", "model_not_found"]


def test_the_log_of_a_folder_that_cannot_be_made_is_one_line_and_exit_1(config: Path, run: Run) -> None:
    (config.parent / ".lab").write_text("in the way", encoding="utf-8")
    result = run("log")
    assert (result.exit_code, result.stderr.count("\n"), "Nothing is stored" in result.stderr) == (1, 1, True)


# --- Filters ---------------------------------------------------------------------------------------


@pytest.fixture
def several(config: Path, upstream: Upstream, run: Run) -> None:
    """A failed call of `primary` and an answer of `fallback` for a category; a call of another model two days ago."""
    run("ask", "--model", "vendor/old_one", "Hello?")
    with closing(sqlite3.connect(config.parent / ".lab" / "lab.sqlite")) as database, database:
        database.execute("UPDATE observations SET started = started - 2 * 86400")
    upstream.script("primary", status(404))
    run("ask", "Hello?")


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("only", "models"),
    [
        pytest.param((), ["vendor/old_one", "primary", "fallback"], id="all"),
        pytest.param(("--since", "1d"), ["primary", "fallback"], id="since"),
        pytest.param(("--category", "chat"), ["primary", "fallback"], id="category"),
        pytest.param(("--category", "cha"), [], id="a category's start"),
        pytest.param(("--model", "DOR/old_"), ["vendor/old_one"], id="a part of a model's name"),
        pytest.param(("--model", "old%one"), [], id="no patterns"),
        pytest.param(("--failed",), ["primary"], id="failed"),
        pytest.param(("--since", "1d", "--model", "a", "--last", "1"), ["fallback"], id="several filters"),
    ],
)
def test_a_filter_leaves_the_calls_that_match(run: Run, only: tuple[str, ...], models: list[str]) -> None:
    assert [call["model"] for call in logged(run, *only)] == models


@pytest.mark.usefixtures("several")
def test_that_no_call_matches_is_said_apart_from_the_output(run: Run) -> None:
    result = run("log", "--model", "none")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No call matches.\n")


# --- Without a usable models.yaml ------------------------------------------------------------------


@pytest.mark.parametrize("text", ["chains: [", None], ids=["broken", "missing"])
@pytest.mark.parametrize("command", [("log",), ("export", "--format", "csv")], ids=["log", "export"])
def test_what_was_stored_is_shown_whatever_models_yaml_says_now(
    config: Path, run: Run, command: tuple[str, ...], text: str | None
) -> None:
    run("ask", "Hello?")
    if text is None:
        config.unlink()
    else:
        config.write_text(text, encoding="utf-8")
    result = run(*command)
    assert (result.exit_code, "primary" in result.stdout, result.stderr) == (0, True, "")


def test_a_folder_without_models_yaml_stays_as_it_is(config: Path, run: Run) -> None:
    config.unlink()
    run("log")
    assert list(config.parent.iterdir()) == []


# --- A table that fits -----------------------------------------------------------------------------

LONG = "anthropic/claude-sonnet-4.5-20250929"


@pytest.fixture
def long_names(upstream: Upstream, run: Run) -> None:
    upstream.script(LONG, status(404))
    run("ask", "--model", LONG, "Hello?")


@pytest.mark.usefixtures("long_names", "terminal")
def test_eighty_columns_cut_no_name_and_no_reason(run: Run) -> None:
    stdout = run("log", env={"NO_COLOR": "1"}).stdout
    assert {LONG, "model", "not", "found"} <= set(stdout.split())
    assert max(map(len, stdout.splitlines())) <= 80


@pytest.mark.usefixtures("long_names", "terminal")
def test_the_columns_that_do_not_fit_are_named(run: Run) -> None:
    assert run("log", env={"NO_COLOR": "1"}).stdout.splitlines()[-1] == (
        "Not shown at this width: category, cost, tokens, first token."
    )


@pytest.mark.usefixtures("long_names", "terminal")
def test_a_wide_terminal_shows_all_columns(run: Run) -> None:
    stdout = run("log", env={"COLUMNS": "160"}).stdout
    assert "first token" in stdout.splitlines()[0] and "Not shown" not in stdout


@pytest.mark.usefixtures("long_names")
def test_a_pipe_gets_a_header_and_whole_values(run: Run) -> None:
    head, call = rows(run("log", env={"COLUMNS": "20"}))
    assert head == ["time", "category", "model", "outcome", "reason", "latency", "cost", "tokens", "first token"]
    assert call[1:5] == ["–", LONG, "failed", "model_not_found"]
