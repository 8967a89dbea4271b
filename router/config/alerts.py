"""The section `alerts` of models.yaml: what is watched, and where it is told.

A rule's `when` is a sentence of few words: a figure, a comparison, a threshold with its unit, and clauses in any order.

    answered < 99% over 15m in code at least 50 requests
    failed calls > 20% over 1h of z-ai/glm-5
    drift in tools
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args

import pydantic
from pydantic import BeforeValidator, Field

from router.config.explain import nearest
from router.config.keys import VARIABLE
from router.config.values import SECONDS, Data, Variables, shortened
from router.core.attempts import Source

MAX_RULES = 100

LONGEST = 500
"""Characters of a rule."""

ENOUGH = 20
"""Requests or calls that a share, a time or an average needs; a count and a sum need none."""

Unit = Literal["share", "seconds", "US dollars", "count"]
Comparison = Literal["<", "<=", ">", ">="]


class Watched(NamedTuple):
    """A figure that a rule can name: its unit, what its sample is counted in, and how many of them it needs."""

    unit: Unit
    of: Literal["requests", "calls"]
    at_least: int = ENOUGH


WATCHED: Mapping[str, Watched] = {
    "answered": Watched("share", "requests"),
    "fallback rate": Watched("share", "requests"),
    "rescued": Watched("share", "requests"),
    "failed calls": Watched("share", "calls"),
    "latency p50": Watched("seconds", "requests"),
    "latency p95": Watched("seconds", "requests"),
    "first token p50": Watched("seconds", "requests"),
    "first token p95": Watched("seconds", "requests"),
    "cost": Watched("US dollars", "requests", 0),
    "cost per 1000": Watched("US dollars", "requests"),
    "unpriced": Watched("count", "requests", 0),
    "requests": Watched("count", "requests", 0),
    "breaker skips": Watched("count", "calls", 0),
}
"""By the names that the dashboard has for them, in lower case."""

DRIFT = "drift"

_CLAUSES = {"over": "15m", "in": "code", "of": "z-ai/glm-5", "from": "endpoint", "at least": "50 requests"}
"""Each with an example."""

_EXAMPLE = "answered < 99% over 15m in code"
_FORMS: Mapping[Unit, tuple[re.Pattern[str], str]] = {
    "share": (re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%"), "a share, such as 99%"),
    "seconds": (re.compile(r"\d{1,9}(?:\.\d{1,6})?(?:ms|s|m|h)"), "a time with its unit, such as 800ms, 8s or 2m"),
    "US dollars": (re.compile(r"\$(\d{1,9}(?:\.\d{1,6})?)"), "an amount in US dollars, such as $5 or $0.50"),
    "count": (re.compile(r"(\d{1,9})"), "a whole number, such as 10"),
}
_UNITS = ("%", "ms", "s", "m", "h", "d", "w")


class Condition(Data):
    """What a rule watches.

    Attributes:
        figure: a name of `WATCHED`, or `DRIFT`, which has no comparison, no window and no minimum.
        threshold: 0 to 1 of a share; else seconds, US dollars, requests or calls.
        window: seconds up to now.
        category, model, source: what counts; None is all of them, of the sources those of real traffic.
        at_least: requests or calls that the figure has to rest on.
        text: the rule as people write it, the same for all that mean the same.
    """

    figure: str
    comparison: Comparison = ">"
    threshold: float = 0.0
    window: float = 0.0
    category: str | None = None
    model: str | None = None
    source: Source | None = None
    at_least: int = 0
    text: str

    @property
    def watched(self) -> Watched:
        return WATCHED[self.figure]


def parse_condition(text: str) -> Condition:
    """Read a rule's `when`.

    Raises:
        ValueError: it is not one, in a sentence that says what is, without its period where a name is suggested.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    head, comparison, tail = _at_comparison(text)
    figure, rest = " ".join(head.replace(",", "").split()), tail.split()
    if not comparison and figure.split()[:1] == [DRIFT]:
        return _drift(dict(_clauses(figure.split()[1:])))
    if not comparison:
        raise ValueError(
            f"`{shortened(figure)}` has no comparison; write, for example, `{_EXAMPLE}`, or `{DRIFT}` alone"
        )
    if figure not in WATCHED:
        raise ValueError(f"`{shortened(figure)}` is not a figure{nearest(figure, {**WATCHED, DRIFT: None})}")
    watched = WATCHED[figure]
    length = _length(rest)
    said = "".join(rest[:length]).replace(",", "")
    threshold = _threshold(said, watched.unit)
    clauses = dict(_clauses(rest[length:]))
    if "over" not in clauses:
        raise ValueError(f"it has no window; add `over` and a time, such as `over {_CLAUSES['over']}`")
    of = _named(clauses)
    at_least = _at_least(clauses.get("at least"), watched)
    words = [f"{figure} {comparison} {said}", *(f"{name} {clauses[name]}" for name in _CLAUSES if name in clauses)]
    return Condition(
        figure=figure,
        comparison=comparison,
        threshold=threshold,
        window=_window(clauses["over"]),
        at_least=watched.at_least if at_least is None else at_least,
        text=" ".join(words),
        **of,
    )


