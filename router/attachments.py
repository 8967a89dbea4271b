"""Files that go along with a prompt: images, PDFs and texts, checked before they are kept."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import Image, UnidentifiedImageError

from router.errors import InvalidRequest
from router.messages import Frozen, digest

MAX_FILE_BYTES = 5_000_000
"""Largest image or PDF; Anthropic's limit for one image."""

MAX_TEXT_BYTES = 1_000_000
"""Largest text file."""

_IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""What all providers with eyes read."""


class Attachment(Frozen, frozen=True, kw_only=True):
    """A file of a prompt.

    Attributes:
        id: SHA-256 of its bytes, under which they are kept.
        size: in bytes.
    """

    id: str
    name: str
    media_type: str
    size: int


def read_attachment(name: str, data: bytes) -> Attachment:
    """See what a file is.

    Raises:
        InvalidRequest: models cannot read it; one sentence that names it.
    """
    media_type = _media_type(name, data)
    limit = MAX_TEXT_BYTES if media_type == "text/plain" else MAX_FILE_BYTES
    if len(data) > limit:
        raise InvalidRequest(f"{name} is {len(data) / 1e6:.1f} MB; the limit is {limit / 1e6:.0f} MB.")
    return Attachment(id=digest(data), name=name, media_type=media_type, size=len(data))


def _media_type(name: str, data: bytes) -> str:
    if not data:
        raise InvalidRequest(f"{name} is empty.")
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an image that is a bomb is only warned of
            with Image.open(io.BytesIO(data)) as image:
                image.verify()
                kind = image.format or ""
    except UnidentifiedImageError:
        return _text_type(name, data)
    except Exception as error:  # noqa: BLE001  # a broken image can raise nearly anything
        raise InvalidRequest(f"{name} is a broken image ({type(error).__name__}). Save it anew.") from None
    if kind not in _IMAGES:
        raise InvalidRequest(f"{name} is an image of the kind {kind}; models read PNG, JPEG, GIF and WebP.")
    return _IMAGES[kind]


def _text_type(name: str, data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InvalidRequest(f"{name} is no image, PDF or UTF-8 text. Attach one of those.")
    return "text/plain"


def content_part(attachment: Attachment, data: bytes) -> Mapping[str, Any]:
    """The file as a part of a chat completions message."""
    if attachment.media_type == "text/plain":
        return {"type": "text", "text": f"{attachment.name}:\n\n{data.decode()}"}
    url = f"data:{attachment.media_type};base64,{base64.b64encode(data).decode()}"
    if attachment.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": attachment.name, "file_data": url}}
