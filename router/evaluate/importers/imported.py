"""What an import takes and what it leaves, each with its place: nothing is dropped in silence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from router.config.values import shortened
from router.core.errors import ConfigError, InvalidRequest
from router.core.formatting import counted
from router.core.strict_yaml import MAX_WHOLE
from router.core.suites import Case, Suite
from router.evaluate.importers.source import Source, suite_name
from router.evaluate.suites.loading import UNSENDABLE, Problem, with_id
from router.evaluate.suites.schema import MAX_TEXT, MAX_WEIGHT

MAX_CASES = 100_000
"""The most cases of one import."""

MAX_DEPTH = 40
"""How deeply a value of a case may be nested; a suite's file has some levels above it."""


class Left(NamedTuple):
    """What an import does not take.

    Attributes:
        place: `file:line`.
        what: what it is, and why it is not taken, in one sentence.
        fix: what to do about it, in one sentence.
    """

    place: str
    what: str
    fix: str


class Imported(NamedTuple):
    """A suite from another format.

    Attributes:
        format: what the file was taken for, as in "a promptfoo configuration".
        found: the cases that the file has.
    """

    format: str
    suite: Suite
    left: tuple[Left, ...]
    found: int

    @property
    def sentence(self) -> str:
        """What was taken, and how much of what is left, for people."""
        taken = len(self.suite.cases)
        lost = self.found - taken
        said = f"Read as {self.format}: {taken:,} of {counted(self.found, 'case')} taken."
        return f"{said} {counted(lost, 'case')} {'is' if lost == 1 else 'are'} left out." if lost else said

    def usable(self, problem: Problem) -> Imported:
        """The same without the cases that have a check which its grader cannot use; each is named."""
        kept, left = [], list(self.left)
        for case in self.suite.cases:
            if sentence := next(filter(None, (problem(check, case) for check in case.checks)), None):
                left.append(Left(case.place, f"It cannot be graded: {sentence}", "Change that, and import again."))
            else:
                kept.append(case)
        return self._replace(suite=msgspec.structs.replace(self.suite, cases=tuple(kept)), left=tuple(left))

    @property
    def reasons(self) -> list[tuple[int, Left]]:
        """What is left, each reason once: how often, and where first; the most frequent one first."""
        first: dict[tuple[str, str], Left] = {}
        for left in self.left:
            first.setdefault((left.what, left.fix), left)
        number = Counter((left.what, left.fix) for left in self.left)
        return [(count, first[reason]) for reason, count in number.most_common()]


class NotTaken(Exception):
    """A case cannot be taken; see `Left`."""

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix
        super().__init__(what)


class Collector:
    """Collects the cases of an import, and what is left of it.

    Args:
        form: what the file is taken for.
    """

    def __init__(self, source: Source, form: str) -> None:
        self._source = source
        self._form = form
        self._cases: dict[str, Case] = {}
        self._left: list[Left] = []
        self._found = 0

    def leave(self, place: str, what: str, fix: str) -> None:
        """Name something that is not taken and takes no case with it."""
        self._left.append(Left(place, what, fix))

    def leave_case(self, place: str, what: str, fix: str, cases: int = 1) -> None:
        """Name a case that is not taken, or several."""
        self._count(cases)
        self._left.append(Left(place, what, fix))

    def take(self, place: str, make: Callable[[], Case]) -> None:
        """Take a case, or name it.

        Args:
            make: makes the case, its place aside; it may raise NotTaken.
        """
        self._count(1)
        try:
            case = _checked(make())
            if (other := self._cases.get(case.id)) is not None:
                raise NotTaken(*_twice(case, other))
            self._cases[case.id] = msgspec.structs.replace(case, place=place)
        except NotTaken as error:
            self._left.append(Left(place, error.what, error.fix))

    def _count(self, cases: int) -> None:
        self._found += cases
        if self._found > MAX_CASES:
            raise ConfigError(f"{self._source.path} has more than {MAX_CASES:,} cases. Import a part of it.")

    def imported(self, name: str | None = None, description: str = "") -> Imported:
        """The whole import."""
        suite = Suite(
            name=name or suite_name(self._source.path.stem), description=description, cases=tuple(self._cases.values())
        )
        return Imported(self._form, suite, tuple(self._left), self._found)


def _twice(case: Case, other: Case) -> tuple[str, str]:
    if case.key == other.key and case.checks == other.checks and case.target == other.target:
        return f"It is the same case as {other.place}.", "Nothing needs to be done: one of them is enough."
    return f"Its id `{case.id}` is taken by {other.place}.", "Give it another id, and import again."


def _checked(case: Case) -> Case:
    """The case with an id, if a suite's file can hold it; raises NotTaken."""
    found = [*case.tags, *filter(None, (case.id, case.category, case.group, *(check.name for check in case.checks)))]
    for label in found:
        if not label.strip() or not label.isprintable() or len(label) > MAX_TEXT:
            raise NotTaken(
                f"Its name `{shortened(label)}` is not 1 to {MAX_TEXT} characters on one line.",
                "Rename it, and import again.",
            )
    if all(message.get("role") in ("system", "developer") for message in case.request.messages):
        raise NotTaken("The prompt is empty.", "Add one, and import again.")
    if not 0 <= case.weight <= MAX_WEIGHT:
        raise NotTaken("Its weight is negative, too large or not finite.", "Set a weight from 0 to a million.")
    checks = [msgspec.structs.asdict(check) for check in case.checks]
    held = [msgspec.structs.asdict(case.request), case.then, case.target, case.metadata, checks]
    if (problem := unfit(held)) is not None:
        raise NotTaken(f"It has {problem}.", "Change that, and import again.")
    try:
        return with_id(case)
    except InvalidRequest as error:
        raise NotTaken(str(error), "Change it, and import again.") from None


def unfit(value: Any) -> str | None:
    """What a suite's file cannot hold, as "a number that is not finite"; None if it can hold all of a value."""
    return next(_unfit(value), None)


def _unfit(root: Any) -> Iterator[str]:
    todo: list[tuple[int, Any]] = [(0, root)]
    while todo:
        depth, value = todo.pop()
        if depth > MAX_DEPTH:
            yield f"values nested more than {MAX_DEPTH} deep"
            return
        if isinstance(value, str) and (found := UNSENDABLE.search(value)):
            yield f"the character U+{ord(found[0]):04X}, which cannot be sent"
        elif isinstance(value, float) and not math.isfinite(value):
            yield "a number that is not finite"
        elif isinstance(value, int) and abs(value) > MAX_WHOLE:
            yield f"a whole number beyond {MAX_WHOLE}"
        elif isinstance(value, Mapping):
            if odd := [name for name in value if not isinstance(name, str) or not name.isprintable()]:
                yield f"the name `{shortened(odd[0])}`, which is not text on one line"
            todo.extend((depth + 1, item) for item in value.values())
        elif isinstance(value, list | tuple):
            todo.extend((depth + 1, item) for item in value)
        elif not isinstance(value, str | int | float | None):
            yield f"a value that JSON has no form for ({type(value).__name__})"
