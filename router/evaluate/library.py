"""Suites by name: those of this project, those of this Lab, and files in any format that is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec

from router.core.errors import ConfigError, InvalidRequest, StoreError
from router.core.files import shown, whole
from router.core.suites import Case, Suite
from router.evaluate.graders import GRADERS, problem
from router.evaluate.importers import Imported, Source, read_as, read_suite
from router.evaluate.suites import parse_suite, save_suite, suite_text
from router.evaluate.suites.schema import NAME

BUNDLED = Path(str(resources.files("router.evaluate"))) / "bundled"


JOINED_BY = "+"
"""Between the names of suites that are run as one; no suite's own name has it."""

NEW = """\
name: {name}
description: What this suite checks.
category: conversation
cases:
  - id: capital
    prompt: What is the capital of France? Answer with one word.
    checks: [{{contains: Paris}}]
"""
"""A suite to begin with."""


class Library:
    """The suites that have a name.

    Args:
        folder: of the Lab's own suites; made when one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> dict[str, Path]:
        """All suites that have a name; the Lab's own come first, and prompts that were kept as test cases."""
        own = {path.stem: path for ending in ("yaml", "jsonl") for path in sorted(self._folder.glob(f"*.{ending}"))}
        return own | {path.stem: path for path in sorted(BUNDLED.glob("*.yaml")) if path.stem not in own}

    def find(self, name: str) -> Imported:
        """A suite by its name or its file.

        Raises:
            ConfigError: there is none, or it cannot be read; one sentence.
        """
        if (path := Path(name)).is_file():
            return read_suite(path, GRADERS, problem)
        known = self.names()
        if name not in known:
            raise ConfigError(f"There is no suite {name}: neither a file, nor one of {', '.join(known)}.")
        return self.named(name)

    def named(self, name: str) -> Imported:
        """A suite by its name alone, whatever files there are.

        Raises:
            ConfigError: there is none, or it cannot be read; one sentence.
        """
        known = self.names()
        if (path := known.get(name)) is None:
            raise ConfigError(f"There is no suite {name}, but {', '.join(known)}.")
        return read_suite(read_as(path, shown(path)), GRADERS, problem)

    def read(self, name: str, data: bytes) -> Imported:
        """The suite in a file that was sent: its name tells its format as that of a file on disk does.

        Raises:
            ConfigError: it is in no format that is known, or cannot be read; one sentence.
        """
        return read_suite(Source(Path(Path(name).name), data, folder=self._folder), GRADERS, problem)

    def is_own(self, name: str) -> bool:
        """Whether a suite is the Lab's, which can be changed and deleted."""
        return re.fullmatch(NAME, name) is not None and self._path(name).is_file()

    def is_bundled(self, name: str) -> bool:
        """Whether a suite is one of this project."""
        return self.names().get(name, self._folder).parent == BUNDLED

    def text(self, name: str) -> str:
        """A suite as YAML; of one in another format, what was taken in.

        Raises:
            ConfigError: as for `named`.
        """
        path = self.names().get(name)
        if path is None or path.suffix != ".yaml":
            return suite_text(self.named(name).suite)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return suite_text(self.named(name).suite)  # says what is wrong with it

    def check(self, name: str, text: str) -> Suite:
        """A suite's text, checked as when it is kept.

        Raises:
            ConfigError: one sentence with the line and the fix.
            InvalidRequest: the name cannot be used.
        """
        return parse_suite(text, shown(self._path(name)), GRADERS, problem, folder=self._folder)

    def write(self, name: str, text: str, before: str | None) -> Suite:
        """Keep a suite's text as it is, under a name.

        Args:
            before: the text that it replaces; None for a new suite.

        Raises:
            ConfigError, InvalidRequest: as for `check`, or the file holds another text by now; nothing is written.
            StoreError: it cannot be written.
        """
        suite, path = self.check(name, text), self._path(name)
        if _is_taken(path, before):
            said = "it was changed meanwhile" if before is not None else "there is one of that name already"
            raise InvalidRequest(f"The suite {name} is not saved: {said}. Choose another name, or open it again.")
        self._make_folder()
        try:
            with whole(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise StoreError(f"{shown(path)} cannot be written: {error.strerror}.") from None
        return suite

    def keep(self, suite: Suite, *, replace: bool = False) -> Path:
        """Keep a suite under its own name; returns its file.

        Raises:
            InvalidRequest: there is one of that name already.
            ConfigError: it has no case, is too large to be read back, or cannot be written.
        """
        path = self._path(suite.name)
        if not replace and _is_taken(path, None):
            raise InvalidRequest(f"There is already a suite called {suite.name}. Choose another name.")
        self._make_folder()
        save_suite(suite, path, shown(path))
        return path

    def delete(self, name: str) -> None:
        """Delete a suite of the Lab; runs keep their cases.

        Raises:
            StoreError: it cannot be deleted.
        """
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"The suite {name} cannot be deleted: {error.strerror}.") from None

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{shown(self._folder)} cannot be created: {error.strerror}.") from None

    def _path(self, name: str) -> Path:
        if re.fullmatch(NAME, name) is None:
            raise InvalidRequest(f"“{name}” cannot name a suite. Use letters, digits, -, _ and ., up to 100 of them.")
        return self._folder / f"{name}.yaml"


def _is_taken(path: Path, before: str | None) -> bool:
    """Whether a suite of that name holds anything but this text, or if this is None, whether there is one."""
    if before is None:
        return path.exists() or path.with_suffix(".jsonl").exists()
    try:
        return path.is_file() and path.read_text(encoding="utf-8") != before
    except (OSError, UnicodeDecodeError):
        return True


def joined(suites: Sequence[Suite]) -> Suite:
    """Several suites as one, whose cases are told apart by the suites' names."""
    if len(suites) == 1:
        return suites[0]
    cases = [msgspec.structs.replace(case, id=f"{suite.name}/{case.id}") for suite in suites for case in suite.cases]
    return Suite(name=JOINED_BY.join(suite.name for suite in suites), cases=tuple(cases))


def new_cases(run: Suite, now: Suite) -> tuple[Case, ...]:
    """The cases that a run's suite has got since; none of a suite that has nothing but its name in common with it."""
    ids, questions = {case.id for case in run.cases}, {case.key for case in run.cases}
    if questions.isdisjoint(case.key for case in now.cases):
        return ()
    return tuple(case for case in now.cases if case.id not in ids and case.key not in questions)
