"""The real app as a process of its own, and a real browser that looks at it."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.upstream import Answer, Event, answer

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    "--process-per-site",  # the tabs of one window share the app's compiled scripts: half of the time of a visit
]
MODELS_YAML = "chains: {conversation: [embedded:smollm2-135m-instruct]}\n"
PATIENCE = 30_000
"""Milliseconds that the browser waits for what should come."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def eventually(check: Callable[[], Any], within: float = 30) -> None:
    """Look until something is so; an exception is a no."""
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, f"not within {within} s: {check}"
        time.sleep(0.05)


# --- The app ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class App:
    """The running app.

    Attributes:
        home: the folder of its models.yaml.
        log: what it prints.
    """

    url: str
    home: Path
    log: Path

    def use(self, models_yaml: str) -> None:
        """Put another models.yaml in place; the next page follows it."""
        new = self.home / "models.yaml.new"
        new.write_text(models_yaml, encoding="utf-8")
        new.replace(self.home / "models.yaml")

    def files_with(self, text: str) -> list[str]:
        """All files, the log among them, that hold a text."""
        files = [path for path in [self.log, *self.home.rglob("*")] if path.is_file()]
        return [str(path) for path in files if text.encode() in _bytes(path)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # SQLite's and the cache's files come and go
        return b""


@pytest.fixture(scope="package")
def app(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, started once; tests that care put a models.yaml of their own in place."""
    with running_app(tmp_path_factory.mktemp("app"), models_yaml=MODELS_YAML) as app:
        yield app


@contextmanager
def running_app(
    folder: Path, *, address: str = "127.0.0.1", models_yaml: str | None = None, **environ: str
) -> Iterator[App]:
    """An app of one's own, with its files in a folder and these variables in its environment."""
    home, log = folder / "home", folder / "app.log"
    home.mkdir()
    if models_yaml is not None:
        (home / "models.yaml").write_text(models_yaml, encoding="utf-8")
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamlit",
                "run",
                "app.py",
                "--server.port",
                str(port),
                "--server.address",
                address,
            ],
            cwd=ROOT,
            env={**inherited, **environ, "FALLBACK_LAB_CONFIG": str(home / "models.yaml")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    app = App(f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}", home, log)
    try:
        eventually(lambda: answers(f"{app.url}/_stcore/health", process, log), within=90)
        yield app
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)


def answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    """Whether the app answers; it fails where it has ended."""
    assert process.poll() is None, f"the app ended: {log.read_text(encoding='utf-8')[-2000:]}"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


# --- The browser -----------------------------------------------------------------------------------


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Ends with this package: as long as it lives, no test can run an event loop in this thread."""
    if not CHROMIUM.exists():
        missing = f"There is no {CHROMIUM}."
        if os.environ.get("FALLBACK_LAB_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # What moves on the pages took a sixth of the processor's time.
        flags = [*FLAGS, "--force-prefers-reduced-motion"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


OpenContext = Callable[..., BrowserContext]


@pytest.fixture
def open_context(chromium: Browser, app: App) -> Iterator[OpenContext]:
    """Opens browser windows with nothing in common; takes Playwright's options."""
    contexts: list[BrowserContext] = []

    def open_it(**options: Any) -> BrowserContext:
        contexts.append(_open(chromium, **{"base_url": app.url, **options}))
        return contexts[-1]

    yield open_it
    for context in contexts:
        context.close()


def _open(chromium: Browser, **options: Any) -> BrowserContext:
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture(scope="package")
def window(chromium: Browser, app: App) -> Iterator[BrowserContext]:
    """A window whose first tab keeps the scripts of the app compiled for the others."""
    window = _open(chromium, base_url=app.url)
    window.new_page().goto("/_stcore/health")
    yield window
    window.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """An empty tab of a window in which nothing is left of earlier tests."""
    page = window.new_page()
    yield page
    page.close()
    window.clear_cookies()
    window.clear_permissions()
    window.pages[0].evaluate("localStorage.clear()")


# --- Upstream --------------------------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a held answer waits for."""
    event = threading.Event()
    yield event
    event.set()


def held(gate: threading.Event, text: str | None = None, *, tokens: int = 20, after: int = 10) -> Answer:
    """An answer that comes to a halt after some tokens, until the gate opens; `text` as for `answer`."""

    def edit(events: list[Event]) -> Sequence[Event]:
        return _Held(events, after, gate)

    return answer(text, tokens=tokens, edit=edit)


class _Held(list[Event]):
    def __init__(self, events: list[Event], after: int, gate: threading.Event) -> None:
        super().__init__(events)
        self._after, self._gate = after, gate

    def __iter__(self) -> Iterator[Event]:
        for index, event in enumerate(super().__iter__()):
            while index > self._after and not self._gate.is_set():
                yield 0.01
            yield event


@dataclass(frozen=True)
class Tracker:
    """A server that a hostile answer would like to be asked; `asked` are the paths it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with tracking() as tracker:
        yield tracker


@contextmanager
def tracking() -> Iterator[Tracker]:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class says so
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield Tracker(f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()
        thread.join()
