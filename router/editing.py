"""Changing models.yaml by hand: read, changed, looked at as a diff, saved whole or not at all, and taken back."""

from __future__ import annotations

import codecs
import contextlib
import difflib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from filelock import FileLock, Timeout

from router.config import Config, parse_config
from router.errors import ConfigError, InvalidEdit
from router.messages import Frozen, digest
from router.splice import name_list, remove_value, set_items, set_value
from router.yaml_source import parse_yaml, read_text

LOCK_WAIT = 5.0
"""Seconds to wait for another process that saves."""

KEEP = 200
"""Versions of the file that are kept."""


class Draft(Frozen, frozen=True, kw_only=True):
    """A models.yaml as it was read, and as it is to be.

    Attributes:
        before: the text that was read; saving is refused where the file holds another one by then.
        text: the text that it is to hold.
    """

    before: str
    text: str

    def diff(self) -> str:
        """What changes, as a unified diff without its head."""
        lines = difflib.unified_diff(self.before.splitlines(), self.text.splitlines(), lineterm="", n=2)
        return "\n".join(list(lines)[2:])

    def onto(self, theirs: str) -> tuple[Draft, bool]:
        """The same change, made to the text that others have saved meanwhile.

        Returns:
            The draft, and whether both changed the same lines: then it is this one's whole text that is to be saved.
        """
        base, ours, others = (text.splitlines(keepends=True) for text in (self.before, self.text, theirs))
        changes = _changes(base, others)
        for change in _changes(base, ours):
            if any(change.meets(other) for other in changes if change != other):
                return Draft(before=theirs, text=self.text), True
            if change not in changes:
                changes.append(change)
        for change in sorted(changes, reverse=True):
            base[change.first : change.end] = change.lines
        return Draft(before=theirs, text="".join(base)), False

    def with_text(self, text: str) -> Draft:
        """Another text altogether, with the file's line ends: a browser's field knows one kind alone."""
        lines = text.replace("\r\n", "\n")
        return self._with(lines.replace("\n", "\r\n") if "\r\n" in self.before else lines)

    def with_models(self, category: str, models: Sequence[str]) -> Draft:
        """Another order, other models: those that stay keep their lines with their comments.

        Raises:
            InvalidEdit: the text cannot be changed so in place.
        """
        chain = ("chains", category)
        listed = (*chain, "models") if isinstance(_value(self.text, chain), Mapping) else chain
        return self._with(set_items(self.text, listed, models))

    def with_policy(self, category: str, at: Sequence[str], value: Any) -> Draft:
        """A chain's own limit, by its path under `policy`; None: the one of all chains again.

        Raises:
            InvalidEdit: the text cannot be changed so in place.
        """
        own = ("chains", category, "policy")
        path = (*own, *at)
        if value is not None:
            return self._with(set_value(self._named(category), path, value))
        # The last limit takes its mapping along: an empty one says nothing.
        while len(path) > len(own) and list(_value(self.text, path[:-1])) == [path[-1]]:
            path = path[:-1]
        return self._with(remove_value(self.text, path))

    def with_limit(self, at: Sequence[str], value: Any) -> Draft:
        """A limit of all chains, by its path under `policy`.

        Raises:
            InvalidEdit: the text cannot be changed so in place.
        """
        return self._with(set_value(self.text, ("policy", *at), value))

    def with_params(self, category: str, params: Mapping[str, Any]) -> Draft:
        """A chain's parameters: all of them.

        Raises:
            InvalidEdit: the text cannot be changed so in place.
        """
        at = ("chains", category, "params")
        if params:
            return self._with(set_value(self._named(category), at, dict(params)))
        chain = _value(self.text, at[:-1])
        has_some = isinstance(chain, Mapping) and "params" in chain
        return self._with(remove_value(self.text, at)) if has_some else self

    def _named(self, category: str) -> str:
        """The text with the chain as a mapping: it may be a list."""
        chain = ("chains", category)
        if isinstance(_value(self.text, chain), Mapping):
            return self.text
        return name_list(self.text, chain, "models")

    def _with(self, text: str) -> Draft:
        return msgspec.structs.replace(self, text=text)


class _Lines(NamedTuple):
    """Lines of a text, from `first` to before `end`, and those that take their place."""

    first: int
    end: int
    lines: list[str]

    def meets(self, other: _Lines) -> bool:
        return self.first == other.first or (self.first < other.end and other.first < self.end)


