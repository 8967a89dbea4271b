"""Changing a YAML text in place: what changes, what stays, and what is refused."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.source import parse_yaml
from router.config.splice import (
    name_value,
    remove_value,
    set_items,
    set_value,
)
from router.core.errors import InvalidEdit

SHIPPED = """\
# What answers what.
policy:
  retries: 2                # of the same model
  backoff: {base: 0.5, cap: 8}

chains:
  tools:                    # function calling
    - a/one                 # cheap
    # the big one
    - "b/two"
    - c/three:free
  reasoning:
    models: [a/one, 'b/two',  c/three]   # all of them
    policy: {first_token: 60}
  last:
  - a/one
  - b/two"""


def data(text: str) -> dict[str, Any]:
    return parse_yaml(text).data


def changed(before: str, after: str) -> list[str]:
    """The lines that went (-) and came (+)."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


# --- Lists -----------------------------------------------------------------------------------------

TOOLS, REASONING, LAST = ("chains", "tools"), ("chains", "reasoning", "models"), ("chains", "last")


@pytest.mark.parametrize(
    ("at", "items", "lines"),
    [
        (TOOLS, ["a/one", "b/two"], ["-     - c/three:free"]),
        (TOOLS, ["a/one", "c/three:free"], ["-     # the big one", '-     - "b/two"']),
        (TOOLS, ["a/one", "b/two", "c/three:free", "d/four"], ["+     - d/four"]),
        (TOOLS, ["a/one", "b/two", "x:free", "c/three:free"], ["+     - x:free"]),
        (TOOLS, ["c/three:free", "a/one", "b/two"], ["+     - c/three:free", "-     - c/three:free"]),
        (LAST, ["b/two"], ["-   - a/one"]),
        (LAST, ["a/one", "b/two", "yes"], ['+   - "yes"']),
        (LAST, ["a/one", "b/two", "c: d"], ["+   - 'c: d'"]),
        (LAST, ["a/one", "# no"], ["-   - b/two", "+   - '# no'"]),
    ],
)
def test_only_the_lines_of_the_items_concerned_change(at: tuple[str, ...], items: list[str], lines: list[str]) -> None:
    after = set_items(SHIPPED, at, items)
    assert changed(SHIPPED, after) == lines


@pytest.mark.parametrize(
    ("items", "line"),
    [
        (["b/two", "a/one", "c/three"], "    models: ['b/two', a/one,  c/three]   # all of them"),
        (["c/three"], "    models: [c/three]   # all of them"),
        (["a/one", "b/two", "c/three", "d"], "    models: [a/one, 'b/two',  c/three, d]   # all of them"),
    ],
)
def test_a_list_on_one_line_keeps_its_quotes_and_its_comment(items: list[str], line: str) -> None:
    after = set_items(SHIPPED, REASONING, items)
    assert [new[2:] for new in changed(SHIPPED, after) if new[0] == "+"] == [line]


# --- Values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "value", "lines"),
    [
        (
            ("policy", "retries"),
            3,
            ["-   retries: 2                # of the same model", "+   retries: 3                # of the same model"],
        ),
        (
            ("policy", "backoff", "cap"),
            4,
            ["-   backoff: {base: 0.5, cap: 8}", "+   backoff: {base: 0.5, cap: 4}"],
        ),
        (("policy", "stall"), "5s", ["+   stall: 5s"]),
        (("policy", "cache", "enabled"), False, ["+   cache: {enabled: false}"]),
        (("offline",), None, ["+ offline: null"]),
        (
            ("chains", "reasoning", "policy", "stall"),
            5,
            ["-     policy: {first_token: 60}", "+     policy: {first_token: 60, stall: 5}"],
        ),
        (("chains", "reasoning", "params"), {"top_p": 0.9}, ["+     params: {top_p: 0.9}"]),
        (("chains", "no"), ["x"], ['+   "no": [x]']),
        (("chains", "last"), ["x"], ["-   last:", "+   last: [x]", "-   - a/one", "-   - b/two"]),
    ],
)
def test_only_the_line_of_a_value_changes(at: tuple[str, ...], value: Any, lines: list[str]) -> None:
    after = set_value(SHIPPED + "\n", at, value)
    assert changed(SHIPPED + "\n", after) == lines


def test_a_text_without_a_last_line_end_is_added_to() -> None:
    assert data(set_value("a:\n  b: 1", ("a", "c"), 2)) == {"a": {"b": 1, "c": 2}}


