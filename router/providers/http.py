"""The HTTP transport, and its errors as ours."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Mapping
from urllib.request import getproxies_environment

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from router.config.keys import HeaderKeys, Secret
from router.core.errors import (
    ConnectionFailed,
    ConnectionReset,
    ConnectTimeout,
    InvalidAnswer,
    ProviderError,
    StreamCut,
)
from router.providers.connections import Connections, is_used_again
from router.providers.environment import Proxy, proxy_for, trusted_certificates, usable

# With the aiohttp transport, a reset and a refused connection both surface as httpx.ConnectTimeout; __cause__ tells
# them apart. The first matching entry applies.
_CAUSES: tuple[tuple[type[BaseException], type[ProviderError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, ConnectTimeout, "Cannot connect: no connection in time."),
    (
        aiohttp.ClientHttpProxyError,
        ConnectionFailed,
        "Cannot connect: the proxy refused the connection; check HTTPS_PROXY.",
    ),
    (aiohttp.ClientProxyConnectionError, ConnectionFailed, "Cannot connect: the proxy cannot be reached."),
    (aiohttp.ClientConnectorDNSError, ConnectionFailed, "Cannot connect: the host name cannot be resolved."),
    (
        aiohttp.ClientConnectorCertificateError,
        ConnectionFailed,
        "Cannot connect: the certificate is not trusted; SSL_CERT_FILE can name a file of trusted certificates.",
    ),
    (aiohttp.ClientSSLError, ConnectionFailed, "Cannot connect: the TLS handshake failed."),
    (aiohttp.ClientConnectorError, ConnectionFailed, "Cannot connect: connection refused."),
    (aiohttp.InvalidURL, ConnectionFailed, "Cannot connect: the address is not valid."),
    (aiohttp.ClientResponseError, InvalidAnswer, "The server's response is not valid HTTP."),
    (httpx.ConnectTimeout, ConnectTimeout, "Cannot connect: no connection in time."),
    (httpx.ConnectError, ConnectionFailed, "Cannot connect: connection refused."),
    (httpx.UnsupportedProtocol, ConnectionFailed, "Cannot connect: the address is not valid."),
    (httpx.InvalidURL, ConnectionFailed, "Cannot connect: the address is not valid."),
)


FOREIGN_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError, OSError)
"""What reading a response can raise; `translate` says what it means."""


MAX_HEADERS, MAX_HEADER = 1_000, 64_000
"""Header fields of one response, and bytes of one of them; gateways add more than aiohttp's 128 and 8,190."""


def new_transport() -> httpx.AsyncBaseTransport:
    """A transport for the loop that first uses it, to any host, through the proxy that the environment names for it.

    httpx-aiohttp against httpx's own, on two cores over loopback with 64 calls at once: see docs/benchmarks.md, and
    tests/benchmarks/transports.py to repeat it.

    Raises:
        ConfigError: the environment names certificates that cannot be used.
    """
    trust = trusted_certificates()
    proxies = getproxies_environment()
    return _ProxiedTransport(trust, proxies) if proxies else _transport(functools.partial(Connections, trust), trust)


def local_transport(unix_socket: str | None = None) -> httpx.AsyncBaseTransport:
    """A transport to a server of our own on this machine, at a Unix socket where one is given."""
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if unix_socket is None:
        return _transport(functools.partial(Connections, nobody), nobody)
    return _transport(functools.partial(aiohttp.UnixConnector, unix_socket, limit=0), nobody)


def _transport(
    connector: Callable[[], aiohttp.BaseConnector], trust: ssl.SSLContext, proxy: httpx.Proxy | None = None
) -> AiohttpTransport:
    def session() -> aiohttp.ClientSession:
        # No trust_env: it would send what .netrc holds for a host along, as a second Authorization.
        return aiohttp.ClientSession(
            connector=connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
        )

    return AiohttpTransport(client=session, verify=trust, proxy=proxy)


class _ProxiedTransport(httpx.AsyncBaseTransport):
    """One transport for each proxy that the environment names, and one without."""

    def __init__(self, trust: ssl.SSLContext, proxies: Mapping[str, str]) -> None:
        self._trust = trust
        self._proxies = proxies
        self._transports: dict[Proxy | None, AiohttpTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = proxy_for(request.url, self._proxies)
        if proxy not in self._transports:
            through = usable(proxy) if proxy is not None else None
            self._transports[proxy] = _transport(functools.partial(Connections, self._trust), self._trust, through)
        transport = self._transports[proxy]
        if transport.proxy is not None and request.url.scheme == "http":
            request.headers.update(transport.proxy.headers)  # those of a TLS tunnel go out when it is opened
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


@functools.lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


async def send(
    transport: httpx.AsyncBaseTransport,
    keys: HeaderKeys,
    url: str | Secret,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    connect: float,
) -> httpx.Response:
    """Send a POST, or a GET where there is no body. The answer is not read yet; `aclose` closes its connection.

    Keys are put into the headers only here, and only those that may be sent to this address.

    The transport is called without httpx's client: its cookies, redirects and authentication are of no use here (a
    redirect is an error: the key must not go to another host), and cost as much as all of our own work. Only
    connecting has a limit here; the chain limits the answer.

    Args:
        url: a secret where the address is a key itself.

    Raises:
        ProviderError: ConnectionFailed, ConnectTimeout, ConnectionReset, or KeyRefused.
    """
    timeout = {"connect": connect, "read": None, "write": None, "pool": None}
    url = url.reveal() if isinstance(url, Secret) else url
    try:
        method = "GET" if body is None else "POST"
        request = httpx.Request(
            method,
            _parsed(url),
            headers=_encoded(keys.fill(url, headers)),
            content=body,
            extensions={"timeout": timeout},
        )
        try:
            return await transport.handle_async_request(request)
        except httpx.HTTPError as error:
            if not _was_stale(error):
                raise
            return await transport.handle_async_request(request)
    except ProviderError:
        raise
    except Exception as error:
        # Anything else that a library raises, such as a ValueError for a header, ends this call but not the chain.
        raise translate(error, began=False) from error


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Of several that differ in upper and lower case, the last one; any letter, as UTF-8."""
    last = {name.lower(): (name.encode(), value.encode()) for name, value in headers.items()}
    return list(last.values())


def _was_stale(error: httpx.HTTPError) -> bool:
    """Whether a kept connection was lost before a word of the answer: its server had closed it, or did so just then.

    On a connection of this call's own, only what was never written is sent again.
    """
    cause = error.__cause__
    if is_used_again() and isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return not isinstance(cause, aiohttp.ClientConnectorError)
    return isinstance(cause, aiohttp.ClientOSError) and isinstance(cause.__cause__, aiohttp.ClientConnectionResetError)


def translate(error: Exception, *, began: bool) -> ProviderError:
    """What an error means that a transport has raised; `began`: the answer had begun."""
    if began:
        return StreamCut("The connection was lost before the answer was complete.")
    # Most of aiohttp's come wrapped in one of httpx's.
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    for kind, translated, words in _CAUSES:
        if isinstance(cause, kind):
            return translated(words)
    if isinstance(cause, FOREIGN_ERRORS):
        return ConnectionReset("The connection was lost before the answer began.")
    return ConnectionFailed(f"The call cannot be sent ({type(cause).__name__}): check base_url and headers.")
