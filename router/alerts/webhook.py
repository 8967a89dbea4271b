"""Messages to a webhook: Slack's JSON, which Mattermost, Rocket.Chat, Zulip and others read too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import httpx
import msgspec
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from router.config.keys import Keys
from router.core.errors import FallbackLabError, KeyRefused, ProviderError
from router.providers.http import send

LIMIT = 10.0
"""Seconds from connecting to the status of the answer."""

CONNECT = 5.0
TRIES = 3


class NotDelivered(FallbackLabError):
    """A message that the webhook did not take, in a sentence without its address.

    Attributes:
        lasting: another try at once would end the same way.
    """

    def __init__(self, sentence: str, *, lasting: bool) -> None:
        super().__init__(sentence)
        self.lasting = lasting


class Webhook:
    """Posts messages, on the loop of the transport.

    The address is a key. It is in no sentence, and the transport logs nothing; the answer is not read beyond its
    status, and a redirect is not followed.

    Args:
        sleep: waits between two tries.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, keys: Keys, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._transport = transport
        self._keys = keys
        self._sleep = sleep

    async def post(self, names: Sequence[str], text: str, tries: int = TRIES) -> str:
        """Send a message.

        Args:
            names: the variables that may hold the address.

        Returns:
            The name of the one that does.

        Raises:
            NotDelivered: after so many tries, or where another one would be of no use.
        """
        body = msgspec.json.encode({"text": _escaped(text)})
        retrying = AsyncRetrying(
            stop=stop_after_attempt(tries),
            wait=wait_random_exponential(multiplier=1, max=8),
            retry=retry_if_exception(lambda error: isinstance(error, NotDelivered) and not error.lasting),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(self._post, names, body)

    async def _post(self, names: Sequence[str], body: bytes) -> str:
        try:
            address = self._keys.address(*names)
        except KeyRefused as error:
            raise NotDelivered(str(error), lasting=True) from None
        name = self._keys.name(*names) or names[0]
        headers = {"content-type": "application/json"}
        try:
            async with asyncio.timeout(LIMIT):
                response = await send(self._transport, self._keys, address, headers=headers, body=body, connect=CONNECT)
                await response.aclose()
        except TimeoutError:
            raise NotDelivered(f"The webhook of {name} did not answer within {LIMIT:g} s.", lasting=False) from None
        except ProviderError as error:
            raise NotDelivered(f"The webhook of {name} cannot be reached. {error}", lasting=False) from None
        if (problem := _problem(response.status_code)) is not None:
            is_temporary = response.status_code == 429 or response.status_code >= 500
            raise NotDelivered(f"The webhook of {name} {problem}.", lasting=not is_temporary)
        return name


def _problem(status: int) -> str | None:
    """What a status means for a message; None if it was taken."""
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"answered with a redirect (HTTP {status}), which is not followed: set the variable to where it leads"
    if status in (401, 403, 404, 410):
        return f"refused the message (HTTP {status}): check that the address is still valid"
    return f"did not accept the message (HTTP {status})"


def _escaped(text: str) -> str:
    """The text as Slack wants it; a name in it cannot become a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