def _changes(before: list[str], after: list[str]) -> list[_Lines]:
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [_Lines(first, end, after[start:stop]) for step, first, end, start, stop in steps if step != "equal"]


def _value(text: str, at: tuple[str, ...]) -> Any:
    value: Any = parse_yaml(text).data
    try:
        for key in at:
            value = value[key]
    except (KeyError, TypeError):
        raise InvalidEdit(f"`{'.'.join(at)}` is not in the file.") from None
    return value


class Version(Frozen, frozen=True, kw_only=True):
    """A models.yaml that was in force.

    Attributes:
        id: names it, and sorts it by its time.
        until: Unix time at which another one took its place.
        why: what was changed then, in words.
    """

    id: str
    until: float
    why: str
    text: str


class Editor:
    """Saves models.yaml, and keeps what it held before.

    Args:
        path: models.yaml.
        folder: where earlier versions are kept.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder

    def draft(self) -> Draft:
        """The file as it is now.

        Raises:
            ConfigError: it cannot be read.
        """
        text = read_text(self._path)
        return Draft(before=text, text=text)

    def differs(self, draft: Draft) -> bool:
        """Whether the file is no longer what the draft was made of: it cannot be saved then."""
        try:
            return self.draft().text != draft.before
        except ConfigError:
            return True

    def check(self, draft: Draft) -> Config:
        """What a draft would mean.

        Raises:
            ConfigError: it cannot be used; the sentence names the line and the mend.
        """
        return parse_config(draft.text, self._path)

    def save(self, draft: Draft, why: str) -> None:
        """Put a draft in force: written whole or not at all, the old text kept.

        Raises:
            ConfigError: the draft cannot be used.
            InvalidEdit: the file was changed since it was read, or cannot be written.
        """
        self.check(draft)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self._folder / "lock", timeout=LOCK_WAIT):
                self._save(draft, why)
        except Timeout:
            raise InvalidEdit(f"Somebody else is saving {self._path}. Try again.") from None
        except OSError as error:
            raise InvalidEdit(f"{self._path} cannot be written: {error.strerror}. It is as it was.") from None

    def _save(self, draft: Draft, why: str) -> None:
        target = self._path.resolve()  # a link stays one
        old = target.read_bytes()
        mark = codecs.BOM_UTF8 if old.startswith(codecs.BOM_UTF8) else b""
        if old != mark + draft.before.encode():
            raise InvalidEdit(f"{self._path} was changed by somebody else since it was read. Look at it again.")
        self._keep(Version(id=self._new_id(draft.before), until=time.time(), why=why, text=draft.before))
        _replace(target, mark + draft.text.encode())

    def _new_id(self, text: str) -> str:
        """The last one in order, also where the clock went back."""
        kept = [int(path.name[:20]) for path in self._folder.glob("*.json") if path.name[:20].isdecimal()]
        return f"{max(time.time_ns(), 1 + max(kept, default=0)):020d}-{digest(text)[:8]}"

    def _keep(self, version: Version) -> None:
        _replace(self._folder / f"{version.id}.json", msgspec.json.encode(version))
        for old in sorted(self._folder.glob("*.json"))[:-KEEP]:
            old.unlink(missing_ok=True)

    def history(self) -> list[Version]:
        """The versions that were in force, the last one first; files that are none are passed over."""
        found: list[Version] = []
        for path in sorted(self._folder.glob("*.json"), reverse=True):
            with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                found.append(msgspec.json.decode(path.read_bytes(), type=Version))
        return found

    def roll_back(self, version: Version | None = None) -> Version:
        """Put an earlier version in force again; the last one where none is named. It can be taken back likewise.

        Raises:
            InvalidEdit: there is none, or it cannot be written.
            ConfigError: it can no longer be used.
        """
        version = version or next(iter(self.history()), None)
        if version is None:
            raise InvalidEdit("There is no earlier version: models.yaml has not been changed from here yet.")
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.until))
        draft = msgspec.structs.replace(self.draft(), text=version.text)
        self.save(draft, f"went back to the version until {when}")
        return version


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, also where the process or the power ends half-way; its mode stays."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            new.chmod(path.stat().st_mode & 0o7777)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
