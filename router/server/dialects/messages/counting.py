"""How many tokens a request has, estimated: `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.core.untrusted import mapping, mappings
from router.server.dialects.messages.reading import read
from router.server.dialects.reading import as_json

BYTES_PER_TOKEN = 3
"""Of text and JSON in UTF-8; today's tokenizers have 2.5 to 4.5. An estimate that is too low makes clients fill a
context window until the model refuses, one that is too high only makes them shorten earlier.
"""

IMAGE_TOKENS = 1600
"""Of an image, whatever its size: the most that Anthropic counts."""

DOCUMENT_BYTES_PER_TOKEN = 30
"""Of a PDF: 50 kB and 2,000 tokens a page, roughly."""


def count_tokens(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's body.

    Raises:
        Refusal: as for the request itself, which needs `max_tokens` in addition.
    """
    request = read({"max_tokens": 1, **body}).request
    tokens = 0.0
    for message in request.messages:
        tokens += 4 + _bytes({name: value for name, value in message.items() if name != "content"}) / BYTES_PER_TOKEN
        content = message.get("content")
        if isinstance(content, str):
            tokens += len(content.encode(errors="replace")) / BYTES_PER_TOKEN
        tokens += sum(_part(part) for part in mappings(content))
    tokens += sum(_bytes(tool) for tool in request.tools) / BYTES_PER_TOKEN
    return {"input_tokens": max(1, round(tokens))}


def _part(part: Mapping[str, Any]) -> float:
    if part.get("type") == "image_url":
        return IMAGE_TOKENS
    if part.get("type") == "file":
        data = str(mapping(part.get("file")).get("file_data"))
        size = len(data) * 3 / 4
        return size / (BYTES_PER_TOKEN if data.startswith("data:text/") else DOCUMENT_BYTES_PER_TOKEN)
    return len(str(part.get("text") or "").encode(errors="replace")) / BYTES_PER_TOKEN


def _bytes(value: Any) -> int:
    return len(as_json(value, "the body"))
