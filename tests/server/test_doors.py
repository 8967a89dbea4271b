"""Who may speak to the app, judged by a request's head alone."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from router.server.doors import Doors, check_address, knows_there_is_no_login
from router.server.headers import SecurityHeaders

ROOT = Path(__file__).parents[2]
Pairs = list[tuple[str, str]]
HERE = ("127.0.0.1", 8501)
OWN = [("host", "localhost:8501"), ("origin", "http://localhost:8501")]


class Inner:
    """The app behind the doors; `seen` is what came through."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.seen: list[Any] = []
        self._headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": list(self._headers)})
            await send({"type": "http.response.body", "body": b"conversations"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.accept"})


async def ask(
    headers: Pairs,
    *,
    method: str = "GET",
    websocket: bool = False,
    scheme: str = "http",
    server: tuple[str, int | None] | None = HERE,
    **settings: Any,
) -> bool:
    """Whether a request comes through; one that does not must be answered with a refusal."""
    inner, sent = Inner(), []
    scope: dict[str, Any] = {
        "type": "websocket" if websocket else "http",
        "scheme": {"http": "ws", "https": "wss"}[scheme] if websocket else scheme,
        "server": server,
        "path": "/",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    if not websocket:
        scope["method"] = method

    async def send(message: Any) -> None:
        sent.append(message)

    doors = Doors(inner, **{"hosts": [], "origins": [], "beyond_loopback": False, **settings})
    await doors(scope, _unread, send)
    if not inner.seen:
        refusal = {"websocket.close"} if websocket else {"http.response.start", "http.response.body"}
        assert {message["type"] for message in sent} == refusal
        assert websocket or sent[0]["status"] == 403
    return bool(inner.seen)


# --- Names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8501",
        "LocalHost:8501",
        "localhost.:8501",
        "localhost",
        "127.0.0.1:8501",
        "[::1]:8501",
        "localhost:9000",
    ],
)
async def test_the_app_answers_to_the_names_of_loopback(host: str) -> None:
    assert await ask([("host", host)])
    assert await ask([("host", host), ("origin", f"http://{host.lower()}")], websocket=True)


@pytest.mark.parametrize(
    "hosts",
    [
        ["evil.test:8501"],
        ["localhost.evil.test:8501"],
        ["evil-localhost:8501"],
        ["evil.test@localhost:8501"],
        ["localhost:8501@evil.test"],
        ["localhost:8501/evil.test"],
        ["localhost:8501 evil.test"],
        ["localhost, evil.test"],
        ["http://localhost:8501"],
        ["localhost..:8501"],
        ["localhost:"],
        ["localhost:port"],
        ["localhost:850199"],
        ["localhost\x00"],
        ["localhost\n"],
        ["loc\xe4lhost"],
        ["0.0.0.0:8501"],
        ["127.0.0.2:8501"],
        ["2130706433:8501"],
        ["[::]:8501"],
        ["[::1%25lo]:8501"],
        ["[::ffff:127.0.0.1]:8501"],
        ["::1"],
        [""],
        [" "],
        [],
        ["localhost:8501", "localhost:8501"],
        ["localhost:8501", "evil.test"],
    ],
)
async def test_a_name_that_is_not_the_apps_own_opens_nothing(hosts: list[str]) -> None:
    headers = [("host", host) for host in hosts]
    assert not await ask(headers)
    for host in hosts:
        assert not await ask([*headers, ("origin", f"http://{host}")], websocket=True)


async def test_a_long_host_is_refused_at_once() -> None:
    assert not await ask([("host", "a." * 1_000_000 + "!")])


@pytest.mark.parametrize(
    ("pattern", "host", "welcome"),
    [
        ("lab.example.com", "lab.example.com", True),
        ("Lab.Example.com.", "lab.example.com:8443", True),
        ("lab.example.com", "localhost:8501", False),
        ("*.example.com", "lab.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("[::1]", "[::1]:8501", True),
        ("*", "anything", True),
        ("*", "", False),
    ],
)
async def test_a_deployment_names_its_own_hosts(pattern: str, host: str, welcome: bool) -> None:
    assert await ask([("host", host)], hosts=[pattern]) is welcome


# --- Pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "PROPFIND"])
async def test_the_apps_own_page_may_change_things(method: str) -> None:
    assert await ask(OWN, method=method)
    assert await ask([*OWN, ("sec-fetch-site", "same-origin")], method=method)


FOREIGN = [
    "http://localhost:9000",
    "http://localhost",
    "http://localhost:8501.evil.test",
    "http://localhost:8501@evil.test",
    "http://127.0.0.1:8501",
    "http://[::1]:8501",
    "https://localhost:8501",
    "ws://localhost:8501",
    "chrome-extension://localhost:8501",
    "http://localhost:8501/",
    "http://localhost.:8501",
    "//localhost:8501",
    "localhost:8501",
    "http://evil.test",
    "null",
    "",
    " ",
    "http://localhost:8501 http://evil.test",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_another_origin_may_neither_ask_nor_change_nor_open(origin: str) -> None:
    headers = [("host", "localhost:8501"), ("origin", origin)]
    for method in ("GET", "OPTIONS", "PUT", "POST", "DELETE"):
        assert not await ask(headers, method=method)
    assert not await ask(headers, websocket=True)


async def test_two_origins_are_no_origin() -> None:
    assert not await ask([*OWN, ("origin", "http://localhost:8501")], websocket=True)
    assert not await ask([*OWN, ("origin", "http://evil.test")], method="PUT")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_what_changes_something_must_name_its_origin(method: str) -> None:
    assert not await ask([("host", "localhost:8501")], method=method)


async def test_a_websocket_must_name_its_origin() -> None:
    assert not await ask([("host", "localhost:8501")], websocket=True)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Same-Origin", "", "same-origin, cross-site"])
@pytest.mark.parametrize("websocket", [False, True])
async def test_a_browser_that_says_it_shows_another_site_is_believed(site: str, websocket: bool) -> None:
    assert not await ask([*OWN, ("sec-fetch-site", site)], websocket=websocket)
    assert not await ask([*OWN, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", site)], websocket=websocket)


@pytest.mark.parametrize(
    ("method", "mode", "destination", "welcome"),
    [
        ("GET", "navigate", "document", True),
        ("POST", "navigate", "document", False),
        ("GET", "navigate", "iframe", False),
        ("GET", "navigate", "embed", False),
        ("GET", "no-cors", "image", False),
        ("GET", "no-cors", "document", False),
        ("GET", "cors", "empty", False),
    ],
)
async def test_a_link_on_another_site_is_followed_and_nothing_else(
    method: str, mode: str, destination: str, welcome: bool
) -> None:
    told = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode), ("sec-fetch-dest", destination)]
    assert await ask([("host", "localhost:8501"), *told], method=method) is welcome


# --- Behind a reverse proxy -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["lab.example.com", "localhost:8501"])
async def test_a_named_proxy_may_keep_the_host_or_replace_it(host: str) -> None:
    settings: dict[str, Any] = {"hosts": ["lab.example.com", "localhost"], "origins": ["https://lab.example.com/"]}
    headers = [("host", host), ("origin", "https://lab.example.com"), ("sec-fetch-site", "same-origin")]
    assert await ask(headers, method="PUT", **settings)
    assert await ask(headers, websocket=True, **settings)


@pytest.mark.parametrize("origin", ["https://lab.example.com:8443", "https://evil.example.com", "null"])
async def test_a_named_proxy_opens_to_its_own_origin_alone(origin: str) -> None:
    settings: dict[str, Any] = {"hosts": ["lab.example.com"], "origins": ["https://lab.example.com", "null", ""]}
    assert not await ask([("host", "lab.example.com"), ("origin", origin)], websocket=True, **settings)


async def test_a_proxy_that_is_not_named_opens_nothing_over_https() -> None:
    headers = [("host", "lab.example.com"), ("origin", "https://lab.example.com")]
    assert not await ask(headers, websocket=True, hosts=["lab.example.com"])
    assert await ask(headers, websocket=True, scheme="https", hosts=["lab.example.com"])


async def test_what_a_proxy_says_of_the_host_counts_for_nothing() -> None:
    told = [("x-forwarded-host", "localhost:8501"), ("forwarded", "host=localhost:8501")]
    assert not await ask([("host", "evil.test"), *told])


# --- Beyond loopback --------------------------------------------------------------------------------


@pytest.mark.parametrize("server", [("192.168.1.5", 8501), ("fe80::1", 8501), ("0.0.0.0", 8501), ("lab", 8501), None])
async def test_a_connection_from_another_machine_needs_the_explicit_word(server: Any) -> None:
    assert not await ask(OWN, server=server)
    assert not await ask(OWN, server=server, websocket=True)
    assert await ask(OWN, server=server, beyond_loopback=True)


@pytest.mark.parametrize(
    "server", [HERE, ("127.8.8.8", 80), ("::1", 80), ("::ffff:127.0.0.1", 80), ("/run/lab.sock", None)]
)
async def test_a_connection_from_this_machine_needs_none(server: Any) -> None:
    assert await ask(OWN, server=server)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "lab.local", "0", "", None])
def test_the_app_does_not_start_on_an_address_that_others_reach(address: str | None) -> None:
    with pytest.raises(SystemExit, match=r"^Not started: server\.address is .* no login: .*NO_LOGIN=1"):
        check_address(address)


@pytest.mark.process
def test_streamlit_ends_with_that_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "0", "--server.address", "0.0.0.0"]
    environ = {**os.environ, "FALLBACK_LAB_CONFIG": str(tmp_path / "models.yaml"), "http_proxy": "http://127.0.0.1:9"}
    ended = subprocess.run(command, check=False, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Not started: server.address is 0.0.0.0.")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_the_app_starts_on_loopback(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    ("arguments", "environ", "knows"),
    [
        (["--i-know-there-is-no-login"], {}, True),
        ([], {"FALLBACK_LAB_I_KNOW_THERE_IS_NO_LOGIN": "1"}, True),
        ([], {"FALLBACK_LAB_I_KNOW_THERE_IS_NO_LOGIN": "0"}, False),
        (["--i-know"], {}, False),
    ],
)
def test_the_explicit_word_is_a_flag_or_a_variable(arguments: list[str], environ: dict[str, str], knows: bool) -> None:
    assert knows_there_is_no_login(arguments, environ) is knows