def test_a_key_with_nothing_behind_it_gets_a_value() -> None:
    assert set_value("a:   # none yet\nb: 1\n", ("a", "c"), 2) == "a: {c: 2}   # none yet\nb: 1\n"


@pytest.mark.parametrize(
    ("at", "lines"),
    [
        (("policy", "retries"), ["-   retries: 2                # of the same model"]),
        (("chains", "tools"), [f"- {line}" for line in SHIPPED.splitlines()[6:11]]),
        (
            ("policy", "backoff", "base"),
            ["-   backoff: {base: 0.5, cap: 8}", "+   backoff: {cap: 8}"],
        ),
        (
            ("policy", "backoff", "cap"),
            ["-   backoff: {base: 0.5, cap: 8}", "+   backoff: {base: 0.5}"],
        ),
    ],
)
def test_a_key_that_is_removed_takes_its_lines_along(at: tuple[str, ...], lines: list[str]) -> None:
    assert changed(SHIPPED, remove_value(SHIPPED, at)) == lines


@pytest.mark.parametrize("name", ["tools", "last"])
def test_a_chain_that_is_a_list_gets_room_for_other_keys(name: str) -> None:
    named = name_value(SHIPPED, ("chains", name), "models")
    after = set_value(named, ("chains", name, "policy", "stall"), 5)
    before = data(SHIPPED)["chains"][name]
    assert data(after)["chains"][name] == {"models": before, "policy": {"stall": 5}}
    assert "# cheap" in after


def test_a_list_on_one_line_gets_room_for_other_keys() -> None:
    assert name_value("a: [x, y]  # both\n", ("a",), "models") == "a: {models: [x, y]}  # both\n"


# --- What cannot be changed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "chains:\n  a: &m [x, y]\n  b: *m\n",
        "chains:\n  a: &m\n    - x\n    - y\n  b: *m\n",
    ],
)
@pytest.mark.parametrize("name", ["a", "b"])
def test_no_other_list_changes_along(text: str, name: str) -> None:
    """Where a list is shared by an anchor, an edit is exact or refused."""
    try:
        after = set_items(text, ("chains", name), ["y"])
    except InvalidEdit:
        return
    assert data(after)["chains"] == {**data(text)["chains"], name: ["y"]}


@pytest.mark.parametrize("at", [("nowhere",), ("chains", "tools", "x"), ("policy", "retries", "x")])
def test_what_is_not_there_is_not_changed(at: tuple[str, ...]) -> None:
    with pytest.raises(InvalidEdit, match="Edit it as text"):
        set_items(SHIPPED, at, ["x"])


# --- Any file --------------------------------------------------------------------------------------

models = st.sampled_from(
    ["a/one", "b/two:free", "c: d", "# e", "yes", "1.5", "é/ü", "*x", "&y", "'q'", '"', "a b", "-", "[z"]
)
comments = st.sampled_from(["", "  # why", "   #", " # - not an item"])


WAYS_TO_WRITE_SETTINGS = [
    ["params: {seed: 1}  # always"],
    ["first_token: 30s", "# for long", "system: |", "  Think.", "", "  # no comment", "params:", "  seed: 1"],
    ["system: >-", "  Think.", "  Then answer."],
]


