"""Graders of answers that are a number, or the letter of a choice."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from router.core.errors import InvalidRequest
from router.core.suites import Answered, Case, Check
from router.evaluate.graders.base import (
    Found,
    Grader,
    plain,
    positive,
    quoted,
    reference,
    references,
    text_of,
    yes_or_no,
)

_PLAIN = (
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"(-?)\\[dt]?frac ?\{ ?(-?\d{1,20}) ?\} ?\{ ?(\d{1,20}) ?\}"), r" \1\2/\3"),
    (re.compile(r"\\(?:text|mathrm|mathbf) ?\{([^{}]{0,200})\}"), r"\1"),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"(?<=\d)(?:\{,\}|\\,)(?=\d{3})"), ","),
    (re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))"), ","),
)
"""What typesetting makes of numbers, and how it is read."""

_NUMBER = re.compile(
    r"(?<![\w./])(?<![A-Za-z]-)(?P<sign>-)?[$€£¥₹]?(?P<minus>-)?"
    r"(?P<digits>\d{1,3}(?:,\d{3}){1,20}(?:\.\d{1,60})?|\d{1,60}(?:\.\d{1,60})?|\.\d{1,60})(?!\d)"
    r"(?:[eE](?P<power>[-+]?\d{1,3})(?!\d))?"
    r"(?:(?: (?P<over>\d{1,20}))?/(?P<under>\d{1,20})(?![\d/]))?"
    r"(?P<percent> ?%| percent\b)?"
)
_BOX = re.compile(r"\\boxed ?\{([^{}]{0,500})\}")
_MARK = "####"

_RELATIVE = 1e-9
"""What floating point leaves over."""


class Number(NamedTuple):
    """Attributes: value: exact. is_percent: whether it was written as a percentage."""

    value: Fraction
    is_percent: bool


def numbers(text: str) -> Iterator[Number]:
    """The numbers in a text, in order: with signs, thousands separators, currencies, fractions and percentages."""
    for found in _NUMBER.finditer(text):
        value = Fraction(found["digits"].replace(",", ""))
        if (power := found["power"]) is not None:
            value *= Fraction(10) ** int(power)
        if (under := found["under"]) is not None:
            if not int(under):
                continue
            over = found["over"]
            value = value + Fraction(int(over), int(under)) if over is not None else value / int(under)
        yield Number(-value if found["sign"] or found["minus"] else value, found["percent"] is not None)


def final_number(text: str) -> Number | None:
    r"""The number that an answer comes to: after its last `####`, in its last `\boxed{}`, or else its last one."""
    if _MARK in text:
        return next(numbers(_as_plain(text.rpartition(_MARK)[2])), None)
    text = _as_plain(text)
    boxes = _BOX.findall(text) if "\\boxed" in text else []
    lines = (boxes[-1] if boxes else text).splitlines()
    found = (list(numbers(line)) for line in reversed(lines))  # the last line often has one
    return next((each[-1] for each in found if each), None)


def _as_plain(text: str) -> str:
    for pattern, written in () if text.isascii() and "\\" not in text and "{" not in text else _PLAIN:
        text = pattern.sub(written, text)
    return text


_reference = functools.lru_cache(maxsize=4096)(final_number)


class _Wanted(NamedTuple):
    values: tuple[Number, ...]
    tolerance: float
    relative: float


def _wanted(check: Check, case: Case) -> _Wanted:
    values = []
    for text in references(check, case):
        value = _reference(text)
        if value is None:
            raise InvalidRequest(f"`number` needs a number to compare with, not {quoted(text)}.")
        values.append(value)
    options = check.options
    tolerance = positive(check, "`tolerance`", options.get("tolerance", 0))
    return _Wanted(tuple(values), tolerance, positive(check, "`relative`", options.get("relative", _RELATIVE)))


def number(answered: Answered, check: Check) -> Found:
    """The answer comes to the number, within a tolerance."""
    wanted = _wanted(check, answered.case)
    found = final_number(text_of(answered))
    if found is None:
        return Found(0.0, "The answer has no number where one is expected.")
    is_near = any(_is_near(found, each, wanted) for each in wanted.values)
    return yes_or_no(is_near, f"It comes to {_told(found)}, not {_told(wanted.values[0])}.")


def _is_near(found: Number, wanted: Number, within: _Wanted) -> bool:
    """Where one of both alone is a percentage, 50 and 0.5 are both 50%."""
    value = wanted.value
    if found == wanted:
        return True
    margin = max(Fraction(within.tolerance), Fraction(within.relative) * abs(value))
    if abs(found.value - value) <= margin:
        return True
    if found.is_percent == wanted.is_percent:
        return False
    scaled = found.value / 100 if found.is_percent else found.value * 100
    return abs(scaled - value) <= margin


def _told(number: Number) -> str:
    try:
        value = f"{float(number.value):.10g}"
    except OverflowError:
        value = "a number of more than 300 digits"
    return f"{value}%" if number.is_percent else value


# --- Choices ---------------------------------------------------------------------------------------

_LETTER = r"([B-HJ-Z]\b|[AI]\b(?! [a-z])|[a-z](?=[).*\]]{0,4}\s{0,3}$))"
_CHOICES = (
    re.compile(
        r"\b(?i:answer|option|choice)\b[^A-Za-z0-9\n]{0,10}(?:(?i:is)\b[^A-Za-z0-9\n]{0,10})?" + _LETTER, re.MULTILINE
    ),
    re.compile(r"\\boxed ?\{\s{0,3}(?:\\text ?\{)?\(?([A-Za-z])\b"),
    re.compile(r"\A[^\w\n]{0,10}([A-Z])(?:[).:]|\W{0,10}\Z)"),
    re.compile(r"\A[^\w\n]{0,10}([a-z])(?:[).:]|\W{0,10}\Z)"),
    re.compile(r"\(([A-Z])\)"),
)
"""Where a letter stands, the surest first; of several, the last one counts."""


def _choice(check: Check, case: Case) -> tuple[str, ...]:
    letters = tuple(each.strip().strip("().").upper() for each in reference(check, case))
    if not all(len(each) == 1 and each.isalpha() and each.isascii() for each in letters):
        raise InvalidRequest("`choice` needs a letter to compare with, such as `B`.")
    return letters


def choice(answered: Answered, check: Check) -> Found:
    """The answer chooses the letter."""
    wanted, text = _choice(check, answered.case), text_of(answered).strip()
    found = next((letters[-1] for letters in (each.findall(text) for each in _CHOICES) if letters), None)
    if found is None:
        return Found(0.0, "The answer names no letter.")
    return yes_or_no(found.upper() in wanted, f"It chooses {found.upper()}, not {' or '.join(wanted)}.")


GRADERS: Mapping[str, Grader] = {
    "number": Grader(
        plain(number),
        _wanted,
        "comes to the number: after `####`, in `\\boxed{}`, or the last one",
        "a number; the case's target by default",
        {"tolerance": "how far it may be off, 0 by default", "relative": "the same as a share of the number"},
    ),
    "choice": Grader(plain(choice), _choice, "chooses the letter", "a letter; the case's target by default"),
}
