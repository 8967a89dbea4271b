"""What another page in the same browser can do to the app: nothing. And that the app's own page can do all it could."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, WebSocket, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.chat_page import answer_of, button, config, expect_end, link, prompt_of, visit
from tests.browser.conftest import App, OpenContext, Tracker, running_app, tracking
from tests.browser.reverse_proxy import reverse_proxy
from tests.upstream import Upstream, answer

OPENS_SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url, ['streamlit']);
    socket.onopen = () => done(true);
    socket.onerror = socket.onclose = () => done(false);
})"""
UPLOAD = """async url => {
    const body = new FormData();
    body.append('file', new Blob(['a note']), 'notes.txt');
    const token = document.cookie.match(/_streamlit_xsrf=([^;]*)/)[1];
    try {
        return (await fetch(url, {method: 'PUT', body, headers: {'X-Xsrftoken': token}})).status;
    } catch (error) {
        return error.name;
    }
}"""


@pytest.fixture(autouse=True)
def no_traceback(app: App) -> Iterator[None]:
    """No attack is something that the app trips over."""
    before = app.log.stat().st_size
    yield
    with app.log.open(encoding="utf-8") as log:
        log.seek(before)
        assert "Traceback" not in log.read()


def stream_of(url: str) -> str:
    return f"ws{url.removeprefix('http')}/_stcore/stream"


def expect_the_app(page: Page) -> None:
    """Wait for what only a session draws."""
    expect(link(page, "Dashboard")).to_be_visible()


def session_of(page: Page) -> str:
    """Open the app; the session that it gives this tab."""
    sessions: list[str] = []

    def received(frame: bytes | str) -> None:
        assert isinstance(frame, bytes)
        if session := ForwardMsg.FromString(frame).new_session.initialize.session_id:
            sessions.append(session)

    def opened(socket: WebSocket) -> None:
        socket.on("framereceived", received)

    page.on("websocket", opened)
    page.goto("/")
    expect_the_app(page)
    return sessions[0]


def test_the_chat_is_found_by_its_name_and_links_keep_their_parameters(page: Page) -> None:
    page.goto("/chat?category=tools&prompt=a%20b")
    expect(prompt_of(page)).to_have_value("a b")


# --- A name that was rebound to this machine --------------------------------------------------------


@pytest.fixture
def rebound(app: App, page: Page) -> Page:
    """A page whose name has come to mean this machine asks for its own port: the app's."""
    page.goto(f"http://evil.test:{urlsplit(app.url).port}")
    return page


def test_nothing_is_drawn_under_a_rebound_name(rebound: Page) -> None:
    expect(rebound.locator("body")).to_have_text(re.compile("does not go by this host name"))


def test_no_socket_opens_under_a_rebound_name(rebound: Page) -> None:
    assert rebound.evaluate(OPENS_SOCKET, stream_of(rebound.url.rstrip("/"))) is False


@pytest.mark.parametrize("path", ["/", "/favicon.png", "/_stcore/health", "/_stcore/host-config", "/media/x.png"])
def test_nothing_is_read_under_a_rebound_name(rebound: Page, path: str) -> None:
    assert rebound.evaluate("async path => (await fetch(path)).status", path) == 403


# --- A page of another port -------------------------------------------------------------------------


@pytest.fixture
def foreign(tracker: Tracker, page: Page) -> Page:
    """A page of another server on this machine."""
    page.goto(tracker.url)
    return page


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "other.test"])
def test_a_foreign_page_opens_no_socket(app: App, tracker: Tracker, page: Page, name: str) -> None:
    page.goto(tracker.url.replace("127.0.0.1", name))
    assert page.evaluate(OPENS_SOCKET, stream_of(app.url)) is False


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/host-config", "/media/x.png"])
def test_a_foreign_page_reads_nothing(app: App, foreign: Page, path: str) -> None:
    read = "async url => { try { return await (await fetch(url)).text() } catch (error) { return error.name } }"
    assert foreign.evaluate(read, app.url + path) == "TypeError"


def test_a_foreign_page_embeds_nothing(app: App, foreign: Page) -> None:
    embeds = """url => new Promise(done => {
        const image = new Image();
        image.onload = () => done(true);
        image.onerror = () => done(false);
        image.src = url;
    })"""
    assert foreign.evaluate(embeds, f"{app.url}/favicon.png") is False


