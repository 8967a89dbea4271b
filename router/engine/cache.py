"""Complete answers on disk, so that an identical request need not be sent again."""

from __future__ import annotations

import itertools
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diskcache
import msgspec

from router.config.chains import ModelRef
from router.core.attempts import Attempt
from router.core.messages import Answer, Frozen, digest

if TYPE_CHECKING:
    from router.config.policy import CachePolicy

log = logging.getLogger(__name__)


LINGER = 0.2
"""Seconds that an answer may wait for others before it is written."""

BATCH = 200
"""Answers per transaction, so that other processes get a turn."""

MAX_PENDING_BYTES = 64_000_000
"""Answers that wait to be written; further ones are not kept."""


class CachedAnswer(Frozen, frozen=True, kw_only=True):
    """An answer with the attempt that gave it: original latency, tokens and cost."""

    answer: Answer
    attempt: Attempt


def cache_key(ref: ModelRef, request: str, extra: bytes, sample: int) -> str:
    """SHA-256 over all that goes on the wire, in hexadecimal.

    Args:
        ref: provider and model.
        request: the digest of the request's body as canonical JSON.
        extra: the body fields that models.yaml adds for the provider, as canonical JSON.
        sample: the repeat's index.
    """
    return digest(ref.provider, ref.model, request, extra, str(sample))


class _BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache is not typed
    """Keeps bytes alone: diskcache writes pickles and loads any it finds (CVE-2025-69872)."""

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> Any:
        if not isinstance(value, bytes) or read:
            raise TypeError("the response cache holds bytes alone")
        return super().store(value, read, key=key)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode not in (diskcache.core.MODE_RAW, diskcache.core.MODE_BINARY):
            raise ValueError("the response cache holds bytes alone; this entry is something else")
        return super().fetch(mode, filename, value, read)

    def get(self, key: Any, raw: int) -> Any:
        if not raw:
            raise ValueError("the response cache holds plain keys alone; this one is something else")
        return super().get(key, raw)


class ResponseCache:
    """The response cache. Reads are made on the calling thread, writes in batches on one of its own.

    It never breaks a request: what cannot be read is a miss, what cannot be written is dropped, and a broken cache is
    moved aside and replaced. `notice` then says so in a sentence.
    """

    def __init__(self, folder: Path, policy: CachePolicy) -> None:
        self._folder = folder
        self.policy = policy
        self.notice: str | None = None
        self._pending: dict[str, bytes] = {}
        self._pending_bytes = 0
        self._changing = threading.Lock()  # of what is pending; held for a moment
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._cache = self._open()
        self._writer = threading.Thread(target=self._run, name="cache-writer", daemon=True)
        self._writer.start()

    def _open(self) -> diskcache.Cache | None:
        try:
            return self._new()
        except (sqlite3.DatabaseError, OSError, ValueError, KeyError) as error:
            if isinstance(error, OSError) or "unable to open" in str(error) or "readonly" in str(error):
                self.notice = f"The response cache {self._folder} cannot be opened ({_reason(error)}); it is off."
                return None
        return self._replace()

    def _new(self) -> diskcache.Cache:
        # timeout: seconds to wait for another process's lock; a lookup is not worth more.
        return diskcache.Cache(
            str(self._folder),
            timeout=1,
            disk=_BytesDisk,
            size_limit=self.policy.size_limit,
            eviction_policy="least-recently-stored",
            cull_limit=0,  # room is made once a batch
        )

    def _replace(self) -> diskcache.Cache | None:
        aside = self._folder.with_name(f"{self._folder.name}-broken-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        try:
            self._folder.rename(aside)
            cache = self._new()
        except (sqlite3.DatabaseError, OSError, ValueError) as error:
            self.notice = f"The response cache {self._folder} cannot be read or replaced ({_reason(error)}); it is off."
            return None
        self.notice = f"The response cache could not be read. It was moved to {aside.name}, and a new one was created."
        return cache

    def get(self, key: str) -> CachedAnswer | None:
        """The answer kept under `key`; None where there is none that is fresh and readable."""
        if self._cache is None:
            return None
        try:
            data = self._pending.get(key) or self._cache.get(key)
            return msgspec.json.decode(data, type=CachedAnswer) if data else None
        except (msgspec.MsgspecError, ValueError, OSError):
            return None
        except diskcache.Timeout:
            return None
        except sqlite3.DatabaseError:
            self._cache = self._replace()
            return None

    def put(self, key: str, entry: CachedAnswer) -> None:
        """Keep an answer; it can be read at once, and is on disk within the second."""
        if self._cache is None:
            return
        data = msgspec.json.encode(entry)
        with self._changing:
            if self._pending_bytes + len(data) > MAX_PENDING_BYTES:
                return
            self._pending_bytes += len(data) - len(self._pending.get(key, b""))
            self._pending[key] = data
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(LINGER)
            self._wake.clear()
            if not self._write_pending():
                self._wake.set()
        if self._cache is not None:
            self._cache.close()  # this thread's connection

    def _write_pending(self) -> bool:
        """Write all that waits, or drop what cannot be written; False if another process holds the lock."""
        while True:
            with self._writing:
                with self._changing:
                    batch = dict(itertools.islice(self._pending.items(), BATCH))
                if not batch:
                    return True
                try:
                    self._write(batch)
                except diskcache.Timeout:
                    return False
                except Exception as error:  # noqa: BLE001  # whatever it is, later answers may be written
                    self.notice = f"The response cache cannot be written ({_reason(error)}); answers are not kept."
                    log.warning(self.notice)
                self._forget(batch)

    def _write(self, batch: Mapping[str, bytes]) -> None:
        if (cache := self._cache) is None:
            return
        with cache.transact():
            for key, data in batch.items():
                cache.set(key, data, expire=self.policy.ttl)
        cache.cull()

    def _forget(self, batch: Mapping[str, bytes]) -> None:
        """Remove what is written, unless there is a newer answer by now."""
        with self._changing:
            for key, data in batch.items():
                if self._pending.get(key) is data:
                    del self._pending[key]
                    self._pending_bytes -= len(data)

    def clear(self) -> None:
        """Forget all answers."""
        with self._writing:
            self._forget(dict(self._pending))
            if self._cache is not None:
                self._cache.clear()

    def size(self) -> int | None:
        """Bytes on disk; None where that cannot be said now."""
        try:
            return int(self._cache.volume()) if self._cache is not None else None
        except (sqlite3.DatabaseError, diskcache.Timeout, OSError):
            return None

    def close(self) -> None:
        """Write what waits, and close."""
        self._closing.set()
        self._wake.set()
        self._writer.join(timeout=10)
        if self._cache is not None:
            self._cache.close()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
