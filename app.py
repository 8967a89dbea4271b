"""The ASGI app: `streamlit run app.py`. Opens nothing by itself; closes the Lab at the end."""

from __future__ import annotations

import importlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.lab import close_lab

# What a model writes is hostile input: an image or a style sheet that it names would carry the conversation away in its
# address. The browser loads nothing that does not come from here. `unsafe-inline` and `unsafe-eval` are Streamlit's own
# needs (inline styles, Vega's expressions); no HTML from a model is ever rendered.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class SecurityHeaders:
    """Adds the security headers to every HTTP response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def _import_early() -> None:
    for name in ("pandas", "altair", "router.lab"):
        importlib.import_module(name)


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """The Lab is opened by the first page that needs it, and closed here."""
    # The pages' libraries take seconds to load: meanwhile, not while somebody looks at an empty page.
    threading.Thread(target=_import_early, daemon=True).start()
    yield
    await anyio.to_thread.run_sync(close_lab)


# The script lies inside pages/: beside app.py, Streamlit would also find the folder by itself, and a deep link would
# run a page without its frame.
app = st.App(
    Path(__file__).parent / "pages" / "main.py",
    lifespan=lifespan,
    middleware=[Middleware(SecurityHeaders)],
)
