"""Files that go along with a prompt: images, PDFs and texts, checked before they are kept."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from typing import Any

from PIL import Image

from router.errors import InvalidRequest
from router.messages import Frozen, digest

MAX_FILE_BYTES = 5_000_000
"""Largest image or PDF; Anthropic's limit for one image."""

MAX_TEXT_BYTES = 1_000_000
"""Largest text file."""

_IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""What all providers with eyes read."""

MAX_PIXELS = 64_000_000
"""Largest image; Anthropic's limit is 8000 x 8000."""

MAX_NAME = 200
"""Characters of a file's name; longer ones are cut."""


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
    name = "".join(char if char.isprintable() else "_" for char in name)[:MAX_NAME] or "The file"
    media_type = _media_type(name, data)
    limit = MAX_TEXT_BYTES if media_type == "text/plain" else MAX_FILE_BYTES
    if len(data) > limit:
        raise InvalidRequest(f"{name} is {len(data) / 1e6:.1f} MB; the limit is {limit / 1e6:.0f} MB.")
    if media_type.startswith("image/"):
        _look_into(name, data)
    return Attachment(id=digest(data), name=name, media_type=media_type, size=len(data))


def _media_type(name: str, data: bytes) -> str:
    if not data:
        raise InvalidRequest(f"{name} is empty.")
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    if (kind := _kind(data, tuple(_IMAGES))) is not None:
        return _IMAGES[kind]
    if _is_text(data):  # before other images: "P1 is …" begins one
        return "text/plain"
    if (kind := _kind(data)) is not None:
        raise InvalidRequest(f"{name} is an image of the kind {kind}; models read PNG, JPEG, GIF and WebP.")
    raise InvalidRequest(f"{name} is no image, PDF or UTF-8 text, or a broken one. Attach one of those.")


def _kind(data: bytes, kinds: tuple[str, ...] | None = None) -> str | None:
    try:
        with Image.open(io.BytesIO(data), formats=kinds) as image:
            return image.format
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return kinds[0] if kinds else "of too many pixels"  # told by who looks into it
    except Exception:  # noqa: BLE001  # a broken image can raise nearly anything
        return None


def _look_into(name: str, data: bytes) -> None:
    """See that the whole image is there.

    Raises:
        InvalidRequest: it is not.
    """
    try:
        with Image.open(io.BytesIO(data), formats=tuple(_IMAGES)) as image:
            fits = math.prod(image.size) <= MAX_PIXELS
            if image.format == "PNG":
                image.verify()  # its checksums tell, without a pixel unpacked
            elif fits:
                image.draft(None, (1, 1))  # a JPEG is read at an eighth of its size
                image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        fits = False
    except Exception as error:  # noqa: BLE001  # as above
        raise InvalidRequest(f"{name} is a broken image ({type(error).__name__}). Save it anew.") from None
    if not fits:
        raise InvalidRequest(f"{name} has more than {MAX_PIXELS / 1e6:.0f} million pixels. Make it smaller.")


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def content_part(attachment: Attachment, data: bytes) -> Mapping[str, Any]:
    """The file as a part of a chat completions message."""
    if attachment.media_type == "text/plain":
        return {"type": "text", "text": f"{attachment.name}:\n\n{data.decode()}"}
    url = f"data:{attachment.media_type};base64,{base64.b64encode(data).decode()}"
    if attachment.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": attachment.name, "file_data": url}}
