"""Verifiable instructions about the form of an answer; see `instructions`."""

from __future__ import annotations

import re

from router.evaluate.graders.structures import decoded

_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]*+\]")
_BULLET = re.compile(r"^[^\S\n]*+(?:\*(?!\*)|-)", re.MULTILINE)
_SINGLE = re.compile(r"(?<!\*)\*[^*\n]*+\*(?!\*)")
_DOUBLE = re.compile(r"\*\*[^*\n]*+\*\*")
_TITLE = re.compile(r"<<[^\S\n]*+[^\s<>][^\n<>]*+>>")
_POSTSCRIPTS = {"p.s.": re.compile(r"p\.\s?s\."), "p.p.s": re.compile(r"p\.\s?p\.\s?s")}
_CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_FENCED = re.compile(r"\A```(?:json)?(.*)```\Z", re.DOTALL | re.IGNORECASE)


def _parts(parts: list[str]) -> list[str]:
    """Parts of a text; empty ones at its ends are none."""
    while parts and not parts[0].strip():
        parts = parts[1:]
    while parts and not parts[-1].strip():
        parts = parts[:-1]
    return [part.strip() for part in parts]


def has_paragraphs(text: str, *, num_paragraphs: float) -> bool:
    """Exactly so many paragraphs, with `***` between them."""
    parts = _parts(_DIVIDER.split(text))
    return all(parts) and len(parts) == num_paragraphs


def has_first_word(text: str, *, num_paragraphs: float, nth_paragraph: float, first_word: str) -> bool:
    """Exactly so many paragraphs, with an empty line between them, one of which begins with a word."""
    parts = [part.strip() for part in text.split("\n\n") if part.strip()]
    if len(parts) != num_paragraphs or not 1 <= nth_paragraph <= len(parts):
        return False
    word = parts[int(nth_paragraph) - 1].split()[0].lstrip("'\"").lower()
    return re.split(r"[.,?!'\"]", word, maxsplit=1)[0] == first_word.strip().lower()


def has_placeholders(text: str, *, num_placeholders: float) -> bool:
    """At least so many placeholders, such as `[address]`."""
    return len(_PLACEHOLDER.findall(text)) >= num_placeholders


def has_postscript(text: str, *, postscript_marker: str) -> bool:
    """A postscript; `P.S.` and `P.P.S` may have blanks in them."""
    marker = postscript_marker.strip().lower()
    known = _POSTSCRIPTS.get(marker)
    return known.search(text.lower()) is not None if known is not None else marker in text.lower()


def is_constrained(text: str) -> bool:
    """The text has one of IFEval's three answers in it."""
    return any(each in text for each in _CONSTRAINED)


def is_json(text: str) -> bool:
    """The text is JSON, also in a fence."""
    fenced = _FENCED.match(text.strip())
    try:
        decoded(fenced[1] if fenced is not None else text)
    except ValueError:
        return False
    return True


def has_sections(text: str, *, section_spliter: str, num_sections: float) -> bool:
    """At least so many sections, each of which begins with a word and a number."""
    return len(re.findall(rf"{re.escape(section_spliter.strip())}\s?\d", text)) >= num_sections


def has_bullets(text: str, *, num_bullets: float) -> bool:
    """Exactly so many bullet points, with `*` or `-`."""
    return len(_BULLET.findall(text)) == num_bullets


def has_highlights(text: str, *, num_highlights: float) -> bool:
    """At least so many passages in `*` or `**`."""
    found = [*_SINGLE.findall(text), *_DOUBLE.findall(text)]
    return sum(bool(each.strip("*").strip()) for each in found) >= num_highlights


def has_title(text: str) -> bool:
    """A title in `<<` and `>>`."""
    return _TITLE.search(text) is not None


def has_two_responses(text: str) -> bool:
    """Two different answers with `******` between them."""
    parts = _parts(text.split("******"))
    return len(parts) == 2 and all(parts) and parts[0] != parts[1]
