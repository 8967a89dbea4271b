"""The verdict: what is said first, of requests and calls as they are stored."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any, Literal

import pytest

from router.core.attempts import Attempt
from router.core.records import Observation, RequestSummary, Step
from router.metrics.drift import Drift
from router.metrics.estimates import Estimate
from router.metrics.observed import Observed
from router.metrics.verdict import DAY, Verdict, verdict
from router.metrics.view import View
from router.store import Store

NOW = 1_790_000_000.0  # 2026-09-21, 14:13 UTC


def steps(*ends: str) -> tuple[Step, ...]:
    """A path through `one`, `two`, …, each `answered`, or with the reason of its failure."""
    return tuple(
        Step(name, "lan", place, "answered", None) if end == "answered" else Step(name, "lan", place, "failed", end)
        for place, (name, end) in enumerate(zip(("one", "two", "three"), ends, strict=False))
    )


RIGHT, RESCUED = steps("answered"), steps("server_failed", "answered")
FAILED = steps("server_failed", "server_failed")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "lab.sqlite")


def ask(store: Store, path: tuple[Step, ...], times: int, *, ago: float = 600.0, **changed: Any) -> None:
    """So many requests that took this path, one a second, the last one so many seconds ago."""
    last = path[-1]
    answered = last.outcome == "answered"
    for number in range(times):
        fields: dict[str, Any] = {
            "request_id": f"{ago}-{number}-{len(path)}", "chain": "c", "source": "cli", "category": "tools", **changed,
        }  # fmt: skip
        started = NOW - ago - (times - 1 - number)
        store.requests.add(
            RequestSummary(**{
                **dict.fromkeys(("cached", "shared", "injected", "stand_in", "keyless"), False), **fields,
                "started": started, "outcome": last.outcome, "path": path, "model": last.model if answered else None,
                "place": last.place if answered else None, "latency": 1.0, "ttft": 0.5, "cost": 0.0,
            })
        )  # fmt: skip
        for step in path:
            attempt = Attempt(
                model=step.model, provider=step.provider, place=step.place, number=1, outcome=step.outcome,
                reason=step.reason, started=started, offset=0.0, latency=1.0, ttft=0.5,
            )  # fmt: skip
            of = {name: fields[name] for name in ("request_id", "category", "chain", "source")}
            store.observations.add(Observation(**of, prompt_hash="p", sample=0, attempt=attempt))


def said(store: Store, tmp_path: Path, *drifts: Drift, firing: int = 0) -> tuple[Verdict, list[int]]:
    """The verdict, and the ids of the rows behind it."""
    store.close()
    store = Store(tmp_path / "lab.sqlite")
    view = View.of(Observed(store.database, tmp_path / "observed").rows())
    store.close()
    found = verdict(view, drifts, NOW, UTC, firing)
    return found, [] if found.behind is None else found.behind(view).id.tolist()


def test_requests_without_an_answer_come_first(store: Store, tmp_path: Path) -> None:
    ask(store, RESCUED, 20, ago=900, category="code")
    ask(store, RIGHT, 5, ago=700)
    ask(store, FAILED, 4)
    found, behind = said(store, tmp_path)
    assert found[:2] == ("failing", "tools: 4 of the last 9 requests got no answer (the latest at 14:03).")
    assert behind == [26, 27, 28, 29]


def test_a_primary_that_fails_while_its_fallbacks_hold_is_said_with_how_many_are_answered(
    store: Store, tmp_path: Path
) -> None:
    ask(store, RESCUED, 30, ago=900)
    ask(store, RIGHT, 20)
    found, behind = said(store, tmp_path)
    words = "tools: the primary failed 30 of the last 50 requests (the latest at 13:58)"
    assert found[:2] == ("degraded", f"{words}; its fallbacks hold, 100% answered.")
    assert behind == list(range(1, 31))


def drift(model: str, measure: Literal["failures", "latency"] = "failures") -> Drift:
    return Drift("tools", model, measure, Estimate(0.02, rows=900), Estimate(0.59, rows=73), 43, NOW - 36_000)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (drift("one"), "the primary has failed 59% of calls since 04:13; its fallbacks hold, 97.5% answered."),
        (drift("two"), "two has failed 59% of calls since 04:13; its fallbacks hold, 97.5% answered."),
        (
            drift("one")._replace(after=Estimate(0.004, rows=9_000)),
            "the primary has failed 0.4% of calls since 04:13; its fallbacks hold, 97.5% answered.",
        ),
        (drift("two", "latency"), "two has become slower since 04:13."),
    ],
    ids=["the primary", "a fallback", "rarely", "slower"],
)
def test_a_drift_is_said_with_since_when_and_what_became_of_the_requests(
    store: Store, tmp_path: Path, of: Drift, words: str
) -> None:
    ask(store, RIGHT, 31)
    ask(store, RESCUED, 8, ago=500)
    ask(store, FAILED, 1, ago=400)
    found, behind = said(store, tmp_path, of)
    assert found[:2] == ("degraded", f"tools: {words}")
    counted = "reason IS NOT NULL" if of.measure == "failures" else "outcome = 'answered'"
    with closing(sqlite3.connect(tmp_path / "lab.sqlite")) as connection:
        rows = connection.execute(f"SELECT id FROM observations WHERE model = '{of.model}' AND {counted}").fetchall()
    assert behind == [row for (row,) in rows]


def test_a_drift_whose_fallbacks_do_not_hold_is_the_worst(store: Store, tmp_path: Path) -> None:
    ask(store, RIGHT, 30)
    ask(store, FAILED, 2, ago=500)
    assert said(store, tmp_path, drift("one"))[0][:2] == (
        "failing",
        "tools: the primary has failed 59% of calls since 04:13; only 93.8% of requests are answered.",
    )


def test_what_is_over_is_no_longer_said(store: Store, tmp_path: Path) -> None:
    ask(store, FAILED, 30, ago=7200)
    ask(store, RIGHT, 50)
    found, behind = said(store, tmp_path)
    words = "Of 80 requests in the last 24 hours, 62.5% were answered, 0% by a fallback."
    assert found[:2] == ("good", f"Nothing is wrong now. {words}")
    assert len(behind) == 80


@pytest.mark.parametrize("path", [FAILED, RESCUED], ids=["no answer", "a fallback"])
def test_two_failures_prove_nothing(store: Store, tmp_path: Path, path: tuple[Step, ...]) -> None:
    ask(store, path, 2)
    assert said(store, tmp_path)[0].level == "good"


def test_a_prompt_that_fails_everywhere_is_nothing_wrong_with_the_models(store: Store, tmp_path: Path) -> None:
    ask(store, RIGHT, 10, ago=900)
    ask(store, (*FAILED[:-1], FAILED[-1].of_prompt()), 10)
    assert said(store, tmp_path)[0].level == "good"


@pytest.mark.parametrize("flag", ["cached", "shared", "injected", "stand_in", "keyless"])
def test_what_says_nothing_of_the_models_does_not_count(store: Store, tmp_path: Path, flag: str) -> None:
    ask(store, FAILED, 10, **{flag: True})
    assert said(store, tmp_path)[0].level == "unknown"


def test_a_day_without_calls_is_not_called_good(store: Store, tmp_path: Path) -> None:
    ask(store, RIGHT, 10, ago=DAY + 600)
    words = "No model was called in the last 24 hours, so nothing is known about now."
    assert said(store, tmp_path) == (Verdict("unknown", f"{words} The newest request is from 2026-09-20 14:03."), [])


def test_where_an_alert_fires_it_is_not_said_that_nothing_is_wrong(store: Store, tmp_path: Path) -> None:
    ask(store, RIGHT, 30)
    found, behind = said(store, tmp_path, firing=1)
    assert (found.level, len(behind)) == ("degraded", 30)
    assert found.sentence.startswith("1 alert is firing; nothing else is wrong now. Of 30 requests")