def test_a_foreign_page_uploads_nothing(app: App, open_context: OpenContext, tracker: Tracker) -> None:
    context = open_context()
    session = session_of(context.new_page())
    page = context.new_page()
    page.goto(tracker.url)  # its cookies are the app's: they know of no ports
    assert page.evaluate(UPLOAD, f"{app.url}/_stcore/upload_file/{session}/1") == "TypeError"


def test_a_foreign_page_frames_nothing(app: App, foreign: Page) -> None:
    foreign.evaluate(
        """url => new Promise(done => {
            const frame = document.createElement('iframe');
            frame.onload = done;
            frame.src = url;
            document.body.append(frame);
        })""",
        app.url,
    )
    (frame,) = foreign.main_frame.child_frames
    assert frame.url.startswith("chrome-error:")


def test_a_foreign_page_does_not_hold_the_window_that_it_opened(app: App, foreign: Page) -> None:
    with foreign.expect_popup() as popup:
        foreign.evaluate("url => { window.held = window.open(url) }", app.url)
    expect_the_app(popup.value)
    assert foreign.evaluate("window.held.closed") is True


def test_a_link_on_another_site_still_leads_to_the_app(app: App, tracker: Tracker, page: Page) -> None:
    page.goto(tracker.url.replace("127.0.0.1", "other.test"))
    page.evaluate("url => { location.href = url }", app.url)
    expect_the_app(page)


def test_a_session_without_an_uploader_takes_no_upload(app: App, page: Page) -> None:
    session = session_of(page)
    assert page.evaluate(UPLOAD, f"{app.url}/_stcore/upload_file/{session}/1") == 403


# --- Where the app is at home -----------------------------------------------------------------------


def test_the_app_works_on_ipv6(open_context: OpenContext, upstream: Upstream, tmp_path: Path) -> None:
    with running_app(tmp_path, address="::1") as app:
        page = open_context(base_url=app.url).new_page()
        expect_an_answer(app, page, upstream)


@dataclass(frozen=True)
class Deployed:
    """An app behind a reverse proxy that its settings name; `asked` is what it asked the internet for."""

    app: App
    public: str
    asked: list[str]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with reverse_proxy() as proxy, tracking() as internet:
        public = f"http://lab.test:{proxy.port}"
        environ = {"STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS": public, "http_proxy": internet.url, "no_proxy": "127.0.0.1"}
        with running_app(tmp_path_factory.mktemp("deployed"), **environ) as app:
            proxy.upstream = app.url
            yield Deployed(app, public, internet.asked)


def test_the_app_works_through_a_named_proxy(deployed: Deployed, open_context: OpenContext, upstream: Upstream) -> None:
    page = open_context(base_url=deployed.public).new_page()
    expect_an_answer(deployed.app, page, upstream)


def test_no_socket_opens_through_a_proxy_under_another_name(deployed: Deployed, page: Page) -> None:
    other = deployed.public.replace("lab.test", "other.test")
    page.goto(other)
    assert page.evaluate(OPENS_SOCKET, stream_of(other)) is False


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "http://10.0.0.1:8501"])
def test_a_refused_origin_makes_the_app_ask_nobody_for_its_address(deployed: Deployed, origin: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(deployed.app.url).netloc, timeout=30)
    handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Origin": origin}
    connection.request("GET", "/_stcore/stream", headers={**handshake, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert connection.getresponse().status == 403
    connection.close()
    assert deployed.asked == []


def expect_an_answer(app: App, page: Page, upstream: Upstream) -> None:
    """The whole way: pages, the websocket, an uploaded file, and a model's answer."""
    upstream.script("at-home", then=answer("From far away."))
    app.use(config(upstream, "at-home"))
    with page.expect_response(lambda response: response.request.method == "PUT"):
        visit(page).locator("input[type=file]").set_input_files(
            {"name": "note.txt", "mimeType": "text/plain", "buffer": b"Read me"}
        )
    expect(page.get_by_text("note.txt")).to_be_visible()
    prompt_of(page).fill("Hello?")
    button(page, "Send message").click()
    expect_end(page)
    expect(answer_of(page)).to_contain_text("From far away.")
    (call,) = upstream.received("at-home")
    assert "Read me" in str(call.body)
