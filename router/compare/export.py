"""A comparison as a file: CSV and JSONL with one row per cell, Markdown for reading."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from router.compare.figures import cost, first_token, latency, output_tokens, rate
from router.compare.plan import keys_of, lane_name, settings_of
from router.core.attempts import spent
from router.core.comparisons import Cell, Comparison, Key, Plan
from router.core.conversations import Settings
from router.core.formatting import counted, expense, image_words, seconds
from router.core.messages import ToolCall
from router.core.spreadsheet import plain


def to_csv(comparison: Comparison) -> str:
    """One row per cell. Text that a spreadsheet would run as a formula gets an apostrophe; JSONL is unchanged."""
    rows = list(_rows(comparison))
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for row in rows)
    return file.getvalue()


def to_jsonl(comparison: Comparison) -> str:
    """One object per line and cell, with all attempts and all that was asked with the prompt."""
    plan = comparison.plan
    asked: Mapping[str, Any] = {"before": plan.before, "files": plan.files, "faults": plan.faults}
    lines = []
    for key, row in zip(_keys(comparison), _rows(comparison), strict=True):
        cell = comparison.cells.get(key)
        answered = {"tool_calls": cell.answer.tool_calls, "attempts": cell.attempts} if cell else _NEVER_ASKED
        lines.append(msgspec.json.encode({**row, "settings": settings_of(plan, key.lane), **asked, **answered}))
    return "".join(f"{line.decode()}\n" for line in lines)


def to_markdown(comparison: Comparison) -> str:
    """Prompts and answers, each in its own block, so that nothing in them is read as Markdown."""
    parts = [f"# {_line(comparison.name) or 'Comparison'}", *_setup(comparison.plan)]
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
            parts += [_called(call) for call in (cell.answer.tool_calls if cell is not None else ())]
            parts += [f"Image: {_line(image_words(url))}" for url in (cell.answer.images if cell is not None else ())]
    return "\n\n".join(parts) + "\n"


_NEVER_ASKED: Mapping[str, Any] = {"tool_calls": (), "attempts": ()}

_COLUMNS = (
    "lane", "model", "prompt_number", "category", "prompt", "repeat", "state", "answered_by", "answer",
    "tool_calls", "images", "error", "latency_s", "first_token_s", "tokens_per_second", "output_tokens", "cost_usd",
    "cached", "shared", "settings", "files",
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
            _json(cell.answer.tool_calls) if cell is not None and cell.answer.tool_calls else None,
            "\n".join(map(image_words, cell.answer.images)) or None if cell is not None else None,
            cell.error if cell is not None else None,
            *((latency(cell), first_token(cell), rate(cell), output_tokens(cell), cost(cell)) if cell else [None] * 5),
            answered is not None and answered.cached,
            answered is not None and answered.shared,
            _json(settings_of(comparison.plan, key.lane)),
            "\n".join(file.name for file in comparison.plan.files) or None,
        )  # fmt: skip
        yield dict(zip(_COLUMNS, values, strict=True))


def _keys(comparison: Comparison) -> Iterator[Key]:
    for lane in range(len(comparison.plan.lanes)):
        yield from keys_of(comparison.plan, lane)


def _setup(plan: Plan) -> Iterator[str]:
    """What all prompts were asked with, and what lanes set for themselves."""
    for turn in plan.before:
        yield from ("## Before: prompt", _block(turn.prompt), "## Before: answer", _block(turn.answer.text))
    if plan.files:
        yield f"Files: {', '.join(_line(file.name) for file in plan.files)}"
    if plan.faults:
        yield from ("Injected faults:", _block(_json(plan.faults)))
    for name, settings in (("all lanes", plan.common), *((lane_name(lane), lane) for lane in plan.lanes)):
        own = msgspec.structs.replace(settings, category=None, model=None)
        if own != Settings():
            yield from (f"## Settings of {_line(name)}", _block(msgspec.json.format(_json(own))))


def _called(call: ToolCall) -> str:
    return f"Calls {_line(call.name)}:\n\n{_block(call.arguments or '{}')}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _line(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def _block(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _figures(cell: Cell | None) -> str:
    if cell is None:
        return "Skipped."
    if cell.state != "answered":
        return _line(cell.error or cell.state.capitalize() + ".")
    took, first = seconds(latency(cell)), seconds(first_token(cell))
    tokens = output_tokens(cell)
    count = counted(tokens, "token") if tokens is not None else "tokens unknown"
    return f"{took}, first token {first}, {count}, cost {expense(spent(cell.attempts))}"
