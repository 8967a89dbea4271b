"""What is known of a model, and whether it can handle a request. If unknown, the model is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from router.core.documents import read_as_text
from router.core.messages import Frozen, Message
from router.core.pricing import Price
from router.core.requests import Request

USUAL_CHARACTERS_PER_TOKEN = 4
"""Of English prose, to estimate a cost."""

MOST_CHARACTERS_PER_TOKEN = 6
"""More than any tokenizer packs into a token on average, to refuse only what is surely too long for a model."""


class ModelInfo(Frozen, frozen=True, kw_only=True):
    """What is known of a model; None is unknown.

    Attributes:
        context: the size of its context, tokens.
        tools, images, files: whether it supports them.
        parameters: the body fields that it supports.
        expires: the date it is discontinued, as ISO 8601.
        any_name: its server answers to any name with it, where it serves no other.
    """

    context: int | None = None
    tools: bool | None = None
    images: bool | None = None
    files: bool | None = None
    parameters: tuple[str, ...] | None = None
    expires: str | None = None
    price: Price | None = None
    any_name: bool | None = None

    @property
    def reasoning(self) -> bool | None:
        """Whether it can be told how much to reason."""
        return None if self.parameters is None else not _REASONING.isdisjoint(self.parameters)

    def over(self, other: ModelInfo) -> ModelInfo:
        """The known values, completed by the other's."""
        known = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(other, **known)


_REASONING = frozenset({"reasoning", "reasoning_effort"})


class Needs(NamedTuple):
    """What a request needs of a model."""

    tools: bool
    images: bool
    files: bool
    characters: int

    @property
    def likely_tokens(self) -> int:
        """Tokens that the texts are, roughly."""
        return self.characters // USUAL_CHARACTERS_PER_TOKEN + 1

    def unmet_by(self, info: ModelInfo) -> tuple[str, str] | None:
        """A short reason for the store and one for people, if the model cannot handle the request."""
        if self.tools and info.tools is False:
            return "no_tools", "tools are not supported"
        if self.images and info.images is False:
            return "no_images", "images are not supported"
        if self.files and info.files is False:
            return "no_files", "files are not supported"
        if info.context is not None and self.characters > info.context * MOST_CHARACTERS_PER_TOKEN:
            return "context_too_small", f"the prompt does not fit a context of {info.context:,} tokens"
        return None


def needs_of(request: Request) -> Needs:
    """What a request needs; only its texts count toward the length."""
    kinds: set[object] = set()
    characters = 0
    for part in (part for message in request.messages for part in _parts(message)):
        said = read_as_text(part)  # every model can read it
        kinds.add(part.get("type") if said is None else "text")
        characters += len(str(part.get("text") or "") if said is None else said)
    return Needs(bool(request.tools), "image_url" in kinds, "file" in kinds, characters)


def _parts(message: Message) -> Iterator[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    elif isinstance(content, list | tuple):
        yield from (part for part in content if isinstance(part, Mapping))
