"""Taking in a log: its rows are read once, sorted into requests, and stored in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import msgspec

from router.config.schema import Config
from router.core.errors import InvalidRequest
from router.imports import helicone, langfuse, litellm, openinference, openrouter, otel, table
from router.imports.calls import Call, Found, NoCall, Refused
from router.imports.reading import rows
from router.imports.requests import Requests, split
from router.imports.spool import Spool
from router.store import ImportedRequest, Store


class Format(Protocol):
    """What a file of a format has."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is of this format."""

    def calls(self, row: Mapping[str, Any]) -> Iterator[Found]:
        """The calls in a row."""


_MODULES: Mapping[str, ModuleType] = {
    "litellm": litellm,
    "openrouter": openrouter,
    "langfuse": langfuse,
    "helicone": helicone,
    "openinference": openinference,
    "otel": otel,
    "csv": table,
}

FORMATS: Mapping[str, Format] = cast("Mapping[str, Format]", _MODULES)

BATCH = 1_000
"""Requests in one transaction."""

_LOOKED_AT = 20
"""Rows in which a format has to show."""

EXAMPLES = 3
"""Lines that are named for one reason."""


class Report:
    """What an import did, or would do.

    Attributes:
        rows, others, repeated: rows read; parts that are no calls of a model; calls that the file has more than once.
        requests, attempts, stored: what was new, and requests that were stored before.
        by_day: attempts by model and day (UTC), and those that failed.
        unknown: attempts, or requests for `category`, by what is unknown of them.
        refused: how many by why, with the first lines.
    """

    def __init__(self, form: str) -> None:
        self.form = form
        self.rows = self.others = self.repeated = self.requests = self.attempts = self.stored = 0
        self.by_day: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self.unknown: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.lines: dict[str, list[int]] = {}

    def refuse(self, why: str, line: int) -> None:
        self.refused[why] += 1
        lines = self.lines.setdefault(why, [])
        if len(lines) < EXAMPLES and line:
            lines.append(line)

    def count(self, request: ImportedRequest) -> None:
        self.requests += 1
        self.unknown["category"] += request.summary.category is None
        for attempt in (each.attempt for each in request.attempts):
            day = datetime.fromtimestamp(attempt.started, UTC).date().isoformat()
            self.attempts += 1
            self.by_day[attempt.model, day] += 1
            self.failed[attempt.model, day] += attempt.outcome == "failed"
            self.unknown["latency"] += attempt.latency is None
            self.unknown["first token"] += attempt.ttft is None
            self.unknown["cost"] += attempt.cost is None
            self.unknown["tokens"] += attempt.usage is None


def detect(path: Path) -> str | None:
    """The format that a log has; None where it has none of them, or more than one.

    Raises:
        InvalidRequest: it cannot be read.
    """
    with closing(rows(path)) as found_rows:
        for row in islice(found_rows, _LOOKED_AT):
            if row.values is not None:
                found = [name for name, form in FORMATS.items() if form.matches(row.values)]
                if found:
                    return found[0] if len(found) == 1 else None
    return None


def import_log(
    path: Path,
    form: str,
    store: Store,
    config: Config,
    *,
    category: str | None = None,
    category_from: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Report:
    """Take in a log.

    Args:
        category: of requests for which the log names none.
        category_from: the tag, metadata key or column that names it.
        dry_run: store nothing.
        progress: called now and then with the bytes of the file that were read.

    Raises:
        InvalidRequest: the file cannot be read.
        StoreError: the database cannot be written; batches before stay.
    """
    report = Report(form)
    with closing(Spool()) as spool:
        _collect(path, spool, report, category_from, progress)
        batch: list[ImportedRequest] = []
        for request in _requests(spool, Requests(config, form, category), report):
            batch.append(request)
            if len(batch) >= BATCH:
                _take(batch, store, report, dry_run=dry_run)
                batch = []
        _take(batch, store, report, dry_run=dry_run)
    if not report.rows:
        raise InvalidRequest(f"{path} has no rows.")
    return report


def _collect(
    path: Path, spool: Spool, report: Report, category_from: str | None, progress: Callable[[int], object]
) -> None:
    """Take the calls of a log into the spool, which groups them."""
    with closing(rows(path)) as found_rows:
        for row in found_rows:
            report.rows += 1
            if row.values is None:
                report.refuse(row.problem, row.line)
                continue
            for found in _found(FORMATS[report.form], row.values):
                if isinstance(found, Refused):
                    report.refuse(str(found), row.line)
                elif isinstance(found, NoCall):
                    report.others += 1
                elif not spool.add(_categorized(found, row.values, category_from), row.line):
                    report.repeated += 1
            if report.rows % 1_000 == 0:
                progress(row.seen)


def _requests(spool: Spool, requests: Requests, report: Report) -> Iterator[ImportedRequest]:
    for group in spool.groups():
        for calls in split(group):
            try:
                yield requests.made(calls)
            except Refused as problem:
                report.refuse(str(problem), 0)


def _found(form: Format, row: Mapping[str, Any]) -> Iterator[Found]:
    try:
        yield from form.calls(row)
    except (Refused, NoCall) as problem:
        yield problem


def _categorized(call: Call, row: Mapping[str, Any], name: str | None) -> Call:
    """The call with its category, and without the labels, which were there for that alone."""
    found = call.labels.get(name) if name is not None else None
    if name is not None and found is None and isinstance(given := row.get(name), str):
        found = given
    return msgspec.structs.replace(call, category=found or call.category, labels={})


def _take(batch: list[ImportedRequest], store: Store, report: Report, *, dry_run: bool) -> None:
    fresh = store.imports.new(batch) if dry_run else store.imports.add(batch)
    report.stored += len(batch) - len(fresh)
    for request in fresh:
        report.count(request)
