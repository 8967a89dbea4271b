"""A comparison as a file: whole, and as harmless as text can be."""

from __future__ import annotations

import csv
import io
import json

import pytest

from router.compare.export import to_csv, to_jsonl, to_markdown
from router.messages import Answer, Attempt, Usage
from router.store import Cell, Comparison, Key, Plan, Prompt, Settings

USAGE = Usage(prompt_tokens=11, completion_tokens=5)
ATTEMPT = Attempt(
    model="p:a", provider="p", place=0, number=1, outcome="answered", started=0, offset=0,
    latency=2.0, ttft=1.0, usage=USAGE, cost=0.5,
)  # fmt: skip


def comparison(text: str = "Yes.", *, prompt: str = "Hello?", name: str = "") -> Comparison:
    """Two lanes; the first one answered, the second was never asked."""
    plan = Plan(lanes=(Settings(model="a"), Settings(category="code")), prompts=(Prompt(text=prompt, category="code"),))
    cell = Cell(lane=0, prompt=0, repeat=0, state="answered", answer=Answer(text=text), attempts=(ATTEMPT,))
    return Comparison(id="c", name=name, created=0, plan=plan, cells={Key(0, 0, 0): cell})


def rows(comparison: Comparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(comparison))))


def test_csv_has_a_row_a_cell() -> None:
    first, second = rows(comparison('One,\n"two"'))
    assert (first["lane"], first["prompt"], first["answer"]) == ("a", "Hello?", 'One,\n"two"')
    assert (first["latency_s"], first["tokens_per_second"], first["cost_usd"]) == ("2.0", "5.0", "0.5")
    assert (second["lane"], second["state"], second["cost_usd"]) == ("code chain", "not asked", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_csv_holds_no_formula(text: str) -> None:
    assert rows(comparison(text))[0]["answer"] == f"'{text}"


def test_jsonl_holds_the_answer_as_it_is_with_its_attempts() -> None:
    first, second = (json.loads(line) for line in to_jsonl(comparison("=1\n+1")).splitlines())
    assert first["answer"] == "=1\n+1"
    assert first["attempts"][0]["model"] == "p:a"
    assert second["attempts"] == []


def test_markdown_takes_nothing_in_an_answer_for_markdown() -> None:
    assert "````text\n# A\n```\n<b>\n````" in to_markdown(comparison("# A\n```\n<b>"))


def test_markdown_takes_nothing_in_a_name_for_markdown() -> None:
    assert to_markdown(comparison(name="<b> *x*\n# y")).startswith("# \\<b\\> \\*x\\* \\# y\n")


def test_markdown_says_what_was_not_asked() -> None:
    assert "### code chain\n\nNot asked." in to_markdown(comparison())


def test_markdown_has_the_figures() -> None:
    assert "### a\n\n2.00 s, first token 1.00 s, 5 tokens, cost $0.50" in to_markdown(comparison())
