"""What the app does where nobody looks at it: its start, and its server."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import MODELS_YAML, App, eventually, running_app


def test_the_lab_is_open_before_the_first_visit(tmp_path: Path) -> None:
    with running_app(tmp_path, models_yaml=MODELS_YAML) as app:
        eventually((app.home / ".lab" / "lab.sqlite").exists)


def test_a_head_that_never_ends_is_refused(app: App) -> None:
    at = urlsplit(app.url)
    assert at.hostname is not None
    with socket.create_connection((at.hostname, at.port or 0), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 100_000)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_the_tab_has_its_icon_without_asking_another_server(page: Page, app: App) -> None:
    asked: list[str] = []
    refused: list[str] = []  # by the security policy: the browser says so on its console alone
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto("/")
    expect(page.locator("link[rel*=icon]").first).to_have_attribute("href", re.compile("^data:image/svg"))
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []
    assert refused == []
