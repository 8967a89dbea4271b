"""A conversation's turns as a path through its branches, as messages of a request, and as an export."""

from __future__ import annotations

import base64
import codecs
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from router.chat.attachments import content_part, read_attachment
from router.chat.tools import BUILT_IN
from router.core.conversations import Attachment, Settings, Turn
from router.core.errors import InvalidRequest
from router.core.formatting import cost, image_words, seconds
from router.core.messages import Answer, Frozen, Message
from router.engine.schemas import check_size
from router.store import MAX_TOKENS

FORMAT = "fallback-lab conversation 1"

MAX_IMPORT_BYTES = 50_000_000
"""The largest file that can be imported."""

MAX_TURNS = 10_000
"""The most turns of an imported conversation."""

MAX_NUMBER = 1e11
"""No time, count or cost of a conversation is as large; beyond it, there are no dates."""

LoadFile = Callable[[str], bytes]
"""The bytes of a file by its id."""


def path(turns: Mapping[str, Turn], through: str | None = None) -> list[Turn]:
    """The turns from the first to the last, along the branch of the turn `through`, and the newest where it forks."""
    newest: dict[str | None, Turn] = {}
    for turn in turns.values():
        if turn.parent not in newest or newest[turn.parent].created <= turn.created:
            newest[turn.parent] = turn
    at = turns.get(through) if through is not None else None
    while at is not None:
        newest[at.parent] = at
        at = turns.get(at.parent) if at.parent is not None else None
    found: list[Turn] = []
    at = newest.get(None)
    while at is not None:
        found.append(at)
        at = newest.get(at.id)
    return found


def branch(turns: Mapping[str, Turn], last: Turn) -> list[Turn]:
    """The turns from the first to `last`."""
    found = [last]
    while (parent := found[-1].parent) is not None:
        found.append(turns[parent])
    return found[::-1]


def messages_of(turns: Sequence[Turn], system: str, load: LoadFile) -> Iterator[Message]:
    """The messages of a request: the system prompt, all turns, and of the last one what it asks."""
    if system.strip():
        yield {"role": "system", "content": system}
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        yield from _asked(turn, load)
        if following is not None:
            yield from _answered(turn, following)


def _asked(turn: Turn, load: LoadFile) -> Iterator[Message]:
    for result in turn.results:
        yield {"role": "tool", "tool_call_id": result.call, "content": result.content}
    if turn.attachments:
        parts = [content_part(attachment, load(attachment.id)) for attachment in turn.attachments]
        asked = [{"type": "text", "text": turn.prompt}] if turn.prompt.strip() else []
        yield {"role": "user", "content": [*parts, *asked]}
    elif turn.prompt.strip():  # an imported answer may have no prompt
        yield {"role": "user", "content": turn.prompt}


def _answered(turn: Turn, following: Turn) -> Iterator[Message]:
    answer = turn.answer
    if turn.state != "answered":
        answer = Answer(text=answer.text)  # calls and reasoning of a cut answer are incomplete
    elif not following.results:
        answer = msgspec.structs.replace(answer, tool_calls=())  # a call without its result is refused
    if answer.text or answer.tool_calls:
        yield answer.message()


# --- To keep and to share --------------------------------------------------------------------------


class _Transcript(Frozen, frozen=True, kw_only=True):
    format: str
    title: str
    turns: tuple[Turn, ...]
    files: Mapping[str, str] = {}


def export_json(title: str, turns: Sequence[Turn], load: LoadFile) -> bytes:
    """A conversation with all its branches and files."""
    ids = {attachment.id for turn in turns for attachment in turn.attachments}
    files = {id_: base64.b64encode(load(id_)).decode() for id_ in sorted(ids)}
    transcript = _Transcript(format=FORMAT, title=title, turns=tuple(turns), files=files)
    return msgspec.json.format(msgspec.json.encode(transcript), indent=1)