def _length(words: Sequence[str]) -> int:
    """How many words a number with its unit takes: 99% and 8s, but also 99 % and 8 s."""
    return 2 if words[1:2] and words[1] in _UNITS else 1


def _drift(clauses: Mapping[str, str]) -> Condition:
    if odd := [name for name in clauses if name not in ("in", "of")]:
        raise ValueError(f"`{odd[0]}` says nothing of drift, which is tested over all that is stored; leave it out")
    words = [DRIFT, *(f"{name} {clauses[name]}" for name in _CLAUSES if name in clauses)]
    return Condition(figure=DRIFT, text=" ".join(words), **_named(clauses))


def _at_comparison(text: str) -> tuple[str, Any, str]:
    """What stands before the first comparison, the comparison, and what stands behind it; it is empty without one."""
    at = next((at for at, char in enumerate(text) if char in "<>"), len(text))
    length = 2 if text[at + 1 : at + 2] == "=" else 1
    return text[:at], text[at : at + length], text[at + length :]


def _clauses(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The clauses with what they say; a name may have blanks."""
    seen: set[str] = set()
    at = 0
    while at < len(words):
        name = _clause_at(words, at)
        if name is None:
            raise ValueError(f"`{shortened(words[at])}` is not a clause{nearest(words[at], _CLAUSES)}")
        if name in seen:
            raise ValueError(f"`{name}` is in it twice; leave one out")
        seen.add(name)
        at += len(name.split())
        end = next((end for end in range(at, len(words)) if _clause_at(words, end)), len(words))
        if end == at:
            raise ValueError(f"`{name}` is not followed by anything; write, for example, `{name} {_CLAUSES[name]}`")
        # What follows a whole value is a misspelled clause.
        if name not in ("in", "of"):
            end = min(end, at + {"over": _length(words[at:]), "at least": 2}.get(name, 1))
        yield name, ("" if name == "over" else " ").join(words[at:end])
        at = end


def _clause_at(words: Sequence[str], at: int) -> str | None:
    if words[at] == "at" and words[at + 1 : at + 2] == ["least"]:
        return "at least"
    return words[at] if words[at] in _CLAUSES else None


def _named(clauses: Mapping[str, str]) -> dict[str, Any]:
    source = clauses.get("from")
    if source is not None and source not in get_args(Source):
        raise ValueError(f"`{shortened(source)}` is not a source{nearest(source, dict.fromkeys(get_args(Source)))}")
    return {"category": clauses.get("in"), "model": clauses.get("of"), "source": source}


def _threshold(said: str, unit: Unit) -> float:
    pattern, wanted = _FORMS[unit]
    match = pattern.fullmatch(said)
    if match is None:
        raise ValueError(f"`{shortened(said)}` is not {wanted}")
    if unit == "seconds":
        return SECONDS.validate_python(said) if float(said.rstrip("msh")) else 0.0
    number = float(match[1])
    if unit == "share" and number > 100:
        raise ValueError(f"`{said}` is more than 100%")
    return number / 100 if unit == "share" else number


def _window(said: str) -> float:
    try:
        return SECONDS.validate_python(said)
    except pydantic.ValidationError:
        raise ValueError(f"`{shortened(said)}` is not a time with its unit, such as 15m, 6h or 1d") from None


def _at_least(said: str | None, watched: Watched) -> int | None:
    if said is None:
        return None
    count, _, noun = said.partition(" ")
    if not re.fullmatch(r"\d{1,9}", count.replace(",", "")):
        raise ValueError(f"`{shortened(count)}` is not a whole number, such as {ENOUGH}")
    if noun and noun != watched.of:
        raise ValueError(f"this figure is counted in {watched.of}; write `at least {count} {watched.of}`")
    return int(count.replace(",", ""))


def _condition(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"write it as text, such as `{_EXAMPLE}`")  # noqa: TRY004  # pydantic lets others through
    return parse_condition(value)


class Rule(Data):
    """Something to be told of."""

    when: Annotated[Condition, BeforeValidator(_condition)]
    to: Literal["webhook", "log"]

    @property
    def key(self) -> str:
        """What tells it from all other rules."""
        return f"{self.when.text} → {self.to}"


class AlertsConfig(Data):
    """What is watched. A list is the same as its `rules`.

    Attributes:
        webhook: the variables that may hold the webhook's address. It is a secret: anyone who has it can post there.
    """

    webhook: Variables = ("LAB_ALERTS_URL",)
    rules: Annotated[Sequence[Rule], Field(max_length=MAX_RULES)] = ()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        return {"rules": value} if isinstance(value, list) else {} if value is None else value

    @pydantic.field_validator("webhook", mode="before")
    @classmethod
    def _a_variable(cls, value: object) -> object:
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and VARIABLE.fullmatch(name.strip()) for name in names):
            # The value is not repeated: it may be the address.
            raise ValueError('write the address as the name of a variable, such as "${LAB_ALERTS_URL}"')
        return value

    @pydantic.field_validator("rules", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        return () if value is None else value

    @pydantic.field_validator("rules")
    @classmethod
    def _each_once(cls, rules: Sequence[Rule]) -> Sequence[Rule]:
        keys = [rule.key for rule in rules]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"`{key}` is in it twice; remove one")
        return rules
