"""The HTTP endpoint: the chains behind the dialects that clients speak, as an ASGI application on a Router's loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from router.config.schema import Config
from router.core.messages import digest
from router.core.records import Origin
from router.engine.options import CacheMode, Options
from router.library.router import Router
from router.server.answering import Answering, Wish
from router.server.callers import Allowances, authenticated, check_is_program
from router.server.dialects.base import ID_HEADER, Asked, Dialect, Refusal
from router.server.dialects.chat import ChatCompletions
from router.server.dialects.messages import Messages, count_tokens, with_betas
from router.server.dialects.responses import Responses
from router.server.feedback import MAX_FEEDBACK, feedback_of
from router.server.http import ClientLeft, body_of, header_pairs, is_local, json_object, respond
from router.server.measures import Measures
from router.server.outcomes import retry_after, stopped
from router.server.tags import Tags
from router.server.targets import described, listed, target_of

log = logging.getLogger(__name__)

PATHS = ("/v1/", "/healthz", "/metrics")
"""What the endpoint answers; all that begins so is for programs, not for pages."""

_CHAT: Dialect = ChatCompletions()
_MESSAGES: Dialect = Messages()
_DIALECTS: Mapping[str, Dialect] = {
    "/v1/chat/completions": _CHAT,
    "/v1/messages": _MESSAGES,
    "/v1/responses": Responses(),
}

_MODEL = "/v1/models/"
_HEALTH = "/healthz"

_CACHE: Mapping[str, CacheMode] = {"use": "use", "refresh": "refresh", "off": "off"}


class Incoming(NamedTuple):
    """A request that was let in.

    Attributes:
        config: models.yaml as it is now.
        caller: the name of its key.
        request_id: see `new_id`.
    """

    path: str
    headers: Headers
    config: Config
    caller: str | None
    request_id: str


_Call = Callable[[Incoming, Receive, Send], Awaitable[object]]


def is_for_endpoint(path: str) -> bool:
    """Whether the endpoint answers a path."""
    return path.startswith(PATHS[0]) or path in PATHS


def new_id() -> str:
    """An id for a request: 32 hexadecimal digits."""
    return os.urandom(16).hex()


async def refuse(send: Send, scope: Scope, refusal: Refusal, request_id: str, more: Mapping[str, object] = {}) -> None:
    """Answer a request that is refused before any model is asked."""
    # Anthropic's SDKs read their own shape alone, also of what is not here or not in their dialect.
    is_anthropic = scope["path"].startswith("/v1/messages") or "anthropic-version" in Headers(scope=scope)
    dialect = _MESSAGES if is_anthropic else _CHAT
    body = msgspec.json.encode(dialect.error(refusal, request_id))
    ids = dict.fromkeys(dialect.id_headers, request_id)
    await respond(send, refusal.status, body, more=header_pairs({**ids, **retry_after(refusal), **more}))


class Endpoint:
    """The ASGI application.

    Args:
        router: on whose loop it runs.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._allowances = Allowances(router.parts.store)
        self._tags = Tags()
        self._measures = Measures(lambda: router.runtime.breakers_of(router.parts.file.in_force))
        self._in_flight = 0
        router.observers += [self._measures.observe, self._allowances.observe]
        router.concluders += [self._measures.conclude, self._allowances.conclude]
        self._routes: Mapping[str, tuple[str, _Call]] = {
            **dict.fromkeys(_DIALECTS, ("POST", self._answer)),
            "/v1/messages/count_tokens": ("POST", self._count_tokens),
            "/v1/feedback": ("POST", self._feedback),
            "/v1/models": ("GET", self._models),
            "/metrics": ("GET", self._metrics),
            _HEALTH: ("GET", self._health),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, headers, request_id = scope["path"], Headers(scope=scope), new_id()
        try:
            call = self._route(scope["method"], path)
            config, caller = self._router.parts.file.current(), None
            if path != _HEALTH:
                check_is_program(headers)
                caller = authenticated(headers, config.server, self._router.parts.keys, is_local=is_local(scope))
            await call(Incoming(path, headers, config, caller, request_id), receive, send)
        except Refusal as refusal:
            self._measures.refused(refusal.status)
            await self._refuse(send, scope, refusal, request_id)
        except ClientLeft:
            pass
        except asyncio.CancelledError:  # by the server, which stops
            await self._refuse(send, scope, stopped(), request_id)
        except Exception:
            log.exception("The endpoint failed because of an internal error (%s %s)", ID_HEADER, request_id)
            self._measures.refused(500)
            internal = Refusal("Internal error. The server's log has details.", status=500)
            await self._refuse(send, scope, internal, request_id)

    def _route(self, method: str, path: str) -> _Call:
        found = self._found(path)
        if found is None:
            there = ", ".join(f"{verb} {route}" for route, (verb, _) in self._routes.items())
            raise Refusal(f"There is no {path} here. There are: {there}.", status=404, code="unknown_url")
        if method != found[0] and (method, found[0]) != ("HEAD", "GET"):
            raise Refusal(f"{path} takes {found[0]} alone.", status=405)
        return found[1]

    def _found(self, path: str) -> tuple[str, _Call] | None:
        is_model = path.startswith(_MODEL) and path != _MODEL
        return ("GET", self._model) if is_model else self._routes.get(path)

    async def _refuse(self, send: Send, scope: Scope, refusal: Refusal, request_id: str) -> None:
        more = {"www-authenticate": "Bearer"} if refusal.status == 401 else {}
        if refusal.status == 405 and (found := self._found(scope["path"])) is not None:
            more["allow"] = "GET, HEAD" if found[0] == "GET" else found[0]
        await refuse(send, scope, refusal, request_id, more)

    # --- The routes --------------------------------------------------------------------------------

    async def _answer(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        path, headers, config, caller, request_id = incoming
        server = config.server
        if self._in_flight >= server.max_in_flight:
            raise Refusal(
                f"{server.max_in_flight:,} requests are in flight already (`server.max_in_flight`). Try again soon.",
                status=429,
                code="too_many_requests",
                retry_after=1,
            )
        self._in_flight += 1
        self._measures.in_flight.set(self._in_flight)
        try:
            body = json_object(headers, await body_of(headers, receive, server.max_body))
            dialect = _DIALECTS[path]
            asked = dialect.read(body)
            if path == "/v1/messages":
                asked = with_betas(asked, headers.getlist("anthropic-beta"))
            target = target_of(self._router, config, asked.target)
            if caller is not None:
                await self._allowances.admit(caller, server.keys[caller])
            tagged = self._tags.read(asked.tags)
            asked = asked._replace(notes=(*asked.notes, *tagged.notes))
            options = self._options(headers, asked, caller, tagged.tags, request_id)
            wish = Wish(_is_true(headers, "x-fallback-lab-buffer"), _is_true(headers, "x-fallback-lab-trace"))
            stream = self._router.start(asked.request, target, options)
            answering = Answering(self._router, dialect, asked, wish, stream, request_id=request_id, send=send)
            await answering.send(receive)
        finally:
            self._in_flight -= 1
            self._measures.in_flight.set(self._in_flight)

    def _options(
        self, headers: Headers, asked: Asked, caller: str | None, tags: tuple[str, ...], request_id: str
    ) -> Options:
        session = headers.get("x-session-id") or headers.get("session_id") or asked.session
        mode = headers.get("x-fallback-lab-cache", "use")
        if mode not in _CACHE:
            raise Refusal(f"`x-fallback-lab-cache` is {', '.join(_CACHE)}, not `{mode[:20]}`.")
        return Options(
            source="endpoint",
            cache=_CACHE[mode],
            stream=asked.stream,
            request_id=request_id,
            origin=Origin(caller=caller, tags=tags),
            session=digest(caller or "", session)[:16] if session else None,
        )

    async def _models(self, incoming: Incoming, _: Receive, send: Send) -> None:
        found = listed(incoming.config)
        ends = {"has_more": False, "first_id": found[0]["id"], "last_id": found[-1]["id"]}
        await respond(send, 200, msgspec.json.encode({"object": "list", "data": found, **ends}))

    async def _model(self, incoming: Incoming, _: Receive, send: Send) -> None:
        model = described(self._router, incoming.config, incoming.path.removeprefix(_MODEL))
        await respond(send, 200, msgspec.json.encode(model))

    async def _count_tokens(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        body = await body_of(incoming.headers, receive, incoming.config.server.max_body)
        counted = msgspec.json.encode(count_tokens(json_object(incoming.headers, body)))
        ids = dict.fromkeys(_MESSAGES.id_headers, incoming.request_id)
        await respond(send, 200, counted, more=header_pairs(ids))

    async def _feedback(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        """What a caller's users think of an answer; of their own requests alone."""
        body = await body_of(incoming.headers, receive, MAX_FEEDBACK, limit="comment")
        given = feedback_of(json_object(incoming.headers, body), time.time())
        store = self._router.parts.store
        await asyncio.to_thread(store.writer.flush, 1.0)
        asked = await asyncio.to_thread(store.observations.of_request, given.request_id)
        if not asked or asked[0].origin.caller != incoming.caller:
            raise Refusal("There is no request with this ID (`x-request-id` of its answer).", status=404)
        store.feedback.save(given)
        await respond(send, 200, b'{"status":"ok"}')

    async def _health(self, _: Incoming, __: Receive, send: Send) -> None:
        await respond(send, 200, b'{"status":"ok"}')

    async def _metrics(self, _: Incoming, __: Receive, send: Send) -> None:
        await respond(send, 200, self._measures.text(), b"text/plain; version=0.0.4; charset=utf-8")


def _is_true(headers: Headers, name: str) -> bool:
    return headers.get(name, "").strip().lower() in ("true", "1", "yes")
