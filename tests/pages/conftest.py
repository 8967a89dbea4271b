"""What the pages' tests share: their imports, and the app in a folder of its own, without a server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from router.lab import close_lab

PAGES = Path(__file__).parents[2] / "pages"

if str(PAGES) not in sys.path:  # as Streamlit does for its script: a page imports `components`
    sys.path.append(str(PAGES))

OpenApp = Callable[..., AppTest]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the app runs in; models.yaml belongs here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FALLBACK_LAB_CONFIG", str(tmp_path / "models.yaml"))
    yield tmp_path
    close_lab()


@pytest.fixture
def open_app(home: Path) -> OpenApp:
    """Opens the app on a models.yaml given as text, at a link's query."""

    def open_it(models_yaml: str, **query: str) -> AppTest:
        (home / "models.yaml").write_text(models_yaml, encoding="utf-8")
        app = AppTest.from_file(PAGES / "main.py", default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        return look(app)

    return open_it


def look(app: AppTest) -> AppTest:
    """Draw the page anew; whatever it says, it must not crash."""
    app.run()
    assert not app.exception, app.exception
    return app


def is_running(app: AppTest) -> bool:
    return any(button.key == "chat_stop" for button in app.button)


def wait_for_end(app: AppTest, within: float = 30) -> AppTest:
    """Draw the page until no answer is under way."""
    deadline = time.monotonic() + within
    while is_running(look(app)):
        assert time.monotonic() < deadline, "the answer is still under way"
    return app


def ask(app: AppTest, prompt: str) -> AppTest:
    """Send a prompt and wait for its end."""
    app.chat_input(key="chat_prompt").set_value(prompt)
    look(app)
    return wait_for_end(app)


def press(app: AppTest, label: str) -> AppTest:
    """Press the button with that label."""
    next(button for button in app.button if button.label == label).click()
    return look(app)


def field(elements: Iterable[Any], label: str) -> Any:
    """The one of the page's elements with that label."""
    return next(element for element in elements if element.label == label)


def texts(app: AppTest) -> list[str]:
    """Everything that the page says, as Markdown."""
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.code)
    return [element.value for kind in kinds for element in kind]
