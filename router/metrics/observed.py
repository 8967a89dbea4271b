"""Both tables of what was observed, as columns that are kept on disk from one start to the next."""

from __future__ import annotations

import logging
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from router.core.files import whole
from router.metrics.columns import CHUNK, AttemptLabels, Heading, RequestLabels, Rows, Table
from router.store.database import Database
from router.store.hours import ATTEMPTS, REQUESTS

log = logging.getLogger(__name__)

_MAGIC = b"fallback-lab observed 3\n"
"""Begins every snapshot; one of another format is not read."""

_LENGTHS, _CHECKS = struct.Struct(">II"), struct.Struct(">II")
"""Behind it, the heading's length and checksum; at the end, those of both tables' columns."""


class Observed:
    """What was observed, for all sessions; may be used from any thread.

    Args:
        snapshot: the file that spares the next start from reading everything; whatever it is, it does no harm.
    """

    def __init__(self, database: Database, snapshot: Path) -> None:
        self._database = database
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self._requests = Table(REQUESTS, RequestLabels, {"latency": 1e-6, "ttft": 1e-6, "cost": 1e-12})
        self._attempts = Table(
            ATTEMPTS,
            AttemptLabels,
            {"latency": 1e-6, "ttft": 1e-6, "cost": 1e-12, "completion_tokens": 1},
        )
        self._unsaved = 0
        self._loaded = False

    def rows(self) -> tuple[Rows[RequestLabels], Rows[AttemptLabels]]:
        """All requests and attempts that are stored by now.

        Raises:
            StoreError: the database is damaged.
        """
        with self._lock:
            if not self._loaded:
                self._load()
                self._loaded = True
            with ThreadPoolExecutor(2) as pool:
                self._unsaved += sum(pool.map(lambda table: table.refresh(self._database), self._tables))
            if self._unsaved > CHUNK + self._attempts.count // 4:
                self._save()
            return self._requests.rows(), self._attempts.rows()

    def forget(self) -> None:
        """Drop everything, also what is on disk."""
        with self._lock:
            for table in self._tables:
                table.clear()
            self._unsaved = 0
            self._snapshot.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep what was read for the next start."""
        with self._lock:
            if self._unsaved:
                self._save()

    @property
    def _tables(self) -> tuple[Table[Any], Table[Any]]:
        return self._requests, self._attempts

    def _save(self) -> None:
        headings = msgspec.json.encode([table.heading() for table in self._tables])
        try:
            with whole(self._snapshot) as file:
                file.write(_MAGIC + _LENGTHS.pack(len(headings), zlib.crc32(headings)) + headings)
                file.write(_CHECKS.pack(*[table.write(file) for table in self._tables]))
        except OSError as error:
            log.info("What was observed cannot be kept for the next start: %s", error)
        self._unsaved = 0

    def _load(self) -> None:
        """Take over the snapshot, unless it is damaged, of another format, or not there."""
        try:
            with self._snapshot.open("rb") as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    return
                length, crc = _LENGTHS.unpack(file.read(_LENGTHS.size))
                data = file.read(length)
                if not data or zlib.crc32(data) != crc:
                    return
                headings = msgspec.json.decode(data, type=tuple[Heading, Heading])
                if [heading.names for heading in headings] != [REQUESTS.labels, ATTEMPTS.labels]:
                    return
                # Each table in a thread of its own: memory that nobody has touched yet is slow to fill.
                starts = [file.tell(), file.tell() + headings[0].size]
                with ThreadPoolExecutor(2) as pool:
                    found = pool.map(Table.restore, self._tables, headings, [self._snapshot] * 2, starts)
                    checks = _CHECKS.pack(*found)
                file.seek(starts[1] + headings[1].size)
                if checks == file.read():
                    return
        except (OSError, struct.error):
            return
        for table in self._tables:
            table.clear()
