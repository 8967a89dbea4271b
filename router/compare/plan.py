"""A comparison's plan: lanes and their names, prompts from a template, requests, and validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from router.chat.transcripts import LoadFile, messages_of
from router.core.comparisons import Comparison, Key, Plan, Prompt
from router.core.conversations import Attachment, Settings, Turn
from router.core.errors import InvalidRequest
from router.core.messages import digest
from router.core.requests import Request
from router.core.templates import fill, variables

MIN_LANES = 2
MAX_LANES = 8
MAX_REPEATS = 20
MAX_CELLS = 2_000
"""More is an evaluation, and takes hours by hand."""

MAX_VALUE = 40
"""Characters of a parameter's value in a lane's name."""


def expand(template: str, rows: Sequence[Mapping[str, str | None]]) -> tuple[Prompt, ...]:
    """One prompt a row: each `{{name}}` becomes the row's value of that name.

    Args:
        rows: values by variable; `category` is the prompt's category too. Rows without any value are skipped.

    Raises:
        InvalidRequest: the template has no variable, or a row leaves one without a value.
    """
    names = variables(template)
    if not names:
        raise InvalidRequest("The template has no variable. Add one as {{name}}, or compare a single prompt.")
    return tuple(_filled(template, number, row, names) for number, row in _numbered(rows))


def prompts_of(rows: Sequence[Mapping[str, str | None]]) -> tuple[Prompt, ...]:
    """One prompt a row: its `prompt`, in which the names of the other columns are variables.

    Args:
        rows: as for `expand`. What else stands in braces is text.

    Raises:
        InvalidRequest: a row has no prompt, or leaves a variable of its prompt without a value.
    """
    found = []
    for number, row in _numbered(rows):
        if not (text := _text(row.get("prompt"))):
            raise InvalidRequest(f"Row {number} of the table has no prompt. Fill it in, or delete the row.")
        found.append(_filled(text, number, row, [name for name in row if name not in ("prompt", "category")]))
    return tuple(found)


def _numbered(rows: Sequence[Mapping[str, str | None]]) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """The rows with any value besides their category, with their numbers."""
    for number, row in enumerate(rows, 1):
        if any(_text(value) for name, value in row.items() if name != "category"):
            yield number, row


def _filled(text: str, number: int, row: Mapping[str, str | None], names: Sequence[str]) -> Prompt:
    """A row's prompt; `names` are the variables in its text, of which others stay as they are."""
    values = {name: _text(row.get(name)) for name in names}
    try:
        filled = fill(text, values, by=f"Row {number} of the table", leave_unknown=True)
    except InvalidRequest as error:
        raise InvalidRequest(f"{error} Fill it in, or delete the row.") from None
    return Prompt(text=filled, category=_text(row.get("category")) or None, variables=values)


def _text(value: str | None) -> str:
    return value.strip() if isinstance(value, str) else ""


def lane_name(lane: Settings) -> str:
    """A lane's name, also in votes: its chain or model, and every parameter that it sets."""
    parts = [lane.model if lane.model is not None else f"{lane.category} chain"]
    if lane.temperature is not None:
        parts.append(f"temperature {lane.temperature:g}")
    if lane.max_tokens is not None:
        parts.append(f"at most {lane.max_tokens} token{'s' if lane.max_tokens > 1 else ''}")
    if lane.system.strip():
        # Prompts are too long for a name: four digits tell them apart.
        parts.append(f"system prompt {digest(lane.system.strip())[:4]}")
    parts += [f"{name} {_written(value)}" for name, value in lane.params.items()]
    return ", ".join(parts)


def _written(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}… {digest(text)[:4]}"


def settings_of(plan: Plan, lane: int) -> Settings:
    """All that a lane is asked with: its own settings, and those common to all lanes where it has none."""
    own, unset = plan.lanes[lane], Settings()
    names = (name for name in Settings.__struct_fields__ if getattr(own, name) != getattr(unset, name))
    return msgspec.structs.replace(plan.common, **{name: getattr(own, name) for name in names})


def turn_of(plan: Plan, key: Key) -> Turn:
    """A cell's prompt as the next turn of the conversation before it, without its answer."""
    return Turn(
        id="",
        conversation="",
        parent=None,
        created=0,
        prompt=plan.prompts[key.prompt].text,
        settings=settings_of(plan, key.lane),
        attachments=plan.files,
    )


def request_of(plan: Plan, key: Key, load: LoadFile) -> Request:
    """A cell's request.

    Args:
        load: returns the bytes of the plan's files; it may raise InvalidRequest.
    """
    turn = turn_of(plan, key)
    return turn.settings.request(list(messages_of([*plan.before, turn], turn.settings.system, load)))


def files_of(plan: Plan) -> tuple[Attachment, ...]:
    """All files of a plan, each once, including those of the conversation before its prompts."""
    earlier = (attachment for turn in plan.before for attachment in turn.attachments)
    return tuple(dict.fromkeys((*earlier, *plan.files)))


def keys_of(plan: Plan, lane: int) -> Iterator[Key]:
    """A lane's cells in the order in which they run."""
    for prompt in range(len(plan.prompts)):
        for repeat in range(plan.repeats):
            yield Key(lane, prompt, repeat)


def unanswered(comparison: Comparison) -> list[Key]:
    """The cells of a comparison that have no answer: stopped, skipped, lost with a process, or failed."""
    keys = (key for lane in range(len(comparison.plan.lanes)) for key in keys_of(comparison.plan, lane))
    return [key for key in keys if key not in comparison.cells or comparison.cells[key].state != "answered"]


def calls(plan: Plan) -> int:
    """The number of answers in a plan."""
    return len(plan.lanes) * len(plan.prompts) * plan.repeats


def check(plan: Plan, load: LoadFile) -> None:
    """Check that a plan can be run.

    Args:
        load: returns the bytes of the plan's files.

    Raises:
        InvalidRequest: one sentence that says what to change.
    """
    if not MIN_LANES <= len(plan.lanes) <= MAX_LANES:
        raise InvalidRequest(f"A comparison has {MIN_LANES} to {MAX_LANES} lanes, not {len(plan.lanes)}.")
    names = [lane_name(lane) for lane in plan.lanes]
    for number, name in enumerate(names, 1):
        if (first := names.index(name) + 1) != number:
            raise InvalidRequest(
                f"Lanes {first} and {number} are the same: {name}. Change one of them, or use repeats."
            )
    if not plan.prompts:
        raise InvalidRequest("There is no prompt. Enter at least one.")
    if not 1 <= plan.repeats <= MAX_REPEATS:
        raise InvalidRequest(f"Repeats must be 1 to {MAX_REPEATS}, not {plan.repeats}.")
    if calls(plan) > MAX_CELLS:
        raise InvalidRequest(
            f"This comparison needs {calls(plan):,} calls; the limit is {MAX_CELLS:,}."
            " Use fewer prompts, lanes or repeats."
        )
    for lane in range(len(plan.lanes)):
        for number in range(len(plan.prompts)):
            # Files are the same in every request, and take time to encode: only the first request has them.
            _check_prompt(plan, Key(lane, number, 0), load if (lane, number) == (0, 0) else _left_out)


def _left_out(_file: str) -> bytes:
    return b""


def _check_prompt(plan: Plan, key: Key, load: LoadFile) -> None:
    try:
        if not plan.prompts[key.prompt].text.strip():  # the conversation before it would be asked again
            raise InvalidRequest("The prompt is empty. Type something to send.")
        request_of(plan, key, load).canonical()
    except InvalidRequest as error:
        raise InvalidRequest(f"Prompt {key.prompt + 1}: {error}") from None
