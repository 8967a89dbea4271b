"""The calls of a file, sorted into requests on disk: an export may have them in any order, and be of any size."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import msgspec

from router.core.messages import digest
from router.imports.calls import Call

_LAYOUT = """
PRAGMA journal_mode = OFF;
CREATE TABLE calls (key TEXT PRIMARY KEY, grp TEXT, parent TEXT, started REAL, line INTEGER, call BLOB);
"""

# What is told by its parts is no call of its own. Requests come in the order of time, each one's calls together.
_SORTED = """
SELECT grp, call FROM calls
WHERE key NOT IN (SELECT parent FROM calls WHERE parent IS NOT NULL)
ORDER BY min(started) OVER (PARTITION BY grp), grp, started, line
"""


class Spool:
    """Holds calls in a temporary file, which SQLite makes and removes."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.executescript(_LAYOUT)
        self._encoder = msgspec.json.Encoder()

    def add(self, call: Call, line: int) -> bool:
        """Keep a call; False where the file has had it before."""
        found = call.attempt or call.whole
        assert found is not None  # noqa: S101  # for mypy: a call is one of the two
        data = self._encoder.encode(call)
        key = call.key or digest(data)
        values = key, call.group or key, call.parent, found.started, line, data
        return self._database.execute("INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?)", values).rowcount == 1

    def groups(self) -> Iterator[list[Call]]:
        """The calls that share a group, in the order of time."""
        decoder = msgspec.json.Decoder(Call)
        for _, rows in groupby(self._database.execute(_SORTED), itemgetter(0)):
            yield [decoder.decode(row[1]) for row in rows]

    def close(self) -> None:
        self._database.close()
