"""Suites from YAML: what a file may say, and each mistake as a sentence with its line."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pydantic

from router.chat.attachments import MAX_FILE_BYTES, content_part, read_attachment
from router.config.explain import explain, nearest
from router.config.values import shortened
from router.core.errors import ConfigError, InvalidRequest
from router.core.files import beside, decoded, read_at_most
from router.core.messages import Message, digest
from router.core.requests import Request
from router.core.strict_yaml import Expected, Lines, Place, parse
from router.core.suites import Case, Check, Suite
from router.evaluate.suites.schema import NAME, REFUSED, CaseFile, CheckFile, SuiteFile

MAX_BYTES = 20_000_000
"""Largest file: some 30,000 cases."""

MAX_VALUES = 500_000
"""The most values of a file, after expanding aliases."""

UNSENDABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that no request can have: NUL, and halves of surrogate pairs."""

EXPECTED = Expected(
    max_bytes=MAX_BYTES,
    max_values=MAX_VALUES,
    refused=UNSENDABLE,
    if_empty="Add your cases to it; see docs/evaluating.md.",
    if_too_large="Split it into several suites.",
    if_no_mapping="a suite must be a mapping with the key `cases`, not a list or a single value.",
    core=True,
)


Problem: TypeAlias = Callable[[Check, Case], str | None]
"""Why the grader of a check cannot use it, one sentence; None if it can."""


def load_suite(path: Path, graders: Collection[str], problem: Problem | None = None) -> Suite:
    """Read and check a suite.

    Args:
        graders: the names of all graders.
        problem: what is wrong with a check's value or options; None to leave that to the run.

    Raises:
        ConfigError: one sentence with the file, the line and the fix.
    """
    return parse_suite(decoded(read_at_most(path, MAX_BYTES), path), path, graders, problem)


def parse_suite(
    text: str, path: Path, graders: Collection[str], problem: Problem | None = None, *, folder: Path | None = None
) -> Suite:
    """Check a suite's text. Raises as `load_suite`.

    Args:
        path: what errors call its file.
        folder: where its images are; None for the folder of `path`.
    """
    data, lines, _ = parse(text, path, EXPECTED)
    try:
        file = SuiteFile.model_validate(data)
        return _Reader(file, lines, path, graders, problem, folder=folder or path.parent).suite()
    except pydantic.ValidationError as error:
        raise ConfigError(explain(path, lines, error, SuiteFile, lambda at: _written(data, at))) from None
    except _Located as error:
        raise ConfigError(f"{path}, line {lines.of(error.at)}: {error}") from None


def _written(data: Any, at: Place) -> Place:
    """Where the file has what the model has at a place: a check's fields stand below its grader's name."""
    end = 2 if at[:1] == ("checks",) else 4 if at[2:3] == ("checks",) else len(at)
    if len(at) <= end:
        return at
    check = functools.reduce(operator.getitem, at[:end], data)
    return (*at[:end], next(iter(check)), *at[end:]) if isinstance(check, dict) else at


class _Located(Exception):
    def __init__(self, at: Place, message: str) -> None:
        self.at = at
        super().__init__(message)


