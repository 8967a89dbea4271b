"""Who may call the endpoint, and how much of it: keys, requests per minute, dollars per day."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from router.config.keys import Keys
from router.config.origins import is_loopback
from router.config.server import Caller, ServerConfig
from router.core.attempts import is_call
from router.core.formatting import dollars
from router.core.records import Observation, RequestSummary
from router.server.dialects.base import Refusal
from router.store import Store

DAY = 86_400
"""Seconds; a caller's day begins at midnight UTC."""

FRESH = 2.0
"""Seconds for which a sum read from the store is good: other processes write there too."""

_NO_KEY = (
    "The endpoint answers this machine alone until models.yaml names keys for callers"
    ' (`server: {keys: {team-a: "${LAB_KEY_TEAM_A}"}}`): docs/endpoint.md.'
)  # fmt: skip

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""What proxies say of those they ask for."""

_PAGE = "Web pages may not ask this: there is no CORS here. Ask from a server of yours, which keeps the key."


def check_is_program(headers: Headers) -> None:
    """Refuse what a web page sent: with a user's browser it could spend their money.

    Raises:
        Refusal: with 403. Browsers name themselves in whatever may change something, and cannot leave that out.
    """
    if "origin" in headers or not set(headers.getlist("sec-fetch-site")) <= {"none"}:
        raise Refusal(_PAGE, status=403, code="no_cors")


def authenticated(headers: Headers, server: ServerConfig, keys: Keys, *, is_local: bool) -> str | None:
    """The name of the caller whose key came with a request; None where no keys are asked for.

    Args:
        is_local: whether the connection comes from this machine; a proxy's does, whoever asks the proxy.

    Raises:
        Refusal: with 401 or 403.
    """
    if not server.keys:
        # Under another name, a page whose name leads here could read what this machine may.
        if not is_local or not _is_own_name(headers.get("host", "")) or any(name in headers for name in _FORWARDED):
            raise Refusal(_NO_KEY, status=403, code="no_keys")
        return None
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    if not given:
        raise Refusal("Send a key: `Authorization: Bearer …` or `x-api-key: …`.", status=401, code="missing_api_key")
    # Digests of one length, and every key looked at: the time tells nothing of any of them.
    sent, found = _digest(given.encode("latin-1")), None  # as Starlette decodes headers: the bytes that came
    for name, caller in server.keys.items():
        known = keys.value(*caller.key)
        if known is not None and hmac.compare_digest(sent, _digest(known.reveal().encode("utf-8", "surrogateescape"))):
            found = name
    if found is None:
        raise Refusal("This key is not one of the endpoint's.", status=401, code="invalid_api_key")
    return found


def _is_own_name(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class Allowances:
    """What callers have used of what they may use; lives on one event loop.

    Args:
        clock: Unix time, seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._recent: dict[str, deque[float]] = {}
        self._spent: dict[str, _Day] = {}

    async def admit(self, name: str, caller: Caller) -> None:
        """Count a request, or refuse it.

        Raises:
            Refusal: with 429 and the seconds to wait.
        """
        if caller.dollars_per_day is not None:
            await self._within_budget(name, caller, caller.dollars_per_day)
        if (most := caller.requests_per_minute) is not None:
            self._within_rate(name, most)

    def _within_rate(self, name: str, most: int) -> None:
        now, recent = self._clock(), self._recent.setdefault(name, deque())
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= most:
            raise Refusal(
                f"{name} may send {most:,} requests a minute.",
                status=429,
                code="rate_limit_exceeded",
                retry_after=recent[0] + 60 - now,
            )
        recent.append(now)

    async def _within_budget(self, name: str, caller: Caller, budget: float) -> None:
        day = await self._today(name)
        left = DAY - self._clock() % DAY
        if day.cost >= budget:
            raise Refusal(
                f"{name} has spent {dollars(day.cost)} of {dollars(budget)} for today (UTC).",
                status=429,
                code="budget_exceeded",
                retry_after=left,
            )
        if day.unpriced and caller.unpriced == "refuse":
            raise Refusal(
                f"{day.unpriced:,} of today's requests of {name} have an unknown cost, so that its budget of"
                f" {dollars(budget)} cannot be kept. Set prices under `models` in models.yaml, or `unpriced: allow`.",
                status=429,
                code="budget_unknown",
                retry_after=left,
            )

    async def _today(self, name: str) -> _Day:
        """What was spent today, of this process and of others on the same store."""
        now = self._clock()
        day = self._spent.get(name)
        if day is None or day.number != now // DAY or now - day.read >= FRESH:
            since = math.floor(now / DAY) * DAY
            cost = await asyncio.to_thread(self._store.observations.spent, name, since)
            unpriced = await asyncio.to_thread(self._store.requests.unpriced, name, since)
            self._spent[name] = day = _Day(now // DAY, now, cost, unpriced)
        return day

    def observe(self, record: Observation) -> None:
        """A call is over: what it cost counts before the store is read again."""
        if is_call(record.attempt) and (day := self._spent.get(record.origin.caller or "")) is not None:
            day.cost += record.attempt.cost or 0.0

    def conclude(self, summary: RequestSummary) -> None:
        """A request is over: that its cost is unknown counts before the store is read again."""
        if summary.cost is None and (day := self._spent.get(summary.origin.caller or "")) is not None:
            day.unpriced += 1


class _Day:
    def __init__(self, number: float, read: float, cost: float, unpriced: int) -> None:
        self.number = number
        self.read = read
        self.cost = cost
        self.unpriced = unpriced
