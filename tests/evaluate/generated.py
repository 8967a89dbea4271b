"""Suites of any content, for properties that must hold for all of them."""

from __future__ import annotations

import string
from typing import Any

import msgspec
from hypothesis import strategies as st

from router.core.requests import Request
from router.core.suites import Case, Check, Suite
from router.evaluate.suites.schema import MAX_WEIGHT
from tests.evaluate.known import GRADERS

TRICKY = (
    *(
        "yes",
        "on",
        "~",
        "null",
        "12:30",
        "1_000",
        "1e5",
        "017",
        "0x1f",
        ".inf",
        "=",
        "<<",
        "- a",
        "a: b",
        "# x",
        "|",
        "%",
    ),
    *(
        " a",
        "a ",
        "a\n",
        "\na",
        "a\n\n\nb\n",
        " \n a",
        "a\n ",
        "\t",
        "a\tb\n\tc",
        "a\r\nb",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x1b",
    ),
    *(
        "'",
        '"',
        "{{x}}",
        "\\0",
        "😀",
        "---\na",
        "a\n---\nb\n",
        "...\n",
        "`x`",
        "a\n\x07",
        "\x7f",
        "\ue000",
        "not-equals",
    ),
)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40) | st.sampled_from(TRICKY)
filled = texts.map(lambda text: text if text.strip() else f"x{text}")  # to filter would waste most of them
labels = st.text(string.ascii_letters + string.digits + " /:#-_.äß日", max_size=20).map(
    lambda text: text if text.strip() else f"x{text}"
)
numbers = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
printable = st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")
names = st.text(printable, max_size=15) | st.sampled_from([name for name in TRICKY if name.isprintable()])
plain = st.none() | st.booleans() | numbers | texts
values: st.SearchStrategy[Any] = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(names, values, max_size=3)
shares = st.floats(0, 1)
weights = st.floats(0, MAX_WEIGHT)


def users(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return text.map(lambda content: {"role": "user", "content": content})


parts = filled.map(lambda text: [{"type": "text", "text": text}])
earlier = st.builds(
    lambda role, content: {"role": role, "content": content}, st.sampled_from(["assistant", "user"]), texts
)
asked = users(filled) | users(parts)  # type: ignore[arg-type]
systems = st.lists(texts.map(lambda text: {"role": "system", "content": text}), max_size=1)
messages = st.builds(lambda first, middle, last: (*first, *middle, last), systems, st.lists(earlier, max_size=2), asked)

functions = st.fixed_dictionaries(
    {"name": st.text(string.ascii_letters + "_-", min_size=1, max_size=10)},
    optional={"description": texts, "strict": st.booleans()},
).map(lambda function: {**function, "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}})
tools = st.lists(functions.map(lambda function: {"type": "function", "function": function}), max_size=2).map(tuple)
params = st.dictionaries(st.sampled_from(["top_p", "seed", "stop", "custom"]), values, max_size=2)

requests = st.builds(
    Request,
    messages=messages,
    tools=tools,
    tool_choice=st.none() | st.sampled_from(["auto", "none"]),
    response_format=st.none() | objects,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 10_000),
    params=params,
)
options = st.dictionaries(names.filter(lambda name: name not in ("value", "name")), values, max_size=2)
checks = st.builds(
    Check,
    type=st.sampled_from(sorted(GRADERS)),
    value=values,
    threshold=st.none() | shares,
    weight=weights,
    negated=st.booleans(),
    name=st.just("") | labels,
    options=options,
)
cases = st.builds(
    Case,
    id=labels,
    request=requests,
    then=st.lists(users(filled) | users(parts), max_size=2).map(tuple),  # type: ignore[arg-type]
    category=st.none() | labels,
    target=st.lists(texts, max_size=2).map(tuple),
    tags=st.lists(labels, max_size=2).map(tuple),
    weight=weights,
    group=st.just("") | labels,
    checks=st.lists(checks, max_size=2).map(tuple),
    threshold=st.none() | shares,
    metadata=objects,
)
suites = st.builds(
    Suite,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    description=texts,
    cases=st.lists(cases, min_size=1, max_size=3, unique_by=lambda case: case.id).map(tuple),
)


def without_places(suite: Suite) -> Suite:
    """The suite as if it had been read nowhere."""
    unplaced = (msgspec.structs.replace(case, place="") for case in suite.cases)
    return msgspec.structs.replace(suite, cases=tuple(unplaced))
