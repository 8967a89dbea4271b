"""What the pages' tests share: their imports, and the app in a folder of its own, without a server."""

from __future__ import annotations

import functools
import html
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test

from router.lab import close_lab
from tests.upstream import Upstream, chain_yaml

PAGES = Path(__file__).parents[2] / "pages"

if str(PAGES) not in sys.path:  # as Streamlit does for its script: a page imports `components`
    sys.path.append(str(PAGES))

OpenApp = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def opened_quickly() -> Iterator[None]:
    """What Streamlit does for each app it does once here: scan all packages for components, compile the scripts."""
    scripts = ScriptCache()
    with pytest.MonkeyPatch.context() as patched:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patched.setattr(manifest_scanner, "scan_component_manifests", scan)
        patched.setattr(app_test, "ScriptCache", lambda: scripts)
        patched.setenv("STREAMLIT_RUNNER_MAGIC_ENABLED", "false")  # as in .streamlit/config.toml
        patched.setattr("components.dashboard.in_view.is_seen", lambda _: True)  # there is no browser
        yield


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


HOSTILE = "<b>x</b> x:red[y] [z](javascript:1) $1 and $2"


@pytest.fixture
def compare_yaml(upstream: Upstream) -> str:
    """Two chains of two models, nothing embedded, one name hostile."""
    base = json.loads(chain_yaml(upstream, "unused", cache={"enabled": False}, retries=0))
    return json.dumps({**base, "chains": {"conversation": ["one", "two"], "code": ["three", HOSTILE]}})


@pytest.fixture
def open_compare(home: Path, compare_yaml: str) -> OpenApp:
    """Opens the Compare page, at a link's query."""
    return functools.partial(open_page, "compare.py", home, compare_yaml)


@pytest.fixture
def open_evaluate(home: Path, compare_yaml: str) -> OpenApp:
    """Opens the Evaluate page, at a link's query."""
    return functools.partial(open_page, "evaluate.py", home, compare_yaml)


def open_page(page: str, home: Path, models_yaml: str, **query: str) -> AppTest:
    """Opens a page on a models.yaml given as text, at a link's query."""
    (home / "models.yaml").write_text(models_yaml, encoding="utf-8")
    app = AppTest.from_file(PAGES / "main.py", default_timeout=60)
    app.switch_page(page)
    for name, value in query.items():
        app.query_params[name] = value
    return look(app)


def look(app: AppTest) -> AppTest:
    """Redraw the page; whatever it says, it must not crash."""
    app.run()
    assert not app.exception, app.exception
    assert [error.value for error in app.error if "cannot be shown" in error.value] == []
    return app


def is_running(app: AppTest) -> bool:
    return any(button.key == "chat_stop" for button in app.button)


def wait_for_end(app: AppTest, within: float = 30) -> AppTest:
    """Draw the page until no answer is in progress."""
    deadline = time.monotonic() + within
    while is_running(look(app)):
        assert time.monotonic() < deadline, "the answer is still in progress"
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


def set_here(app: AppTest) -> list[str]:
    """What the page says that the conversation sets."""
    return [button.label for button in app.button if (button.key or "").startswith("chat_empty_")]


def field(elements: Iterable[Any], label: str) -> Any:
    """The one of the page's elements with that label."""
    return next(element for element in elements if element.label == label)


def texts(app: AppTest) -> list[str]:
    """Everything that the page says, as people read it."""
    return [as_read(text) for text in sources(app)] + [element.value for element in app.code]


def strips(app: AppTest) -> list[str]:
    """The page's strips, as people read them."""
    found = []
    for strip in (block for block in app.get("container") if str(block.key).startswith("strip_")):
        nodes: Iterable[Any] = strip.children.values()
        *way, totals = [node.proto.popover.label if node.type == "popover" else node.value for node in nodes]
        found.append(as_read(" ".join([*way, "·", totals])))
    return found


def chips(app: AppTest) -> list[Any]:
    """The models of all strips, each of which opens its attempts."""
    return [popover for popover in app.get("popover") if str(popover.key).startswith("chip_")]


def open_chip(app: AppTest, number: int) -> list[str]:
    """Open a model of the strips; what it says."""
    app.session_state[str(chips(app)[number].key)] = True
    opened = chips(look(app))[number]
    return [as_read(text.value) for text in (*opened.markdown, *opened.caption)]


def sources(app: AppTest) -> list[str]:
    """Everything that the page says as Markdown, as Streamlit gets it."""
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info)
    return [element.value for kind in kinds for element in kind]


def as_read(markdown: str) -> str:
    """Markdown as people read it: links as their targets, no escapes, nothing set apart."""
    markdown = re.sub(
        r"\[(?:\\.|:color\[[^\]]*\]|[^\]])*\]\(<([^>]*)>\)", lambda link: f"<{html.unescape(link[1])}>", markdown
    )
    markdown = re.sub(
        r":color\[((?:\\.|:color\[[^\]]*\]|[^\]\\])*)\]", r"\1", re.sub(r":color\[(\\.)\]", r"\1", markdown)
    )
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)
