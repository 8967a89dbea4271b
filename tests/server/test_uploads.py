"""Uploads come in where the app gave out an address, up to a limit for each session."""

from __future__ import annotations

from typing import Any, cast

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from router.server.uploads import MAX_HELD, Files, Uploads


async def _unread() -> Any:
    raise AssertionError("Nobody is to read what was sent.")


class Server:
    """Streamlit's real store of files behind the limits."""

    def __init__(self) -> None:
        self.files = MemoryUploadedFileManager("/_stcore/upload_file")
        uploads = Uploads()
        uploads.watch(cast("Files", self.files))  # as app.py does
        self._app = uploads.before(self._keep)
        self.during: Any = None

    def address(self, session: str = "mine") -> str:
        (address,) = self.files.get_upload_urls(session, ["notes.txt"])
        assert address.upload_url == address.delete_url == f"/_stcore/upload_file/{session}/{address.file_id}"
        return str(address.upload_url)

    async def ask(self, path: str, *, size: int = 10, method: str = "PUT", **headers: str) -> int:
        """The status of the answer."""
        if method == "PUT":
            headers = {"content-length": str(size), **headers}
        status: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._app({"type": "http", "method": method, "path": path, "headers": fields}, _unread, send)
        return status[0]

    async def _keep(self, scope: Any, receive: Any, send: Any) -> None:
        if self.during is not None:
            await self.during()
        if "/_stcore/upload_file/" in scope["path"] and scope["method"] == "PUT":
            *_, session, file = scope["path"].split("/")
            size = int(dict(scope["headers"])[b"content-length"])
            self.files.add_file(session, UploadedFileRec(file, "notes.txt", "text/plain", bytes(size)))
        await send({"type": "http.response.start", "status": 204, "headers": []})


@pytest.fixture
def server() -> Server:
    return Server()


async def test_a_file_that_the_page_asked_an_address_for_comes_in(server: Server) -> None:
    address = server.address()
    assert await server.ask(address) == 204
    assert await server.ask(address, method="DELETE") == 204


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
@pytest.mark.parametrize("file", ["1", "8b0c2b9e-0000-4000-8000-000000000000", "x.", ".", "x.00", "\xe9.\xe9", "x\n"])
async def test_a_session_without_an_uploader_takes_no_upload(server: Server, method: str, file: str) -> None:
    assert await server.ask(f"/_stcore/upload_file/mine/{file}", method=method) == 403
    assert await server.ask(f"/lab/_stcore/upload_file/mine/{file}", method=method) == 403
    assert not server.files.file_storage


async def test_an_address_holds_for_the_session_that_asked(server: Server) -> None:
    file = server.address("mine").rpartition("/")[2]
    assert await server.ask(f"/_stcore/upload_file/other/{file}") == 403


async def test_a_session_holds_no_more_than_the_limit(server: Server) -> None:
    first = server.address()
    assert await server.ask(first, size=MAX_HELD - 10) == 204
    assert await server.ask(server.address(), size=11) == 413
    assert await server.ask(server.address(), size=10) == 204
    assert await server.ask(server.address("other"), size=11) == 204
    server.files.remove_file("mine", first.rpartition("/")[2])
    assert await server.ask(server.address(), size=11) == 204


async def test_uploads_in_progress_count(server: Server) -> None:
    seen: list[int] = []

    async def second() -> None:
        server.during = None
        seen.append(await server.ask(server.address(), size=2))

    server.during = second
    await server.ask(server.address(), size=MAX_HELD - 1)
    assert seen == [413]


async def test_uploads_that_failed_in_progress_count_no_more(server: Server) -> None:
    async def fail() -> None:
        raise ConnectionError

    server.during = fail
    with pytest.raises(ConnectionError):
        await server.ask(server.address(), size=MAX_HELD)
    server.during = None
    assert await server.ask(server.address(), size=MAX_HELD) == 204


@pytest.mark.parametrize(
    "headers", [{"content-length": ""}, {"content-length": "-1"}, {"transfer-encoding": "chunked"}]
)
async def test_an_upload_says_how_long_it_is(server: Server, headers: dict[str, Any]) -> None:
    assert await server.ask(server.address(), **headers) == 411


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_what_uploads_nothing_passes(server: Server, method: str) -> None:
    assert await server.ask("/_stcore/upload_file/mine/1", method=method) == 204
    assert await server.ask("/_stcore/health", method=method) == 204
