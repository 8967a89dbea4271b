"""A run's journal: one line per event, each written before what follows from it.

What was written survives the end of this process, however that comes: a line is one write, and the system has it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from filelock import FileLock, Timeout

from router.core.errors import InvalidRequest, StoreError

Entry = TypeVar("Entry")


class Line(msgspec.Struct, Generic[Entry], frozen=True, gc=False):
    """An entry and where its line begins, in bytes from the start of the file."""

    offset: int
    entry: Entry


class Reader(Generic[Entry]):
    """Reads a journal, also while another process writes it.

    Args:
        of: the type of its entries.

    Attributes:
        read: bytes of it so far.
        torn: lines that are none, such as the last one of a process that was killed.
    """

    def __init__(self, path: Path, of: type[Entry]) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(of)
        self.read = 0
        self.torn = 0

    def new(self) -> Iterator[Line[Entry]]:
        """The entries since the last look, oldest first. A line without its end is left for the next look.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self.read)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    offset, self.read = self.read, self.read + len(line)
                    if line == b"\n":  # two have ended a line, one of them while the other one wrote it
                        continue
                    try:
                        yield Line(offset, self._decoder.decode(line))
                    except (msgspec.MsgspecError, UnicodeDecodeError):
                        self.torn += 1
        except OSError as error:
            raise StoreError(f"{self._path} cannot be read: {error.strerror}.") from None

    def at(self, offset: int) -> Entry:
        """The entry whose line begins there.

        Raises:
            StoreError: the file cannot be read, or has no such line.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                return self._decoder.decode(file.readline())
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "a line of it is damaged"
            raise StoreError(f"{self._path} cannot be read: {why}.") from None


class Journal:
    """Writes a journal. Safe to use from any thread; one process writes at a time.

    Args:
        path: made with its folder.

    Raises:
        InvalidRequest: another process writes it.
        StoreError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._claim = FileLock(path.with_suffix(".lock"), timeout=0, mode=0o600, thread_local=False)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._claim.acquire()
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            _end_last_line(self._file)
        except Timeout:
            raise InvalidRequest(f"Another process is running {path.stem}. Wait for it, or stop it first.") from None
        except OSError as error:
            raise _unwritable(path, error) from None

    def add(self, entry: object) -> None:
        """Write an entry; when this returns, the system has it.

        Raises:
            StoreError: it cannot be written.
        """
        line = msgspec.json.encode(entry) + b"\n"
        try:
            with self._lock:
                os.write(self._file, line)
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def close(self) -> None:
        """Let other processes write."""
        os.close(self._file)
        self._claim.release()


def append(path: Path, entry: object) -> None:
    """Add an entry to a journal that exists, also while a process writes it: what is added is one write.

    A line that is just being written may look torn; then an empty one follows it, which readers pass by.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            _end_last_line(file)
            os.write(file, msgspec.json.encode(entry) + b"\n")
        finally:
            os.close(file)
    except OSError as error:
        raise _unwritable(path, error) from None


def _end_last_line(file: int) -> None:
    """A process that was killed may have left the beginning of a line."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be written: {error.strerror}. Free some space or fix its permissions.")