class _Reader:
    """Makes a suite of what its file says."""

    def __init__(
        self,
        file: SuiteFile,
        lines: Lines,
        path: Path,
        graders: Collection[str],
        problem: Problem | None,
        *,
        folder: Path,
    ) -> None:
        self._file = file
        self._lines = lines
        self._path = path
        self._folder = folder
        self._graders = dict.fromkeys(sorted(graders))
        self._problem = problem

    def suite(self) -> Suite:
        """The whole suite; raises _Located."""
        shared = tuple(self._checks(self._file.checks, ("checks",)))
        cases: dict[str, Case] = {}
        for number, given in enumerate(self._file.cases):
            at: Place = ("cases", number)
            case = self._case(given, shared, at)
            if (first := cases.get(case.id)) is not None:
                what = f"the id `{case.id}` is taken by" if given.id is not None else "this case is the same as"
                raise _Located((*at, "id"), f"{what} the case on line {first.place.rpartition(':')[2]}. Change one.")
            self._refuse_unusable(case, at)
            cases[case.id] = case
        return Suite(name=self._name(), description=self._file.description, cases=tuple(cases.values()))

    def _name(self) -> str:
        name = self._file.name if self._file.name is not None else self._path.stem
        if not re.fullmatch(NAME, name):
            raise _Located((), f"`{shortened(name)}` cannot be a suite's name. Add `name:` with letters and digits.")
        return name

    def _checks(self, checks: Sequence[CheckFile], at: Place) -> Iterator[Check]:
        for number, check in enumerate(checks):
            if check.type not in self._graders:
                refused = REFUSED.get(check.type)
                why = f": {refused.why}. {refused.instead}" if refused else nearest(check.type, self._graders)
                raise _Located((*at, number), f"`{shortened(check.type)}` is not a grader{why}")
            yield Check(**{**dict(check), "name": check.name or ""})

    def _case(self, given: CaseFile, shared: tuple[Check, ...], at: Place) -> Case:
        checks = (*shared, *self._checks(given.checks, (*at, "checks")))
        case = Case(
            id=given.id or "",
            request=self._request(given, at),
            then=tuple(given.then),
            category=self._own(given, "category"),
            target=tuple(given.target),
            tags=tuple(given.tags),
            weight=given.weight,
            group=given.group or "",
            checks=checks,
            threshold=self._own(given, "threshold"),
            metadata=given.metadata,
            place=f"{self._path}:{self._lines.of(at)}",
        )
        try:
            return with_id(case)
        except InvalidRequest as error:
            raise _Located(at, str(error)) from None

    def _refuse_unusable(self, case: Case, at: Place) -> None:
        shared = len(self._file.checks)
        for number, check in enumerate(case.checks):
            if self._problem is not None and (sentence := self._problem(check, case)) is not None:
                where = ("checks", number) if number < shared else (*at, "checks", number - shared)
                raise _Located(where, sentence)

    def _own(self, given: CaseFile, name: str) -> Any:
        """What a case says, or else its suite; a case may say that there is none."""
        return getattr(given if name in given.model_fields_set else self._file, name)

    def _request(self, given: CaseFile, at: Place) -> Request:
        params = {**self._file.params, **given.params}
        temperature = params.pop("temperature", None)
        return Request(
            messages=tuple(self._messages(given, at)),
            tools=tuple(self._own(given, "tools")),
            response_format=self._own(given, "response_format"),
            temperature=float(temperature) if temperature is not None else None,
            **{name: params.pop(name, None) for name in ("tool_choice", "max_tokens")},
            params=params,
        )

    def _messages(self, given: CaseFile, at: Place) -> Iterator[Message]:
        if (given.prompt is None) == (given.messages is None):
            raise _Located(at, "a case has either a `prompt` or `messages`.")
        begins = given.messages is not None and given.messages[0]["role"] in ("system", "developer")
        if begins and given.system is not None:
            raise _Located((*at, "system"), "the case has a `system` prompt and a system message. Remove one.")
        if not begins and (system := self._own(given, "system")):
            yield {"role": "system", "content": system}
        if given.messages is not None and given.images:
            raise _Located((*at, "images"), "`images` go with a `prompt`; in `messages` they are parts of the content.")
        yield from given.messages or [self._prompt(given, at)]

    def _prompt(self, given: CaseFile, at: Place) -> Message:
        parts = [self._image(name, (*at, "images", number)) for number, name in enumerate(given.images)]
        if not parts and not (given.prompt or "").strip():
            raise _Located(at, "The prompt is empty. Type something to send.")
        asked = [{"type": "text", "text": given.prompt}] if given.prompt else []
        return {"role": "user", "content": [*parts, *asked] if parts else given.prompt}

    def _image(self, name: str, at: Place) -> Mapping[str, Any]:
        try:
            data = read_at_most(beside(self._folder / self._path.name, name), MAX_FILE_BYTES, Path(name))
            image = read_attachment(name, data)
        except (ConfigError, InvalidRequest) as error:
            raise _Located(at, str(error)) from None
        if not image.media_type.startswith("image/"):
            raise _Located(at, f"`{shortened(name)}` is not an image. Use a PNG, JPEG, GIF or WebP file.")
        return content_part(image, data)


def with_id(case: Case) -> Case:
    """The case; one without an id gets one that stays as long as it asks and checks the same.

    Raises:
        InvalidRequest: it cannot be sent.
    """
    derived = digest(case.key, msgspec.json.encode((case.target, case.checks), order="sorted"))[:12]
    return case if case.id else msgspec.structs.replace(case, id=derived)
