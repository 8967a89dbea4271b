"""The grader that runs an answer's code, and the tests that are hidden from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from markdown_it import MarkdownIt

from router.core.errors import GraderFailed, InvalidRequest
from router.core.suites import Answered, Case, Check
from router.evaluate.graders.base import Found, Grader, Tools, as_text, positive, text_of, whole, yes_or_no
from router.evaluate.sandbox import Limits, Program, run

_PARSER = MarkdownIt("commonmark").disable(["inline", "html_block", "reference", "code", "lheading"])

_PYTHON = frozenset({"", "python", "python3", "py", "python-repl", "pycon"})

_MAX_CODE = 100_000
"""Characters; nobody asks for more, and reading them must not take long."""

_MAX_SECONDS, _MAX_MEMORY = 60, 2_000
"""Of one program: seconds of the processor's time, and megabytes."""


def code_of(answer: str, entry_point: str = "") -> str:
    """The Python code of an answer: its fences in Python, or all of it where it has none.

    Where it defines the entry point, what follows the last definition is left out: it shows how to use it. So is what
    cannot be parsed, unless nothing else is there.
    """
    fences = [
        token.content
        for token in _PARSER.parse(answer)
        if token.type == "fence" and token.info.strip().partition(" ")[0].lower() in _PYTHON
    ]
    if not fences:
        return answer
    parsed = [fence for fence in fences if _is_code(fence)] or fences
    defining = [at for at, fence in enumerate(parsed) if entry_point and _defines(fence, entry_point)]
    return "\n".join(parsed[: defining[-1] + 1] if defining else parsed)


def _is_code(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _defines(text: str, name: str) -> bool:
    name = re.escape(name)
    return re.search(rf"^(?:(?:async )?def|class) +{name}\b|^{name} *=", text, re.MULTILINE) is not None


def _read(check: Check, _: Case) -> tuple[str, str, str, Limits]:
    """The tests, the entry point, what stands before the code, and the limits."""
    tests = as_text(check.value, "The value of `code`")
    if not tests.strip() or not _is_code(tests):
        raise InvalidRequest("The value of `code` must be its hidden tests in Python, such as `assert double(2) == 4`.")
    options, usual = check.options, Limits()
    entry_point = as_text(options.get("entry_point", ""), "`entry_point` of `code`")
    if entry_point and not entry_point.isidentifier():
        raise InvalidRequest("`entry_point` of `code` must be a name of Python.")
    seconds = whole(check, "`seconds`", options.get("seconds", usual.cpu))
    memory = positive(check, "`memory`", options.get("memory", usual.memory / 1e6))
    if not 1 <= seconds <= _MAX_SECONDS or not 50 <= memory <= _MAX_MEMORY:  # what Python itself takes
        raise InvalidRequest(
            f"`code` can have 1 to {_MAX_SECONDS} `seconds`, and a `memory` of 50 to {_MAX_MEMORY:,} megabytes."
        )
    limits = usual._replace(cpu=seconds, wall=max(usual.wall, 3.0 * seconds), memory=int(memory * 1e6))
    return tests, entry_point, as_text(options.get("before", ""), "`before` of `code`"), limits


def code(answered: Answered, check: Check, tools: Tools) -> Found:
    """The hidden tests pass on the answer's code, in the sandbox."""
    tests, entry_point, before, limits = _read(check, answered.case)
    text = text_of(answered)
    if len(text) > _MAX_CODE:
        raise GraderFailed(f"The answer is longer than {_MAX_CODE:,} characters, which is too long for code.")
    program = Program(
        f"{before}\n{code_of(text, entry_point)}" if before else code_of(text, entry_point), tests, entry_point
    )
    ran = run(program, limits, unconfined=tools.unconfined)
    if ran.outcome == "refused":
        raise GraderFailed(ran.reason)
    return yes_or_no(ran.outcome == "passed", ran.reason)


GRADERS: Mapping[str, Grader] = {
    "code": Grader(
        code,
        _read,
        "passes hidden tests, in a sandbox",
        "tests in Python, which pass by not raising",
        {
            "entry_point": "the name that the tests call",
            "before": "code that stands before the answer's",
            "seconds": f"of the processor's time, {Limits().cpu} by default",
            "memory": f"megabytes, {Limits().memory / 1e6:.0f} by default",
        },
        runs_code=True,
    )
}
