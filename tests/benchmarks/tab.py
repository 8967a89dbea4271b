"""A browser tab without a browser: it speaks Streamlit's websocket protocol, and counts what arrives."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.typing import Subprotocol

PATIENCE = 30.0
"""Seconds that a tab waits for what should come."""

Path = tuple[int, ...]


class Tab:
    """One open page.

    Attributes:
        updates: when Markdown arrived while `counting` was so, by the block that it stands in: a message, a lane.
        full_runs: runs of the whole page.
    """

    def __init__(self, socket: websockets.ClientConnection, page: str) -> None:
        self._socket = socket
        self._page = page
        self._page_hash = ""
        self._query = ""
        self._ids: dict[Path, str] = {}
        self._blocks: dict[Path, str] = {}
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._states: dict[str, WidgetState] = {}
        self._changed = asyncio.Event()
        self._drawn: set[Path] = set()
        self._fragments = False
        self.counting = False
        self.updates: dict[Path, list[float]] = {}
        self.full_runs = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, page: str = "") -> AsyncIterator[Tab]:
        """Open a page, and wait until it is drawn."""
        cookie = await asyncio.to_thread(cookie_of, url)
        async with websockets.connect(
            f"ws://{urlsplit(url).netloc}/_stcore/stream",
            additional_headers={"Cookie": cookie, "Origin": url},
            subprotocols=[Subprotocol("streamlit"), Subprotocol(cookie.partition("=")[2])],
            max_size=None,
            ping_interval=None,
            open_timeout=PATIENCE,
        ) as socket:
            tab = cls(socket, page)
            reader = asyncio.create_task(tab._read())
            try:
                await tab._ask()
                await tab.until(lambda: tab.full_runs > 0)
                yield tab
            finally:
                reader.cancel()
                for timer in tab._timers.values():
                    timer.cancel()

    async def submit(self, text: str) -> None:
        """Send a prompt."""
        state = WidgetState(id=self._id("chat_prompt"))
        state.chat_input_value.data = text
        state.chat_input_value.file_uploader_state.SetInParent()
        await self._ask(state)

    async def write(self, key: str, text: str) -> None:
        """Type a text into a field."""
        name = self._id(key)
        self._states[name] = WidgetState(id=name, string_value=text)
        await self.run_with()

    async def press(self, key: str) -> None:
        """Press a button, by its key or its label."""
        await self.run_with(WidgetState(id=self._id(key), trigger_value=True))

    async def run_with(self, *triggers: WidgetState) -> None:
        """Ask for a run, and wait for its end."""
        before = self.full_runs
        await self._ask(*triggers)
        await self.until(lambda: self.full_runs > before)

    def shows(self, key: str) -> bool:
        """Whether there is such a widget."""
        return any(_is(name, key) for name in self._ids.values())

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until what arrives has made something so."""
        async with asyncio.timeout(PATIENCE):
            while not so():
                self._changed.clear()
                await self._changed.wait()

    def _id(self, key: str) -> str:
        return next(name for name in self._ids.values() if _is(name, key)).partition("\0")[0]

    async def _ask(self, *triggers: WidgetState, fragment: str = "") -> None:
        message = BackMsg()
        asked = message.rerun_script
        asked.page_script_hash, asked.page_name = self._page_hash, "" if self._page_hash else self._page
        asked.query_string, asked.fragment_id, asked.is_auto_rerun = self._query, fragment, bool(fragment)
        asked.widget_states.widgets.extend([*self._states.values(), *triggers])
        await self._socket.send(message.SerializeToString())

    async def _poll(self, fragment: str, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            await self._ask(fragment=fragment)

    async def _read(self) -> None:
        async for data in self._socket:
            assert isinstance(data, bytes)
            self._take(ForwardMsg.FromString(data))
            self._changed.set()

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "delta":
            self._take_delta(tuple(message.metadata.delta_path), message.delta)
        elif kind == "new_session":
            self._fragments = bool(message.metadata.run.fragment_ids)
            if not self._fragments:
                self._stop(list(self._timers))
                self._drawn = set()
        elif kind == "script_finished":
            if not self._fragments and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self._ids = {path: name for path, name in self._ids.items() if path in self._drawn}
                self.full_runs += 1
        elif kind == "auto_rerun":
            fragment, every = message.auto_rerun.fragment_id, message.auto_rerun.interval
            self._stop([fragment])
            self._timers[fragment] = asyncio.create_task(self._poll(fragment, every))
        elif kind == "stop_auto_rerun":
            self._stop(message.stop_auto_rerun.fragment_ids)
        elif kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string

    def _stop(self, fragments: Any) -> None:
        for fragment in list(fragments):
            if timer := self._timers.pop(fragment, None):
                timer.cancel()

    def _take_delta(self, path: Path, delta: Any) -> None:
        self._drawn.add(path)
        self._ids.pop(path, None)
        if delta.WhichOneof("type") == "add_block":
            block = delta.add_block
            self._blocks[path] = block.chat_message.name or block.id
            return
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind == "markdown" and self.counting and (block_path := self._answer(path)):
            self.updates.setdefault(block_path, []).append(time.monotonic())
        message = getattr(element, kind)
        if name := getattr(message, "id", ""):
            self._ids[path] = f"{name}\0{getattr(message, 'label', '')}"
            if kind == "button_group":
                self._choose(name, message)

    def _choose(self, name: str, group: Any) -> None:
        """A choice that is drawn is sent with each run, as the browser does."""
        chosen = group.raw_values if group.set_value else [group.options[at].content for at in group.default]
        if name not in self._states or group.set_value:
            self._states[name] = WidgetState(id=name)
            self._states[name].string_array_value.data.extend(chosen)

    def _answer(self, path: Path) -> Path | None:
        """The message or the lane that something stands in."""
        above = (path[:end] for end in range(len(path), 0, -1))
        return next((each for each in above if _holds_an_answer(self._blocks.get(each, ""))), None)


def _holds_an_answer(block: str) -> bool:
    return block == "assistant" or "compare_text_" in block


def _is(name: str, key: str) -> bool:
    widget, _, label = name.partition("\0")
    return widget.endswith(f"-{key}") or label == key


def cookie_of(url: str) -> str:
    with urllib.request.urlopen(f"{url}/_stcore/health", timeout=PATIENCE) as response:
        cookies = response.headers.get_all("Set-Cookie") or []
    return next((each.partition(";")[0] for each in cookies if each.startswith("_streamlit_xsrf=")), "")
