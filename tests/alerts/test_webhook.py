"""Messages to a webhook on a real socket: slow, broken, redirecting and endless ones, and the address in no word."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from router.alerts.webhook import NotDelivered, Webhook
from router.config.keys import Keys
from router.core.errors import KeyRefused
from router.providers.http import new_transport
from tests.alerts.conftest import SECRET, Handler, Hook, silent, status

NAMES = ("LAB_ALERTS_URL",)


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    async with new_transport() as transport:
        yield transport


def keys_of(folder: Path, value: str) -> Keys:
    return Keys(folder, {"FALLBACK_LAB_KEYS": "LAB_ALERTS_URL", "LAB_ALERTS_URL": value})


class Poster:
    """Posts to a webhook, and never waits between two tries."""

    def __init__(self, transport: httpx.AsyncBaseTransport, keys: Keys) -> None:
        self.waits: list[float] = []
        self._webhook = Webhook(transport, keys, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def post(self, text: str = "Hi.") -> str:
        return await self._webhook.post(NAMES, text)

    async def refusal(self) -> str:
        with pytest.raises(NotDelivered) as caught:
            await self.post()
        assert SECRET not in repr(caught.value)
        assert "127.0.0.1" not in repr(caught.value)
        assert caught.value.__cause__ is None
        return str(caught.value)


@pytest.fixture
def poster(transport: httpx.AsyncBaseTransport, tmp_path: Path, hook: Hook) -> Poster:
    return Poster(transport, keys_of(tmp_path, hook.url))


async def test_a_message_is_slack_s_json_at_the_whole_address(poster: Poster, hook: Hook) -> None:
    assert await poster.post("answered < 99% & <!channel>") == "LAB_ALERTS_URL"
    assert hook.received == [(f"/{SECRET}", {"text": "answered &lt; 99% &amp; &lt;!channel&gt;"})]
    assert "authorization" not in {name.lower() for name in hook.headers[0]}


@pytest.mark.parametrize("code", [500, 503, 429])
async def test_a_failure_that_may_pass_is_tried_again_after_a_while(poster: Poster, hook: Hook, code: int) -> None:
    hook.answers = [status(code), status(code)]
    await poster.post()
    assert len(hook.received) == 3
    assert len(poster.waits) == 2
    assert all(0 <= wait <= 8 for wait in poster.waits)


async def test_after_three_tries_it_is_given_up_with_the_status(poster: Poster, hook: Hook) -> None:
    hook.answers = [status(500)] * 3
    assert await poster.refusal() == "The webhook of LAB_ALERTS_URL did not accept the message (HTTP 500)."
    assert len(hook.received) == 3


@pytest.mark.parametrize(("code", "words"), [(404, "check that the address is still valid"), (400, "did not accept")])
async def test_a_refusal_is_not_tried_again(poster: Poster, hook: Hook, code: int, words: str) -> None:
    hook.answers = [status(code)]
    assert words in await poster.refusal()
    assert len(hook.received) == 1


async def test_a_redirect_is_not_followed(poster: Poster, hook: Hook) -> None:
    hook.answers = [status(302, location=f"{hook.url}/elsewhere")]
    assert "a redirect (HTTP 302), which is not followed" in await poster.refusal()
    assert len(hook.received) == 1


async def test_a_slow_one_is_given_up_in_time(poster: Poster, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.alerts.webhook.LIMIT", 0.2)
    hook.answers = [silent] * 3
    assert await poster.refusal() == "The webhook of LAB_ALERTS_URL did not answer within 0.2 s."


async def test_headers_that_trickle_in_are_given_up_in_time(
    poster: Poster, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.alerts.webhook.LIMIT", 0.3)

    def trickling(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while not hook.left.wait(0.05):
            handler.wfile.write(b"x-%d: y\r\n" % (number := number + 1))

    hook.answers = [trickling] * 3
    assert "did not answer within 0.3 s" in await poster.refusal()


async def test_an_endless_answer_is_not_read(poster: Poster, hook: Hook) -> None:
    sent = 0

    def endless(handler: Handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("content-length", str(10**12))
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not hook.left.is_set():
                sent += handler.wfile.write(b"x" * 65_536)

    hook.answers = [endless]
    await poster.post()
    assert sent < 50_000_000


async def test_a_refused_connection_is_said(transport: httpx.AsyncBaseTransport, tmp_path: Path) -> None:
    poster = Poster(transport, keys_of(tmp_path, f"http://127.0.0.1:9/{SECRET}"))
    assert await poster.refusal() == (
        "The webhook of LAB_ALERTS_URL cannot be reached. Cannot connect: connection refused."
    )
    assert len(poster.waits) == 2


async def test_without_the_variable_the_sentence_names_it(transport: httpx.AsyncBaseTransport, tmp_path: Path) -> None:
    assert await Poster(transport, Keys(tmp_path, {})).refusal() == "LAB_ALERTS_URL is not set."


async def test_a_variable_that_nobody_allowed_is_not_read(transport: httpx.AsyncBaseTransport, tmp_path: Path) -> None:
    keys = Keys(tmp_path, {"LAB_ALERTS_URL": f"http://127.0.0.1:9/{SECRET}"})
    words = await Poster(transport, keys).refusal()
    assert words == (
        "LAB_ALERTS_URL is not allowed as a key; write it in .env next to models.yaml, or list it in FALLBACK_LAB_KEYS."
    )


@pytest.mark.parametrize(
    "value",
    [SECRET, f"ftp://127.0.0.1/{SECRET}", f"http://user:{SECRET}@127.0.0.1/", f"http://127.0.0.1:99999/{SECRET}"],
)
async def test_what_is_no_address_is_not_sent_and_not_repeated(
    transport: httpx.AsyncBaseTransport, tmp_path: Path, value: str
) -> None:
    words = await Poster(transport, keys_of(tmp_path, value)).refusal()
    assert words == "LAB_ALERTS_URL does not hold an address that starts with https:// or http://; set it again."


async def test_the_address_is_logged_nowhere(
    poster: Poster, hook: Hook, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.answers = [status(500), status(302, location=hook.url)]
    await poster.refusal()
    await poster.post()
    assert not re.search(SECRET, caplog.text)


async def test_a_provider_never_gets_the_address_and_it_may_move_to_another_host(
    transport: httpx.AsyncBaseTransport, tmp_path: Path, hook: Hook
) -> None:
    await Poster(transport, keys_of(tmp_path, hook.url)).post()
    keys = keys_of(tmp_path, hook.url.replace("127.0.0.1", "localhost"))
    await Poster(transport, keys).post()
    assert len(hook.received) == 2
    with pytest.raises(KeyRefused, match=r"may not be sent to http://127\.0\.0\.1:1 "):
        keys.get("http://127.0.0.1:1/v1", *NAMES)


async def test_whatever_repeats_the_address_is_scrubbed(poster: Poster, tmp_path: Path, hook: Hook) -> None:
    keys = keys_of(tmp_path, hook.url)
    keys.address(*NAMES)
    assert keys.scrub_sent(f"see {hook.url}") == "see ***"
