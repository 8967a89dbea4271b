"""The input of OpenAI's responses as the messages of chat completions."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from router.server.dialects.base import Refusal
from router.server.dialects.carrying import Carried, opened, with_carried
from router.server.dialects.names import flat
from router.server.dialects.reading import as_json, kind_of, listed, read_as, unknown, with_text
from router.server.dialects.responses.tools import ADDED, custom_arguments

_HELD_ELSEWHERE = ("item_reference", "compaction", "compaction_summary", "compaction_trigger", "context_compaction")


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Any] | None = None


class _Text(msgspec.Struct):
    text: str


class _Said(msgspec.Struct):
    refusal: str


class _Image(msgspec.Struct):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _File(msgspec.Struct):
    file_data: str | None = None
    filename: str | None = None
    file_url: str | None = None
    file_id: str | None = None


class _Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: str | dict[str, Any] = "{}"
    input: str = ""
    namespace: str | None = None


class _Output(msgspec.Struct):
    call_id: str
    output: Any = ""


class _AgentMessage(msgspec.Struct):
    author: str
    content: list[Any]


class _Summary(msgspec.Struct):
    text: str | None = None


class _Reasoning(msgspec.Struct):
    encrypted_content: str | None = None
    summary: list[_Summary] = []


class _Turn:
    """An assistant's message and the results of its calls, whatever the order of the items."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.carried: list[Carried] = []
        self.results: list[dict[str, Any]] = []

    def messages(self) -> list[dict[str, Any]]:
        if not (self.texts or self.calls):
            return []
        message: dict[str, Any] = {"role": "assistant", "content": "\n\n".join(self.texts) or None}
        if self.calls:
            message["tool_calls"] = self.calls
        return [with_carried(message, self.carried), *self.results]


class _Conversation:
    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self._entries: list[dict[str, Any] | _Turn] = []
        self._turns: dict[str, _Turn] = {}

    def add(self, item: dict[str, Any], kind: str, at: str) -> None:
        if kind == "message":
            self._message(read_as(item, _Message, at), f"{at}.content")
        elif kind in ("function_call", "custom_tool_call"):
            call = read_as(item, _Call, at)
            if kind == "custom_tool_call":
                arguments = custom_arguments(call.input, f"{at}.input")
            elif isinstance(call.arguments, str):
                arguments = call.arguments or "{}"
            else:
                arguments = as_json(call.arguments, f"{at}.arguments")
            function = {"name": flat(call.name, call.namespace), "arguments": arguments}
            turn = self._turns[call.call_id] = self._turn()
            turn.calls.append({"id": call.call_id, "type": "function", "function": function})
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._output(read_as(item, _Output, at), at)
        elif kind == "reasoning":
            self._reasoning(read_as(item, _Reasoning, at))
        elif kind == "agent_message":
            self._agent_message(read_as(item, _AgentMessage, at), f"{at}.content")
        elif kind == ADDED:
            pass  # it is among the tools
        elif kind in _HELD_ELSEWHERE:
            raise Refusal(
                f"`{at}` refers to what only OpenAI's servers hold; send the items themselves, as SDKs do that are told"
                " `store: false`.",
                param=f"{at}.type",
            )
        elif kind.endswith(("_call", "_call_output", "_output", "_list_tools")) or kind.startswith("mcp_"):
            self._notes.append(f"The item {kind[:40]} is left out: only OpenAI's models know it.")
        else:
            raise unknown(kind, at, "message, function_call, function_call_output or reasoning")

    def messages(self) -> list[dict[str, Any]]:
        return [
            message
            for entry in self._entries
            for message in (entry.messages() if isinstance(entry, _Turn) else [entry])
        ]

    def _turn(self) -> _Turn:
        """The turn that goes on: until one of its calls is answered, or the user speaks."""
        last = self._entries[-1] if self._entries else None
        if isinstance(last, _Turn) and not last.results:
            return last
        turn = _Turn()
        self._entries.append(turn)
        return turn

    def _message(self, message: _Message, at: str) -> None:
        if message.role == "assistant":
            said = message.content or ""
            parts = [{"text": said}] if isinstance(said, str) else _texts(said, at)
            self._turn().texts += [part["text"] for part in parts if part["text"]]
            return
        if message.content is None:
            raise Refusal(f"`{at}` is missing.", param=at)
        content = message.content if isinstance(message.content, str) else with_text(_parts(message.content, at))
        role = "user" if message.role == "user" else "system"
        self._entries.append({"role": role, "content": content})

    def _agent_message(self, message: _AgentMessage, at: str) -> None:
        """What another agent of the caller's says."""
        parts = [(*kind_of(item, place), place) for item, place in listed(message.content, at)]
        texts = [_part(*part)["text"] for part in parts if part[1] == "input_text"]
        if len(texts) < len(parts):
            self._notes.append("What agents say in encrypted content is left out: only OpenAI's models read it.")
        if texts:
            self._entries.append({"role": "user", "content": "\n".join([f"{message.author}:", *texts])})

    def _output(self, result: _Output, at: str) -> None:
        if (turn := self._turns.get(result.call_id)) is None:
            raise Refusal(
                f"`{at}` answers the call `{result.call_id[:80]}`, which is not in `input`; send the call before it.",
                param=f"{at}.call_id",
            )
        content = _given(result.output, f"{at}.output")
        turn.results.append({"role": "tool", "tool_call_id": result.call_id, "content": content})

    def _reasoning(self, item: _Reasoning) -> None:
        if item.encrypted_content is None:
            return
        thought = "".join(part.text or "" for part in item.summary)
        if found := opened(item.encrypted_content, thought):
            self._turn().carried.append(found)
        else:
            self._notes.append("Reasoning that does not come from here is left out: nobody can tell whose it is.")