def import_file(data: bytes, conversation: str) -> tuple[str, list[Turn], dict[str, bytes]]:
    """A conversation from a file: our own export as JSON or Markdown, or chat completions messages.

    Args:
        conversation: the id of the new conversation; its turns get ids of their own.

    Returns:
        Title, turns, and the files by their ids.

    Raises:
        InvalidRequest: it is neither, in one sentence.
    """
    if len(data) > MAX_IMPORT_BYTES:
        raise InvalidRequest(
            f"The file is {len(data) / 1e6:,.0f} MB; the limit is {MAX_IMPORT_BYTES / 1e6:.0f} MB. Import a part of it."
        )
    title, turns, files = _read(data, conversation)
    if len(turns) > MAX_TURNS:
        raise InvalidRequest(
            f"The conversation has {len(turns):,} turns; the limit is {MAX_TURNS:,}. Import a part of it."
        )
    return title, turns, files


def _read(data: bytes, conversation: str) -> tuple[str, list[Turn], dict[str, bytes]]:
    try:
        given = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return *_from_markdown(data, conversation), {}
    if isinstance(given, dict) and given.get("format") == FORMAT:
        return _from_export(given, conversation)
    messages = given.get("messages") if isinstance(given, dict) else given
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise InvalidRequest(
            "The file is not a conversation. Import a Fallback Lab export, or JSON with a `messages` list."
        )
    return "", list(_from_messages(messages, conversation)), {}


_MARK = re.compile(r"^<!-- (prompt|answer) -->\n## .*\n", re.MULTILINE)
"""What `export_markdown` writes before each prompt and each answer."""


def _from_markdown(data: bytes, conversation: str) -> tuple[str, list[Turn]]:
    """The texts of an export as Markdown; settings, files and branches are not in it."""
    head, *parts = _MARK.split(data.decode(errors="replace").replace("\r\n", "\n"))
    if not parts:
        raise InvalidRequest("The file is not a conversation. Import one that was exported as JSON or Markdown.")
    roles = {"prompt": "user", "answer": "assistant"}
    messages = [
        {"role": roles[kind], "content": text.strip()} for kind, text in zip(parts[::2], parts[1::2], strict=True)
    ]
    return head.strip().removeprefix("# "), list(_from_messages(messages, conversation))


def _from_export(given: Mapping[str, Any], conversation: str) -> tuple[str, list[Turn], dict[str, bytes]]:
    try:
        transcript = msgspec.convert(given, _Transcript)
        files = {id_: base64.b64decode(text, validate=True) for id_, text in transcript.files.items()}
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise InvalidRequest(f"The export is damaged: {error}.") from None
    if odd := next((f"`{name}` is {value}" for name, value in _numbers(transcript) if abs(value) > MAX_NUMBER), None):
        raise InvalidRequest(f"The export is damaged: {odd:.200}.")
    ids: dict[str | None, str | None] = {None: None, **{turn.id: uuid.uuid4().hex for turn in transcript.turns}}
    turns = [
        msgspec.structs.replace(
            turn,
            id=ids[turn.id],
            parent=ids[turn.parent],
            conversation=conversation,
            settings=_settings(turn.settings),
            attachments=tuple(_attachment(attachment, files) for attachment in turn.attachments),
            state="cut" if turn.state == "running" else turn.state,
        )
        for turn in _in_order(transcript.turns)
    ]
    return transcript.title, turns, files


def _numbers(data: msgspec.Struct) -> Iterator[tuple[str, float]]:
    """All numbers in the fields of a transcript, with the fields' names; what is JSON is passed through as it is."""
    for name in data.__struct_fields__:
        value = getattr(data, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, msgspec.Struct):
                yield from _numbers(item)
            elif isinstance(item, int | float):
                yield name, item