def names_of(chain: list[Any]) -> list[str]:
    return [link["model"] if isinstance(link, dict) else link for link in chain]


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """A models.yaml of any layout, and one of its chains."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lines: list[str] = draw(st.lists(st.sampled_from(["# head", "", "policy: {retries: 1}"]), max_size=3, unique=True))
    lines.append("chains:" + draw(comments))
    names = draw(st.lists(st.sampled_from(["tools", "no", "café", "x y", "5a"]), min_size=1, max_size=3, unique=True))
    for name in names:
        key = f'"{name}"'
        items = draw(st.lists(models, min_size=1, max_size=4, unique=True))
        quoted = [draw(st.sampled_from([repr_double(item), repr_single(item)])) for item in items]
        quoted = [draw(st.sampled_from([item, f"{{model: {item}, params: {{seed: 1}}}}"])) for item in quoted]
        layout = draw(st.sampled_from(["flow", "block", "left", "mapping"]))
        if layout == "flow":
            lines.append(f"  {key}: [{draw(st.sampled_from([', ', ',  ', ' , '])).join(quoted)}]{draw(comments)}")
        else:
            indent = "  " if layout == "left" else "    " if layout == "block" else "      "
            lines.append(f"  {key}:{draw(comments)}")
            if layout == "mapping":
                lines.append(f"    models:{draw(comments)}")
            for item in quoted:
                if draw(st.booleans()):
                    lines.append(draw(st.sampled_from(["    # above", "", "      # - above"])))
                lines.append(f"{indent}- {item}{draw(comments)}")
                if draw(st.booleans()) and not item.startswith("{"):
                    lines[-1] = f"{indent}- model: {item}{draw(comments)}"
                    lines += [f"{indent}  {line}" for line in draw(st.sampled_from(WAYS_TO_WRITE_SETTINGS))]
            if layout == "mapping" and draw(st.booleans()):
                lines.append("    params: {seed: 1}")
    ending = draw(st.sampled_from(["", newline, newline * 2]))
    return newline.join(lines) + ending, draw(st.sampled_from(names))


def repr_double(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def repr_single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(texts(), st.lists(models, min_size=1, max_size=5, unique=True))
def test_any_list_can_be_changed_and_nothing_else_changes(file: tuple[str, str], items: list[str]) -> None:
    text, name = file
    before = data(text)
    at = ("chains", name, "models") if isinstance(before["chains"][name], dict) else ("chains", name)
    after = set_items(text, at, items)
    chain = before["chains"][name]
    old = chain["models"] if len(at) == 3 else chain
    known = dict(zip(names_of(old), old, strict=True))
    links = [known.get(item, item) for item in items]
    chain = {**chain, "models": links} if len(at) == 3 else links
    assert data(after) == {**before, "chains": {**before["chains"], name: chain}}
    assert ("\r" in after) == ("\r" in text)
    start, end = lines_of(text, name)
    old, new = text.splitlines(), after.splitlines()
    assert new[:start] == old[:start]
    assert old[end:] == (new[-len(old[end:]) :] if old[end:] else [])


def lines_of(text: str, name: str) -> tuple[int, int]:
    """The lines of a chain: from its key to the next one's."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f'  "{name}"'))
    after = (number for number in range(start + 1, len(lines)) if lines[number].startswith('  "'))
    return start, next(after, len(lines))


@given(texts(), st.lists(models, min_size=1, max_size=5, unique=True))
def test_an_item_that_stays_keeps_its_comment(file: tuple[str, str], items: list[str]) -> None:
    text, name = file
    chain = data(text)["chains"][name]
    at = ("chains", name, "models") if isinstance(chain, dict) else ("chains", name)
    old = names_of(chain["models"] if isinstance(chain, dict) else chain)
    again = set_items(set_items(text, at, [*old, *(item for item in items if item not in old)]), at, old)
    assert data(again) == data(text)
    assert [line for line in text.splitlines() if "#" in line] == [line for line in again.splitlines() if "#" in line]


WAYS_TO_WRITE_A_POLICY = [
    [],
    ["policy: {}"],
    ["policy:"],
    ["policy: {retries: 1, breaker: {window: 5}}  # short"],
    ["policy:  # long", "  # above", "  retries: 1   # once", "  breaker:", "    window: 5  # few", "  # below"],
    ["policy:", "  breaker: {window: 5}", "", "  cache:", "    ttl: 7d"],
]
LIMITS = [("retries",), ("first_token",), ("breaker", "window"), ("breaker", "within"), ("cache", "ttl"),
          ("backoff", "cap")]  # fmt: skip


@st.composite
def policies(draw: st.DrawFn) -> str:
    """A models.yaml with a policy of any layout, before its chains, behind them, or nowhere."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    policy = draw(st.sampled_from(WAYS_TO_WRITE_A_POLICY))
    chains = [f"chains:{draw(comments)}", f"  tools: [a, 'b']{draw(comments)}", "  # the end"]
    parts = draw(st.permutations([["# head"], policy, chains]))
    return newline.join(line for part in parts for line in part) + draw(st.sampled_from(["", newline]))


@given(policies(), st.sampled_from(LIMITS), st.sampled_from([0.5, 3, "2d"]))
def test_any_limit_can_be_changed_and_no_other_line_does(text: str, at: tuple[str, ...], value: Any) -> None:
    after = set_value(text, ("policy", *at), value)
    wanted = data(text)
    inner = wanted["policy"] = wanted.get("policy") or {}
    for key in at[:-1]:
        inner = inner.setdefault(key, {})
    inner[at[-1]] = value
    assert data(after) == wanted
    assert ("\r" in after) == ("\r" in text)
    lines = changed(text, after)
    assert [line[0] for line in lines] in (["+"], ["-", "+"])
    comment = [line.partition("#")[2] for line in lines if "#" in line]
    assert len(set(comment)) <= 1  # the one that stood on the line is still there
    assert after.count("#") == text.count("#")
