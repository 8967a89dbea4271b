"""A comparison as a file: whole, and as harmless as text can be."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pytest

from router.compare.export import to_csv, to_jsonl, to_markdown
from router.core.attempts import Attempt
from router.core.comparisons import (
    Cell,
    Comparison,
    Key,
    Plan,
    Prompt,
)
from router.core.conversations import Attachment, Settings
from router.core.faults import Fault
from router.core.messages import Answer, ToolCall, Usage
from router.core.tools import Tool

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


def test_an_answer_s_images_are_said_in_every_form() -> None:
    asked = comparison()
    [(key, cell)] = asked.cells.items()
    drawn = Answer(images=("data:image/png;base64," + "A" * 4000, "https://host.example/b.png"))
    asked.cells[key] = msgspec.structs.replace(cell, answer=drawn)
    words = "image/png, 3.0 kB\nhttps://host.example/b.png"
    assert rows(asked)[0]["images"] == json.loads(to_jsonl(asked).splitlines()[0])["images"] == words
    assert "Image: image/png, 3.0 kB\n\nImage: https://host.example/b.png\n" in to_markdown(asked)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_csv_holds_no_formula(text: str) -> None:
    assert rows(comparison(text))[0]["answer"] == f"'{text}"


def test_jsonl_holds_the_answer_as_it_is_with_its_attempts() -> None:
    first, second = (json.loads(line) for line in to_jsonl(comparison("=1\n+1")).splitlines())
    assert first["answer"] == "=1\n+1"
    assert first["attempts"][0]["model"] == "p:a"
    assert second["attempts"] == []


COMMON = Settings(system="Be brief.", tools=(Tool(name="weather"),), schema={"type": "object"})
FILE = Attachment(id="1", name="a.txt", media_type="text/plain", size=3)


def set_up() -> Comparison:
    """A comparison with tools, one of which the answer calls, a file and a fault."""
    asked = comparison()
    [(key, cell)] = asked.cells.items()
    called = Answer(tool_calls=(ToolCall(id="1", name="weather", arguments='{"city": "Oslo"}'),))
    plan = msgspec.structs.replace(asked.plan, common=COMMON, files=(FILE,), faults={"p:a": Fault(kind="server error")})
    return msgspec.structs.replace(asked, plan=plan, cells={key: msgspec.structs.replace(cell, answer=called)})


def test_jsonl_holds_all_that_was_asked_with_the_prompt() -> None:
    row = json.loads(to_jsonl(set_up()).splitlines()[0])
    assert (row["settings"]["model"], row["settings"]["system"]) == ("a", "Be brief.")
    assert [tool["name"] for tool in row["settings"]["tools"]] == ["weather"]
    assert row["faults"] == {"p:a": {"kind": "server error"}}
    assert [file["name"] for file in row["files"]] == ["a.txt"]
    assert row["tool_calls"][0]["arguments"] == '{"city": "Oslo"}'


def test_csv_holds_settings_files_and_tool_calls() -> None:
    row = rows(set_up())[0]
    assert json.loads(row["settings"])["schema"] == {"type": "object"}
    assert row["files"] == "a.txt"
    assert json.loads(row["tool_calls"])[0]["name"] == "weather"


def test_markdown_says_what_is_set_for_all_lanes_and_what_was_called() -> None:
    text = to_markdown(set_up())
    assert '"system": "Be brief."' in text.partition("## Settings of all lanes")[2].partition("## Prompt 1")[0]
    assert "Files: a.txt" in text
    assert 'Calls weather:\n\n```text\n{"city": "Oslo"}\n```' in text


def test_markdown_takes_nothing_in_an_answer_for_markdown() -> None:
    assert "````text\n# A\n```\n<b>\n````" in to_markdown(comparison("# A\n```\n<b>"))


def test_markdown_takes_nothing_in_a_name_for_markdown() -> None:
    assert to_markdown(comparison(name="<b> *x*\n# y")).startswith("# \\<b\\> \\*x\\* \\# y\n")


def test_markdown_says_what_was_not_asked() -> None:
    assert "### code chain\n\nSkipped." in to_markdown(comparison())


def test_markdown_has_the_figures() -> None:
    assert "### a\n\n2.00 s, first token 1.00 s, 5 tokens, cost $0.50" in to_markdown(comparison())
