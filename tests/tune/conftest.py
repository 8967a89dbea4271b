"""What tests of tuning share: a Lab that is filled once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tune.labs import fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Lab; for tests that only read it."""
    folder = tmp_path_factory.mktemp("filled")
    fill(folder)
    return folder


@pytest.fixture
def config(filled: Path, tmp_path: Path) -> Path:
    """models.yaml in a copy of that folder."""
    shutil.copytree(filled, tmp_path / "lab")
    return tmp_path / "lab" / "models.yaml"
