"""Anthropic's Messages API, which Claude Code and Anthropic's SDKs speak: `POST /v1/messages`."""

from __future__ import annotations

from router.server.dialects.base import ID_HEADER
from router.server.dialects.messages.counting import count_tokens
from router.server.dialects.messages.reading import read, with_betas
from router.server.dialects.messages.writing import MessageEvents, error, whole

__all__ = ["Messages", "count_tokens", "with_betas"]


class Messages:
    """The dialect; see `Dialect`."""

    id_headers = (ID_HEADER, "request-id")
    read = staticmethod(read)
    whole = staticmethod(whole)
    writer = MessageEvents
    error = staticmethod(error)
