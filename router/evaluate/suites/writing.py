"""Suites as YAML that loads back equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from router.core.errors import ConfigError
from router.core.files import whole
from router.core.messages import Message
from router.core.strict_yaml import add_core_schema
from router.core.suites import Case, Check, Suite
from router.evaluate.suites.loading import MAX_BYTES
from router.evaluate.suites.schema import NEGATION, SETTINGS

_SHARED = ("category", "system", "params", "tools", "response_format", "threshold", "checks")
"""What stands once for the whole suite where all cases have the same."""

WIDTH = 1_000_000
"""Characters of a line: none is folded, so that what belongs together is found together."""


def save_suite(suite: Suite, path: Path, called: Path | None = None) -> None:
    """Write a suite in one step, in place of what was there.

    Args:
        called: what errors call its file; None for its path.

    Raises:
        ConfigError: it has no case, is too large to be read back, or cannot be written.
    """
    called = called or path
    text = suite_text(suite)
    if not suite.cases:
        raise ConfigError(f"{called} is not written: the suite has no case.")
    if (size := len(text.encode())) > MAX_BYTES:
        raise ConfigError(
            f"{called} would be {size / 1e6:.0f} MB; the limit of a suite is {MAX_BYTES / 1e6:.0f} MB. Import a part."
        )
    try:
        with whole(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(f"{called} cannot be written: {error.strerror}.") from None


def suite_text(suite: Suite) -> str:
    """A suite as YAML; `parse_suite` makes the same of it, but for the places."""
    cases = [_case(case) for case in suite.cases]
    shared = {
        name: cases[0][name]
        for name in _SHARED
        if cases and name in cases[0] and all(name in case and case[name] == cases[0][name] for case in cases)
    }
    own = [{name: value for name, value in case.items() if name not in shared} for case in cases]
    described = {"description": suite.description} if suite.description else {}
    data = msgspec.to_builtins({"name": suite.name, **described, **shared, "cases": own})
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    return text


def _case(case: Case) -> dict[str, Any]:
    """A case as its file has it; what says the default is left out."""
    request, unset = case.request, Case(id="", request=case.request)
    named = {"temperature": request.temperature, "max_tokens": request.max_tokens, "tool_choice": request.tool_choice}
    params = {**{name: value for name, value in named.items() if value is not None}, **request.params}
    fields: dict[str, Any] = {"id": case.id}
    fields |= {name: getattr(case, name) for name in _PLAIN if getattr(case, name) != getattr(unset, name)}
    fields |= _asked(request.messages)
    fields |= {"then": [_turn(message) for message in case.then]} if case.then else {}
    fields |= {"params": params} if params else {}
    fields |= {"tools": [_tool(tool) for tool in request.tools]} if request.tools else {}
    fields |= {"response_format": request.response_format} if request.response_format is not None else {}
    fields |= {"target": case.target[0] if len(case.target) == 1 else case.target} if case.target else {}
    fields |= {"checks": [_check(check) for check in case.checks]} if case.checks else {}
    return fields | ({"metadata": case.metadata} if case.metadata else {})


_PLAIN = ("category", "tags", "group", "weight", "threshold")


def _asked(messages: Sequence[Message]) -> dict[str, Any]:
    """A prompt with its system prompt where that says it all, else the messages."""
    system, rest = _text_of(messages[0], "system"), messages[1:]
    asked = rest if system else messages
    prompt = _text_of(asked[0], "user") if len(asked) == 1 else None
    if prompt is None or not prompt.strip():
        return {"messages": messages}
    return {"system": system, "prompt": prompt} if system else {"prompt": prompt}


def _text_of(message: Message, role: str) -> str | None:
    """A message's text where it has the role, and nothing else."""
    plain = message.keys() == {"role", "content"} and message["role"] == role and isinstance(message["content"], str)
    return message["content"] if plain else None


def _turn(message: Message) -> str | Message:
    text = _text_of(message, "user")
    return text if text is not None else message


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function: Mapping[str, Any] = tool["function"]
    return function


def _check(check: Check) -> Any:
    name = f"{NEGATION}{check.type}" if check.negated else check.type
    unset = Check(type="")
    settings = {key: getattr(check, key) for key in SETTINGS if getattr(check, key) != getattr(unset, key)}
    settings |= check.options
    if not settings:
        return name
    # A mapping is read as settings: a value that is one stands among them.
    alone = settings.keys() == {"value"} and not isinstance(check.value, Mapping)
    return {name: check.value if alone else settings}


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # libyaml's where PyYAML has it
    """Writes texts of several lines as such, and nothing as an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's own
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
add_core_schema(_Dumper)  # words that only YAML 1.1 takes for something else are quoted too