def _in_order(turns: Sequence[Turn]) -> list[Turn]:
    """The turns, each after its parent; clocks are set back at times, so that their own order is not to be relied on.

    Raises:
        InvalidRequest: one has no parent, or two are one.
    """
    following: dict[str | None, list[Turn]] = {}
    for turn in turns:
        following.setdefault(turn.parent, []).append(turn)
    found = list(following.get(None, []))
    for turn in found:  # which grows meanwhile
        found.extend(following.get(turn.id, []))
        if len(found) > len(turns):
            break
    if len(found) != len(turns) or len({turn.id for turn in turns}) != len(turns):
        raise InvalidRequest("The export is damaged: its turns are not connected.")
    return found


def _settings(given: Settings) -> Settings:
    """The settings of a turn, where the page has controls for them.

    Raises:
        InvalidRequest: it has none.
    """
    if given.schema is not None:
        check_size(given.schema, "The schema of a turn")
    fit = (
        (given.temperature is None or 0 <= given.temperature <= 2)
        and (given.max_tokens is None or 1 <= given.max_tokens <= MAX_TOKENS)
        and all(tool.name in BUILT_IN for tool in given.tools if tool.reply == "built-in")
    )
    if not fit:
        raise InvalidRequest("The export is damaged: its parameters cannot be used.")
    return given


def _attachment(given: Attachment, files: Mapping[str, bytes]) -> Attachment:
    """The attachment as its bytes say, not as the export does."""
    data = files.get(given.id)
    found = read_attachment(given.name, data) if data is not None else None
    if found is None or found.id != given.id:
        raise InvalidRequest(f"The export is damaged: the file {given.name[:200]} is missing or has changed.")
    return found


def _from_messages(messages: Sequence[Mapping[str, Any]], conversation: str) -> Iterator[Turn]:
    """One turn for each prompt that has an answer, or is the last; text alone is taken."""
    parent: str | None = None
    system, prompt = "", ""
    for message in [*messages, {"role": "user", "content": ""}]:
        role, text = message.get("role"), _text(message.get("content"))
        if role in ("system", "developer"):
            system = text
        elif (role == "assistant" and text.strip()) or (role == "user" and prompt.strip()):
            turn = Turn(
                id=uuid.uuid4().hex,
                conversation=conversation,
                parent=parent,
                created=time.time(),
                prompt=prompt,
                settings=Settings(system=system),
                state="answered" if role == "assistant" else "cut",
                answer=Answer(text=text if role == "assistant" else "", finish_reason="stop"),
            )
            yield turn
            parent, prompt = turn.id, ""
        if role == "user":
            prompt = text


def _text(content: object) -> str:
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n\n".join(text for text in texts if isinstance(text, str) and text)
    return content if isinstance(content, str) else ""


def export_markdown(title: str, turns: Sequence[Turn]) -> str:
    """The turns of one branch, for people."""
    parts = [f"# {title}"]
    for turn in turns:
        files = "".join(f"\n\n*Attached: {attachment.name}*" for attachment in turn.attachments)
        results = "".join(f"\n\n*Result of `{result.call}`:* {result.content}" for result in turn.results)
        parts.append(f"<!-- prompt -->\n## Prompt\n\n{turn.prompt}{files}{results}")
        calls = "".join(f"\n\n*Calls `{call.name}`:* `{call.arguments}`" for call in turn.answer.tool_calls)
        images = "".join(f"\n\n*Image: {image_words(url)}*" for url in turn.answer.images)
        error = f"\n\n*{turn.error}*" if turn.error else ""
        parts.append(f"<!-- answer -->\n## {_byline(turn)}\n\n{turn.answer.text}{calls}{images}{error}".rstrip())
    return "\n\n".join(parts) + "\n"


def _byline(turn: Turn) -> str:
    last = turn.attempts[-1] if turn.attempts else None
    if last is None or last.outcome != "answered":
        return {"cut": "Answer, incomplete", "failed": "No answer"}.get(turn.state, "Answer")
    thumb = "" if turn.liked is None else ", liked" if turn.liked else ", not liked"
    return f"{last.model}, {seconds(last.latency)}, {cost(last)}{thumb}"
