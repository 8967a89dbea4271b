"""Drift is noticed soon where something became worse, and hardly ever where nothing did: on simulated traffic."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from router.metrics import (
    AttemptLabels,
    Estimate,
    Observed,
    Rows,
    View,
)
from router.metrics.changepoint import (
    GRID,
    JEFFREYS,
    WILKS,
    Law,
    Starts,
    evidence,
)
from router.metrics.drift import (
    CHANCE,
    QUANTILE,
    Calls,
    Drift,
    _distinct,
    drifts,
    more_failures,
    slower,
)
from router.metrics.drift_sentence import sentence
from router.metrics.estimates import share
from router.store.database import Database
from router.store.scores import Passed, Suite
from tests.traffic import DAY, UNTIL, write_traffic

WEEK = 7 * DAY
PAIRS = [
    (category, f"model-{number}") for category in ("tools", "code", "reasoning", "conversation") for number in "123"
]
RATES = (0.001, 0.005, 0.01, 0.02, 0.02, 0.03, 0.05, 0.05, 0.08, 0.1, 0.15, 0.3)
A_WEEK = 417
"""Calls of one of 12 pairs in a week of 5,000."""


# --- Simulated traffic -----------------------------------------------------------------------------


def times(rng: np.random.Generator, count: int, a_week: float) -> NDArray[np.float64]:
    """Unix times of calls: little at night, much by day."""
    days = np.cumsum(rng.exponential(7 / a_week, count))
    return UNTIL + DAY * (days + 0.12 * np.sin(2 * np.pi * days))


def rhythm(started: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much slower calls are by day than on average: a fifth, and as much faster at night."""
    return 1 + 0.2 * np.sin(2 * np.pi * started / DAY)


def traffic(rng: np.random.Generator, started: NDArray[np.float64], failing: Any, slowness: Any = 1.0) -> Calls:
    """Calls that fail at a rate, one in five of them by silence, and whose times are lognormal."""
    count = len(started)
    failed = rng.random(count) < failing
    silent = failed & (rng.random(count) < 0.2)
    latency = rng.lognormal(0, 0.8, count) * rhythm(started) * slowness
    latency = np.where(silent, np.inf, np.where(failed, np.nan, latency))
    return Calls(started, failed, latency.astype(np.float32))


def changed(
    rng: np.random.Generator, before: int, after: int, *, failing: float = 0.02, slowness: float = 1.0
) -> Calls:
    """Calls of which 2% fail, until more of them do, or all are slower."""
    since = np.arange(before + after) >= before
    started = times(rng, before + after, A_WEEK)
    return traffic(rng, started, np.where(since, failing, 0.02), np.where(since, slowness, 1.0))


def view_of(calls: dict[tuple[str | None, str], Calls], **other: Any) -> View:
    """The calls as rows in memory, those of one pair after those of another."""
    combinations, index = [], []
    for (category, model), part in calls.items():
        for outcome, reason in (("answered", None), ("failed", "server_failed"), ("failed", "first_token_timeout")):
            labels: dict[str, Any] = {
                "model": model, "provider": "lan", "category": category, "source": "chat", "outcome": outcome,
                "reason": reason, "place": 0, "number": 1, "cached": False, "shared": False, "injected": False,
                "tags": (),
            }  # fmt: skip
            combinations.append(AttemptLabels(**{**labels, **other}))
        index.append(len(combinations) - 3 + part.failed + np.isinf(part.latency))
    together = [np.concatenate([part[field] for part in calls.values()]) for field in range(3)]
    rows = Rows(
        tuple(combinations), np.concatenate(index).astype(np.int32), np.arange(1, len(together[0]) + 1), together[0],
        {"latency": np.where(np.isinf(together[2]), np.float32(10), together[2])}, {},
    )  # fmt: skip
    return View.of((Rows((), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), {}, {}), rows))


def noticed(calls: Calls) -> list[Drift]:
    """What is told of the calls after the last of them, of one pair among twelve."""
    quiet = Calls(np.arange(65, dtype=np.float64) * 60, np.zeros(65, bool), np.ones(65, np.float32))
    view = view_of({PAIRS[0]: calls, **dict.fromkeys(PAIRS[1:], quiet)})
    return list(drifts(view, {}, float(calls.started[-1])))


