"""The generated traffic says of each request what its attempts say, as the chain itself would."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.core.attempts import Attempt
from router.core.records import Step, path_of, skipped_for_keys_alone
from tests.traffic import UNTIL, write_traffic


def written(path: Path, attempts: int, **how: Any) -> tuple[list[sqlite3.Row], list[sqlite3.Row]]:
    write_traffic(path, attempts, **how)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        requests, observations = (connection.execute(f"SELECT * FROM {name} ORDER BY id").fetchall() for name in TABLES)
        return requests, observations


TABLES = ("requests", "observations")
UNSTORED = ("detail", "usage", "routing", "own", "mismatch", "notes")


def test_a_request_is_what_its_attempts_are(tmp_path: Path) -> None:
    requests, observations = written(tmp_path / "lab.sqlite", 4000)
    attempts: dict[str, list[Attempt]] = {}
    for row in observations:
        fields = {name: row[name] for name in Attempt.__struct_fields__ if name not in UNSTORED}
        attempts.setdefault(row["request_id"], []).append(msgspec.convert(fields, Attempt, strict=False))
    assert list(attempts) == [row["request_id"] for row in requests]
    for row in requests:
        made = attempts[row["request_id"]]
        path = msgspec.json.decode(row["path"], type=tuple[Step, ...])
        assert path == path_of(made)
        assert row["keyless"] == skipped_for_keys_alone(path)
        last = made[-1]
        outcome = "failed" if last.outcome == "skipped" else last.outcome
        assert (row["outcome"], row["injected"]) == (outcome, any(attempt.injected for attempt in made))
        if outcome == "answered":
            assert (row["model"], row["place"], row["cached"], row["shared"]) == (
                last.model, last.place, last.cached, last.shared,
            )  # fmt: skip
            if not last.cached:
                assert last.latency is not None and last.ttft is not None
                assert row["latency"] == pytest.approx(last.offset + last.latency)
                assert row["ttft"] == pytest.approx(max(0, last.offset + last.ttft))
        costs = [a.cost for a in made if a.number and not (a.cached or a.shared)]
        known = [cost for cost in costs if cost is not None]
        assert row["cost"] == (pytest.approx(sum(known)) if len(known) == len(costs) else None)


def test_it_holds_all_that_happens_in_the_field(tmp_path: Path) -> None:
    requests, observations = written(tmp_path / "lab.sqlite", 20_000)
    assert len(observations) == pytest.approx(20_000, rel=0.05)
    assert {row["outcome"] for row in requests} == {"answered", "failed", "cancelled"}
    assert {row["number"] for row in observations} == {0, 1, 2, 3}
    assert {"no_key", "breaker_open", "first_token_timeout", "content_filtered"} <= {r["reason"] for r in observations}
    for flag in ("cached", "shared", "injected", "stand_in", "keyless"):
        assert 0 < sum(row[flag] for row in requests) < len(requests) / 4
    assert min(row["started"] for row in requests) > UNTIL - 31 * 86_400
    assert max(row["started"] for row in requests) < UNTIL + 86_400


def test_a_seed_gives_the_same_again_and_another_does_not(tmp_path: Path) -> None:
    one, again, other = (written(tmp_path / f"{n}.sqlite", 500, seed=seed) for n, seed in enumerate((1, 1, 2)))
    assert [[tuple(row) for row in table] for table in one] == [[tuple(row) for row in table] for table in again]
    assert tuple(one[0][0]) != tuple(other[0][0])
