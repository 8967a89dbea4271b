"""Foreign text (from a model, a server, a file) as Markdown that Streamlit shows literally.

Everything unrecognized is escaped, so that Streamlit cannot interpret a text differently than this module does.
Each expression reads a text once; none rescans what an earlier match has consumed.
"""

from __future__ import annotations

import html
import re
import textwrap
from typing import NamedTuple
from urllib.parse import urlsplit

import streamlit as st
from markdown_it import MarkdownIt

# Blocks alone: where code blocks are is all that is asked of it. HTML and definitions of links are no blocks here, as
# what would begin them is escaped.
_BLOCKS = MarkdownIt("commonmark").disable(["inline", "html_block", "reference"])

_MATH = (
    r"\\\[(?P<display>(?:(?!\\\[|\\\]|\n[ \t>]*\n)[^$`])++)\\\]"
    r"|\\\((?P<inline>(?:(?!\\\(|\\\)|\n[ \t>]*\n)[^$`])++)\\\)(?!\d)"
    r"|(?<!\$)\$\$(?P<block>(?:(?!\n[ \t>]*\n)[^$`])++)\$\$(?![$\w])"
    # Pandoc's rule: no space inside the delimiters, no digit behind the last one.
    r"|(?<![$\w])\$(?P<dollar>(?!\s)[^$`\n]++)(?<![\s\\])\$(?![$\w])"
)
_LINK = (
    r"!?+\[(?P<text>[^\[\]\n]{0,90}+)\]"  # a directive's brackets hold 999 characters, escapes and all
    r"\((?P<target>(?:[^\s()<>]|\([^\s()<>]*+\)){0,2000}+)(?:[ \t]++\"[^\"\n]*+\")?\)"
    r"|<(?P<auto>[a-z][a-z0-9+.-]{1,31}:[^<>\s]*+)>"
    r"|(?<![\w\\])(?P<url>https?://(?:[^\s<>()\[\]{}\"'`|\\*]|\([^\s<>()\[\]{}\"'`|\\*]*+\))++)"
)
# What Streamlit makes something else of when escapes are resolved already: shortcodes, icons, addresses, arrows.
_APART = (
    r"(?P<colon>:)(?=[+-]?\w[\w+-]*+[:/\\&]|[:/\\&])"
    r"|(?<=www)(?P<dot>\.)(?=[\w.-])"
    r"|(?<=[\w.+-])(?P<at>@)(?=[\w-])"
    r"|(?<![\w<>=~-])(?P<arrow><->|->|<-|>=|<=|~=)(?![\w<>=~-])"
    r"|(?:(?<=\S[ \t])|(?<!\S)(?=--[ \t]++\S))(?P<dash>--)(?!\S)"
)
_PROSE = re.compile(
    rf"{_MATH}|{_LINK}"
    r"|(?P<task>^[ \t>]*+(?:[-*+]|\d{1,9}[.)])[ \t]++\[[ x]\](?=\s))"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|&(?P<entity>(?:#\d{1,7}|#x[0-9a-f]{1,6}|\w{1,31});)"
    r"|(?P<ticks>`++)"
    rf"|{_APART}"
    r"|:(?=[^\s|-])|[<{\[\]$]|!(?=[\[<h])",
    re.IGNORECASE | re.MULTILINE,
)
_PLAIN = re.compile(rf"{_APART}|^\d{{1,9}}[.)]|^[-+=]|:(?=\S|$)|[\\`*_{{}}\[\]<>#~|!$^&]", re.IGNORECASE)

_BREAK = re.compile(r"(?<=\S)[ \t]*\n(?=[ \t>]*\S)")
"""A line's end where another line follows."""

_LINKLIKE = re.compile(r"\][(\[:]|://|www\.|@|<[a-z][a-z0-9+.-]{1,31}:", re.IGNORECASE)
_PUBLIC = re.compile(
    r"https?://(?P<host>(?:[a-z0-9-]{1,63}\.){1,99}(?!localhost\b)[a-z]{2,63})(?::\d{1,5})?"
    r"(?:[/?#][\w.~:/?#@!$&'()*+,;=%-]*+)?",
    re.IGNORECASE | re.ASCII,
)
_PRICE = re.compile(r"\A\d[\d.,]*+(?:\s++[A-Za-z]{2}|\s*+(?:[-–—]|to|and|or)?+\s*+$)")
_LINE_PREFIX = re.compile(r"[ \t>]*+(?P<item>(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+)")


def faithful(text: str, *, breaks: bool = False) -> str:
    """Markdown for `st.markdown` that shows `text` as it was meant.

    Streamlit's own language (`:red[…]`, `:material/…:`, `:tada:`, `->`) stays text. LaTeX delimiters become
    mathematics; prices do not. A link shows its target, and is one only where that is another host's. Code stays.

    Args:
        breaks: whether each line of it begins a new line, as in what people type.
    """
    # Streamlit takes indentation away, and code with it, before it draws: what is left is what counts.
    text = textwrap.dedent(text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    lines, code = text.split("\n"), _code_blocks(text)
    done: list[str] = []
    at = 0
    for block in [*code, _Code(len(lines), len(lines), "")]:
        prose = _prose("\n".join(lines[at : block.start]))
        done += [_BREAK.sub(r"  \n", prose) if breaks else prose] if at < block.start else []
        done += lines[block.start : block.end]
        at = block.end
    drawn = "\n".join(done)
    # Formulas move lines: were code then no longer code, what it holds would be read as prose, links and all.
    same = not code or [block.content for block in _code_blocks(drawn)] == [block.content for block in code]
    return drawn if same else _source(text)


def label(text: str) -> str:
    """A name or a sentence that is not ours (a model's, a provider's) as text in labels and captions, without links."""
    return _plain(" ".join(text.split()))


class _Code(NamedTuple):
    start: int
    end: int
    content: str


def _code_blocks(text: str) -> list[_Code]:
    """Lines and text of fenced and indented code; a fence that is not closed yet reaches to the end."""
    return [
        _Code(token.map[0], token.map[1], token.content)
        for token in _BLOCKS.parse(text)
        if token.map is not None and token.type in ("fence", "code_block")
    ]


def _source(text: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`++", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def _prose(text: str) -> str:
    closing = _closing(text)
    done = []
    at = 0
    while found := _PROSE.search(text, at):
        done.append(text[at : found.start()])
        at = found.end()
        match found.lastgroup:
            case "display" | "inline" | "block" | "dollar" as kind:
                done.append(_formula(found, kind))
            case "target":
                words = f":color[{_prose(found['text'])}] " if found["text"] else ""
                done.append(f"{words}({_link(found['target'])})")
            case "auto" | "url" as kind:
                done.append(_link(found[kind]))
            case "ticks":
                at = closing.get(found.start(), at)
                done.append(_span(text[found.start() : at]))
            case "task":
                done.append(found.group())
            case "escaped":
                char = found["escaped"]
                done.append(_set_apart(char) if char in ":.@-<>=~" else found.group())
            case "entity":
                done.append(_entity(found.group()))
            case "arrow" if found.group() == ">=":
                done.append(f">{_set_apart('=')}")  # it may begin a quotation
            case _:
                done.append(_safe(found))
    return "".join([*done, text[at:]])


def _closing(text: str) -> dict[int, int]:
    """Where a span of code that begins with a run of backticks ends: with the next run of its length on its line."""
    ends: dict[int, int] = {}
    ahead: dict[int, int] = {}
    for run in reversed(list(re.finditer(r"`++|\n", text))):
        if run.group() == "\n":
            ahead = {}
            continue
        length = run.end() - run.start()
        if length in ahead:
            ends[run.start()] = ahead[length]
        ahead[length] = run.end()
    return ends


def _span(span: str) -> str:
    """A span of code as it is; as text, where its backticks enclose nothing, or where a table could cut a link out."""
    return span if span.strip("`") and not ("|" in span and _LINKLIKE.search(span)) else _plain(span)


def _formula(math: re.Match[str], kind: str) -> str:
    formula = math[kind]
    # Streamlit decides by rules of its own whether it reads mathematics: where it does not, this is prose to it.
    if not formula.strip() or _LINKLIKE.search(formula) or (kind in ("block", "dollar") and _PRICE.match(formula)):
        before, after = math.start(kind) - math.start(), math.end(kind) - math.start()
        return f"{_plain(math.group()[:before])}{_prose(formula)}{_plain(math.group()[after:])}"
    if kind in ("inline", "dollar"):
        return f"${' '.join(formula.split())}$"
    # On lines of its own, and still inside its list item or quotation.
    prefix = _LINE_PREFIX.match(math.string, math.string.rfind("\n", 0, math.start()) + 1, math.start())
    indent = re.sub(r"[^>\s]", " ", prefix.group()) if prefix else ""
    begins_item = prefix is not None and prefix["item"] and prefix.end() == math.start()
    rows = ["$$", *(row.strip() for row in formula.strip().split("\n")), "$$", "", ""]
    return ("" if begins_item else f"\n{indent}\n{indent}") + f"\n{indent}".join(rows)


def _link(target: str) -> str:
    """A link whose text is its target, where that is a public host and not ours; else the target as text."""
    address = target.rstrip(".,;:!?'_~")
    # Streamlit puts another address where it finds the name of an icon.
    public = _PUBLIC.fullmatch(address) if ":material/" not in address else None
    if public is None or public["host"].lower() == urlsplit(st.context.url or "").hostname:
        return _plain(target)
    return f"[{_plain(address)}](<{address.replace('&', '&amp;')}>){_plain(target[len(address) :])}"


def _entity(entity: str) -> str:
    char = html.unescape(entity)
    if char.isspace():
        return "\N{NO-BREAK SPACE}"  # which begins and ends no block
    return _set_apart(char) if char != entity and char.isprintable() else f"\\{entity}"


def _plain(text: str) -> str:
    return _PLAIN.sub(_safe, text)


def _safe(found: re.Match[str]) -> str:
    return "".join(map(_set_apart, found.group())) if found.lastgroup else _escaped(found.group())


def _set_apart(char: str) -> str:
    # A directive without a color is a plain element around its text: nothing invisible is added that would be copied.
    return f":color[{_escaped(char)}]"


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char.isascii() and not char.isalnum() else char for char in text)
