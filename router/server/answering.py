"""One request of a caller, from its body to the last byte of its answer.

Nothing of an answer is committed until its first content: until then a fallback happens unseen. What was sent cannot be
unsent: a stream that fails after it ends with an error event, unless the caller asked for the answer to be held until
it is whole (`x-fallback-lab-buffer: true`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import msgspec
from starlette.types import Receive, Send

from router.config.keys import scrubbed
from router.core.attempts import Attempt, Completion
from router.core.errors import FallbackLabError
from router.core.events import TOKENS, Began, Ended, Event, ProviderEvent, Restarted, Served, replay
from router.core.messages import Answer
from router.library.router import Router
from router.library.stream import Stream
from router.server.dialects.base import Asked, Dialect, Refusal, Reply, Writer
from router.server.http import begin_stream, end_stream, header_pairs, left, respond, send_part
from router.server.outcomes import attempts_of, refusal_of, retry_after, stopped, trace_of
from router.server.scrubbing import Scrubbing

KEEP_ALIVE = 10.0
"""Seconds without a byte sent after which a stream gets a comment: proxies give up on what is silent."""

COMMENT = b": waiting\n\n"

_PROVIDER_EVENTS = frozenset(get_args(ProviderEvent))


class Wish(NamedTuple):
    """What a caller's headers ask of an answer.

    Attributes:
        buffer: hold a stream until it is whole.
        trace: say in its last event what happened.
    """

    buffer: bool
    trace: bool


class Answering:
    """Sends one answer."""

    def __init__(
        self, router: Router, dialect: Dialect, asked: Asked, wish: Wish, stream: Stream, *, request_id: str, send: Send
    ) -> None:
        self._router = router
        self._dialect = dialect
        self._asked = asked
        self._wish = wish
        self._stream = stream
        self._id = request_id
        self._id_headers = dict.fromkeys(dialect.id_headers, request_id)
        self._send = send
        self._created = int(time.time())
        self._started = False
        self._writer: Writer | None = None
        self._has_left = False
        self._spoken = time.monotonic()

    async def send(self, receive: Receive) -> None:
        """Follow a request to its end and send its answer; it is stopped when the caller leaves."""
        leaving = asyncio.create_task(left(receive))
        # Its end is the answer's: whoever waits for the one goes on with the other.
        leaving.add_done_callback(lambda _: self._leave())
        try:
            await (self._streamed() if self._asked.stream else self._whole())
        except asyncio.CancelledError:  # by the server, which stops and has waited long enough
            await self._refuse(stopped(), self._stream.attempts)
        finally:
            leaving.cancel()
            await self._stream.aclose()

    def _leave(self) -> None:
        self._has_left = True
        self._stream.task.cancel()

    # --- Whole answers -----------------------------------------------------------------------------

    async def _whole(self) -> None:
        try:
            completion = await self._stream.result()
        except FallbackLabError as error:
            await self._refuse(refusal_of(error), attempts_of(error))
            return
        completion = self._scrubbed(completion)
        last = completion.attempts[-1]
        reply = self._reply(last.served_model or self._model_of(last.model))
        body = self._dialect.whole(self._asked, reply, completion)
        if self._wish.trace:
            body["fallback_lab"] = trace_of(completion.attempts, self._asked.notes)
        await respond(self._send, 200, msgspec.json.encode(body), more=self._headers(last, completion))

    async def _refuse(self, refusal: Refusal, attempts: Sequence[Attempt]) -> None:
        if self._started:
            writer = self._writer or self._dialect.writer(self._asked, self._reply(None))
            await send_part(self._send, writer.fail(refusal))
            await end_stream(self._send)
            return
        body = self._dialect.error(refusal, self._id)
        if self._wish.trace:
            body["fallback_lab"] = trace_of(attempts, self._asked.notes)
        head = {**self._id_headers, "x-fallback-lab-attempts": len(attempts), **retry_after(refusal)}
        await respond(self._send, refusal.status, msgspec.json.encode(body), more=header_pairs(head))

    # --- Streams -----------------------------------------------------------------------------------

    async def _streamed(self) -> None:  # noqa: PLR0912  # its inner loop runs once a token
        """Send events as they come; see the module's docstring for what is held back."""
        current, scrubbing = _Current(), Scrubbing(self._router.parts.keys)
        writer: Writer | None = None
        async for events in self._stream.batches(self._until_comment):
            if self._has_left:
                return  # what is still held for a slow reader is worth no work
            # What is held back or writes nothing is silence to the caller, however much comes.
            if self._until_comment() <= 0:
                await self._start(self._id_headers)
                await send_part(self._send, COMMENT)
                self._spoken = time.monotonic()
            if self._wish.buffer:
                continue
            out: list[bytes] = []  # joined at the end: a slow reader's next batch may be large
            invalid = _invalid(events) if writer is None else 0
            for event in events[:invalid]:
                current.take(event)  # nothing of it was sent: the fallback happens unseen
            for event in events[invalid:]:
                if writer is None:
                    current.take(event)
                    if current.has_content:
                        writer = await self._commit(current, events)
                        out += map(writer.add, scrubbing.of(current.pending))
                elif isinstance(event, ProviderEvent):
                    out += map(writer.add, scrubbing.of([event]))
                elif type(event) is Restarted:
                    await self._broken(writer, b"".join(out))
                    return
            if data := b"".join(out):
                await send_part(self._send, data)
                self._spoken = time.monotonic()
        try:
            completion = self._scrubbed(self._stream.completion)
        except FallbackLabError as error:
            if writer is not None:
                await self._broken(writer, b"")
                return
            await self._refuse(refusal_of(error), attempts_of(error))
            return
        if writer is None:
            writer = await self._commit_whole(completion)
        rest = b"".join(map(writer.add, scrubbing.rest()))
        trace = trace_of(completion.attempts, self._asked.notes) if self._wish.trace else None
        await send_part(self._send, rest + writer.end(completion, trace))
        await end_stream(self._send)

    def _until_comment(self) -> float:
        """Seconds, counted from the last byte that was sent."""
        return self._spoken + KEEP_ALIVE - time.monotonic()

    async def _commit(self, current: _Current, events: Sequence[Event]) -> Writer:
        """The first content is there: from now on this model's answer is the answer."""
        ended = next((event.attempt for event in reversed(events) if isinstance(event, Ended)), None)
        cached = current.model is None and ended is not None  # a replay comes with its record at once
        model = ended.model if cached and ended is not None else current.model or ""
        head = {
            **self._id_headers,
            "x-fallback-lab-model": model,
            "x-fallback-lab-place": self._place_of(model),
            "x-fallback-lab-attempts": current.ended + (0 if cached else 1),
            "x-fallback-lab-cached": "true" if cached else "false",
            "x-fallback-lab-notes": " ".join(self._asked.notes) or None,
        }
        await self._start(head)
        self._writer = self._dialect.writer(self._asked, self._reply(current.served or self._model_of(model)))
        return self._writer

    async def _commit_whole(self, completion: Completion) -> Writer:
        """A whole answer as a stream: one that was held back, or one without content."""
        last = completion.attempts[-1]
        await self._start_pairs(self._headers(last, completion))
        writer = self._dialect.writer(self._asked, self._reply(last.served_model or self._model_of(last.model)))
        self._writer = writer
        if out := b"".join(map(writer.add, replay(completion.answer))):
            await send_part(self._send, out)
        return writer

    async def _broken(self, writer: Writer, rest: bytes) -> None:
        """The answer broke after something of it was sent; `rest` came before it did."""
        await self._stream.aclose()
        failed = next((a for a in reversed(self._stream.attempts) if a.outcome == "failed"), None)
        why = failed.detail if failed is not None and failed.detail else "The answer was cut."
        refusal = Refusal(
            f"{why} What was sent is not whole. With `x-fallback-lab-buffer: true` nothing is sent until an answer is"
            " whole, so that another model can answer.",
            status=502,
            code=failed.reason if failed is not None else None,
        )
        await send_part(self._send, rest + writer.fail(refusal))
        await end_stream(self._send)

    async def _start(self, head: Mapping[str, object]) -> None:
        await self._start_pairs(header_pairs(head))

    async def _start_pairs(self, pairs: list[tuple[bytes, bytes]]) -> None:
        if not self._started:
            self._started = True
            await begin_stream(self._send, pairs)

    # --- What both have ----------------------------------------------------------------------------

    def _reply(self, model: str | None) -> Reply:
        named = self._router.parts.keys.scrub_sent(model or self._asked.target)
        return Reply(self._id, named, self._created)

    def _headers(self, last: Attempt, completion: Completion) -> list[tuple[bytes, bytes]]:
        return header_pairs({
            **self._id_headers,
            "x-fallback-lab-model": last.model,
            "x-fallback-lab-place": last.place,
            "x-fallback-lab-attempts": len(completion.attempts),
            "x-fallback-lab-cost": None if completion.cost is None else f"{completion.cost:.9g}",
            "x-fallback-lab-cached": "true" if last.cached else "false",
            "x-fallback-lab-notes": " ".join(self._asked.notes) or None,
        })  # fmt: skip

    def _place_of(self, model: str) -> int:
        """Its position in the chain; a stand-in comes after the last."""
        models = self._stream.chain.models
        return next((place for place, ref in enumerate(models) if ref.text == model), len(models))

    def _model_of(self, reference: str) -> str:
        """The name that a reference has at its provider."""
        return next((ref.model for ref in self._stream.chain.models if ref.text == reference), reference)

    def _scrubbed(self, completion: Completion) -> Completion:
        answer = scrubbed(completion.answer, Answer, self._router.parts.keys.scrub_sent)
        return completion if answer is completion.answer else msgspec.structs.replace(completion, answer=answer)


class _Current:
    """The call in progress, as its events tell of it.

    Attributes:
        pending: its events so far.
        model: the reference asked; None before any call.
        served: the model that its provider names.
        ended: attempts that are over.
    """

    def __init__(self) -> None:
        self.pending: list[Any] = []
        self.model: str | None = None
        self.served: str | None = None
        self.ended = 0
        self.has_content = False

    def take(self, event: Event) -> None:
        """Take an event in."""
        kind = type(event)
        if isinstance(event, Began):
            self._begin(event.model)
        elif isinstance(event, Ended):
            self.ended += 1
        elif isinstance(event, Restarted):
            self._begin(None)
        elif kind in _PROVIDER_EVENTS:
            self.pending.append(event)
            if isinstance(event, Served):
                self.served = event.model or self.served
            self.has_content = self.has_content or kind in TOKENS

    def _begin(self, model: str | None) -> None:
        self.model, self.served, self.pending, self.has_content = model, None, [], False


def _invalid(events: Sequence[Event]) -> int:
    """How many of the first events tell of an answer that is invalid by the last of them."""
    return max((count for count, event in enumerate(events, 1) if type(event) is Restarted), default=0)
