"""Who may speak to the app: this machine, under a name of the app's own, from a page that the app itself drew."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from router.config.origins import is_loopback

NO_LOGIN_FLAG = "--i-know-there-is-no-login"
NO_LOGIN_VARIABLE = "FALLBACK_LAB_I_KNOW_THERE_IS_NO_LOGIN"

_NO_LOGIN = (
    "The app has no login: whoever opens it may read all conversations, change routing and spend the keys."
    f" To let other machines in all the same, set {NO_LOGIN_VARIABLE}=1 or start it with `-- {NO_LOGIN_FLAG}`:"
    " docs/deploying.md."
)
_FOREIGN_HOST = "The app does not go by this host name. If it should, add it to server.allowedHosts: docs/deploying.md."
_FOREIGN_PAGE = (
    "Only the app's own pages may ask this. If it is behind a reverse proxy, add the address that browsers see to"
    " server.corsAllowedOrigins: docs/deploying.md."
)

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_log = logging.getLogger(__name__)


class Origin(NamedTuple):
    """What browsers call an origin."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """Read an `Origin` header; None for `null` and whatever else is no HTTP origin."""
        if (found := _ORIGIN.fullmatch(text.lower())) is None:
            return None
        scheme, host, port = found.groups()
        return cls(scheme, host, int(port or _DEFAULT_PORTS[scheme]))


def knows_there_is_no_login(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether somebody said that other machines may use the app."""
    return NO_LOGIN_FLAG in arguments or environ.get(NO_LOGIN_VARIABLE) == "1"


def check_address(address: str | None) -> None:
    """End the process if it would listen beyond this machine.

    Args:
        address: what Streamlit listens on; nothing means all interfaces.

    Raises:
        SystemExit: it would; with one sentence.
    """
    if not address or not is_loopback(address):
        raise SystemExit(f"Not started: server.address is {address or 'not set (all interfaces)'}. {_NO_LOGIN}")


class Doors:
    """Refuses connections from other machines, under foreign names, and from other origins' pages.

    Looks at a request's head alone: an open websocket costs nothing.

    Args:
        hosts: names the app goes by, `*.example.com` for all below one, `*` for any; those of loopback where empty.
        origins: what browsers see in their address bar where that differs from the host asked for, behind a proxy.
        beyond_loopback: whether other machines may connect.
        is_for_programs: whether a path is for programs, which send no origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Sequence[str],
        origins: Sequence[str],
        beyond_loopback: bool,
        is_for_programs: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._hosts = [_bare(host.strip().lower()) for host in hosts] or list(_LOOPBACK_NAMES)
        self._origins = {Origin.parse(origin.strip().rstrip("/")) for origin in origins} - {None}
        self._beyond_loopback = beyond_loopback
        self._is_for_programs = is_for_programs
        self._said: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif (reason := self._refusal(scope)) is not None:
            self._say_once(reason, scope)
            await refuse(reason, scope, receive, send)
        else:
            await self._app(_without_origin(scope) if scope["type"] == "websocket" else scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        if not self._beyond_loopback and not _is_local(scope.get("server")):
            return _NO_LOGIN
        if (asked := _asked(scope, headers)) is None or not self._goes_by(_bare(asked.host)):
            return _FOREIGN_HOST
        if scope["type"] == "http" and self._is_for_programs(scope["path"]):
            return None  # what answers there knows its callers itself, and refuses every page
        if not self._is_own_page(scope, headers, asked):
            return _FOREIGN_PAGE
        return None

    def _goes_by(self, host: str) -> bool:
        return any(
            pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]))
            for pattern in self._hosts
        )

    def _is_own_page(self, scope: Scope, headers: Headers, asked: Origin) -> bool:
        if not _is_same_origin_by_its_word(scope, headers):
            return False
        origins = headers.getlist("origin")
        if not origins:
            # Browsers name the origin of every websocket and of all that may change something. Other clients can say
            # what they like, so asking it of them takes nothing away.
            return scope["type"] == "http" and scope["method"] in _SAFE_METHODS
        return len(origins) == 1 and Origin.parse(origins[0]) in {asked, *self._origins}

    def _say_once(self, reason: str, scope: Scope) -> None:
        """A page that asks again and again does not fill the log."""
        if reason not in self._said:
            self._said.add(reason)
            headers = Headers(scope=scope)
            seen = {name: headers.getlist(name) for name in ("host", "origin", "sec-fetch-site")}
            _log.warning("Refused (said once): %s It came with %.500r.", reason, seen)


async def refuse(reason: str, scope: Scope, receive: Receive, send: Send, *, status: int = 403) -> None:
    """Answer with a refusal: one sentence, or a websocket that does not open."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
    else:
        await PlainTextResponse(reason, status)(scope, receive, send)


def _is_local(server: tuple[str, int | None] | None) -> bool:
    """Whether the end of a connection that is here can only be reached from here; a Unix socket has no port."""
    return server is not None and (server[1] is None or is_loopback(server[0]))


def _asked(scope: Scope, headers: Headers) -> Origin | None:
    hosts = headers.getlist("host")
    scheme = "https" if scope["scheme"] in {"https", "wss"} else "http"
    return Origin.parse(f"{scheme}://{hosts[0]}") if len(hosts) == 1 else None


def _bare(host: str) -> str:
    """A host without the brackets of IPv6 and the dot of the root."""
    return host.strip("[]").removesuffix(".")


def _is_same_origin_by_its_word(scope: Scope, headers: Headers) -> bool:
    """What `Sec-Fetch-Site` says, where a browser sends it; following a link to the app is everybody's right."""
    if set(headers.getlist("sec-fetch-site")) <= {"same-origin", "none"}:
        return True
    followed = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    return followed and scope["type"] == "http" and scope["method"] in _SAFE_METHODS


def _without_origin(scope: Scope) -> Scope:
    """Streamlit, where it does not know an origin, asks the internet for this machine's address; it is checked here."""
    return {**scope, "headers": [header for header in scope["headers"] if header[0] != b"origin"]}
