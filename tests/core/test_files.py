"""The Lab's folder is for its owner alone, whatever it was before; and a file is whole or not there."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.core.errors import ConfigError
from router.core.files import beside, claim, decoded, read_at_most, whole
from router.core.requests import Request
from router.lab import Lab
from tests.conftest import MakeLab
from tests.upstream import Answer, Upstream, chain_yaml

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes say nothing there")

ASKED = Request(messages=({"role": "user", "content": "Hello?"},))


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The worst there is: what asks for no mode of its own is open to all."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".lab"


@pytest.fixture
def old(folder: Path) -> Path:
    """A `.lab` as nobody should have one."""
    (folder / "cache" / "ab").mkdir(parents=True)
    for name in ("lab.sqlite", "lab-broken-1.sqlite", "cache/ab/x.val"):
        (folder / name).write_bytes(b"")
    for each in [folder, *folder.rglob("*")]:
        each.chmod(0o755)
    return folder


def modes(folder: Path) -> dict[str, int]:
    """Of whatever is not for its owner alone."""
    found = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}
    return {path: mode for path, mode in found.items() if mode != (0o700 if Path(path).is_dir() else 0o600)}


def test_all_that_is_ever_kept_is_for_its_owner_alone(upstream: Upstream, folder: Path) -> None:
    # The long answer makes the cache write a file of its own.
    upstream.script("primary", *[Answer(["x" * 50_000])] * 2)
    path = folder.with_name("models.yaml")
    path.write_text(chain_yaml(upstream, "primary", "fallback"), encoding="utf-8")
    lab = Lab(path, environ={})
    lab.start(ASKED, category="chat").result()
    lab.read_lists(["local"])
    lab.cases.add(ASKED.messages, "Hello.")
    draft = lab.editor.draft()
    lab.editor.save(draft.with_text(draft.text + "\n"), "a line")
    lab.store.writer.flush()
    lab.observed.rows()
    while_open = modes(folder)
    lab.close()
    kept = {path.name for path in folder.iterdir()}
    assert {"lab.sqlite", "observed", "cache", "history", "catalog", "suites"} <= kept
    assert any(folder.rglob("*.val"))
    assert (while_open, modes(folder)) == ({}, {})


def test_an_old_folder_is_closed_with_all_that_is_in_it(old: Path) -> None:
    claim(old)
    assert modes(old) == {}


def test_a_lab_says_that_its_folder_was_open(upstream: Upstream, make_lab: MakeLab, old: Path) -> None:
    notices = make_lab(chain_yaml(upstream, "m")).notices()
    assert ["mode 0755" in notice for notice in notices if f"{old} " in notice] == [True]


def test_what_was_closed_is_not_spoken_of(folder: Path) -> None:
    assert claim(folder) == claim(folder) == []


def test_files_in_a_closed_folder_are_closed_too(old: Path) -> None:
    old.chmod(0o700)
    assert (claim(old), modes(old)) == ([], {})


def test_what_the_owner_may_not_do_is_not_allowed_to_him(old: Path) -> None:
    (old / "lab.sqlite").chmod(0o444)
    claim(old)
    assert stat.S_IMODE((old / "lab.sqlite").stat().st_mode) == 0o400


def test_no_link_is_followed_out_of_the_folder(old: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "mine", tmp_path / "others"
    other.mkdir()
    for name, target in (("file", file), ("folder", other)):
        target.touch()
        target.chmod(0o755)
        (old / name).symlink_to(target)
    claim(old)
    assert {stat.S_IMODE(each.stat().st_mode) for each in (file, other)} == {0o755}


def test_a_link_of_one_s_own_leads_to_a_folder_that_is_closed(old: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(old)
    assert "mode 0755" in claim(link)[0]
    assert modes(old) == {}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65_534)


@pytest.mark.usefixtures("nobody")
def test_a_folder_of_another_user_is_refused(old: Path) -> None:
    with pytest.raises(ConfigError, match=rf"belongs to another user \(uid {os.getuid()}\)"):
        claim(old)


@pytest.mark.usefixtures("nobody")
def test_in_a_folder_of_another_user_nothing_is_written(upstream: Upstream, make_lab: MakeLab, old: Path) -> None:
    before = sorted(old.rglob("*"))
    with pytest.raises(ConfigError):
        make_lab(chain_yaml(upstream, "m"))
    assert sorted(old.rglob("*")) == before


def test_root_is_told_whose_the_folder_is_and_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = os.stat_result((0o40755, 1, 1, 1, 4711, 0, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda _, **__: status)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "uid 4711" in claim(old)[0]
    monkeypatch.undo()
    assert stat.S_IMODE(old.stat().st_mode) == 0o755


def test_modes_that_cannot_be_changed_are_said(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, _: int) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    (said,) = claim(old)
    assert "cannot be changed: Read-only file system" in said


@pytest.mark.parametrize(("mode", "said"), [(0o777, True), (0o1777, False), (0o775, False)])
def test_a_folder_in_which_all_may_replace_files_is_said(folder: Path, mode: int, said: bool) -> None:
    folder.parent.chmod(mode)
    assert any("another models.yaml" in notice for notice in claim(folder)) == said


# --- Whole files -----------------------------------------------------------------------------------


def write(path: Path, data: bytes) -> None:
    with whole(path) as file:
        file.write(data)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write(tmp_path / "new", b"x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_file_that_is_replaced_leaves_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.touch()
    path.chmod(0o640)
    write(path, b"x")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"x", 0o640)


def test_a_file_that_is_not_finished_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "file", b"old")
    with pytest.raises(ValueError, match="half-way"), whole(tmp_path / "file") as file:
        file.write(b"new")
        raise ValueError("half-way")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_no_more_of_a_file_is_read_than_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_at_most(path, 5) == b"12345"
    with pytest.raises(ConfigError, match="a is larger than 0 MB, which is the limit"):
        read_at_most(path, 4)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a file without end is needed")
def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="/dev/zero is larger than 1 MB"):
        read_at_most(Path("/dev/zero"), 1_000_000)


def test_a_file_of_a_gigabyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1_000_000_000)
    with pytest.raises(ConfigError, match="large is larger than 50 MB"):
        read_at_most(path, 50_000_000)


@pytest.mark.parametrize(
    ("name", "words"), [("gone", "does not exist"), (".", "cannot be read: Is a directory"), ("a\0b", "cannot be read")]
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_at_most(tmp_path / name, 10)


def test_bytes_that_are_no_text_are_said_with_their_place() -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml is not UTF-8 text \(byte 2\)"):
        decoded(b"ab\xff", Path("a.yaml"))


def test_a_file_below_the_folder_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    assert beside(tmp_path / "suite.yaml", "images/a.png") == (tmp_path / "images" / "a.png").resolve()


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../secret", "../suites/a.png", "images/../a.png", "a/../../secret", "..\\secret"),
        *("file:///etc/passwd", "https://x/y", "a\0b"),
    ],
)
def test_a_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").touch()
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "a.png").touch()
    with pytest.raises(ConfigError, match=r"is not below the folder of suite\.yaml"):
        beside(folder / "suite.yaml", name)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError, match="`link` is not below the folder"):
        beside(folder / "suite.yaml", "link")


@pytest.mark.parametrize("name", ["gone.png", ".", "pipe", "x" * 5_000, "loop"])
def test_what_is_no_ordinary_file_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ConfigError, match=r"does not exist in the folder|cannot be read"):
        beside(tmp_path / "suite.yaml", name)
