"""Files that go along with a prompt: what they are taken for, and what is refused."""

from __future__ import annotations

import base64
import io
import struct
import threading
import tracemalloc
import warnings
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from router.chat.attachments import (
    MAX_FILE_BYTES,
    MAX_NAME,
    MAX_TEXT_BYTES,
    content_part,
    read_attachment,
    read_image,
)
from router.core.errors import InvalidRequest
from router.core.messages import digest

PDF = b"%PDF-1.7\n\xff"
KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}


def image(kind: str = "PNG", size: tuple[int, int] = (64, 64)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(file, kind)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def refused(data: bytes, name: str = "a.x") -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_attachment(name, data)
    return str(caught.value)


# --- What is taken ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "media_type"), KINDS.items())
def test_an_image_is_told_by_its_bytes_not_its_name(kind: str, media_type: str) -> None:
    assert read_attachment("notes.txt", image(kind)).media_type == media_type


def test_a_pdf_is_told_by_its_bytes() -> None:
    assert read_attachment("a", PDF).media_type == "application/pdf"


@pytest.mark.parametrize(
    "text",
    [
        b"a",
        b"\xef\xbb\xbfa",
        "Größe\r\n".encode(),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script>",
        b"BMW is a car",
        b"P1 is the first of them",
        b"P6 comes last",
        b"GIF89a is a format",
        b"%!PS is another",
        b"qoif hello there",
        b"II* and MM*",
        b"/* XPM */",
    ],
)
def test_text_is_text_whatever_it_begins_with(text: bytes) -> None:
    assert read_attachment("a.png", text).media_type == "text/plain"


def test_a_file_is_kept_under_the_hash_of_its_bytes() -> None:
    attachment = read_attachment("a.txt", b"abc")
    assert (attachment.id, attachment.name, attachment.size) == (digest(b"abc"), "a.txt", 3)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Größe 1 (neu).txt", "Größe 1 (neu).txt"),
        ("<script>.txt", "<script>.txt"),
        ("a\nb\0c.txt", "a_b_c.txt"),
        ("a\u202etxt.exe", "a_txt.exe"),
        ("half \ud800", "half _"),
        ("", "The file"),
        ("x" * 10_000, "x" * MAX_NAME),
    ],
)
def test_a_name_is_kept_as_far_as_it_can_be_shown(name: str, kept: str) -> None:
    assert read_attachment(name, b"abc").name == kept


# --- What is refused -------------------------------------------------------------------------------

NOTHING = "a.x is broken or not an image, PDF or UTF-8 text file. Attach one of those."


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a.x is empty."),
        (b"a\0b", NOTHING),
        (b"\0" * 100, NOTHING),
        ("héllo".encode("utf-16"), NOTHING),
        ("héllo".encode("latin-1"), NOTHING),
        (b"\x89PNG\r\n\x1a\n", NOTHING),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 100, NOTHING),
        (b"\xff\xd8\xff" + b"\xff" * 100, NOTHING),
        (image("BMP"), "a.x is a BMP image; models read PNG, JPEG, GIF and WebP. Convert it."),
        (image("TIFF"), "a.x is a TIFF image; models read PNG, JPEG, GIF and WebP. Convert it."),
        (b"a" * (MAX_TEXT_BYTES + 1), "a.x is 1.0 MB; the limit is 1 MB."),
        (PDF + b"a" * MAX_FILE_BYTES, "a.x is 5.0 MB; the limit is 5 MB."),
        (image() + b"a" * MAX_FILE_BYTES, "a.x is 5.0 MB; the limit is 5 MB."),
    ],
    ids=["empty", "a NUL", "NULs", "UTF-16", "Latin-1", "a PNG's beginning", "no PNG", "no JPEG", "BMP", "TIFF",
         "a large text", "a large PDF", "a large image"],
)  # fmt: skip
def test_what_models_cannot_read_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    assert refused(data) == sentence


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.98, 0.5, 0.1])
def test_an_image_that_breaks_off_is_refused(kind: str, part: float) -> None:
    whole = image(kind)
    assert "broken" in refused(whole[: int(len(whole) * part)])


def test_an_image_with_good_checksums_and_broken_data_is_refused() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    broken = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"no deflated data") + chunk(b"IEND", b"")
    assert "broken" in refused(broken)


@pytest.mark.parametrize("size", [(8001, 8001), (12_000, 12_000), (50_000, 50_000), (1, 2**31 - 1)], ids=str)
def test_a_small_file_of_enormous_dimensions_is_refused_unpacked(size: tuple[int, int]) -> None:
    tracemalloc.start()
    said = refused(bomb(*size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said == "a.x has more than 64 million pixels. Make it smaller."
    assert peak < 10_000_000


def test_files_read_at_once_do_not_change_how_this_process_warns() -> None:
    filters = list(warnings.filters)
    gate = threading.Barrier(8)

    def read() -> None:
        gate.wait()
        for _ in range(20):
            read_attachment("a", image(size=(8, 8)))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == filters


@given(st.text(), st.binary() | st.sampled_from([image(kind) for kind in KINDS]).flatmap(
    lambda whole: st.tuples(st.integers(0, len(whole)), st.binary(max_size=8)).map(
        lambda cut: whole[: cut[0]] + cut[1] + whole[cut[0] + len(cut[1]) :])))  # fmt: skip
def test_any_bytes_are_a_file_or_refused(name: str, data: bytes) -> None:
    try:
        part = content_part(read_attachment(name, data), data)
    except InvalidRequest as error:
        assert str(error)
    else:
        assert part["type"] in ("text", "image_url", "file")


# --- What is sent ----------------------------------------------------------------------------------


def test_a_text_goes_out_under_its_name() -> None:
    part = content_part(read_attachment("a.txt", b"abc"), b"abc")
    assert part == {"type": "text", "text": "a.txt:\n\nabc"}


def test_an_image_goes_out_as_a_data_url() -> None:
    data = image("GIF")
    url = f"data:image/gif;base64,{base64.b64encode(data).decode()}"
    assert content_part(read_attachment("a", data), data) == {"type": "image_url", "image_url": {"url": url}}


def test_a_pdf_goes_out_as_a_file_with_its_name() -> None:
    url = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
    part = content_part(read_attachment("a.pdf", PDF), PDF)
    assert part == {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}


# --- Images of answers -----------------------------------------------------------------------------


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("media_type", ["image/png", "text/html", ""])
def test_an_answer_s_image_is_told_by_its_bytes(media_type: str) -> None:
    data = image("WEBP")
    assert read_image(data_url(data, media_type)) == data


@pytest.mark.parametrize(
    "url",
    [
        data_url(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"),
        data_url(PDF),
        data_url(image()[:-20]),
        data_url(bomb(30_000, 30_000)),
        data_url(image() + bytes(MAX_FILE_BYTES)),
        "data:image/png,plain",
        "data:image/png;base64,A",
        "data:",
    ],
    ids=["svg", "pdf", "broken", "bomb", "large", "no base64", "half", "nothing"],
)
def test_what_is_no_image_of_an_answer_is_said_in_one_sentence(url: str) -> None:
    with pytest.raises(InvalidRequest, match="An image of this answer cannot be shown"):
        read_image(url)