def first(calls: Calls) -> Iterator[int]:
    """After how many calls each measure is first noticed, of one pair among twelve."""
    for find, part, name in (
        (more_failures, _distinct(calls), "failures"),
        (slower, np.flatnonzero(~np.isnan(calls.latency)), "latency"),
    ):
        change = find(calls.take(part), CHANCE[name] / len(PAIRS))
        yield int(part[change.seen]) + 1 if change is not None else len(calls.failed) + 1


# --- What is guaranteed ----------------------------------------------------------------------------


def test_few_of_a_thousand_quiet_weeks_show_anything_after_any_of_their_calls() -> None:
    """A first change tells of every look up to it, so one pass looks after each call, in the weeks before as well."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(1000):
        a_week = rng.uniform(2000, 5000) / len(PAIRS)
        history = rng.integers(50, 800, len(PAIRS))
        weeks = (
            traffic(rng, times(rng, before + int(a_week), a_week), rate)
            for before, rate in zip(history.tolist(), RATES, strict=True)
        )
        wrong += any(min(first(calls)) <= len(calls.failed) for calls in weeks)
    print(f"{wrong} of 1,000 quiet weeks, each with the one or two before it, showed a notice")
    assert wrong <= 50


@pytest.mark.parametrize("calls", [64, 200, 1000])
@pytest.mark.parametrize("rate", [0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_a_start_errs_as_rarely_as_it_may_whatever_the_rate(calls: int, rate: float) -> None:
    """The chance that quiet calls ever gather evidence of e^8, by dynamic programming over those before and since."""
    middle, spread = calls * rate, math.sqrt(calls * rate) + 1
    known = np.arange(max(0, int(middle - 7 * spread)), min(calls, int(middle + 9 * spread)))[:, None]
    chance_of_known = np.array(
        [
            math.comb(calls, k) * math.exp(k * math.log(rate) + (calls - k) * math.log1p(-rate))
            for k in known[:, 0].tolist()
        ]
    )
    assert chance_of_known.sum() == pytest.approx(1, abs=1e-9)
    assert _chance_of_reaching(8, calls, known, chance_of_known, law=JEFFREYS, rate=lambda *_: rate) <= math.exp(-8)


def test_a_start_errs_as_rarely_as_it_may_about_an_event_defined_by_the_values_before() -> None:
    """The same, where the rate of exceeding an order statistic has Wilks' law."""
    for calls in (64, 1000):
        known = np.array([[calls - math.ceil(QUANTILE * calls)]])

        def next_one(length: int, hits: Any, known: Any = known, calls: int = calls) -> Any:
            return (known + 1 + hits) / (calls + 1 + length)

        chance = _chance_of_reaching(8, calls, known, np.ones(1), law=WILKS, rate=next_one)
        assert math.exp(-9) < chance <= math.exp(-8)


def _chance_of_reaching(level: float, calls: int, known: Any, chances: Any, *, law: Law, rate: Any) -> float:
    reach = 250
    hits = np.arange(reach + 1)[None, :]
    alive = np.zeros((len(known), reach + 1))
    alive[:, 0] = chances
    chance = 0.0
    for length in range(1, reach + 1):
        p = rate(length - 1, hits)
        alive, moved = alive * (1 - p), alive * p
        alive[:, 1:] += moved[:, :-1]
        over = evidence(np.array(calls), known, np.array(length), np.minimum(hits, length), law).max(axis=0) >= level
        chance += float(alive[over].sum())
        alive[over] = 0
    return chance


@pytest.mark.parametrize("seed", range(3))
def test_the_first_notice_is_the_one_that_looking_after_each_call_shows(seed: int) -> None:
    """What a simulation takes from all calls at once is what the page shows from those until then."""
    rng = np.random.default_rng(seed)
    calls = changed(rng, 300, 150, failing=0.25, slowness=3.0)
    looks = [{drift.measure for drift in noticed(calls.take(slice(end)))} for end in range(290, 451)]
    shown = [next((at + 290 for at, look in enumerate(looks) if name in look), 451) for name in ("failures", "latency")]
    assert shown == list(first(calls))
    assert min(shown) < 451


