"""OpenAI's chat completions, which nearly every client speaks: `POST /v1/chat/completions`."""

from __future__ import annotations

from router.server.dialects.base import ID_HEADER
from router.server.dialects.chat.reading import read
from router.server.dialects.chat.writing import Chunks, error, whole

__all__ = ["ChatCompletions", "error"]


class ChatCompletions:
    """The dialect; see `Dialect`."""

    id_headers = (ID_HEADER,)
    read = staticmethod(read)
    whole = staticmethod(whole)
    writer = Chunks
    error = staticmethod(error)
