"""Saving models.yaml: atomic saves, the history of versions, and rollback."""

from __future__ import annotations

import codecs
import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from filelock import FileLock, Timeout

from router.config.draft import Draft
from router.config.loading import parse_config
from router.config.origins import Origins
from router.config.schema import Config
from router.config.source import read_text
from router.core.errors import ConfigError, InvalidEdit
from router.core.files import whole
from router.core.formatting import moment
from router.core.messages import Frozen, digest

LOCK_WAIT = 5.0
"""Seconds to wait for another process to finish saving."""

KEEP = 200
"""Versions of the file that are kept."""


class Version(Frozen, frozen=True, kw_only=True):
    """An earlier models.yaml.

    Attributes:
        id: its name, which sorts by time.
        until: Unix time at which it was replaced.
        why: the reason given for the change that replaced it.
    """

    id: str
    until: float
    why: str
    text: str

    @property
    def name(self) -> str:
        """A short name to pick it by; versions of the same text share it."""
        return self.id.rpartition("-")[2]


class Change(NamedTuple):
    """A saved change of models.yaml.

    Attributes:
        at: Unix time, seconds.
        why: the reason given for it.
    """

    at: float
    why: str
    before: str
    after: str

    def diff(self) -> str:
        """The change as a unified diff without its header."""
        return Draft(before=self.before, text=self.after).diff()


class Editor:
    """Saves models.yaml and keeps its earlier versions.

    A key that was never used is not sent to a host that is new in a saved text until that host is allowed by hand.

    Args:
        path: models.yaml.
        folder: the folder of earlier versions.
        read_only: whether saving and rolling back are refused.
    """

    def __init__(self, path: Path, folder: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._folder = folder
        self._origins = Origins(path.parent / ".lab" / "keys.json")
        self.read_only = read_only

    def draft(self) -> Draft:
        """The file as it is now.

        Raises:
            ConfigError: it cannot be read.
        """
        text = read_text(self._path)
        return Draft(before=text, text=text)

    def differs(self, draft: Draft) -> bool:
        """Whether the file has changed since the draft was read, so that the draft cannot be saved."""
        try:
            return self.draft().text != draft.before
        except ConfigError:
            return True

    def check(self, draft: Draft) -> Config:
        """The configuration that a draft describes.

        Raises:
            ConfigError: it is invalid; the sentence names the line and the fix.
        """
        return parse_config(draft.text, self._path)

    def on_top(self, change: Draft, ours: Draft) -> Draft | None:
        """A valid change of the file, made on top of another one that is not saved.

        Returns:
            Both; None where a chain, experiment or shadow that it changes would not be as it says, or nothing valid.
        """
        merged, met = change.onto(ours.text)
        both = Draft(before=ours.before, text=merged.text)
        try:
            was, alone, together = (parse_config(text, self._path) for text in (change.before, change.text, both.text))
        except ConfigError:
            return None
        for part in ("chains", "experiments", "shadow"):
            old, new, found = (getattr(config, part) for config in (was, alone, together))
            changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
            met = met or any(found.get(name) != new.get(name) for name in changed)
        return None if met else both

    def save(self, draft: Draft, why: str) -> None:
        """Save a draft atomically and keep the old text.

        Raises:
            ConfigError: the draft is invalid.
            InvalidEdit: the file has changed since it was read, or is read-only, or cannot be written.
        """
        self.check(draft)
        with self._locked():
            target = self._path.resolve()  # a symbolic link stays one
            old = target.read_bytes()
            mark = codecs.BOM_UTF8 if old.startswith(codecs.BOM_UTF8) else b""
            if old != mark + draft.before.encode():
                raise InvalidEdit(
                    f"{self._path} has been changed by someone else since you opened it. Review it and try again."
                )
            self._put(target, draft, why, mark)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self.read_only:
            raise InvalidEdit(f"{self._path} is read-only here because FALLBACK_LAB_READONLY is set. Unset it to edit.")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self._folder / "lock", timeout=LOCK_WAIT, mode=0o600):
                yield
        except Timeout:
            raise InvalidEdit(f"Someone else is saving {self._path}. Try again.") from None
        except OSError as error:
            raise InvalidEdit(f"{self._path} cannot be written: {error.strerror}. The file is unchanged.") from None

    def _put(self, target: Path, draft: Draft, why: str, mark: bytes) -> None:
        before, after = self._destinations(draft.before), self._destinations(draft.text)
        self._origins.settle({name for name, _ in before | after}, before)
        self._keep(Version(id=self._new_id(draft.before), until=time.time(), why=why, text=draft.before))
        with whole(target) as file:
            file.write(mark + draft.text.encode())

    def _destinations(self, text: str) -> frozenset[tuple[str, str]]:
        try:
            return parse_config(text, self._path).destinations
        except ConfigError:
            return frozenset()

    def _new_id(self, text: str) -> str:
        """A name that sorts last, even if the clock went back."""
        kept = [int(path.name[:20]) for path in self._folder.glob("*.json") if path.name[:20].isdecimal()]
        return f"{max(time.time_ns(), 1 + max(kept, default=0)):020d}-{digest(text)[:8]}"

    def _keep(self, version: Version) -> None:
        with whole(self._folder / f"{version.id}.json") as file:
            file.write(msgspec.json.encode(version))
        for old in sorted(self._folder.glob("*.json"))[:-KEEP]:
            old.unlink(missing_ok=True)

    def history(self) -> list[Version]:
        """The earlier versions, newest first; other files in the folder are skipped."""
        found: list[Version] = []
        for path in sorted(self._folder.glob("*.json"), reverse=True):
            with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                found.append(msgspec.json.decode(path.read_bytes(), type=Version))
        return found

    def changes(self) -> list[Change]:
        """The saved changes, oldest first."""
        versions = self.history()[::-1]
        texts = [version.text for version in versions[1:]]
        with contextlib.suppress(ConfigError):
            texts.append(self.draft().text)
        return [
            Change(version.until, version.why, version.text, after)
            for version, after in zip(versions, texts, strict=False)
        ]

    def restore(self, text: str, why: str) -> None:
        """Put a text in place of whatever is there now, even if unreadable; that is kept as far as it can be decoded.

        Raises:
            InvalidEdit: it cannot be written.
            ConfigError: it is not valid.
        """
        self.check(Draft(before="", text=text))
        with self._locked():
            target = self._path.resolve()
            old = target.read_bytes() if target.exists() else b""
            mark = codecs.BOM_UTF8 if old.startswith(codecs.BOM_UTF8) else b""
            self._put(target, Draft(before=old.removeprefix(mark).decode(errors="replace"), text=text), why, mark)

    def roll_back(self, version: Version | None = None) -> Version:
        """Restore an earlier version, by default the last one. A rollback can be rolled back too.

        Raises:
            InvalidEdit: there is no earlier version, or it cannot be written.
            ConfigError: it is no longer valid.
        """
        version = version or next(iter(self.history()), None)
        if version is None:
            raise InvalidEdit("There is no earlier version: models.yaml has not been edited from here yet.")
        self.restore(version.text, f"restored the version from before {moment(version.until)}")
        return version


def open_editor(config_path: Path, environ: Mapping[str, str] | None = None) -> Editor:
    """The editor of a models.yaml, also of one that cannot be used; FALLBACK_LAB_READONLY=1 makes it refuse."""
    path = config_path.absolute()
    variables = os.environ if environ is None else environ
    read_only = variables.get("FALLBACK_LAB_READONLY", "") not in ("", "0")
    return Editor(path, path.parent / ".lab" / "history", read_only=read_only)
