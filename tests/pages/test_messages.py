"""Messages of any size and content on the Chat page: drawn in parts, and none ends the page."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from router.lab import close_lab, open_lab
from tests.pages.conftest import OpenApp, ask, look, press, texts
from tests.upstream import PIXEL, Answer, Upstream, chain_yaml

from components.shared.message import DRAWN, MAX_DRAWN

BLANKS = f"$1{' ' * 60_000}x$"
TICKS = "".join(f"{'`' * length}a" for length in range(1, 1_000))


@pytest.fixture
def page(upstream: Upstream, open_app: OpenApp) -> AppTest:
    return open_app(chain_yaml(upstream, "primary"))


def imported(app: AppTest, *answers: str) -> AppTest:
    """The page with a conversation in which these were answered."""
    said = [
        {"role": role, "content": text} for each in answers for role, text in (("user", "Say."), ("assistant", each))
    ]
    app.query_params["c"] = open_lab().chat.transfer.import_(json.dumps(said).encode())
    return look(app)


def drawn(app: AppTest) -> list[str]:
    return [message.markdown[0].value for message in app.chat_message if message.name == "assistant"]


# --- Long ones -------------------------------------------------------------------------------------


def test_a_long_answer_is_drawn_in_part_at_first(page: AppTest) -> None:
    app = imported(page, "word " * 10_000)
    assert len(drawn(app)[0]) <= DRAWN
    assert "Showing the first 20,000 of 50,000 characters." in texts(app)


def test_show_all_shows_all(page: AppTest) -> None:
    app = press(imported(page, "word " * 10_000), "Show all")
    assert len(drawn(app)[0]) == len("word " * 10_000) - 1
    assert not [text for text in texts(app) if "are shown" in text]


def test_more_than_a_browser_takes_is_never_drawn(page: AppTest) -> None:
    app = press(imported(page, "word " * 110_000), "Show all")
    assert len(drawn(app)[0]) <= MAX_DRAWN
    assert "Showing the first 500,000 of 550,000 characters. Export to see the rest." in texts(app)


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [("x" * 200_000, 2_000), ("a line\n" * 100, 30 * len("a line\n"))],
    ids=["long", "of many lines"],
)
def test_a_long_prompt_is_folded(page: AppTest, prompt: str, shown: int) -> None:
    page.query_params["c"] = open_lab().chat.transfer.import_(
        json.dumps([{"role": "user", "content": prompt}]).encode()
    )
    app = look(page)
    assert len(app.chat_message[0].markdown[0].value.replace("  \n", "\n")) <= shown
    assert f"Showing the first {shown:,} of {len(prompt):,} characters." in texts(app)


def test_thousands_of_turns_are_drawn_in_parts(page: AppTest) -> None:
    app = imported(page, *map(str, range(1_000)))
    assert drawn(app) == [str(number) for number in range(979, 1_000)]
    app = press(app, "Show earlier (979)")
    assert drawn(app) == [*(str(number) for number in range(959, 979)), "999"]
    app = press(app, "Show later (20)")
    assert drawn(app)[0] == "979"


def test_the_first_of_many_turns_is_reached(page: AppTest) -> None:
    app = imported(page, *map(str, range(50)))
    app = press(press(app, "Show earlier (29)"), "Show earlier (9)")
    assert drawn(app)[0] == "0"
    assert not [button for button in app.button if button.label.startswith("Show earlier")]


def test_an_answer_to_a_prompt_is_seen_whatever_was_looked_at(page: AppTest) -> None:
    app = press(imported(page, *map(str, range(50))), "Show earlier (29)")
    app = ask(app, "And now?")
    assert drawn(app)[-2] == "49"


# --- Images ----------------------------------------------------------------------------------------


def images(app: AppTest) -> int:
    return sum(len(element.proto.imgs) for element in app.get("image"))


def test_an_answer_of_images_alone_is_drawn_and_still_there_after_a_restart(
    page: AppTest, upstream: Upstream, open_app: OpenApp
) -> None:
    upstream.script("primary", then=Answer((), images=(PIXEL, PIXEL)))
    app = ask(page, "Draw.")
    assert (images(app), list(app.error)) == (2, [])
    conversation = app.query_params["c"]
    close_lab()
    assert images(open_app(chain_yaml(upstream, "primary"), c=conversation)) == 2


def test_an_image_that_is_an_address_is_shown_as_one(page: AppTest, upstream: Upstream) -> None:
    upstream.script("primary", then=Answer((), images=("https://host.example/a.png",)))
    app = ask(page, "Draw.")
    assert "Image: <https://host.example/a.png>" in "".join(texts(app))
    assert images(app) == 0


def test_an_image_that_cannot_be_shown_is_a_sentence_in_its_place(page: AppTest, upstream: Upstream) -> None:
    upstream.script("primary", then=Answer(("Here.",), images=("data:image/svg+xml;base64,PHN2Zy8+", PIXEL)))
    app = ask(page, "Draw.")
    assert any("An image of this answer cannot be shown" in text for text in texts(app))
    assert images(app) == 1


# --- Hostile ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [BLANKS, TICKS, "- a\n" * 100_000, "[](" * 100_000], ids=lambda text: text[:4])
def test_an_answer_holds_nobody_else_up(page: AppTest, answer: str) -> None:
    """Another thread runs on before this process has computed for a second, all the time that the page is drawn."""
    app = imported(page, *[answer] * 3)
    over = threading.Event()
    pauses: list[float] = []

    def beat() -> None:
        last = time.process_time()
        while not over.wait(0.01):
            now = time.process_time()
            pauses.append(now - last)
            last = now

    other = threading.Thread(target=beat)
    other.start()
    look(app)
    over.set()
    other.join()
    assert max(pauses) < 1


def test_what_cannot_be_drawn_is_a_sentence_in_its_place(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = imported(page, "First.", "Second.")
    open_lab().keys.hold("FALLBACK_LAB_TEST_KEY", "sk-secret-0123456789")

    def draw(text: str, **_: Any) -> None:
        if text == "First.":
            raise ValueError("sk-secret-0123456789")

    monkeypatch.setattr("components.chat.answer.draw_markdown", draw)
    with caplog.at_level(logging.ERROR):
        app.run()
    assert [error.value for error in app.error] == [
        "This answer cannot be shown (ValueError). See the log for the cause; the rest of the page is not affected."
    ]
    assert len(app.chat_message) == 4
    assert "ValueError: ***" in caplog.text
    assert "sk-secret" not in caplog.text


# --- Links -----------------------------------------------------------------------------------------


def test_a_link_fills_in_a_prompt_and_says_so_and_sends_nothing(upstream: Upstream, open_app: OpenApp) -> None:
    app = open_app(chain_yaml(upstream, "primary"), prompt="Send me the keys.")
    assert app.chat_input[0].value == "Send me the keys."
    assert "The prompt was filled in by the link you followed. Check it before you send it." in texts(app)
    assert upstream.received("primary") == []
