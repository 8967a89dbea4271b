"""A comparison as a file: CSV and JSONL with a row a cell, Markdown to be read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from router.compare.figures import cost, first_token, latency, output_tokens, rate
from router.compare.plan import keys_of, lane_name
from router.spreadsheet import plain
from router.store import Cell, Comparison, Key
from router.words import dollars, seconds


def to_csv(comparison: Comparison) -> str:
    """A row a cell. Text that a spreadsheet would run as a formula begins with an apostrophe; JSONL has it as it is."""
    rows = list(_rows(comparison))
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for row in rows)
    return file.getvalue()


def to_jsonl(comparison: Comparison) -> str:
    """An object a line, one a cell, with all attempts."""
    lines = [
        msgspec.json.encode(row | {"attempts": comparison.cells[key].attempts if key in comparison.cells else ()})
        for key, row in zip(_keys(comparison), _rows(comparison), strict=True)
    ]
    return "".join(f"{line.decode()}\n" for line in lines)


def to_markdown(comparison: Comparison) -> str:
    """Prompts and answers, each in a block of its own, so that nothing in them is taken for Markdown."""
    parts = [f"# {_line(comparison.name) or 'Comparison'}"]
    for prompt, asked in enumerate(comparison.plan.prompts):
        category = f" ({_line(asked.category)})" if asked.category else ""
        parts += [f"## Prompt {prompt + 1}{category}", _block(asked.text)]
        for key in (key for key in _keys(comparison) if key.prompt == prompt):
            again = f", repeat {key.repeat + 1}" if comparison.plan.repeats > 1 else ""
            parts.append(f"### {_line(lane_name(comparison.plan.lanes[key.lane]))}{again}")
            cell = comparison.cells.get(key)
            parts.append(_figures(cell))
            if cell is not None and cell.answer.text:
                parts.append(_block(cell.answer.text))
    return "\n\n".join(parts) + "\n"


_COLUMNS = (
    "lane", "model", "prompt_number", "category", "prompt", "repeat", "state", "answered_by", "answer", "error",
    "latency_s", "first_token_s", "tokens_per_second", "output_tokens", "cost_usd", "cached", "shared",
)  # fmt: skip


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for key in _keys(comparison):
        cell = comparison.cells.get(key)
        lane, prompt = comparison.plan.lanes[key.lane], comparison.plan.prompts[key.prompt]
        last = cell.attempts[-1] if cell is not None and cell.attempts else None
        answered = last if cell is not None and cell.state == "answered" else None
        values = (
            lane_name(lane), lane.model, key.prompt + 1, prompt.category, prompt.text, key.repeat + 1,
            cell.state if cell is not None else "not asked",
            answered.model if answered is not None else None,
            cell.answer.text if cell is not None else None,
            cell.error if cell is not None else None,
            *((latency(cell), first_token(cell), rate(cell), output_tokens(cell), cost(cell)) if cell else [None] * 5),
            answered is not None and answered.cached,
            answered is not None and answered.shared,
        )  # fmt: skip
        yield dict(zip(_COLUMNS, values, strict=True))


def _keys(comparison: Comparison) -> Iterator[Key]:
    for lane in range(len(comparison.plan.lanes)):
        yield from keys_of(comparison.plan, lane)


def _line(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def _block(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _figures(cell: Cell | None) -> str:
    if cell is None:
        return "Not asked."
    if cell.state != "answered":
        return _line(cell.error or cell.state.capitalize() + ".")
    took, first = seconds(latency(cell)), seconds(first_token(cell))
    return f"{took}, first token {first}, {output_tokens(cell) or 'unknown'} tokens, cost {dollars(cost(cell))}"
