"""OpenAI's Responses API, which Codex and OpenAI's newer SDKs speak: `POST /v1/responses`."""

from __future__ import annotations

from router.server.dialects.base import ID_HEADER
from router.server.dialects.chat import error
from router.server.dialects.responses.reading import read
from router.server.dialects.responses.writing import ResponseEvents, whole


class Responses:
    """The dialect; see `Dialect`."""

    id_headers = (ID_HEADER,)
    read = staticmethod(read)
    whole = staticmethod(whole)
    writer = ResponseEvents
    error = staticmethod(error)
