"""A suite from a promptfoo configuration, or from its tests alone (https://www.promptfoo.dev/docs/configuration/).

Every test is a case with every prompt that it is for, and with every combination of the lists among its variables.
Cases of one test share a group. A test whose assertions cannot all be taken is left out as a whole: without one of
them, it would pass more easily than its author meant.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from router.config.values import shortened
from router.core.errors import ConfigError
from router.core.requests import Request
from router.core.suites import Case
from router.core.untrusted import number
from router.evaluate.importers.imported import MAX_CASES, Collector, Imported, NotTaken
from router.evaluate.importers.promptfoo import rows
from router.evaluate.importers.promptfoo.asserts import ELSEWHERE, graded
from router.evaluate.importers.promptfoo.files import References, Tree, is_path, listed, named_files, tests_in, tree
from router.evaluate.importers.promptfoo.prompts import Prompt, names, prompts_of
from router.evaluate.importers.promptfoo.providers import Settings, settings_of
from router.evaluate.importers.promptfoo.templates import Vars, resolved
from router.evaluate.importers.reading import FIX, tools_of
from router.evaluate.importers.records import Record, records
from router.evaluate.importers.source import Given, opened

KEYS = frozenset({"prompts", "tests", "providers", "targets", "defaultTest", "scenarios"})
"""What tells a promptfoo configuration."""

_TAKEN = frozenset({"description", "prompts", "tests", "providers", "targets", "defaultTest", "assertionTemplates"})

_FIXES = {
    "scenarios": "Write their cases out as tests; they are not counted here.",
    "evaluateOptions": "Set repeats and concurrency when you run the suite.",
    "env": "Keys come from the environment; see docs/models-yaml.md.",
    "extensions": "They run code. Run these cases with promptfoo itself.",
    "nunjucksFilters": "They run code. Write what they make into the prompts.",
    "redteam": "Its tests are made by promptfoo: generate them, and import the file that it writes.",
}
_ANY = "Nothing needs to be done if it only says how promptfoo runs."

_OPTIONS = frozenset({"prefix", "suffix", "disableVarExpansion", "disableDefaultAsserts"})
_CODE_OPTIONS = ("transform", "transformVars", "postprocess", "storeOutputAs", "rubricPrompt")
_TEST = frozenset({"description", "vars", "assert", "threshold", "metadata", "options", "prompts"})


def import_promptfoo(given: Given, prompts: Sequence[str] = (), name: str | None = None) -> Imported:
    """A suite from a configuration, or from a file of tests in YAML, JSON, JSON lines or CSV.

    Args:
        prompts: templates with `{{variables}}`, for tests alone; none stands for `{{prompt}}`, as in promptfoo.

    Raises:
        ConfigError: the file cannot be read.
    """
    source = opened(given)
    alone = source.ending in (".csv", ".tsv", ".jsonl", ".ndjson")
    found = None if alone else tree(source)
    if found is not None and isinstance(found.data, dict) and KEYS & found.data.keys():
        return _Configuration(found, prompts).imported(name)
    collector = Collector(source, "promptfoo tests")
    templates = [prompt for text in prompts or ("{{prompt}}",) for prompt in prompts_of(source, text)]
    tests = _Tests(collector, templates, {}, References(found.data if found is not None else {}), Settings())
    if source.ending in (".csv", ".tsv"):
        for column in rows.unused(next((record.data for record in records(source)), {})):
            collector.leave(source.place(1), f"The column `{shortened(column)}` is not used.", _ANY)
    for test in (
        listed(found, found.data, ()) if found is not None and isinstance(found.data, list) else tests_in(source)
    ):
        tests.take(test)
    return collector.imported(name)


class _Configuration:
    def __init__(self, found: Tree, prompts: Sequence[str]) -> None:
        self._found = found
        self._data: Mapping[str, Any] = found.data
        self._given = prompts
        self._collector = Collector(found.source, "a promptfoo configuration")

    def imported(self, name: str | None) -> Imported:
        """The whole configuration."""
        for key in self._data.keys() - _TAKEN:
            self._leave((key,), f"`{shortened(key)}` is not taken.", _FIXES.get(key, _ANY))
        references = References(self._data)
        templates, default = list(self._prompts()), self._default(references)
        tests = _Tests(self._collector, templates, default, references, self._settings(references))
        for test in self._tests():
            tests.take(test)
        description = self._data.get("description")
        return self._collector.imported(name, description if isinstance(description, str) else "")

    def _leave(self, at: tuple[str | int, ...], what: str, fix: str) -> None:
        self._collector.leave(self._found.place(at), what, fix)

    def _prompts(self) -> Iterator[Prompt]:
        given = self._given or self._data.get("prompts", "{{prompt}}")
        for number_, each in enumerate(given if isinstance(given, list | tuple | dict) else [given]):
            try:
                yield from prompts_of(self._found.source, each)
            except (NotTaken, ConfigError) as error:
                what, fix = (error.what, error.fix) if isinstance(error, NotTaken) else (str(error), FIX)
                self._leave(("prompts", number_), what, f"{fix} Its cases are not counted here.")

    def _default(self, references: References) -> Mapping[str, Any]:
        given = self._data.get("defaultTest", {})
        try:
            if isinstance(given, str):
                [file] = named_files(self._found.source, given)
                given = tree(file).data
            found = references.followed(given)
        except (NotTaken, ConfigError, ValueError) as error:
            raise ConfigError(
                f"{self._found.place(('defaultTest',))}: `defaultTest` cannot be taken. {error}"
            ) from None
        if not isinstance(found, dict):
            raise ConfigError(f"{self._found.place(('defaultTest',))}: `defaultTest` must be a mapping.")
        return found

    def _settings(self, references: References) -> Settings:
        key = "targets" if "targets" in self._data else "providers"
        try:
            found = settings_of(references.followed(self._data.get(key)))
        except NotTaken as error:
            self._leave((key,), error.what, error.fix)
            return Settings()
        for what, fix in found.notes:
            self._leave((key,), what, fix)
        return found

    def _tests(self) -> Iterator[Record]:
        given = self._data.get("tests", [])
        items = given if isinstance(given, list) else [given]
        for number_, item in enumerate(items):
            at = ("tests", number_)
            path = item.get("path") if isinstance(item, dict) else item
            if not isinstance(path, str):
                yield from (
                    [Record(self._found.place(at), item)] if isinstance(item, dict) else listed(self._found, [item], at)
                )
                continue
            try:
                yield from self._of_file(path)
            except (NotTaken, ConfigError) as error:
                what, fix = (error.what, error.fix) if isinstance(error, NotTaken) else (str(error), FIX)
                self._leave(at, what, f"{fix} Its tests are not counted here.")

    def _of_file(self, path: str) -> Iterator[Record]:
        if not is_path(path) or path.endswith((".txt", ".md", ".j2")):
            raise NotTaken(
                f"The tests in `{shortened(path)}` are kept elsewhere.", "Save them as a file of YAML, JSON or CSV."
            )
        for file in named_files(self._found.source, path):
            yield from tests_in(file)


class _Expanded(NamedTuple):
    """One case of a test: a prompt, and values for its variables."""

    prompt: Prompt
    given: Vars


class _Tests:
    """Makes cases of tests."""

    def __init__(
        self,
        collector: Collector,
        prompts: Sequence[Prompt],
        default: Mapping[str, Any],
        references: References,
        settings: Settings,
    ) -> None:
        self._collector = collector
        self._prompts = prompts
        self._default = default
        self._references = references
        self._settings = settings
        self._number = 0

    def take(self, test: Record) -> None:
        """Take a test's cases, or name them."""
        self._number += 1
        if test.problem:
            self._collector.leave_case(test.place, f"It cannot be read: {test.problem}.", FIX)
            return
        try:
            merged = self._merged(test.data)
            prompts = [prompt for prompt in self._prompts if names(prompt, merged.get("prompts"))]
            combinations = _combinations(merged)
            cases = max(1, len(prompts) * math.prod(len(values) for values in combinations.values()))
        except NotTaken as error:
            self._collector.leave_case(test.place, error.what, error.fix)
            return
        self._name_unused(test.place, merged)
        try:
            _refuse(merged)
            if not prompts:
                raise NotTaken("None of the prompts that it is for can be taken.", "See what is said of the prompts.")
            if cases > MAX_CASES:
                raise NotTaken(f"Its variables stand for {cases:,} cases.", f"Use at most {MAX_CASES:,}.")
        except NotTaken as error:
            self._collector.leave_case(test.place, error.what, error.fix, cases if cases <= MAX_CASES else 1)
            return
        for values in itertools.product(*combinations.values()):
            for prompt in prompts:
                expanded = _Expanded(prompt, dict(zip(combinations, values, strict=True)))
                self._collector.take(test.place, functools.partial(self._case, merged, expanded, cases, test.place))

    def _merged(self, test: Mapping[str, Any]) -> Mapping[str, Any]:
        """A test with what the default says where it says nothing."""
        own, default = self._references.followed(test), self._default
        merged = {**default, **own}
        for key, kind in (("vars", dict), ("options", dict), ("metadata", dict), ("assert", list)):
            for given in (default.get(key), own.get(key)):
                if not isinstance(given, kind | None):
                    raise NotTaken(f"Its `{key}` is not a {'list' if kind is list else 'mapping'}.", FIX)
        for key in ("vars", "options", "metadata"):
            merged[key] = {**(default.get(key) or {}), **(own.get(key) or {})}
        shared = [] if merged["options"].get("disableDefaultAsserts") is True else default.get("assert") or []
        return {**merged, "assert": [*shared, *(own.get("assert") or [])]}

    def _name_unused(self, place: str, test: Mapping[str, Any]) -> None:
        for key in sorted(test.keys() - _TEST):
            if key in ("provider", "providers"):
                self._collector.leave(place, f"`{key}` of a test is not taken.", "Choose lanes when you run the suite.")
            elif key not in ("assertScoringFunction", "providerOutput"):  # these take the case with them
                self._collector.leave(place, f"`{shortened(key)}` of a test is not used.", _ANY)
        for key in sorted(test["options"].keys() - _OPTIONS - {*_CODE_OPTIONS}):
            what = "Choose the judge when you run the suite." if key == "provider" else _ANY
            self._collector.leave(place, f"`options.{shortened(key)}` is not used.", what)

    def _case(self, test: Mapping[str, Any], expanded: _Expanded, cases: int, place: str) -> Case:
        given = resolved(expanded.given)
        options, metadata, threshold = test["options"], test["metadata"], number(test.get("threshold"))
        prefix, suffix = (str(options.get(key) or "") for key in ("prefix", "suffix"))
        messages = expanded.prompt.filled(given, prefix, suffix)
        found = graded(test["assert"], threshold, given)
        for what, fix in found.notes:
            self._collector.leave(place, what, fix)
        described = {"description": test["description"]} if isinstance(test.get("description"), str) else {}
        category = metadata.get("category")
        kept = {key: value for key, value in metadata.items() if key != "category" or not isinstance(category, str)}
        return Case(
            id="",
            request=Request(messages=messages, tools=tools_of(self._settings.tools), **self._settings.fields),
            category=category if isinstance(category, str) and category else None,
            group=f"test {self._number}" if cases > 1 else "",
            checks=found.checks,
            threshold=found.threshold,
            metadata={**described, **kept},
        )


def _refuse(test: Mapping[str, Any]) -> None:
    """Raise NotTaken for a test that only promptfoo can run."""
    for key in _CODE_OPTIONS:
        if test["options"].get(key) is not None:
            raise NotTaken(f"Its `options.{key}` is not done here.", ELSEWHERE)
    if test.get("assertScoringFunction") is not None:
        raise NotTaken("Its `assertScoringFunction` runs code, which is not done here.", ELSEWHERE)
    if test.get("providerOutput") is not None:
        raise NotTaken("Its `providerOutput` stands for the answer, so that nothing is asked.", "Remove it.")
    for name, value in test["vars"].items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and each.startswith(("file://", "package:")):
                raise NotTaken(f"Its variable `{shortened(name)}` is another file.", "Write its content there.")
    if (mean := test.get("threshold")) is not None and (number(mean) is None or not 0 <= (number(mean) or 0) <= 1):
        raise NotTaken("Its threshold is not a number from 0 to 1.", "Write one.")


def _combinations(test: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of each variable: several only where it is a list of texts, and expansion is on."""
    off = test["options"].get("disableVarExpansion") is True
    return {
        name: value if isinstance(value, list) and value and isinstance(value[0], str) and not off else [value]
        for name, value in test["vars"].items()
    }
