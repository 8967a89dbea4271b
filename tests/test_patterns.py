"""No regular expression takes time with the square of the foreign text that it meets: it would hold everybody up."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # what the expressions are made of; it has no public name
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PIECES = [
    *" \ta1-`$:[]()<>&@.|*\\\"'!#,{}=+~/\n",
    *(
        "a ",
        "1 ",
        "a.",
        "1.",
        "\n ",
        "\n> ",
        "- ",
        "$1",
        "``",
        "`a",
        "``` ",
        "[a",
        "](",
        "[](",
        "\\[",
        "\\(",
        "\\)",
        "<a:",
        "&a",
    ),
    *(
        "http://",
        "https://a(",
        "(a",
        "www.",
        "@a",
        ":a",
        ":a:",
        "{{",
        "{{a",
        "{{ ",
        "${",
        "${a",
        "${A_",
        "data:",
        "data:a;a",
    ),
    *(
        "data:a/a;base64,a",
        "<!-- ",
        "<!-- prompt -->\n",
        "x-api-key: $A",
        "Authorization: Bearer $",
        "quota",
        "context ",
        "a:",
    ),
    *("a/", "a-", "a_", "1,", ": ", "key", "\r", "é", "too long ", "tokens ", "maximum ", "input ", "prompt "),
]
"""What worst cases are made of, in rows of them."""

SHORT, LONG = 2_000, 10_000
"""Characters."""


def expressions() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every regular expression of the project, by its place."""
    if str(ROOT / "pages") not in sys.path:
        sys.path.append(str(ROOT / "pages"))
    for path in sorted([*ROOT.glob("router/**/*.py"), *ROOT.glob("pages/**/*.py")]):
        source = path.read_text(encoding="utf-8")
        if not re.search(r"^import re$", source, re.MULTILINE):
            continue
        where = path.relative_to(ROOT)
        for node in ast.walk(ast.parse(source)):  # those that stand where they are used
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
                given = node.args[0]
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield f"{where}:{node.lineno}", re.compile(given.value, _flags(node))
        if path.parent.name != "pages":  # a page runs when it is imported
            name = ".".join(where.with_suffix("").parts).removeprefix("pages.")
            for attribute, value in vars(importlib.import_module(name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{where}:{attribute}", value


def _flags(call: ast.Call) -> int:
    names = [node.attr for arg in call.args[1:] for node in ast.walk(arg) if isinstance(node, ast.Attribute)]
    return sum(getattr(re, name) for name in names if name.isupper())


EXPRESSIONS = dict(expressions())


def beginning(pattern: re.Pattern[str]) -> str:
    """The characters that all its matches begin with."""
    steps = _parser.parse(pattern.pattern, pattern.flags)
    return "".join(chr(value) for _, value in itertools.takewhile(lambda step: str(step[0]) == "LITERAL", steps))


def seconds(pattern: re.Pattern[Any], text: str) -> float:
    subject = text.encode() if isinstance(pattern.pattern, bytes) else text
    began = time.thread_time()
    for _ in pattern.finditer(subject):
        pass
    pattern.match(subject)
    return time.thread_time() - began


def quickest(pattern: re.Pattern[Any], text: str) -> float:
    return min(seconds(pattern, text) for _ in range(5))


def test_the_expressions_are_found() -> None:
    assert {"pages/components/shared/markdown.py:_PROSE", "router/core/templates.py:_VARIABLE"} <= EXPRESSIONS.keys()


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_its_time_grows_with_the_text_and_not_with_its_square(where: str) -> None:
    pattern = EXPRESSIONS[where]
    slow = []
    for head, piece in itertools.product({"", "$1", "[x](", beginning(pattern)}, PIECES):
        long, short = (head + piece * (length // len(piece)) + "\0" for length in (LONG, SHORT))
        # A linear one takes a few thousandths of a second; only what takes longer is looked at again.
        if seconds(pattern, long) > 0.03 and quickest(pattern, long) > 8 * quickest(pattern, short):
            slow.append(f"{head!r} + {piece!r} * n")
    assert not slow, slow