def test_the_shares_of_the_chance_sum_to_it_once_a_week() -> None:
    rng = np.random.default_rng(2)
    started = times(rng, 3000, 500)
    started[1500:] += 3 * WEEK  # a pause
    starts = Starts.between(0, 3000, started, CHANCE["failures"])
    shares = np.exp(-starts.needed)
    assert shares.max() == pytest.approx(CHANCE["failures"])
    for half in (starts.at < 1500, starts.at > 1500 + GRID):
        began, ended = started[starts.at[half][[0, -1]] - [GRID, 0]]
        assert shares[half].sum() == pytest.approx(CHANCE["failures"] * (ended - began) / WEEK)


# --- What is noticed -------------------------------------------------------------------------------


def delays(before: int, measure: int, runs: int = 300, **change: float) -> NDArray[np.float64]:
    """Calls until a change is noticed, in so many runs; those where something was noticed before are left out."""
    rng = np.random.default_rng(before)
    found = []
    for _ in range(runs):
        calls = changed(rng, before + int(rng.integers(GRID)), 400, **change)
        history = len(calls.failed) - 400
        seen = list(first(calls))[measure]
        if seen > history:
            found.append(seen - history)
    assert len(found) > 0.98 * runs
    return np.array(found)


@pytest.mark.parametrize(("before", "in_nine_of_ten"), [(200, 130), (500, 90), (1000, 80), (2000, 75)])
def test_failures_from_2_to_20_percent_are_noticed_within_60_calls(before: int, in_nine_of_ten: int) -> None:
    found = delays(before, 0, failing=0.2)
    print(f"{before} calls before: median {np.median(found):.0f}, nine in ten {np.quantile(found, 0.9):.0f}")
    assert np.median(found) <= 60
    assert np.quantile(found, 0.9) <= in_nine_of_ten


@pytest.mark.parametrize(("before", "median"), [(500, 130), (1000, 115)])
def test_calls_that_take_twice_as_long_are_noticed(before: int, median: int) -> None:
    found = delays(before, 1, slowness=2.0)
    print(f"{before} calls before: median {np.median(found):.0f}, nine in ten {np.quantile(found, 0.9):.0f}")
    assert np.median(found) <= median


def test_a_model_that_stops_responding_is_reported_as_failing_and_as_slow() -> None:
    rng = np.random.default_rng(3)
    calls = changed(rng, 500, 40)
    calls.failed[500:], calls.latency[500:] = True, np.inf
    found = {drift.measure: drift for drift in noticed(calls)}
    assert found.keys() == {"failures", "latency"}
    assert (found["failures"].failed, found["failures"].after.value) == (40, 1.0)
    assert found["latency"].after.value == math.inf
    assert "one in three of its last 40 calls timed out, up from 1." in sentence(found["latency"], UNTIL, UTC)


def test_what_is_told_is_when_it_began_and_the_figures_of_both_sides() -> None:
    rng = np.random.default_rng(4)
    calls = changed(rng, 800, 80, failing=0.3)
    [drift] = noticed(calls)
    assert (drift.category, drift.model, drift.measure) == ("tools", "model-1", "failures")
    began = int(np.searchsorted(calls.started, drift.since))
    assert abs(began - 800) <= 10
    assert drift.after == share(int(calls.failed[began:].sum()), 880 - began)
    assert drift.before.value == pytest.approx(calls.failed[:began].mean(), abs=0.005)
    assert drift.before.rows == pytest.approx(began, abs=5)  # less the calls that told of a fault again


# --- What is not -----------------------------------------------------------------------------------


def test_the_rhythm_of_days_alone_is_not_noticed() -> None:
    """Calls that take what they took, a fifth more by day and a fifth less at night, with hardly any noise."""
    rng = np.random.default_rng(5)
    for noise in (0.01, 0.1, 0.3):
        for _ in range(50):
            started = times(rng, 1500, A_WEEK)
            latency = (rhythm(started) * rng.lognormal(0, noise, 1500)).astype(np.float32)
            assert slower(Calls(started, np.zeros(1500, bool), latency), CHANCE["latency"]) is None


def test_a_burst_is_one_fault() -> None:
    """A comparison's eight calls at once that all fail are no drift, nor are two such bursts a day apart."""
    rng = np.random.default_rng(6)
    calls = changed(rng, 500, 80)
    calls.failed[400:] = False
    for at in (500, 540):
        calls.started[at : at + 8] = calls.started[at] + np.arange(8)
        calls.failed[at : at + 8] = True
    assert noticed(calls) == []
    calls.started[500:540] += np.arange(40) * 60
    calls.failed[500:540] = True
    assert noticed(calls)


