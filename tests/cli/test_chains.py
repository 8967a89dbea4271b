"""fallback-lab chains: figures beside the models, and the way back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from router.config.editing import Editor
from tests.command import Run, row, rows
from tests.upstream import Upstream, answer, status


def cells(run: Run, model: str) -> list[str]:
    """The figures in a model's row."""
    return row(run("chains"), model)[2:]


def test_a_model_that_was_not_asked_has_no_figures(run: Run) -> None:
    assert cells(run, "primary") == ["–", "–", "–", "–", "–", "–"]


@pytest.fixture
def asked(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404), then=answer("Hi."))
    run("ask", "-c", "chat", "--no-cache", "one")
    run("ask", "-c", "chat", "--no-cache", "two")


@pytest.mark.usefixtures("asked")
def test_what_was_observed_stands_beside_the_models(run: Run) -> None:
    assert cells(run, "primary")[:2] == ["50% of 2", "–"]
    assert cells(run, "fallback")[:2] == ["100% of 1", "100% of 1"]
    assert all(re.fullmatch(r"[\d.]+ m?s", cell) for cell in cells(run, "fallback")[2:4])


def test_the_share_of_cases_that_a_model_passes_stands_beside_it(config: Path, run: Run, upstream: Upstream) -> None:
    upstream.script("primary", then=answer("Paris"))
    suite = config.parent / "towns.yaml"
    suite.write_text("category: chat\ncases:\n  - {prompt: Which town?, checks: [equals: Paris]}\n", encoding="utf-8")
    run("eval", str(suite), "--lanes", "primary")
    assert cells(run, "primary")[-1] == "100% of 1 cases"
    assert cells(run, "fallback")[-1] == "–"


@pytest.mark.usefixtures("asked", "terminal")
def test_a_terminal_shows_a_chain_as_a_headline_above_its_models(run: Run) -> None:
    lines = [line.strip() for line in run("chains", env={"NO_COLOR": "1"}).stdout.splitlines()]
    assert [line.split(" ")[0] for line in lines if line.startswith(("chat", "primary", "fallback"))] == [
        "chat", "primary", "fallback"
    ]  # fmt: skip


@pytest.mark.usefixtures("asked")
def test_json_has_one_object_for_each_model(run: Run) -> None:
    primary, fallback = (json.loads(line) for line in run("chains", "--json").stdout.splitlines())
    assert (primary["category"], primary["place"], primary["model"]) == ("chat", "primary", "primary")
    assert (primary["availability"]["value"], primary["availability"]["rows"]) == (0.5, 2)
    assert (fallback["rescues"]["value"], primary["rescues"]) == (1.0, None)


@pytest.mark.parametrize("command", ["chains", "check"])
def test_what_is_set_for_a_model_alone_stands_beside_it(config: Path, run: Run, command: str) -> None:
    text = msgspec.json.decode(config.read_bytes())
    text["chains"]["chat"][1] = {"model": "fallback", "params": {"seed": 1}, "first_token": 5}
    config.write_bytes(msgspec.json.encode(text))
    assert "\tfallback (seed 1, first_token 5 s)\t" in run(command).stdout


def test_a_change_is_undone(config: Path, run: Run) -> None:
    before = config.read_text(encoding="utf-8")
    editor = Editor(config, config.parent / ".lab" / "history")
    editor.save(msgspec.structs.replace(editor.draft(), text=before + "\n"), "an empty line")
    result = run("chains", "--rollback")
    assert (result.exit_code, config.read_text(encoding="utf-8")) == (0, before)
    assert "Undone: an empty line" in result.stdout


@pytest.fixture
def edited(config: Path) -> list[str]:
    """The texts that models.yaml had before each of two changes, and has now."""
    texts = [config.read_text(encoding="utf-8") + "\n" * number for number in range(3)]
    editor = Editor(config, config.parent / ".lab" / "history")
    for number, text in enumerate(texts[1:], start=1):
        editor.save(msgspec.structs.replace(editor.draft(), text=text), f"change {number}")
    return texts


@pytest.mark.usefixtures("edited")
def test_the_earlier_versions_are_listed_with_the_change_that_replaced_each(run: Run) -> None:
    head, newest, oldest = rows(run("chains", "--rollback", "--list"))
    assert (head[0], newest[2], oldest[2]) == ("version", "change 2", "change 1")


def test_the_list_changes_nothing(config: Path, edited: list[str], run: Run) -> None:
    run("chains", "--rollback", "--list")
    assert config.read_text(encoding="utf-8") == edited[-1]


def test_a_version_from_the_list_is_restored(config: Path, edited: list[str], run: Run) -> None:
    oldest = rows(run("chains", "--rollback", "--list"))[-1][0]
    result = run("chains", "--rollback", "--to", oldest)
    assert (result.exit_code, config.read_text(encoding="utf-8")) == (0, edited[0])
    assert f"Restored version {oldest}" in result.stdout


def test_a_broken_file_is_no_obstacle(config: Path, edited: list[str], run: Run) -> None:
    config.write_text("chains: [", encoding="utf-8")
    assert len(rows(run("chains", "--rollback", "--list"))) == 3
    assert (run("chains", "--rollback").exit_code, config.read_text(encoding="utf-8")) == (0, edited[1])


def test_an_unknown_version_is_told_where_the_versions_are(config: Path, edited: list[str], run: Run) -> None:
    result = run("chains", "--rollback", "--to", "nonsense")
    assert (result.exit_code, config.read_text(encoding="utf-8")) == (1, edited[-1])
    assert "fallback-lab chains --rollback --list" in result.stderr


def test_without_a_change_there_is_nothing_to_undo(run: Run) -> None:
    result = run("chains", "--rollback")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no earlier version" in result.stderr


@pytest.mark.parametrize(
    "options",
    [("--rolback",), ("--list",), ("--to", "a"), ("--rollback", "--list", "--to", "a"), ("--rollback", "--json")],
    ids=" ".join,
)
def test_wrong_options_are_wrong_usage(run: Run, options: tuple[str, ...]) -> None:
    assert run("chains", *options).exit_code == 2
