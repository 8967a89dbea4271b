"""Complete answers on disk, so that an identical request need not be sent again."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diskcache
import msgspec

from router.config.policy import CachePolicy
from router.config.schema import ModelRef
from router.core.attempts import Attempt
from router.core.messages import Answer, Frozen, digest

log = logging.getLogger(__name__)


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
    """The response cache. Reads are made on the calling thread, writes on one of its own.

    It never breaks a request: what cannot be read is a miss, what cannot be written is dropped, and a broken cache is
    moved aside and replaced. `notice` then says so in a sentence.
    """

    def __init__(self, folder: Path, policy: CachePolicy) -> None:
        self._folder = folder
        self.policy = policy
        self.notice: str | None = None
        self._pending: dict[str, bytes] = {}
        self._writer = ThreadPoolExecutor(1, "cache-writer")
        self._cache = self._open()

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
        """Keep an answer; it can be read at once, and is on disk a moment later."""
        if self._cache is None:
            return
        self._pending[key] = data = msgspec.json.encode(entry)
        self._writer.submit(self._write, key, data)

    def _write(self, key: str, data: bytes) -> None:
        try:
            if self._cache is not None:
                self._cache.set(key, data, expire=self.policy.ttl)
        except (sqlite3.DatabaseError, OSError, diskcache.Timeout) as error:
            self.notice = f"The response cache cannot be written ({_reason(error)}); answers are not kept."
            log.warning(self.notice)
        finally:
            if self._pending.get(key) is data:
                del self._pending[key]

    def clear(self) -> None:
        """Forget all answers."""
        self._writer.submit(self._pending.clear).result()
        if self._cache is not None:
            self._cache.clear()

    def size(self) -> int | None:
        """Bytes on disk; None where that cannot be said now."""
        try:
            return int(self._cache.volume()) if self._cache is not None else None
        except (sqlite3.DatabaseError, diskcache.Timeout, OSError):
            return None

    def close(self) -> None:
        self._writer.shutdown(wait=True)
        if self._cache is not None:
            self._cache.close()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
