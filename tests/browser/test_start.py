"""What the app does before anybody looks at it."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import eventually, running_app


def test_the_lab_is_open_before_the_first_visit(tmp_path: Path) -> None:
    models_yaml = "chains: {code: [embedded:smollm2-135m-instruct]}\n"
    with running_app(tmp_path, models_yaml=models_yaml) as app:
        eventually((app.home / ".lab" / "lab.sqlite").exists)