@pytest.mark.parametrize(
    "other",
    [{"cached": True}, {"shared": True}, {"injected": True}, {"number": 2}, {"number": 0}, {"outcome": "cancelled"}],
    ids=str,
)
def test_only_first_calls_on_the_wire_count(other: dict[str, Any]) -> None:
    calls = changed(np.random.default_rng(7), 500, 100, failing=0.9)
    assert drifts(view_of({PAIRS[0]: calls}), {}, UNTIL)
    assert drifts(view_of({PAIRS[0]: calls}, **other), {}, UNTIL) == ()


def test_with_little_evidence_there_is_nothing_to_say() -> None:
    for before, after in ((0, 400), (1, 400), (30, 34), (64, 2)):
        assert noticed(changed(np.random.default_rng(8), before, after, failing=1.0)) == []


# --- What becomes of it ----------------------------------------------------------------------------


def test_what_is_over_is_told_no_more() -> None:
    """Half of all notices are gone within 45 calls after their end, nine in ten within 80."""
    rng = np.random.default_rng(9)
    gone = []
    for _ in range(40):
        started = times(rng, 800, A_WEEK)
        calls = traffic(rng, started, np.where((started >= started[500]) & (started < started[600]), 0.25, 0.02))
        if noticed(calls.take(slice(600))):
            gone.append(next(after for after in range(0, 200, 5) if not noticed(calls.take(slice(600 + after)))))
    print(f"{len(gone)} of 40 told; gone after {np.median(gone):.0f} calls, nine in ten {np.quantile(gone, 0.9):.0f}")
    assert len(gone) >= 36
    assert np.median(gone) <= 45
    assert np.quantile(gone, 0.9) <= 80


def test_what_is_over_does_not_hide_the_next() -> None:
    rng = np.random.default_rng(10)
    started = times(rng, 1000, A_WEEK)
    place = np.arange(1000)
    failing = np.where((place >= 400) & (place < 500) | (place >= 900), 0.4, 0.01)
    [drift] = noticed(traffic(rng, started, failing))
    assert abs(int(np.searchsorted(started, drift.since)) - 900) <= 10


def test_what_lasts_for_a_week_is_the_rule_and_worse_than_it_is_noticed_again() -> None:
    rng = np.random.default_rng(11)
    started = times(rng, 1600, A_WEEK)
    place = np.arange(1600)
    calls = traffic(rng, started, np.where(place < 500, 0.02, np.where(place < 1400, 0.2, 0.7)))
    told = {
        days: noticed(calls.take(slice(int(np.searchsorted(started, started[500] + days * DAY)))))
        for days in (3, 6, 9, 12)
    }
    assert [bool(told[days]) for days in (3, 6, 9, 12)] == [True, True, False, False]
    [again] = [drift for drift in noticed(calls.take(slice(1450))) if drift.measure == "failures"]
    assert again.before.value == pytest.approx(0.2, abs=0.05)


# --- At the edges ----------------------------------------------------------------------------------


def test_nothing_at_all() -> None:
    none = np.zeros(0)
    empty: Rows[Any] = Rows(
        (), none.astype(np.int32), none.astype(np.int64), none, {"latency": none.astype(np.float32)}, {}
    )
    assert drifts(View.of((empty, empty)), {}, UNTIL) == ()


@pytest.mark.parametrize("failing", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 64, 65, 80, 400, 3000])
def test_calls_that_are_all_alike(count: int, failing: float) -> None:
    calls = traffic(np.random.default_rng(12), times(np.random.default_rng(12), count, A_WEEK), failing)
    assert noticed(calls) == []
    calls.latency[:] = np.inf
    assert noticed(calls) == []
    calls.latency[:] = 1.0
    assert noticed(calls) == []


@pytest.mark.parametrize("jump", [-100 * DAY, -600.0, 100 * DAY])
def test_a_clock_that_jumped_says_nothing_false_and_hides_nothing(jump: float) -> None:
    rng = np.random.default_rng(13)
    started = times(rng, 1200, A_WEEK)
    started[600:] += jump
    quiet = traffic(rng, started, 0.02)
    assert noticed(quiet) == []
    worse = traffic(rng, started, np.where(np.arange(1200) < 1000, 0.02, 0.5))
    assert [drift.measure for drift in noticed(worse) if drift.measure == "failures"] == ["failures"]


