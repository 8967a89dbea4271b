"""Files attached to a prompt: images, PDFs and texts, validated before they are stored; and images of answers."""

from __future__ import annotations

import base64
import functools
import io
import math
from collections.abc import Mapping
from typing import Any

from router.core.conversations import Attachment
from router.core.errors import InvalidRequest
from router.core.messages import digest

MAX_FILE_BYTES = 5_000_000
"""Largest image or PDF; Anthropic's limit for one image."""

MAX_TEXT_BYTES = 1_000_000
"""Largest text file."""

_IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""Image types that all vision models read."""

MAX_PIXELS = 64_000_000
"""Largest image; Anthropic's limit is 8000 x 8000."""

MAX_NAME = 200
"""Characters of a file's name; longer ones are cut."""


def read_attachment(name: str, data: bytes) -> Attachment:
    """Determine a file's type.

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
        raise InvalidRequest(f"{name} is a {kind} image; models read PNG, JPEG, GIF and WebP. Convert it.")
    raise InvalidRequest(f"{name} is broken or not an image, PDF or UTF-8 text file. Attach one of those.")


def _kind(data: bytes, kinds: tuple[str, ...] | None = None) -> str | None:
    from PIL import Image  # noqa: PLC0415  # only who attaches a file needs it

    try:
        with Image.open(io.BytesIO(data), formats=kinds) as image:
            return image.format
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return kinds[0] if kinds else "of too many pixels"  # told by who looks into it
    except Exception:  # noqa: BLE001  # a broken image can raise nearly anything
        return None


def _look_into(name: str, data: bytes) -> None:
    """Check that the image is complete and can be drawn.

    Raises:
        InvalidRequest: it is not.
    """
    from PIL import Image  # noqa: PLC0415  # see _kind

    try:
        with Image.open(io.BytesIO(data), formats=tuple(_IMAGES)) as image:
            fits = math.prod(image.size) <= MAX_PIXELS
            if fits:
                image.draft(None, (1, 1))  # a JPEG is read at an eighth of its size
                image.load()
        with Image.open(io.BytesIO(data), formats=tuple(_IMAGES)) as image:
            image.verify()  # checksums, where it has some; it spoils what has been opened
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        fits = False
    except Exception as error:  # noqa: BLE001  # as above
        raise InvalidRequest(f"{name} is a broken image ({type(error).__name__}). Save it again.") from None
    if not fits:
        raise InvalidRequest(f"{name} has more than {MAX_PIXELS / 1e6:.0f} million pixels. Make it smaller.")


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


@functools.lru_cache(maxsize=16)  # a page is drawn again and again
def read_image(url: str) -> bytes:
    """The bytes of an answer's image in a data URL, validated like an attached one.

    Raises:
        InvalidRequest: it cannot be shown.
    """
    try:
        data = base64.b64decode(url.partition(";base64,")[2])
        if read_attachment("The image", data).media_type.startswith("image/"):
            return data
    except (ValueError, InvalidRequest):
        pass  # said below, in words that fit an answer
    raise InvalidRequest(
        "An image of this answer cannot be shown: it is broken, too large, or not PNG, JPEG, GIF or WebP."
    )


def content_part(attachment: Attachment, data: bytes) -> Mapping[str, Any]:
    """The file as a part of a chat completions message."""
    if attachment.media_type == "text/plain":
        return {"type": "text", "text": f"{attachment.name}:\n\n{data.decode()}"}
    url = f"data:{attachment.media_type};base64,{base64.b64encode(data).decode()}"
    if attachment.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": attachment.name, "file_data": url}}
