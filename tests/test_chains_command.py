"""fallback-lab chains: figures beside the models, and the way back."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import msgspec
import pytest

from router.editing import Editor
from tests.command import Run
from tests.upstream import Upstream, answer, status


def cells(stdout: str, model: str) -> list[str]:
    """The cells of a model's row; what stands in a cell's second line follows a blank."""
    lines = stdout.splitlines()
    (heading,) = [line for line in lines if line.startswith("model")]
    ends = [column.end() for column in re.finditer(r"\S+( \S+)?\s*", heading)]
    rows = [[line[start:end].strip() for start, end in itertools.pairwise([0, *ends])] for line in lines]
    (at,) = [number for number, row in enumerate(rows) if row[0] == model]
    more = rows[at + 1] if not rows[at + 1][0] else [""] * len(ends)
    return [f"{cell} {rest}".strip() for cell, rest in zip(rows[at], more, strict=True)]


def test_a_model_that_was_not_asked_has_no_figures(run: Run) -> None:
    assert cells(run("chains").stdout, "primary") == ["primary", "–", "–", "–", "–", "–"]


def test_what_was_observed_stands_beside_the_models(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404), then=answer("Hi."))
    run("ask", "-c", "chat", "--no-cache", "one")
    run("ask", "-c", "chat", "--no-cache", "two")
    stdout = run("chains").stdout
    assert cells(stdout, "primary")[1:3] == ["50% of 2", "–"]
    assert cells(stdout, "fallback")[1:3] == ["100% of 1", "100% of 1"]
    assert all(re.fullmatch(r"[\d.]+ m?s", cell) for cell in cells(stdout, "fallback")[3:5])


def test_a_change_is_taken_back(config: Path, run: Run) -> None:
    before = config.read_text(encoding="utf-8")
    editor = Editor(config, config.parent / ".lab" / "history")
    editor.save(msgspec.structs.replace(editor.draft(), text=before + "\n"), "an empty line")
    result = run("chains", "--rollback")
    assert (result.exit_code, config.read_text(encoding="utf-8")) == (0, before)
    assert "Taken back: an empty line" in result.stdout


def test_without_a_change_there_is_nothing_to_take_back(run: Run) -> None:
    result = run("chains", "--rollback")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no earlier version" in result.stderr


@pytest.mark.parametrize("option", ["--rolback"])
def test_a_wrong_option_is_wrong_usage(run: Run, option: str) -> None:
    assert run("chains", option).exit_code == 2
