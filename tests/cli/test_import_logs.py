"""fallback-lab import of logs: what its exit code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Run

OPENROUTER = (
    "generation_id,created_at,cost_total,model_permaslug,tokens_prompt,tokens_completion\n"
    "gen-1,2026-11-20 10:00:00.000,0.001,z-ai/glm-5,100,20\n"
)


@pytest.mark.parametrize("form", ["langfuse", "litellm", "csv"])
def test_a_log_of_another_format_than_named_is_refused_with_the_one_it_has(run: Run, tmp_path: Path, form: str) -> None:
    path = tmp_path / "activity.csv"
    path.write_text(OPENROUTER, encoding="utf-8")
    refused = run("import", str(path), "--format", form)
    assert refused.exit_code == 2
    assert "looks like openrouter. Import it with --format openrouter" in refused.stderr
    assert run("import", str(path), "--format", "openrouter").exit_code == 0


def test_a_file_of_which_no_row_can_be_read_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    path.write_bytes(b"PK\x03\x04 no log\nat all")
    refused = run("import", str(path), "--format", "openrouter")
    assert refused.exit_code == 2
    assert "No row of" in refused.stderr


def test_a_log_without_calls_of_models_is_not_an_error(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spend.jsonl"
    path.write_text(
        '{"request_id": "r1", "call_type": "aembedding", "startTime": "2026-11-20T10:00:00", "model": "e", "spend": 0}',
        encoding="utf-8",
    )
    result = run("import", str(path), "--format", "litellm")
    assert (result.exit_code, "not a call of a model: 1" in result.stdout) == (0, True)