def messages_of(items: str | list[Any], notes: list[str]) -> list[dict[str, Any]]:
    """The messages, oldest first.

    Args:
        notes: takes one sentence for each kind of thing that is left out.

    Raises:
        Refusal: an item is not as it must be.
    """
    if isinstance(items, str):
        return [{"role": "user", "content": items}] if items else []
    conversation = _Conversation(notes)
    for item, at in listed(items, "input"):
        if isinstance(item, dict) and "role" in item and item.get("type") is None:
            conversation.add(item, "message", at)
        else:
            conversation.add(*kind_of(item, at), at)
    return conversation.messages()


def _texts(parts: list[Any], at: str) -> list[dict[str, Any]]:
    """What an assistant said."""
    found = []
    for item, place in listed(parts, at):
        part, kind = kind_of(item, place)
        if kind in ("output_text", "input_text", "text"):
            found.append({"text": read_as(part, _Text, place).text})
        elif kind == "refusal":
            found.append({"text": read_as(part, _Said, place).refusal})
        else:
            raise unknown(kind, place, "output_text or refusal")
    return found


_CONTENT = ("input_text", "output_text", "text", "input_image", "input_file")


def _given(output: object, at: str) -> str | list[dict[str, Any]]:
    """What a tool gave: a text, or parts of content; any other value is told as JSON."""
    if isinstance(output, str):
        return output
    found = output if isinstance(output, list) else [output]
    if not found or any(isinstance(part, dict) and part.get("type") in _CONTENT for part in found):
        return with_text(_parts(found, at))
    return as_json(output, at)


def _parts(parts: list[Any], at: str) -> list[dict[str, Any]]:
    return [_part(*kind_of(item, place), place) for item, place in listed(parts, at)]


def _part(part: dict[str, Any], kind: str, at: str) -> dict[str, Any]:
    if kind in ("input_text", "output_text", "text"):
        return {"type": "text", "text": read_as(part, _Text, at).text}
    if kind == "input_image":
        image = read_as(part, _Image, at)
        if not image.image_url:
            raise Refusal(f"`{at}` needs `image_url`: files stored at OpenAI cannot be read here.", param=at)
        detail = {"detail": image.detail} if image.detail in ("low", "high") else {}
        return {"type": "image_url", "image_url": {"url": image.image_url, **detail}}
    if kind == "input_file":
        file = read_as(part, _File, at)
        data = file.file_data or file.file_url
        if not data:
            raise Refusal(f"`{at}` needs `file_data`: files stored at OpenAI cannot be read here.", param=at)
        return {"type": "file", "file": {"filename": file.filename or "document.pdf", "file_data": data}}
    raise unknown(kind, at, "input_text, input_image or input_file")
