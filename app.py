"""The ASGI app: `streamlit run app.py`. Opens the Lab in the background, and closes it at the end."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio.to_thread
import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from streamlit.runtime import get_instance

from router.core.errors import FallbackLabError
from router.lab import close_lab, open_lab
from router.server.doors import Doors, check_address, knows_there_is_no_login
from router.server.endpoint import is_for_endpoint
from router.server.headers import SecurityHeaders
from router.server.mounted import Mounted
from router.server.protocol import limit_heads
from router.server.uploads import Files, Uploads

PAGES = Path(__file__).parent / "pages"
# Streamlit adds this folder for each run of a page and takes it away afterwards: an import in another thread that reads
# the path meanwhile misses an entry and finds no module.
sys.path.append(str(PAGES))

beyond_loopback = knows_there_is_no_login(sys.argv[1:], os.environ)
if not beyond_loopback:
    check_address(st.get_option("server.address"))
limit_heads()
uploads = Uploads()
endpoint = Mounted(open_lab)


def _warm_up() -> None:
    """Open the Lab, whose alerts and experiments are watched also while nobody looks, and load what takes seconds."""
    with contextlib.suppress(FallbackLabError):  # every page says it, and tries again
        open_lab()
    for name in ("pandas", "altair"):  # after the Lab: the first page, a chat, needs neither
        importlib.import_module(name)


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """The Lab is opened beside the server's start, not while somebody looks at an empty page, and closed here."""
    warming = threading.Thread(target=_warm_up, daemon=True)
    warming.start()
    uploads.watch(cast("Files", get_instance().uploaded_file_mgr))
    yield
    await anyio.to_thread.run_sync(warming.join)
    await anyio.to_thread.run_sync(close_lab)


async def to_chat(request: Request) -> RedirectResponse:
    """The chat is the first page, so Streamlit knows it by no name of its own; links keep their parameters."""
    return RedirectResponse(f"./?{request.url.query}" if request.url.query else "./")


# The script lies inside pages/: beside app.py, Streamlit would also find the folder by itself, and a deep link would
# run a page without its frame.
app = st.App(
    PAGES / "main.py",
    lifespan=lifespan,
    routes=[
        Route("/chat", to_chat),
        Mount("/v1", endpoint),
        *(Route(path, endpoint) for path in ("/healthz", "/metrics")),
    ],
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(
            Doors,
            hosts=st.get_option("server.allowedHosts"),
            origins=st.get_option("server.corsAllowedOrigins"),
            beyond_loopback=beyond_loopback,
            is_for_programs=is_for_endpoint,
        ),
        Middleware(uploads.before),
    ],
)
