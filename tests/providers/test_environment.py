"""What the environment may change of a call: its proxy and its trust; never who it says that it is."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import certifi
import httpx
import pytest

from router.core.errors import AllModelsFailed, ProviderError
from router.core.requests import Request
from router.lab import Lab
from router.providers.environment import Proxy, proxy_for, usable
from router.providers.http import new_transport
from tests.command import Run
from tests.conftest import MakeLab
from tests.providers.test_connections import provider_at, text_of
from tests.upstream import Upstream, answer, chain_yaml, reset_before_headers, respond

ASKED = Request(messages=({"role": "user", "content": "Hello"},))


@pytest.fixture
def home_with_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords for every host."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\ndefault login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))


def ask(lab: Lab) -> str:
    return lab.start(ASKED, category="chat").result(timeout=30).answer.text


# --- Proxies ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("home_with_netrc")
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("key", [None, "sk-local-12345"], ids=["no key", "key"])
def test_through_a_proxy_the_configured_key_is_the_only_authorization(
    upstream: Upstream, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, variable: str, key: str | None
) -> None:
    monkeypatch.setenv(variable, upstream.base_url.removesuffix("/v1"))
    provider = {"base_url": "http://model.invalid/v1"} | ({"api_key": "${LOCAL_KEY}"} if key else {})
    lab = make_lab(
        chain_yaml(upstream, "m", provider=provider),
        {"LOCAL_KEY": key, "FALLBACK_LAB_KEYS": "LOCAL_KEY"} if key else {},
    )
    ask(lab)
    (received,) = upstream.requests
    assert received.headers.get("authorization") == (f"Bearer {key}" if key else None)
    assert received.headers["host"] == "model.invalid"


@pytest.mark.usefixtures("home_with_netrc")
def test_no_password_of_netrc_goes_to_a_server_that_is_asked_directly(upstream: Upstream, make_lab: MakeLab) -> None:
    ask(make_lab(chain_yaml(upstream, "m")))
    assert "authorization" not in upstream.requests[0].headers


def test_a_proxy_s_own_password_goes_to_the_proxy(
    upstream: Upstream, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = upstream.base_url.removeprefix("http://").removesuffix("/v1")
    monkeypatch.setenv("HTTP_PROXY", f"me:p%40ss@{host}")
    ask(make_lab(chain_yaml(upstream, "m", provider={"base_url": "http://model.invalid/v1"})))
    sent = upstream.requests[0].headers
    assert sent["proxy-authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert "authorization" not in sent


@asynccontextmanager
async def refusing_proxy(heads: list[bytes]) -> AsyncIterator[str]:
    """Asks for a password, and keeps what was asked of it."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_proxy_that_refuses_is_told_as_that(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []
    async with refusing_proxy(heads) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@{address}")
        monkeypatch.setattr(upstream, "base_url", "https://model.invalid/v1")
        async with new_transport() as transport:
            with pytest.raises(ProviderError, match="the proxy refused") as caught:
                await text_of(provider_at(upstream, tmp_path, transport))
    assert caught.value.kind == "connection_failed"
    assert heads[0].startswith(b"CONNECT model.invalid:443")
    assert base64.b64encode(b"me:hunter2") in heads[0]


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1080", "SOCKS5H://me:hunter2@127.0.0.1", "http://:hunter2@:x"])
def test_a_proxy_that_cannot_be_used_ends_one_model_s_try_and_names_its_variable(
    upstream: Upstream, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", address)
    lab = make_lab(chain_yaml(upstream, "m", "n"))
    with pytest.raises(AllModelsFailed, match="ALL_PROXY") as caught:
        ask(lab)
    assert [attempt.reason for attempt in caught.value.attempts] == ["connection_failed"] * 2
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "exempt"),
    [
        ("", False),
        ("*", True),
        ("api.example.com", True),
        ("example.com", True),
        (".example.com", True),
        ("*.example.com", True),
        ("ample.com", False),
        ("API.Example.com", True),
        ("api.example.com:8443", True),
        ("api.example.com:443", False),
        ("other.com, example.com", True),
        ("other.com example.com:8443", True),
        ("10.0.0.0/8", False),
        (":8443", False),
        ("]:[", False),
    ],
)
def test_no_proxy_exempts_a_name(no_proxy: str, exempt: bool) -> None:
    found = proxy_for(httpx.URL("https://api.example.com:8443/v1"), {"https": "http://proxy", "no": no_proxy})
    assert (found is None) == exempt


