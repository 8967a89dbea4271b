"""A program in a child process: the dialog with its harness, and why it ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from router.evaluate.sandbox.program import Limits, Outcome, Program, Ran

HARNESS = Path(__file__).with_name("harness.py")

_SHOWN = 2_000
"""Characters of the output that are kept."""

_PATIENCE = 5.0
"""Seconds to wait for what was killed."""

_LONGEST = 100_000
"""Bytes of a message from the harness."""


class Command(NamedTuple):
    """How a child is started.

    Attributes:
        program: its path.
        words: what follows it; the last one runs the harness, and the number of its channel comes then.
        user: whom the harness becomes; None if it stays who it is.
        seccomp: a filter of system calls that bubblewrap is to install.
    """

    program: str
    words: Sequence[str]
    user: int | None = None
    seccomp: bytes | None = None


class _Said(NamedTuple):
    outcome: Outcome
    reason: str = ""


def run(command: Command, program: Program, limits: Limits) -> Ran:
    """Run a program to its end, or to its limits; its processes are ended then.

    Raises:
        OSError: it could not be started; the text is what the command said.
    """
    began = time.monotonic()
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as output:
        with theirs, tempfile.TemporaryFile() as seccomp:
            process = _start(command, theirs, seccomp, output)
        talk = _Dialog(ours, began + limits.wall)
        try:
            said = talk.verdict(program, limits, command.user)
            status = 0 if said else process.wait(talk.left())  # it ended without a word: its status says why
        except (TimeoutError, subprocess.TimeoutExpired):
            said, status = _Said("timed out", f"It did not end within {limits.wall:g} seconds."), 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            talk.drain()
        output.seek(0)
        printed = output.read(limits.output)
    text = printed.decode(errors="replace")
    if not talk.began:
        raise OSError(text.strip() or f"the sandbox ended with status {status}")
    seconds = time.monotonic() - began
    return Ran(*(said or _why(status, len(printed), seconds, limits)), text[:_SHOWN], seconds)


def _start(command: Command, channel: socket.socket, seccomp: IO[bytes], output: IO[bytes]) -> subprocess.Popen[bytes]:
    words = [command.program]
    if command.seccomp is not None:
        seccomp.write(command.seccomp)
        seccomp.seek(0)
        words += ["--seccomp", str(seccomp.fileno())]
    return subprocess.Popen(  # noqa: S603  # what is foreign goes through the channel
        [*words, *command.words, str(channel.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        pass_fds=[channel.fileno(), seccomp.fileno()],
        start_new_session=True,
    )


def _why(status: int, printed: int, seconds: float, limits: Limits) -> _Said:
    """Why a child ended without a word; `status` is its own, or 128 and its signal where bubblewrap reports it."""
    number = -status if status < 0 else status - 128
    if number == signal.SIGXCPU or (number == signal.SIGKILL and seconds >= limits.cpu):
        return _Said("timed out", f"It took more than {limits.cpu} seconds of the processor's time.")
    if printed >= limits.output:
        return _Said("failed", f"It printed more than {limits.output:,} bytes.")
    if number > 0:
        return _Said("failed", f"It was ended by signal {number}.")
    return _Said("failed", "It ended before its tests did.")


# --- The dialog ------------------------------------------------------------------------------------


class _Dialog:
    """What is said over the channel. All of it ends at a moment of the monotonic clock.

    Attributes:
        began: whether the harness runs within its limits.
    """

    def __init__(self, channel: socket.socket, until: float) -> None:
        self._channel = channel
        self._until = until
        self.began = False

    def left(self) -> float:
        """Seconds until the end.

        Raises:
            TimeoutError: it is over.
        """
        if (left := self._until - time.monotonic()) <= 0:
            raise TimeoutError
        return left

    def drain(self) -> None:
        """Wait until nobody holds the other end any more: what was killed takes a moment to be gone."""
        with contextlib.suppress(OSError):
            self._channel.settimeout(_PATIENCE)
            while self._channel.recv(_LONGEST):
                pass

    def verdict(self, program: Program, limits: Limits, user: int | None) -> _Said | None:
        """What the harness says of the program; None if it ended without a word.

        Raises:
            TimeoutError: it does neither.
        """
        nonce = secrets.token_hex(16).encode()
        given = {**program._asdict(), "limits": {**limits._asdict(), "user": user}}
        try:
            self._send(json.dumps({**given, "tests": None}).encode())
            self.began = self._receive() == b"confined"
            said = self._receive()
            if said == b"loaded":
                self._send(nonce)
                self._send(program.tests.encode(errors="replace"))
                said = self._receive()
        except TimeoutError:
            raise
        except (OSError, EOFError, ValueError):
            return None
        return _Said("passed") if said == nonce else _failure(said, limits)

    def _send(self, data: bytes) -> None:
        self._channel.settimeout(self.left())
        self._channel.sendall(b"%010d" % len(data) + data)

    def _receive(self) -> bytes:
        return self._exactly(min(int(self._exactly(10)), _LONGEST))

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            self._channel.settimeout(self.left())
            if not (more := self._channel.recv(length - len(data))):
                raise EOFError
            data += more
        return data


def _failure(said: bytes, limits: Limits) -> _Said:
    """What the harness says of a program that did not pass; or what the program says in its place."""
    try:
        found = json.loads(said)
        if found["outcome"] == "out of memory":
            return _Said("out of memory", f"It needs more than {limits.memory / 1e6:,.0f} MB of memory.")
        who = {"code": "The code", "tests": "A test"}[found["in"]]
        return _Said("failed", f"{who} failed: {str(found['reason'])[:1000]}.")
    except (ValueError, TypeError, LookupError, RecursionError):
        return _Said("failed", "It spoke in the name of its tests.")
