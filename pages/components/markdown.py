"""What a model wrote, as Markdown that Streamlit draws without reading more into it."""

from __future__ import annotations

import re

# Code is left alone: fences (also one that is not closed yet, while it streams in) and code spans.
_CODE = re.compile(
    r"(?P<fence>^[ ]{0,3}(?P<tick>`{3,}|~{3,})[^\n]*\n.*?(?:^[ ]{0,3}(?P=tick)[`~]*[ \t]*$|\Z))"
    r"|(?P<span>(?<!`)(?P<run>`+)(?!`).+?(?<!`)(?P=run)(?!`))",
    re.MULTILINE | re.DOTALL,
)
_MATH = re.compile(
    r"\\\[(?P<display>.+?)\\\]"
    r"|\\\((?P<inline>.+?)\\\)"
    r"|\$\$(?P<block>.+?)\$\$"
    # Pandoc's rule: no space inside the delimiters, no digit behind the last one.
    r"|(?<![\\$\w])\$(?P<dollar>(?!\s)[^$\n]*?(?<![\s\\]))\$(?![\d\w])",
    re.DOTALL,
)
_PRICE = re.compile(r"\d[\d.,]*(?:\s*(?:[-–—]|to|and|or)?\s*$|\s+[A-Za-z]{2,})")
_DIRECTIVE = re.compile(r":(?=[a-z-]+\[|(?:[+-]1|[a-z][a-z0-9_+-]*):|material/)", re.IGNORECASE)
_JOINER = "\N{WORD JOINER}"


def faithful(text: str) -> str:
    """Markdown for `st.markdown` that shows `text` as it was meant.

    Streamlit's own directives (`:red[…]`, `:material/…:`, `:tada:`) stay text, LaTeX delimiters become mathematics, and
    prices do not. Code is not touched.
    """
    done = []
    at = 0
    for code in _CODE.finditer(text):
        done += [_prose(text[at : code.start()]), code.group()]
        at = code.end()
    return "".join([*done, _prose(text[at:])])


def label(text: str) -> str:
    """A name that is not ours (a model's, a person's) as text in labels and captions."""
    return _plain(re.sub(r"([\\`*_{}\[\]<>#~|!$^])", r"\\\1", text.replace("\n", " ")))


def _prose(text: str) -> str:
    done = []
    at = 0
    for math in _MATH.finditer(text):
        done += [_plain(text[at : math.start()]), _formula(math)]
        at = math.end()
    return "".join([*done, _plain(text[at:])])


def _formula(math: re.Match[str]) -> str:
    if (display := math["display"] or math["block"]) is not None:
        # On lines of its own: in one line with text, the formula would be drawn as inline.
        return f"\n\n$$\n{display.strip()}\n$$\n\n"
    inline = math["inline"] if math["inline"] is not None else math["dollar"]
    if math["dollar"] is not None and _PRICE.match(inline):
        return _plain(math.group())
    return f"${inline.strip()}$"


def _plain(text: str) -> str:
    text = re.sub(r"(?<!\\)\$", r"\\$", text)
    # A backslash would do for `:red[`, but icons and emoji are found after escapes are resolved.
    return _DIRECTIVE.sub(":" + _JOINER, text)