def test_all_calls_at_the_same_moment() -> None:
    calls = changed(np.random.default_rng(14), 300, 300, failing=0.5)
    assert noticed(calls._replace(started=np.full(600, UNTIL))) == []


def test_of_stored_traffic_what_became_worse_is_told_alone(tmp_path: Path) -> None:
    """Providers fail now and then for 30 days; in the end, one model of one category fails four calls in five."""
    path = tmp_path / "lab.sqlite"
    write_traffic(path, 20_000, seed=3)
    of_one = "category = 'code' AND model = 'anthropic:claude-sonnet' AND number = 1"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE observations SET outcome = 'failed', reason = 'server_failed' WHERE id % 5 AND id IN"
            f" (SELECT id FROM observations WHERE {of_one} ORDER BY id DESC LIMIT 100)"
        )
    database = Database(path)
    view = View.of(Observed(database, tmp_path / "observed").rows())
    database.close()
    [drift] = drifts(view, {}, UNTIL)
    assert sentence(drift, UNTIL, UTC).startswith("anthropic:claude-sonnet in code: ")
    assert drift.measure == "failures"
    assert 60 <= drift.failed <= 100


# --- In words --------------------------------------------------------------------------------------


def test_failures_in_words() -> None:
    drift = Drift("code", "z-ai/glm-5", "failures", share(24, 1204), share(9, 48), 9, 1_790_000_400.0)
    assert sentence(drift, 1_790_003_000.0, UTC) == (
        "z-ai/glm-5 in code: 9 of its last 48 calls failed (19%, 10 to 32%), up from 2% of 1,204. Since about 14:20."
    )
    rare = drift._replace(category=None, before=share(2, 900))
    assert sentence(rare, 1_790_093_000.0, UTC) == (
        "z-ai/glm-5, single model: 9 of its last 48 calls failed (19%, 10 to 32%), up from 0.2% of 900."
        " Since about 2026-09-21 14:20."
    )
    assert "up from 0% of 900" in sentence(drift._replace(before=share(0, 900)), drift.since, UTC)


def test_latency_in_words() -> None:
    drift = Drift("code", "z-ai/glm-5", "latency", Estimate(1.5, 1.4, 1.6, 900), Estimate(3.2, 2.5, 4.0, 80), 1, 0.0)
    assert sentence(drift, 0.0, UTC) == (
        "z-ai/glm-5 in code: one in three of its last 80 calls took longer than 3.20 s (2.50 s to 4.00 s),"
        " up from 1.50 s (n = 900). Since about 00:00."
    )
    few = drift._replace(after=Estimate(3.2, 2.5, None, 10))
    assert "took longer than 3.20 s, up from" in sentence(few, 0.0, UTC)


# --- Quality ---------------------------------------------------------------------------------------

ASKED = Suite("code", "glm", "parsing")


def answers(*wrong: bool, until: float = UNTIL) -> list[Passed]:
    """A run with one answer every two seconds, the last one now."""
    return [Passed(until - 2 * (len(wrong) - number), not is_wrong) for number, is_wrong in enumerate(wrong)]


def nothing_observed() -> View:
    empty: Rows[Any] = Rows((), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), {}, {})
    return View.of((empty, empty))


def test_a_model_that_came_to_answer_worse_is_told() -> None:
    yesterday = answers(*(number % 10 == 0 for number in range(120)), until=UNTIL - DAY)
    today = answers(*(number % 2 == 0 for number in range(60)))
    [drift] = drifts(nothing_observed(), {ASKED: [*yesterday, *today]}, UNTIL)
    assert (drift.measure, drift.suite, drift.model) == ("quality", "parsing", "glm")
    assert sentence(drift, UNTIL, UTC).startswith(
        f"glm in code: {drift.failed} of its last {drift.after.rows} answers to the suite parsing are wrong ("
    )


def test_a_harder_suite_is_no_drift() -> None:
    easy, hard = Suite("code", "glm", "easy"), Suite("code", "glm", "hard")
    scores = {easy: answers(*[False] * 120, until=UNTIL - 3600), hard: answers(*[True, False] * 60)}
    assert drifts(nothing_observed(), scores, UNTIL) == ()


def test_a_suite_that_was_asked_once_is_no_drift() -> None:
    assert drifts(nothing_observed(), {ASKED: answers(*[True] * 60)}, UNTIL) == ()
