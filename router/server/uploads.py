"""Uploads: only files that the app's own page asked an address for, up to a limit for each session."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from router.server.doors import refuse

MAX_HELD = 100_000_000
"""Bytes of uploads that one session may hold, including those in progress."""

_UPLOAD = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)\Z")
_NOT_ASKED_FOR = "The app did not ask for this file. Reload the page and choose it again."
_NO_LENGTH = "An upload says how long it is (Content-Length)."
_TOO_MUCH = f"This session holds {MAX_HELD / 1e6:.0f} MB of uploads at most. Reload the page to drop the earlier ones."


class Files(Protocol):
    """Streamlit's store of uploaded files, as far as it is used here: files by session and id, and their addresses."""

    file_storage: Mapping[str, Mapping[str, Any]]
    get_upload_urls: Callable[[str, Sequence[str]], list[Any]]


class Uploads:
    """Seals the addresses that Streamlit gives out for uploads, and lets nothing in under another one."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._under_way: Counter[str] = Counter()
        self._held: Mapping[str, Mapping[str, Any]] = {}

    def watch(self, files: Files) -> None:
        """Seal every address that is given out from now on."""
        self._held = files.file_storage
        give_out = files.get_upload_urls

        def sealed(session: str, names: Sequence[str]) -> list[Any]:
            return [self._seal(session, address) for address in give_out(session, names)]

        files.get_upload_urls = sealed

    def before(self, app: ASGIApp) -> ASGIApp:
        """The middleware."""

        async def checked(scope: Scope, receive: Receive, send: Send) -> None:
            if (upload := _upload(scope)) is None:
                await app(scope, receive, send)
                return
            session, file = upload
            size = _size(scope)
            if not self._is_sealed(session, file):
                await refuse(_NOT_ASKED_FOR, scope, receive, send)
            elif size is None:
                await refuse(_NO_LENGTH, scope, receive, send, status=411)
            elif size > self._room(session):
                await refuse(_TOO_MUCH, scope, receive, send, status=413)
            else:
                self._under_way[session] += size
                try:
                    await app(scope, receive, send)
                finally:
                    self._under_way -= Counter({session: size})  # forgets those who have none left

        return checked

    def _seal(self, session: str, address: Any) -> Any:
        seal = f".{self._mac(session, address.file_id)}"
        return address._replace(
            file_id=address.file_id + seal,
            upload_url=address.upload_url + seal,
            delete_url=address.delete_url + seal,
        )

    def _is_sealed(self, session: str, file: str) -> bool:
        name, _, mac = file.rpartition(".")
        return hmac.compare_digest(mac.encode(), self._mac(session, name).encode())

    def _mac(self, session: str, name: str) -> str:
        return hmac.new(self._secret, f"{session}/{name}".encode(), hashlib.sha256).hexdigest()

    def _room(self, session: str) -> int:
        held = sum(len(file.data) for file in list(self._held.get(session, {}).values()))
        return MAX_HELD - held - self._under_way[session]


def _upload(scope: Scope) -> tuple[str, str] | None:
    """The session and the file that a request would put, replace or delete."""
    if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return None
    found = _UPLOAD.search(scope["path"])
    return (found[1], found[2]) if found else None


def _size(scope: Scope) -> int | None:
    """Bytes of the body as announced; None where they are not known beforehand."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0" if scope["method"] == "DELETE" else "")
    return int(length) if length.isdecimal() and "transfer-encoding" not in headers else None
