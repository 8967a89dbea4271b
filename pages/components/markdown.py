"""What a model wrote, as Markdown that Streamlit draws without reading more into it."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

# Blocks alone: where code blocks are is all that is asked of it, and inline parsing is most of the work.
_BLOCKS = MarkdownIt("commonmark").disable("inline")

_SPAN = re.compile(
    r"\\`"  # an escaped backtick begins no span
    r"|(?P<code>(?<!`)(?P<run>`+)(?!`).+?(?<!`)(?P=run)(?!`))"
    r"|(?P<address>\]\([^()\s]*\)|<[a-z][a-z0-9+.-]*:[^<>\s]*>|https?://[^\s<>)\]]+)",
    re.DOTALL | re.IGNORECASE,
)
# Each alternative ends at the next opening delimiter, so that a text full of them is read once, not squared.
_MATH = re.compile(
    r"(?<!\\)\\\[(?P<display>(?:(?!\\\[|\\\]).)+)\\\]"
    r"|(?<!\\)\\\((?P<inline>(?:(?!\\\(|\\\)).)+)\\\)"
    r"|(?<![\\$])\$\$(?P<block>[^$]+)\$\$(?![$\w])"
    # Pandoc's rule: no space inside the delimiters, no digit behind the last one.
    r"|(?<![\\$\w])\$(?P<dollar>(?!\s)[^$\n]*?(?<![\s\\]))\$(?![$\w])",
    re.DOTALL,
)
_PRICE = re.compile(r"\d[\d.,]*(?:\s*(?:[-–—]|to|and|or)?\s*$|\s+[A-Za-z]{2,})")
_DIRECTIVE = re.compile(r"(?<!\\):(?=[a-z-][\w-]*[\[{])|(?<![^\s\\]):{2,}(?=[a-z])", re.IGNORECASE)
_ICON = re.compile(
    r":(?=material/|(?:[+-]1|[a-z][\w+-]*|\d{3,}|\d+[a-z_][\w+-]*):)"  # icons and emoji
    r"|(?<!\S)(?=(?:<->|->|<-|--|>=|<=|~=)(?!\S))",  # arrows and the like
    re.IGNORECASE,
)
_LINE_PREFIX = re.compile(r"[ \t>]*(?P<item>(?:[-*+]|\d+[.)])[ \t]+)*")
_JOINER = "\N{WORD JOINER}"


def faithful(text: str) -> str:
    """Markdown for `st.markdown` that shows `text` as it was meant.

    Streamlit's own directives (`:red[…]`, `:material/…:`, `:tada:`, `->`) stay text, LaTeX delimiters become
    mathematics, and prices do not. Code and addresses are not touched.
    """
    lines = text.split("\n")
    done: list[str] = []
    at = 0
    for start, end in _code_blocks(text):
        done += [_paragraphs(lines[at:start]), *lines[start:end]] if at < start else lines[start:end]
        at = end
    if at < len(lines):
        done.append(_paragraphs(lines[at:]))
    return "\n".join(done)


def label(text: str) -> str:
    """A name or a sentence that is not ours (a model's, a provider's) as text in labels and captions."""
    return _plain(re.sub(r"([\\`*_{}\[\]<>#~|!$^])", r"\\\1", " ".join(text.split())))


def _code_blocks(text: str) -> list[tuple[int, int]]:
    """Line ranges of fenced and indented code; a fence that is not closed yet reaches to the end."""
    return [
        (token.map[0], token.map[1])
        for token in _BLOCKS.parse(text)
        if token.map is not None and token.type in ("fence", "code_block")
    ]


def _paragraphs(lines: list[str]) -> str:
    # A code span does not reach beyond its paragraph.
    return re.sub(r"(?:[^\n]|\n(?![ \t>]*\n))+", lambda paragraph: _inline(paragraph.group()), "\n".join(lines))


def _inline(text: str) -> str:
    done = []
    at = 0
    for span in _SPAN.finditer(text):
        if span["code"] or span["address"]:
            done += [_prose(text[at : span.start()]), span.group()]
            at = span.end()
    return "".join([*done, _prose(text[at:])])


def _prose(text: str) -> str:
    done = []
    at = 0
    for math in _MATH.finditer(text):
        done += [_plain(text[at : math.start()]), _formula(math)]
        at = math.end()
    return "".join([*done, _plain(text[at:])])


def _formula(math: re.Match[str]) -> str:
    display = math["display"] if math["display"] is not None else math["block"]
    formula = display or math["inline"] or math["dollar"]
    if formula is None or ((math["block"] or math["dollar"]) and _PRICE.match(formula)):
        return _plain(math.group())
    if display is None:
        return f"${formula.strip()}$"
    # On lines of its own, and still inside its list item or quotation.
    prefix = _LINE_PREFIX.match(math.string, math.string.rfind("\n", 0, math.start()) + 1, math.start())
    indent = re.sub(r"[^>\s]", " ", prefix.group()) if prefix else ""
    begins_item = prefix is not None and prefix["item"] and prefix.end() == math.start()
    rows = ["$$", *(row.strip() for row in formula.strip().split("\n")), "$$", "", ""]
    return ("" if begins_item else f"\n{indent}\n{indent}") + f"\n{indent}".join(rows)


def _plain(text: str) -> str:
    text = re.sub(r"(?<!\\)\$", r"\\$", text)
    text = _DIRECTIVE.sub(lambda found: found.group().replace(":", "\\:"), text)
    # Icons, emoji and arrows are found after escapes are resolved: there only something between the characters helps.
    return _ICON.sub(lambda found: found.group() + _JOINER, text)
