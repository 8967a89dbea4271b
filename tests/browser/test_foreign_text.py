"""Foreign text in a real browser: what is read is what was written, and no link leads anywhere but where it says."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE, answers, eventually

pytestmark = pytest.mark.browser

NAMES = [
    *("red", "orange", "yellow", "blue", "green", "violet", "gray", "grey", "primary", "rainbow"),
    *("small", "shimmer", "help", "color", "unknown", "free", "size", "30"),
]
"""All names of Streamlit's directives, and some that are none."""

DIRECTIVES = [
    text
    for name in NAMES
    for suffix in ("", "-background", "-badge")
    for text in (
        f"use color:{name}{suffix} for errors",
        f":{name}{suffix}[in brackets]",
        f":{name}{suffix}[in brackets]{{foreground=red}}",
        f":{name}{suffix}{{foreground=red}}",
        f"::{name}{suffix}[a leaf]",
    )
]
ODDITIES = [
    ":tada: :+1: a:heart:b ::tada:: :100: 1:100:5 :-1: :streamlit: :material/home:",
    "a -> b <- c <-> d -- e >= f <= g ~= h",
    "12:30:45 std::vector a:b C:/temp host:8501 {a: 1} key=value",
    "http://localhost:8501/?prompt=x www.example.org a@example.org mailto:a@example.org",
    "$5 and $10, 100 % & more; it's #1 (or not) | 2 ^ 3",
]
PIECES = [
    *(
        "[y](/?prompt=a)",
        "[z](//h/x)",
        "[q][r]",
        "[r]: /?prompt=1\n",
        "http://localhost:8501/?prompt=b",
        "<http://127.0.0.1/>",
    ),
    *(
        "`",
        "``",
        "```\n",
        "~~~\n",
        "    ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "10. ",
        "> ",
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
    ),
    *(
        "|",
        "|--|--|\n",
        "a",
        "b ",
        "\\",
        "&#49;. ",
        "&#96;",
        "&#91;y](/?p)",
        "<div>",
        "</div>\n",
        "<!--",
        ":red[",
        "]",
        "{",
    ),
    *(
        ":::note\n",
        "}",
        "*",
        "**",
        "_",
        "# ",
        "---\n",
        "===\n",
        "\t",
        "![i](/x)",
        "~",
        "@a.com",
        "[^1]: ",
        "[^1]",
        "- [ ] ",
        "\\`",
    ),
    *(
        "&nbsp;",
        "x@y.zz",
        "www.localhost.x",
        "https://example.org/",
        "(",
        ")",
        "[",
        "<",
        ">",
        "!",
        '"',
        "$[y](/?prompt=a)$",
    ),
    *("`[y](/?prompt=a)|`", "- [y](/?prompt=a)\n", ":tada:", ":material/home:"),
]

LINKS = """() => [...document.querySelectorAll('[class*=st-key-] a')].map(
    link => [link.getAttribute('href'), link.textContent])"""


@pytest.fixture(scope="module")
def gallery(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sequence[str]], Page]]:
    """Opens a page that draws texts as answers and as labels."""
    file = tmp_path_factory.mktemp("gallery") / "texts.json"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = str(Path(__file__).with_name("gallery.py"))
    options = ["--server.port", str(port), "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    log = file.with_name("log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", script, *options, "--", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    page = chromium.new_page()

    def draw(texts: Sequence[str]) -> Page:
        file.write_text(json.dumps(texts), encoding="utf-8")
        page.goto(f"http://127.0.0.1:{port}")
        page.get_by_text("The end", exact=True).wait_for(timeout=PATIENCE)
        page.wait_for_selector("[data-testid=stSkeleton]", state="detached", timeout=PATIENCE)
        return page

    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/_stcore/health", process, log))
        yield draw
    finally:
        page.close()
        process.terminate()
        process.wait(timeout=20)


def read(page: Page, kind: str, count: int) -> list[str]:
    """What stands on the page, without the ends of blocks."""
    found: list[Any] = page.evaluate(
        """([kind, count]) => [...Array(count).keys()].map(
            number => document.querySelector(`.st-key-${kind}_${number}`).textContent)""",
        [kind, count],
    )
    return [" ".join(text.split()) for text in found]


@pytest.mark.parametrize("kind", ["answer", "label"])
def test_no_text_is_lost_to_a_directive(gallery: Callable[[Sequence[str]], Page], kind: str) -> None:
    texts = [*DIRECTIVES, *ODDITIES]
    assert read(gallery(texts), kind, len(texts)) == texts


def test_no_link_leads_anywhere_but_where_it_says(gallery: Callable[[Sequence[str]], Page]) -> None:
    chance = random.Random(11)
    texts = ["".join(chance.choices(PIECES, k=chance.randint(3, 20))) for _ in range(400)]
    page = gallery(texts)
    links = page.evaluate(LINKS)
    assert [link for link in links if link[0] != link[1] or not link[0].startswith("https://example.org")] == []
    assert links
    assert page.locator("[class*=st-key-] img").count() == 0
    assert read(page, "label", len(texts)) == [" ".join(text.split()) for text in texts]