@pytest.mark.parametrize(
    ("host", "no_proxy", "exempt"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:80", True),
        ("10.1.2.3", "10.1.2.3:81", False),
        ("[fd00::1]", "fd00::/8", True),
        ("[fd00::1]", "[fd00::1]:80", True),
        ("[fd00::1]", "fd00::1", True),
        ("[fd00::1]", "10.0.0.0/8", False),
    ],
)
def test_no_proxy_exempts_an_address_or_its_network(host: str, no_proxy: str, exempt: bool) -> None:
    found = proxy_for(httpx.URL(f"http://{host}/v1"), {"all": "http://proxy", "no": no_proxy})
    assert (found is None) == exempt


def test_the_scheme_s_own_proxy_wins_over_that_for_all() -> None:
    proxies = {"https": "http://one", "all": "socks5://two"}
    assert proxy_for(httpx.URL("https://host/"), proxies) == Proxy("HTTPS_PROXY", "http://one")
    assert proxy_for(httpx.URL("http://host/"), proxies) == Proxy("ALL_PROXY", "socks5://two")


def test_a_proxy_without_a_scheme_is_an_http_proxy() -> None:
    assert usable(Proxy("HTTP_PROXY", "proxy.corp:3128")).url == "http://proxy.corp:3128"


# --- Certificates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"])
@pytest.mark.parametrize("what", ["nothing", "another kind", "garbage"])
def test_certificates_that_cannot_be_used_are_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, what: str
) -> None:
    path = tmp_path / "certificates"
    if what == "garbage":
        path.write_bytes(b"\0no certificate")
        if variable == "SSLKEYLOGFILE":
            path = path / "below a file"
    elif what == "another kind":
        path.write_text("") if variable == "SSL_CERT_DIR" else path.mkdir()
    elif variable == "SSLKEYLOGFILE":
        path = path / "in no folder"
    monkeypatch.setenv(variable, str(path))
    result = run("check", "--offline")
    assert (result.exit_code, result.stdout) == (2, "")
    assert variable in result.stderr
    assert str(path) in result.stderr


def test_certificates_that_can_be_used_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    monkeypatch.setenv("SSL_CERT_DIR", f"/gone:{tmp_path}")
    assert run("check", "--offline").exit_code == 0


# --- What comes back -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"X-Policy": "p" * 12_000}, {f"X-{number}": "v" for number in range(300)}],
    ids=["one of 12,000 bytes", "300 of them"],
)
def test_an_answer_with_large_headers_is_an_answer(
    upstream: Upstream, make_lab: MakeLab, headers: dict[str, str]
) -> None:
    upstream.script("m", respond(200, answer("Fine.").body("m"), headers))
    assert ask(make_lab(chain_yaml(upstream, "m"))) == "Fine."


def test_a_reset_on_a_kept_connection_is_asked_again_on_a_fresh_one_and_is_no_try(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    upstream.script("m", answer("One."), reset_before_headers, answer("Two."))
    lab = make_lab(chain_yaml(upstream, "m", retries=0, cache={"enabled": False}))
    assert ask(lab) == "One."
    completion = lab.start(ASKED, category="chat").result(timeout=30)
    assert (completion.answer.text, len(completion.attempts)) == ("Two.", 1)
    first, lost, again = (call.port for call in upstream.requests)
    assert first == lost != again


def test_a_second_reset_counts(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("m", answer("One."), then=reset_before_headers)
    lab = make_lab(chain_yaml(upstream, "m", retries=0, cache={"enabled": False}))
    ask(lab)
    with pytest.raises(AllModelsFailed) as caught:
        ask(lab)
    assert [attempt.reason for attempt in caught.value.attempts] == ["connection_reset"]
    assert len(upstream.requests) == 3


def test_a_reset_on_a_fresh_connection_counts(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("m", then=reset_before_headers)
    with pytest.raises(AllModelsFailed):
        ask(make_lab(chain_yaml(upstream, "m", retries=0)))
    assert len(upstream.requests) == 1
