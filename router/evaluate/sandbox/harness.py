"""Runs an answer's code and then its hidden tests, inside the sandbox.

It is run by its path, and imports nothing of this project. The tests and the nonce that proves that they ended arrive
after the code was loaded, so that code which exits early, or prints what a success looks like, has proved nothing. What
the tests need of this interpreter is set aside before the code can change it.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
import types
from typing import Any

_MESSAGE = 300
"""Characters of an exception's text that are reported."""


def receive(channel: int, read: Any = os.read) -> bytes:
    """The next message: ten digits of its length, then its bytes."""
    length = int(_exactly(channel, 10, read))
    return _exactly(channel, length, read)


def _exactly(channel: int, length: int, read: Any) -> bytes:
    data = b""
    while len(data) < length:
        if not (more := read(channel, length - len(data))):
            raise EOFError
        data += more
    return data


def send(channel: int, data: bytes, write: Any = os.write) -> None:
    """Send a message, framed as in `receive`."""
    data = b"%010d" % len(data) + data
    while data:
        data = data[write(channel, data) :]


def confine(limits: dict[str, Any]) -> None:
    """Limit this process and all that it starts; then become a user that owns nothing, where one is named."""
    import resource  # noqa: PLC0415  # not on every system

    nice = getattr(os, "nice", None)
    if nice is not None:
        nice(10)
    if (user := limits["user"]) is not None:  # root is not bound by the number of processes
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for name, most in (
        ("CORE", 0),
        ("NOFILE", limits["files"]),
        ("FSIZE", limits["output"]),
        ("NPROC", limits["processes"]),
        ("AS", limits["memory"]),
    ):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu"], limits["cpu"] + 1))  # a signal that says why comes first


def told(error: BaseException, source: str, name: str) -> str:
    """An exception in one line, with the line of `source` that it comes from."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == name:
        line = error.lineno or 0
    text = str(error).strip().split("\n")[0][:_MESSAGE]
    lines = source.splitlines()
    where = f" on line {line} (`{lines[line - 1].strip()[:_MESSAGE]}`)" if 0 < line <= len(lines) else ""
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"


def main(channel: int) -> None:
    """One program: its limits, its code, and then its tests."""
    given = json.loads(receive(channel))
    confine(given["limits"])
    send(channel, b"confined")
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    present = vars(builtins)
    original = present.copy()

    def attempt(source: str, name: str, namespace: dict[str, Any], run: Any = exec, parse: Any = compile) -> bool:
        try:
            try:
                run(parse(source, name, "exec"), namespace)
            finally:
                present.update(original)
        except MemoryError:
            send(channel, b'{"outcome": "out of memory"}')
        except BaseException as error:  # noqa: BLE001  # leaving the process is one, too
            failed = {"outcome": "failed", "in": name, "reason": told(error, source, name)}
            send(channel, json.dumps(failed).encode())
        else:
            return True
        return False

    if not attempt(given["code"], "code", vars(module)):
        return
    send(channel, b"loaded")
    nonce, tests = receive(channel), receive(channel).decode()
    # What the code calls like a builtin is its own affair, unless the tests ask for it.
    names = {
        name: value for name, value in vars(module).items() if name not in original or name == given["entry_point"]
    }
    if attempt(tests, "tests", {**names, "__builtins__": original, "__name__": "tests"}):
        send(channel, nonce)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    finally:
        os._exit(0)  # threads that the code left behind hold nothing up
