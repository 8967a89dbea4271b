"""Which models.yaml is in force, while somebody edits it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from router.config import file as config_file
from router.config.file import ConfigFile
from router.config.loading import parse_config
from router.config.schema import Config
from router.core.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """One whose chain is named `first`."""
    write(tmp_path / "models.yaml", "first")
    return ConfigFile(tmp_path / "models.yaml")


def write(path: Path, chain: str) -> None:
    path.write_text(f"chains: {{{chain}: [a]}}\n", encoding="utf-8")


def test_an_edit_is_in_force_when_it_is_looked_for(file: ConfigFile) -> None:
    write(file.path, "second")
    assert list(file.current().chains) == list(file.in_force.chains) == ["second"]


def test_until_it_is_looked_for_the_last_one_is_in_force(file: ConfigFile) -> None:
    write(file.path, "second")
    assert list(file.in_force.chains) == ["first"]


@pytest.mark.parametrize("bad", ["chains: 3\n", "chains: [", None], ids=["wrong", "no YAML", "gone"])
def test_a_bad_edit_leaves_the_last_good_one_in_force_and_is_said(file: ConfigFile, bad: str | None) -> None:
    file.path.unlink() if bad is None else file.path.write_text(bad, encoding="utf-8")
    assert list(file.current().chains) == ["first"]
    assert file.last_good == "chains: {first: [a]}\n"
    assert file.notices()[0].endswith("Until it is fixed, the last valid version stays active.")


def test_a_bad_edit_that_is_fixed_is_said_no_longer(file: ConfigFile) -> None:
    file.path.write_text("chains: 3\n", encoding="utf-8")
    file.current()
    write(file.path, "second")
    assert file.notices() == []


def test_there_is_none_where_the_first_one_is_bad(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ConfigFile(tmp_path / "models.yaml")


def test_many_threads_that_look_at_once_read_an_edit_once(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def counting(text: str, path: Path) -> Config:
        reads.append(path)
        return parse_config(text, path)

    monkeypatch.setattr(config_file, "parse_config", counting)
    write(file.path, "second")
    together = threading.Barrier(8)

    def look() -> list[str]:
        together.wait()
        return list(file.current().chains)

    with ThreadPoolExecutor(8) as threads:
        seen = [each.result() for each in [threads.submit(look) for _ in range(8)]]
    assert (seen, len(reads)) == ([["second"]] * 8, 1)
