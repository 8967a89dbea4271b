"""What a comparison asks: lanes with names of their own, prompts from a template, and what cannot be asked at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from router.errors import InvalidRequest
from router.messages import Request, digest
from router.store import Key, Plan, Prompt, Settings

MIN_LANES = 2
MAX_LANES = 8
MAX_REPEATS = 20
MAX_CELLS = 2_000
"""More is an evaluation, and takes hours by hand."""

_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def variables(template: str) -> list[str]:
    """The names in a template's `{{…}}`, each once, in order."""
    return list(dict.fromkeys(_VARIABLE.findall(template)))


def expand(template: str, rows: Sequence[Mapping[str, str | None]]) -> tuple[Prompt, ...]:
    """One prompt a row: each `{{name}}` becomes the row's value of that name.

    Args:
        rows: values by variable; `category` is the prompt's category too. Rows without any value are passed over.

    Raises:
        InvalidRequest: the template has no variable, or a row leaves one without a value.
    """
    names = variables(template)
    if not names:
        raise InvalidRequest("The template names no variable. Write one as {{name}}, or compare a single prompt.")
    return tuple(_filled(template, names, number, row) for number, row in enumerate(rows, 1) if _any_value(row))


def _any_value(row: Mapping[str, str | None]) -> bool:
    return any(_text(value) for name, value in row.items() if name != "category")


def _filled(template: str, names: Sequence[str], number: int, row: Mapping[str, str | None]) -> Prompt:
    for name in names:
        if not _text(row.get(name)):
            raise InvalidRequest(
                f"Row {number} of the table has no value for {{{{{name}}}}}. Fill it in, or delete the row."
            )
    text = _VARIABLE.sub(lambda found: _text(row[found[1]]), template)
    return Prompt(text=text, category=_text(row.get("category")) or None)


def _text(value: str | None) -> str:
    return value.strip() if isinstance(value, str) else ""


def lane_name(lane: Settings) -> str:
    """What a lane is called everywhere, votes included: its chain or model, and every parameter that it sets."""
    parts = [lane.model if lane.model is not None else f"{lane.category} chain"]
    if lane.temperature is not None:
        parts.append(f"temperature {lane.temperature:g}")
    if lane.max_tokens is not None:
        parts.append(f"at most {lane.max_tokens} token{'s' if lane.max_tokens > 1 else ''}")
    if lane.system.strip():
        # Prompts are too long for a name: four digits tell them apart.
        parts.append(f"system prompt {digest(lane.system.strip())[:4]}")
    return ", ".join(parts)


def request_of(plan: Plan, key: Key) -> Request:
    """What a cell asks."""
    lane = plan.lanes[key.lane]
    system = [{"role": "system", "content": lane.system}] if lane.system.strip() else []
    return Request(
        messages=(*system, {"role": "user", "content": plan.prompts[key.prompt].text}),
        temperature=lane.temperature,
        max_tokens=lane.max_tokens,
    )


def keys_of(plan: Plan, lane: int) -> Iterator[Key]:
    """A lane's cells in the order in which they are asked."""
    for prompt in range(len(plan.prompts)):
        for repeat in range(plan.repeats):
            yield Key(lane, prompt, repeat)


def calls(plan: Plan) -> int:
    """How many answers a plan asks for."""
    return len(plan.lanes) * len(plan.prompts) * plan.repeats


def check(plan: Plan) -> None:
    """See to it that a plan can be asked.

    Raises:
        InvalidRequest: one sentence that says what to change.
    """
    if not MIN_LANES <= len(plan.lanes) <= MAX_LANES:
        raise InvalidRequest(f"A comparison has {MIN_LANES} to {MAX_LANES} lanes, not {len(plan.lanes)}.")
    names = [lane_name(lane) for lane in plan.lanes]
    for number, name in enumerate(names, 1):
        if (first := names.index(name) + 1) != number:
            raise InvalidRequest(
                f"Lanes {first} and {number} are the same: {name}. Change one of them, or ask each lane more than once."
            )
    if not plan.prompts:
        raise InvalidRequest("There is no prompt. Type at least one.")
    if not 1 <= plan.repeats <= MAX_REPEATS:
        raise InvalidRequest(f"A prompt is asked 1 to {MAX_REPEATS} times, not {plan.repeats}.")
    if calls(plan) > MAX_CELLS:
        raise InvalidRequest(
            f"These are {calls(plan):,} calls; one comparison makes at most {MAX_CELLS:,}."
            " Take fewer prompts, lanes or repeats."
        )
    for lane in range(len(plan.lanes)):
        for number in range(len(plan.prompts)):
            _check_prompt(plan, Key(lane, number, 0))


def _check_prompt(plan: Plan, key: Key) -> None:
    try:
        request_of(plan, key).canonical()
    except InvalidRequest as error:
        raise InvalidRequest(f"Prompt {key.prompt + 1}: {error}") from None
