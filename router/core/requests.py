"""What a user asks, in the shape of OpenAI chat completions, with no model in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.core.errors import InvalidRequest
from router.core.messages import Frozen, Message

MAX_REQUEST_BYTES = 4_000_000
"""Largest request that is sent, in bytes of JSON less its files; every known provider refuses more text than this."""


MAX_FILES_BYTES = 24_000_000
"""Largest sum of a request's files, as data URLs; Anthropic takes 32 MB in all."""


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""What `reasoning_effort` can be, over all providers; each knows some of them."""


NAMED = ("tools", "tool_choice", "response_format", "temperature", "max_tokens")
"""The fields of a request's body, besides its messages, that have an attribute of their own."""


class Request(Frozen, frozen=True, kw_only=True):
    """What a user asks, with no model in it.

    Attributes:
        messages: chat completions messages, oldest first.
        tools: chat completions tools.
        tool_choice: "auto", "none", "required" or one named tool.
        response_format: chat completions response format.
        temperature: sampling temperature.
        max_tokens: upper limit of the answer, in tokens.
        params: any other field of the body (top_p, seed, stop, …), passed through.
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    response_format: Mapping[str, Any] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] = {}

    def body(self) -> dict[str, Any]:
        """The fields that go on the wire, less model and stream; unset ones are left out."""
        body: dict[str, Any] = {**self.params, "messages": self.messages}
        if self.tools:
            body["tools"] = self.tools
            if self.tool_choice is not None:
                body["tool_choice"] = self.tool_choice
        for name in ("response_format", "temperature", "max_tokens"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        return body

    def with_defaults(self, params: Mapping[str, Any]) -> Request:
        """The same request with a chain's parameters filled in where it does not set its own."""
        if not params:
            return self
        fresh = {k: v for k, v in params.items() if k not in self.params}
        named = {k: v for k, v in fresh.items() if k in NAMED and getattr(self, k) in (None, ())}
        other = {k: v for k, v in fresh.items() if k not in NAMED}
        return msgspec.structs.replace(self, **named, params={**other, **self.params})

    def with_system(self, text: str) -> Request:
        """The same request with a text before its own system prompt, in one message: some models take only one."""
        if not text.strip():
            return self
        first = self.messages[0] if self.messages else {}
        own = first.get("content") if first.get("role") in ("system", "developer") else None
        if isinstance(own, str):
            messages = ({**first, "content": f"{text}\n\n{own}"}, *self.messages[1:])
        elif isinstance(own, list | tuple):
            messages = ({**first, "content": [{"type": "text", "text": text}, *own]}, *self.messages[1:])
        else:
            messages = ({"role": "system", "content": text}, *self.messages)
        return msgspec.structs.replace(self, messages=messages)

    def canonical(self) -> bytes:
        """The body as canonical JSON: sorted keys, no white space.

        Raises:
            InvalidRequest: no message, no text, NUL or half a surrogate pair in it, too large, not JSON.
        """
        if not self.messages or not any(_has_content(message) for message in self.messages):
            raise InvalidRequest("The prompt is empty. Type something to send.")
        try:
            data = msgspec.json.encode(self.body(), order="sorted")
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                "The prompt contains half a surrogate pair, which cannot be encoded"
                f" (U+{ord(error.object[error.start]):04X}). Remove that character and send it again."
            ) from None
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"The request cannot be written as JSON: {error}.") from None
        files = sum(map(_file_bytes, self.messages))
        if files > MAX_FILES_BYTES:
            raise InvalidRequest(
                f"The files of this conversation total {files / 1e6:.0f} MB; the limit is"
                f" {MAX_FILES_BYTES / 1e6:.0f} MB. Attach fewer, or start a new conversation."
            )
        if (size := len(data) - files) > MAX_REQUEST_BYTES:
            raise InvalidRequest(
                f"The request is {size / 1e6:.1f} MB; the limit is {MAX_REQUEST_BYTES / 1e6:.0f} MB."
                " Shorten the prompt or start a new conversation."
            )
        if b"\\u0000" in data and _holds_nul(self.body()):
            raise InvalidRequest("The prompt contains NUL characters, which models cannot read. Remove them.")
        return data


SET_BY_CALL = frozenset({"messages", "model", "stream"})
"""Body fields that parameters cannot set."""


def _has_content(message: Message) -> bool:
    """Whether it says anything; a system prompt alone is enough to be answered."""
    content = message.get("content")
    parts = content if isinstance(content, list | tuple) else (content,)
    return not all(map(_is_blank, parts)) or bool(message.get("tool_calls"))


def _is_blank(part: object) -> bool:
    found = part.get("text", part) if isinstance(part, Mapping) and part.get("type") == "text" else part
    return not found.strip() if isinstance(found, str) else not found


def _file_bytes(message: Message) -> int:
    content = message.get("content")
    if not isinstance(content, list | tuple):
        return 0
    parts = [part for part in content if isinstance(part, Mapping)]
    inner = [
        value for part in parts for value in (part.get("image_url"), part.get("file")) if isinstance(value, Mapping)
    ]
    urls = [url for value in inner for url in (value.get("url"), value.get("file_data")) if isinstance(url, str)]
    return sum(len(url) for url in urls if url.startswith("data:"))


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple) and any(_holds_nul(item) for item in value)
