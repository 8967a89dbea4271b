"""Bubblewrap: a program with no network, no files but an interpreter's and a small folder of its own.

It works for root, and for everybody who may create user namespaces. Root sets up the files, and the harness then
becomes a user whom nobody else is, since the kernel does not bind root to a number of processes. There is no `/proc`
inside: no program needs it, and containers often forbid to mount one.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from router.evaluate.sandbox.child import HARNESS, Command
from router.evaluate.sandbox.system_calls import system_call_filter

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")

_FOLDER = 16_000_000
"""Bytes of the program's own folder, which is in memory."""

_AS_ROOT = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")

_CAPABILITIES = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
"""What the harness needs to become another user; it loses them then."""

_AS_OTHERS = ("--unshare-all", "--uid", "65534", "--gid", "65534")

_USERS = itertools.count(os.getpid() % 10_000 * 1_000)
"""One for each run: those of one user would share its number of processes."""

_FIRST_USER = 1_900_000_000
"""Above what systems and containers give to anybody."""


def find() -> str | None:
    """The path of bubblewrap; None if it is not installed."""
    return shutil.which("bwrap")


def command(bwrap: str) -> Command:
    """The command that runs the harness in a sandbox of its own."""
    is_root = os.geteuid() == 0
    python = _interpreter()
    user = _FIRST_USER + next(_USERS) % 100_000_000 if is_root else None
    own = [*_AS_ROOT, *_CAPABILITIES] if is_root else [*_AS_OTHERS]
    return Command(
        bwrap,
        [
            *(*own, "--die-with-parent", "--new-session", "--hostname", "sandbox"),
            *itertools.chain.from_iterable(_files(python)),
            *("--perms", "1777", "--size", str(_FOLDER), "--tmpfs", "/tmp"),  # noqa: S108  # the sandbox's own
            *("--remount-ro", "/", "--chdir", "/tmp", "--clearenv"),  # noqa: S108  # inside the sandbox
            *("--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8"),  # noqa: S108  # inside the sandbox
            *("--setenv", "LD_LIBRARY_PATH", f"{sys.base_prefix}/lib"),
            *(str(python), "-I", "-S", "-B", "-u", "/harness.py"),
        ],
        user,
        system_call_filter(),
    )


def _interpreter() -> Path:
    """The interpreter that this one's environment was made from: it stands beside its own libraries."""
    named = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    return named if named.exists() else Path(sys.executable).resolve()


def _files(python: Path) -> Iterator[tuple[str, ...]]:
    """What the program can read: the interpreter with its libraries, at their places, and the harness."""
    prefix = Path(sys.base_prefix)
    for parent in ("/usr", *map(str, reversed(prefix.parents[:-1]))):
        yield "--perms", "0755", "--dir", parent  # by itself, bubblewrap makes them for root alone
    for folder in _LIBRARIES:
        if Path(folder).is_symlink():
            yield "--symlink", os.readlink(folder), folder  # noqa: PTH115  # the text as it stands
        elif Path(folder).is_dir():
            yield "--ro-bind", folder, folder
    interpreter = (python.resolve(), python) if prefix == Path("/usr") else (prefix, prefix)
    yield "--ro-bind", *map(str, interpreter)
    yield "--ro-bind", str(HARNESS), "/harness.py"
    for device in ("/dev/null", "/dev/zero", "/dev/urandom"):
        yield "--dev-bind", device, device
