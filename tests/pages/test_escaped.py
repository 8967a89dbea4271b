"""Every text that a page hands to Streamlit as Markdown is ours, or has gone through `label` or `faithful`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "pages"
FILES = sorted(PAGES.rglob("*.py"))

DRAWS = {
    *("markdown", "caption", "warning", "error", "info", "success", "toast", "title", "header", "subheader", "badge"),
    *(
        "button",
        "form_submit_button",
        "download_button",
        "expander",
        "popover",
        "checkbox",
        "toggle",
        "dialog",
        "metric",
    ),
}
"""Streamlit's methods whose first argument is Markdown."""

ESCAPES = {"label", "faithful"}

OURS = {
    *("len", "calls", "_cells", "counted", "seconds", "cost", "dollars", "place", "difference", "fault_words", "_ties"),
    *("moment", "size"),
    "separates_sentence",
}
"""Functions that return numbers with their units, words of ours, or Markdown that is escaped already."""

REVIEWED = {
    "answer.py: f'{words} branch'": "a loop over words of ours",
    "answer.py: icon": "the same",
    "arriving.py: '\\n\\n'.join(map(label, [f'{activity(now)}{progress}', *skipped(now.attempts)]))": "labels",
    "following.py: title": "a dialog's, written in its page",
    "drilldown.py: f'**Trace** · {label(asked)} · from {label(first.source)} · {at} · {link}'": "our link, a time",
    "cards.py: f'## {card.title}'": "titles of the charts",
    "cards.py: f'{card.title} as a table'": "titles of the charts",
    "cards.py: meaning": "sentences of the registry of figures",
    "chain.py: f'{state[:1].upper()}{state[1:]}.{seen}'": "escaped above; a sentence of numbers",
    "drilldown.py: meaning.replace('$', '\\\\$')": "sentences of ours",
    "conversations.py: heading": "days and months",
    "chains.py: done": "a function's parameter, a sentence of ours",
    "editor.py: words": "a function's parameter, escaped where it is called",
    "compare.py: kind": "a loop over the formats of an export",
    "front.py: f'Quality and {of}: unknown.'": "a function's parameter, one of two figures of ours",
    "head.py: kind": "a loop over the formats of an export",
    "limits.py: words": "a function's parameter, words of ours",
    "prompts.py: f'A file with the column{plural} {columns} adds its rows.{others}'": "labels",
    "overview.py: _help(_of(figure.meaning, tile.key), figure.unit, now)": "sentences of the registry of figures",
    "overview.py: against + (f'Not counted in rates and latency: {separate}.' if separate else '')": "numbers",
    "overview.py: tile.title": "titles of the tiles",
    "verdict.py: help": "a function's parameter, a sentence of ours",
    "verdict.py: words": "a function's parameter, escaped where it is called",
    "votes.py: text": "a loop over words of ours",
}
"""What is ours though it does not show it, and why."""


def is_safe(  # noqa: PLR0912  # as many branches as a page has kinds of expressions
    node: ast.expr | None, names: dict[str, list[ast.expr]], seen: frozenset[str] = frozenset()
) -> bool:
    """Whether an expression can hold no foreign text that is not escaped."""

    def safe(inner: ast.expr | None) -> bool:
        return is_safe(inner, names, seen)

    match node:
        case None | ast.Constant() | ast.Compare():
            return True
        case ast.JoinedStr():
            return all(map(safe, node.values))
        case ast.FormattedValue():
            # A format of a number or a time refuses texts.
            return node.format_spec is not None or safe(node.value)
        case ast.BinOp():
            numeric = any(
                isinstance(e, ast.Constant) and isinstance(e.value, int | float) for e in (node.left, node.right)
            )
            return numeric or (safe(node.left) and safe(node.right))
        case ast.BoolOp():
            return all(map(safe, node.values))
        case ast.IfExp():
            return safe(node.body) and safe(node.orelse)
        case ast.List() | ast.Tuple():
            return all(map(safe, node.elts))
        case ast.Subscript() | ast.Attribute():
            return is_constant(node)
        case ast.Name(id=name):
            given = names.get(name, [])
            found = bool(given) and all(is_safe(each, names, seen | {name}) for each in given)
            return name.isupper() or name in seen or found
        case ast.Call(func=ast.Name(id=name)):
            return name in ESCAPES | OURS
        case ast.Call(func=ast.Attribute(value=inner, attr="join" | "replace")):
            return safe(inner) and all(map(safe, node.args))
        case ast.Call(func=ast.Attribute(attr="strftime")):
            return True
        case ast.Call(func=ast.Attribute(value=inner, attr="get")):
            return is_constant(inner) and all(map(safe, node.args[1:]))
        case _:
            return False


def is_constant(node: ast.expr) -> bool:
    """A constant of a module, or a part of one."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id.isupper()


def assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """What the names of a function are assigned or extended by."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, []).append(value)
            case (
                ast.AugAssign(target=ast.Name(id=name), value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                found.setdefault(name, []).append(value)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[value]):
                found.setdefault(name, []).append(value)
    return found


def raw_texts(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    outside = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])
    for scope in [*functions, outside]:
        names = assigned(scope)
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DRAWS:
                texts = [
                    *node.args[:1],
                    *(word.value for word in node.keywords if word.arg in ("label", "body", "help")),
                ]
                for text in texts:
                    if not is_safe(text, names):
                        yield f"{path.name}: {ast.unparse(text)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_foreign_text_is_drawn_raw(path: Path) -> None:
    assert set(raw_texts(path)) - REVIEWED.keys() == set()


def test_what_was_reviewed_is_still_there() -> None:
    assert {text for path in FILES for text in raw_texts(path)} == REVIEWED.keys()


@pytest.mark.parametrize(
    "drawn", ["notice", "f'**{name}**'", "'a' + str(error)", "error.sentence", "', '.join(names)", "f'{label(a)} {b}'"]
)
def test_a_foreign_text_would_be_found(drawn: str, tmp_path: Path) -> None:
    path = tmp_path / "page.py"
    path.write_text(f"import streamlit as st\nfor notice in notices():\n    st.warning({drawn})\n", encoding="utf-8")
    assert list(raw_texts(path)) != []
