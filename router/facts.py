"""What is known of a model, and whether that is enough for a request. What is not known is tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from router.messages import Frozen, Message, Request
from router.pricing import Price

CHARACTERS_PER_TOKEN = 6
"""More than any tokenizer packs into a token on average (English: 4 to 4.5): longer than that is surely too long."""


class ModelFacts(Frozen, frozen=True, kw_only=True):
    """What is known of a model; None is unknown.

    Attributes:
        context: tokens that it can read.
        tools, images, files: whether it takes them.
        parameters: the body fields that it heeds.
        expires: the date of its end, as ISO 8601.
    """

    context: int | None = None
    tools: bool | None = None
    images: bool | None = None
    files: bool | None = None
    parameters: tuple[str, ...] | None = None
    expires: str | None = None
    price: Price | None = None

    def over(self, other: ModelFacts) -> ModelFacts:
        """These facts, and the other's where these are silent."""
        known = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(other, **known)


class Needs(NamedTuple):
    """What a request needs of a model."""

    tools: bool
    images: bool
    files: bool
    characters: int

    def unmet_by(self, facts: ModelFacts) -> tuple[str, str] | None:
        """A short reason for the store and one for people, where the model is known not to do."""
        if self.tools and facts.tools is False:
            return "no_tools", "it is known to take no tools"
        if self.images and facts.images is False:
            return "no_images", "it is known to read no images"
        if self.files and facts.files is False:
            return "no_files", "it is known to read no files"
        if facts.context is not None and self.characters > facts.context * CHARACTERS_PER_TOKEN:
            return "context_too_small", f"the prompt does not fit the {facts.context:,} tokens that it can read"
        return None


def needs_of(request: Request) -> Needs:
    """What a request needs; the length is that of its texts alone."""
    kinds: set[object] = set()
    characters = 0
    for part in (part for message in request.messages for part in _parts(message)):
        kinds.add(part.get("type"))
        characters += len(str(part.get("text") or ""))
    return Needs(bool(request.tools), "image_url" in kinds, "file" in kinds, characters)


def _parts(message: Message) -> Iterator[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    elif isinstance(content, list | tuple):
        yield from (part for part in content if isinstance(part, Mapping))