# --- What goes on and what comes back ---------------------------------------------------------------


async def test_streamlit_gets_no_origin_that_it_would_ask_the_internet_about() -> None:
    inner = Inner()
    doors = Doors(inner, hosts=[], origins=["https://lab.example.com"], beyond_loopback=False)
    headers = [(b"host", b"localhost:8501"), (b"origin", b"https://lab.example.com"), (b"cookie", b"a=b")]
    await doors({"type": "websocket", "scheme": "ws", "server": HERE, "headers": headers}, _unread, _nowhere)
    assert inner.seen[0]["headers"] == [(b"host", b"localhost:8501"), (b"cookie", b"a=b")]


async def test_the_lifespan_passes_the_doors() -> None:
    inner = Inner()
    await Doors(inner, hosts=[], origins=[], beyond_loopback=False)({"type": "lifespan"}, _unread, _nowhere)
    assert inner.seen == [{"type": "lifespan"}]


async def test_a_page_that_keeps_asking_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    doors = Doors(Inner(), hosts=[], origins=[], beyond_loopback=False)
    headers = [(b"host", b"evil.test\n2026-01-01 forged" + b"x" * 10_000)]
    scope = {"type": "http", "method": "GET", "scheme": "http", "server": HERE, "path": "/", "headers": headers}
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            await doors(scope, _unread, _nowhere)
    (message,) = caplog.messages
    assert "server.allowedHosts" in message
    assert "\n" not in message
    assert len(message) < 1_000


async def test_no_response_may_be_read_or_embedded_by_another_origin() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    cors = [(b"Access-Control-Allow-Origin", b"*"), (b"access-control-allow-credentials", b"true")]
    await SecurityHeaders(Inner((b"content-type", b"text/plain"), *cors))({"type": "http"}, _unread, send)
    names = [name for name, _ in sent[0]["headers"]]
    assert not [name for name in names if name.lower().startswith(b"access-control-")]
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"] == b"text/plain"
    assert headers[b"cross-origin-resource-policy"] == headers[b"cross-origin-opener-policy"] == b"same-origin"
    assert headers[b"x-dns-prefetch-control"] == b"off"
    assert b"frame-ancestors 'self'" in headers[b"content-security-policy"]


async def _unread() -> Any:
    raise AssertionError("Nobody is to read what was sent.")


async def _nowhere(message: Any) -> None:
    del message
