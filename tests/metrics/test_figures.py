"""Every figure of the registry, against the same figure computed from the rows the slow, obvious way."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from router.core.errors import TIMED_OUT
from router.metrics.estimates import Estimate, lift, ranks
from router.metrics.figures import QUANTILES
from router.metrics.observed import Observed
from router.metrics.registry import FIGURES
from router.metrics.view import Filter, View
from router.store.database import Database
from tests.traffic import DAY, UNTIL, write_traffic

Row = dict[str, Any]


# --- The slow way ----------------------------------------------------------------------------------


def tags_by_name(tags: Iterable[str]) -> list[list[str]]:
    names = {tag.split("=")[0] for tag in tags}
    return [[tag for tag in tags if tag.split("=")[0] == name] for name in names]


def chosen_rows(requests: list[Row], attempts: list[Row], chosen: Filter) -> tuple[list[Row], list[Row]]:
    def keeps(row: Row, steps: list[Row]) -> bool:
        return (
            (row["injected"] == 0 or chosen.injected)
            and (chosen.since is None or row["started"] >= chosen.since)
            and (chosen.until is None or row["started"] < chosen.until)
            and (chosen.categories == () or row["category"] in chosen.categories)
            and (chosen.sources == () or row["source"] in chosen.sources)
            and (chosen.callers == () or row["caller"] in chosen.callers)
            and all(any(t in json.loads(row["tags"]) for t in same) for same in tags_by_name(chosen.tags))
            and (chosen.outcomes == () or row["outcome"] in chosen.outcomes)
            and any(
                (chosen.models == () or step["model"] in chosen.models)
                and (chosen.providers == () or step["provider"] in chosen.providers)
                and (chosen.places == () or step["place"] in chosen.places)
                and (chosen.reasons == () or step["reason"] in chosen.reasons)
                and (chosen.statuses == () or step["status"] in chosen.statuses)
                for step in steps
            )
        )

    def steps(row: Row) -> list[Row]:
        return [
            dict(zip(("model", "provider", "place", "outcome", "reason", "status"), step, strict=True))
            for step in row["path"]
        ]

    return (
        [r for r in requests if keeps(r, steps(r))],
        [a for a in attempts if keeps(a, [a])],
    )


def plain(requests: list[Row], *outcomes: str) -> list[Row]:
    return [
        row
        for row in requests
        if not any(row[flag] for flag in ("cached", "shared", "stand_in", "keyless"))
        and (not outcomes or row["outcome"] in outcomes)
    ]


def calls(attempts: list[Row], *outcomes: str) -> list[Row]:
    return [
        a
        for a in attempts
        if a["number"] and not a["cached"] and not a["shared"] and (not outcomes or a["outcome"] in outcomes)
    ]


def rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def known_sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def per_thousand(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return 1000 * sum(known) / len(known) if known else None


def quantile(values: Iterable[float | None], share: float) -> float | None:
    """The smallest value that at least this share of all do not exceed."""
    known = sorted(value for value in values if value is not None)
    for place, value in enumerate(known, start=1):
        if place >= share * len(known) - 1e-9:
            return value
    return None


def waited(requests: list[Row], measure: str) -> list[float | None]:
    late = [math.inf for r in plain(requests, "failed") if r["path"][-1][4] in TIMED_OUT]
    otherwise = [None for r in plain(requests, "failed") if r["path"][-1][4] not in TIMED_OUT]
    return [r[measure] for r in plain(requests, "answered")] + otherwise + late


def in_need(requests: list[Row]) -> list[Row]:
    return [r for r in plain(requests, "answered", "failed") if r["place"] != 0]


def rescued(requests: list[Row]) -> list[Row]:
    return [r for r in plain(requests, "answered") if r["place"] > 0]


def speed(attempt: Row) -> float | None:
    if attempt["completion_tokens"] is None or attempt["ttft"] is None or attempt["latency"] <= attempt["ttft"]:
        return None
    return attempt["completion_tokens"] / (attempt["latency"] - attempt["ttft"])


def shares_within_first(keys: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], float]:
    return {key: keys.count(key) / sum(other[0] == key[0] for other in keys) for key in set(keys)}


def chosen(requests: list[Row], _: list[Row]) -> Any:
    return shares_within_first([(r["category"], r["model"], r["place"]) for r in plain(requests, "answered")])


def places(requests: list[Row], _: list[Row]) -> Any:
    return shares_within_first([(r["model"], r["place"]) for r in plain(requests, "answered")])


def ending(row: Row) -> str:
    if row["outcome"] == "cancelled":
        return "stopped"
    if row["stand_in"] or row["keyless"]:
        return "stand-in" if row["stand_in"] else "no key"
    if row["outcome"] == "failed":
        return "failed"
    if row["cached"] or row["shared"]:
        return "cache" if row["cached"] else "shared"
    return "primary" if row["place"] == 0 else "fallback"


def failures(_: list[Row], attempts: list[Row]) -> Any:
    made = [a["reason"] for a in calls(attempts, "answered", "failed")]
    return {(reason,): made.count(reason) / len(made) for reason in set(made) if reason}


def failures_by_model(_: list[Row], attempts: list[Row]) -> Any:
    made = [(a["model"], a["reason"]) for a in calls(attempts, "answered", "failed")]
    return {key: share for key, share in shares_within_first(made).items() if key[1]}


def called(attempts: list[Row], measure: str) -> Any:
    times: dict[str, list[float | None]] = defaultdict(list)
    for a in calls(attempts):
        if a["outcome"] == "answered":
            times[a["model"]].append(a[measure])
        elif a["outcome"] == "failed" and a["reason"] in TIMED_OUT:
            times[a["model"]].append(math.inf)
    return {(model, share): quantile(values, share) for model, values in times.items() for share in QUANTILES}


def availability(requests: list[Row], _: list[Row]) -> Any:
    came = [
        step
        for r in plain(requests)
        for step in r["path"]
        if step[3] in ("answered", "failed") or step[4] == "breaker_open"
    ]
    return {
        (model,): rate(sum(s[0] == model and s[3] == "answered" for s in came), sum(s[0] == model for s in came))
        for model in {step[0] for step in came}
    }


def rescues(requests: list[Row], _: list[Row]) -> Any:
    answered = Counter(r["model"] for r in rescued(requests))
    reached = Counter(
        model
        for r in in_need(requests)
        for model in {
            step[0]
            for step in r["path"]
            if step[2] > 0 and (step[3] in ("answered", "failed") or step[4] == "breaker_open")
        }
    )
    return {(model,): answered[model] / count for model, count in reached.items()}


def cost_of_calls(_: list[Row], attempts: list[Row]) -> Any:
    found: dict[tuple[Any, ...], list[float | None]] = defaultdict(list)
    for a in calls(attempts):
        found[a["category"], a["model"]].append(a["cost"])
    return {key: known_sum(costs) for key, costs in found.items()}


def way(request: Row) -> list[Any]:
    found = [request["category"]]
    for step in request["path"]:
        if step[0] not in found[1:]:
            found.append(step[0])
    return found


def flow(requests: list[Row], _: list[Row]) -> Any:
    links: dict[tuple[Any, ...], int] = defaultdict(int)
    for r in plain(requests):
        whole = [*way(r), r["outcome"]]
        for stage in range(len(whole) - 1):
            links[stage, whole[stage], whole[stage + 1]] += 1
    return dict(links)


def stops(requests: list[Row], _: list[Row]) -> Any:
    ends = Counter((-1, r["outcome"]) for r in plain(requests))
    return ends + Counter((stage, stop) for r in plain(requests) for stage, stop in enumerate(way(r)))


def failing_together(requests: list[Row], _: list[Row]) -> Any:
    both: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for r in plain(requests):
        asked = [step for step in r["path"] if step[3] in ("answered", "failed")]
        for number, step in enumerate(asked):
            for later in asked[number + 1 :]:
                if step[3] == "failed" and later[0] != step[0]:
                    both[step[0], later[0]].append(later[3] == "failed")
    return {key: sum(failed) / len(failed) for key, failed in both.items()}


def failing_lift(requests: list[Row], _: list[Row]) -> Any:
    def failed_share(rows: list[Row], model: str) -> float | None:
        ends = [step[3] for r in rows for step in r["path"] if step[0] == model and step[3] in ("answered", "failed")]
        return rate(ends.count("failed"), len(ends))

    def after(request: Row, model: str, other: str) -> bool:
        ends = {step[0]: step[3] for step in request["path"] if step[3] in ("answered", "failed")}
        order = list(ends)
        return {model, other} <= ends.keys() and ends[model] == "failed" and order.index(model) < order.index(other)

    found: dict[tuple[str, str], float | None] = {}
    for model, other in failing_together(requests, []):
        then = failed_share([r for r in plain(requests) if after(r, model, other)], other)
        otherwise = failed_share([r for r in plain(requests) if not after(r, model, other)], other)
        found[model, other] = None if then is None or otherwise is None else then - otherwise
    return found


def callers(requests: list[Row]) -> set[str]:
    return {row["caller"] for row in requests} - {None}


INVALID = ("unknown_tool", "invalid_arguments", "invalid_json")

SLOW: dict[str, Callable[[list[Row], list[Row]], Any]] = {
    "requests": lambda r, a: len(r),
    "plain": lambda r, a: len(plain(r)),
    "cached": lambda r, a: sum(row["cached"] for row in r),
    "shared": lambda r, a: sum(row["shared"] for row in r),
    "stood_in": lambda r, a: sum(row["stand_in"] for row in r),
    "keyless": lambda r, a: sum(row["keyless"] for row in r),
    "stopped": lambda r, a: sum(row["outcome"] == "cancelled" for row in r),
    "failing_everywhere": lambda r, a: sum(row["path"][-1][4] == "prompt_fails_everywhere" for row in plain(r)),
    "invalid_answers": lambda r, a: sum(row["validation"] in INVALID for row in calls(a)),
    "answered_share": lambda r, a: rate(len(plain(r, "answered")), len(plain(r, "answered", "failed"))),
    "fallback_rate": lambda r, a: rate(len(rescued(r)), len(plain(r, "answered"))),
    "failed_share": lambda r, a: rate(len(calls(a, "failed")), len(calls(a, "answered", "failed"))),
    "rescued_share": lambda r, a: rate(len(rescued(r)), len(in_need(r))),
    "cost": lambda r, a: known_sum(row["cost"] for row in r),
    "cost_per_thousand": lambda r, a: per_thousand([row["cost"] for row in r]),
    "breaker_skips": lambda r, a: sum(row["outcome"] == "skipped" and row["reason"] == "breaker_open" for row in a),
    "cost_of_failures": lambda r, a: known_sum(row["cost"] for row in calls(a, "failed")),
    "calls_saved": lambda r, a: sum(row["cached"] for row in a),
    "seconds_saved": lambda r, a: known_sum(row["latency"] for row in a if row["cached"]),
    "dollars_saved": lambda r, a: known_sum(row["cost"] for row in a if row["cached"]),
    "tokens_per_second": lambda r, a: quantile([speed(row) for row in calls(a, "answered")], 0.5),
    "tokens_per_second_by_model": lambda r, a: {
        (model,): quantile([speed(row) for row in calls(a, "answered") if row["model"] == model], 0.5)
        for model in {row["model"] for row in calls(a, "answered")}
    },
    "latency": lambda r, a: {(share,): quantile(waited(r, "latency"), share) for share in (0.5, 0.95)},
    "first_token": lambda r, a: {(share,): quantile(waited(r, "ttft"), share) for share in (0.5, 0.95)},
    "endings": lambda r, a: {(end,): count for end, count in Counter(map(ending, r)).items()},
    "chosen": chosen,
    "places": places,
    "failures": failures,
    "failures_by_model": failures_by_model,
    "call_latency": lambda r, a: called(a, "latency"),
    "call_first_token": lambda r, a: called(a, "ttft"),
    "availability": availability,
    "rescues": rescues,
    "cost_of_calls": cost_of_calls,
    "requests_by_caller": lambda r, a: {(c,): sum(row["caller"] == c for row in r) for c in callers(r)},
    "outcomes_by_caller": lambda r, a: shares_within_first(
        [(row["caller"], row["outcome"]) for row in plain(r, "answered", "failed") if row["caller"]]
    ),
    "cost_by_caller": lambda r, a: {
        (c,): known_sum(row["cost"] for row in r if row["caller"] == c) for c in callers(r)
    },
    "flow": flow,
    "stops": stops,
    "failing_together": failing_together,
    "failing_lift": failing_lift,
}


def assert_agrees(view: View, requests: list[Row], attempts: list[Row]) -> None:
    """Every figure of the registry is what the rows say, and lies within its interval."""
    for name, figure in FIGURES.items():
        slow = SLOW[name](requests, attempts)
        expected = slow if isinstance(slow, dict) else {(): slow}
        found = figure.of(view)
        values = {key: estimate.value for key, estimate in found.items()}
        # Measures are kept in single precision, times in whole microseconds.
        near = 1e-6 if figure.unit == "seconds" else 1e-9
        assert values == {k: v if v is None else pytest.approx(v, rel=1e-5, abs=near) for k, v in expected.items()}, (
            name
        )
        assert {len(key) for key in found} <= {len(figure.by)}
        for estimate in found.values():
            if estimate.value is not None:
                assert estimate.low is None or estimate.low <= estimate.value + 1e-9, name
                assert estimate.high is None or estimate.high >= estimate.value - 1e-9, name


# --- On traffic ------------------------------------------------------------------------------------


class Traffic:
    """A database with rows, read both ways."""

    def __init__(self, path: Path, attempts: int, *changes: str) -> None:
        write_traffic(path, attempts, seed=7) if attempts else Database(path).close()
        with closing(sqlite3.connect(path)) as connection, connection:
            for change in changes:
                connection.execute(change)
            connection.row_factory = sqlite3.Row
            self.requests = [dict(row) for row in connection.execute("SELECT * FROM requests")]
            self.attempts = [dict(row) for row in connection.execute("SELECT * FROM observations")]
        for row in self.requests:
            row["path"] = json.loads(row["path"])
        database = Database(path)
        self.view = View.of(Observed(database, path.with_name("observed")).rows())
        database.close()

    def assert_agrees(self, chosen: Filter = Filter()) -> View:
        view = self.view.where(chosen)
        assert_agrees(view, *chosen_rows(self.requests, self.attempts, chosen))
        return view


CALLERS = [
    f"UPDATE {table} SET caller = CASE id % 4 WHEN 0 THEN 'team-a' WHEN 1 THEN 'team-b' END, tags = CASE id % 3"
    """ WHEN 0 THEN '["app=shop"]' WHEN 1 THEN '["app=web","stage=test"]' ELSE '[]' END"""
    for table in ("requests", "observations")
]
"""Some of the traffic comes with a key, and with tags."""


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    return Traffic(tmp_path_factory.mktemp("traffic") / "lab.sqlite", 5000, *CALLERS)


LAST_WEEK = Filter(since=UNTIL - 7 * DAY, until=UNTIL)

FILTERS = {
    "all": Filter(),
    "with injected faults": Filter(injected=True),
    "last week": LAST_WEEK,
    "the week before": LAST_WEEK.before(),
    "since": Filter(since=UNTIL - DAY),
    "categories": Filter(categories=("code", None)),
    "a model": Filter(models=("moonshotai/kimi-k2.5",)),
    "providers": Filter(providers=("openai", "lan")),
    "places": Filter(places=(1, 2)),
    "a reason of a model": Filter(reasons=("server_failed", "breaker_open"), models=("z-ai/glm-5",)),
    "a status of a place": Filter(statuses=(429, 503), places=(0,)),
    "failed": Filter(outcomes=("failed",)),
    "stopped": Filter(outcomes=("cancelled",)),
    "skipped": Filter(outcomes=("skipped",)),
    "sources": Filter(sources=("cli", "check")),
    "callers": Filter(callers=("team-a", None)),
    "tags": Filter(tags=("app=shop", "app=web", "stage=test")),
    "several": Filter(since=UNTIL - 20 * DAY, categories=("tools",), sources=("chat",), models=("openai:gpt-4o-mini",)),
    "nothing": Filter(categories=("nowhere",)),
}  # fmt: skip


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
def test_every_figure_is_what_the_rows_say(traffic: Traffic, chosen: Filter) -> None:
    traffic.assert_agrees(chosen)


def test_the_slow_way_knows_every_figure() -> None:
    assert SLOW.keys() == FIGURES.keys()


def test_every_figure_has_a_unit_and_one_sentence() -> None:
    units = {"requests", "calls", "share", "points", "seconds", "US dollars", "tokens/s"}
    assert {figure.unit for figure in FIGURES.values()} <= units
    assert all(figure.meaning.endswith(".") and "\n" not in figure.meaning for figure in FIGURES.values())


def test_every_figure_over_time_is_what_the_rows_say(traffic: Traffic) -> None:
    buckets = traffic.view.over_time(np.arange(UNTIL - 35 * DAY, UNTIL + 6 * DAY, 5 * DAY))
    assert list(buckets) == sorted(buckets)
    for start, view in buckets.items():
        assert_agrees(
            view,
            *chosen_rows(traffic.requests, traffic.attempts, Filter(since=start, until=start + 5 * DAY, injected=True)),
        )
    assert sum(len(view.attempts) for view in buckets.values()) == len(traffic.attempts)


BY_WHOLE = ("availability", "failing_together")
"""Shares whose mark opens all that they are a share of."""


def test_as_many_rows_are_behind_a_value_as_it_counts(traffic: Traffic) -> None:
    for name, figure in FIGURES.items():
        for key, estimate in figure.of(traffic.view).items() if figure.by else ():
            if figure.unit == "share" and name not in BY_WHOLE:
                expected = round((estimate.value or 0) * estimate.rows)
            else:
                expected = estimate.rows + estimate.unknown
            assert len(figure.drilldown(traffic.view, key)) == expected, (name, key)


# --- At the edges ----------------------------------------------------------------------------------

UNKNOWN = "cost = NULL, completion_tokens = NULL, ttft = NULL"


@pytest.mark.parametrize(
    ("attempts", "changes"),
    [
        (0, []),
        (1, []),
        (400, ["UPDATE observations SET category = 'one'", "UPDATE requests SET category = 'one'"]),
        (400, ["DELETE FROM requests WHERE outcome != 'failed'", "DELETE FROM observations WHERE outcome != 'failed'"]),
        (400, ["DELETE FROM requests WHERE NOT cached", "DELETE FROM observations WHERE NOT cached"]),
        (400, ["DELETE FROM requests WHERE NOT keyless", "DELETE FROM observations WHERE number > 0"]),
        (400, [f"UPDATE {name} SET started = started - 9e6 WHERE id > 100" for name in ("requests", "observations")]),
        (400, ["UPDATE requests SET cost = NULL", f"UPDATE observations SET {UNKNOWN}"]),
        (400, ["DELETE FROM requests"]),
        (400, ["DELETE FROM observations"]),
    ],
    ids=["empty", "one row", "one category", "all failures", "all cached", "no key", "a clock that jumped back",
         "unknown", "no requests", "no attempts"],
)  # fmt: skip
def test_at_the_edges_every_figure_is_what_the_rows_say(tmp_path: Path, attempts: int, changes: list[str]) -> None:
    traffic = Traffic(tmp_path / "lab.sqlite", attempts, *changes)
    traffic.assert_agrees()
    traffic.assert_agrees(LAST_WEEK)
    for start, view in traffic.view.over_time(np.arange(UNTIL - 140 * DAY, UNTIL + 2 * DAY, DAY)).items():
        assert_agrees(
            view,
            *chosen_rows(traffic.requests, traffic.attempts, Filter(since=start, until=start + DAY, injected=True)),
        )


def test_a_period_without_an_end_has_none_before_it() -> None:
    assert (Filter(since=1.0).before(), Filter(until=1.0).before()) == (None, None)
    assert Filter(since=10.0, until=14.0, sources=("cli",)).before() == Filter(since=6.0, until=10.0, sources=("cli",))


def test_what_is_not_known_is_counted_and_left_out(traffic: Traffic) -> None:
    [cost] = FIGURES["cost"].of(traffic.view).values()
    unknown = sum(row["cost"] is None for row in traffic.requests)
    assert (cost.unknown, cost.rows) == (unknown, len(traffic.requests) - unknown)


# --- Intervals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("count", [1, 2, 5, 6, 20, 59, 100, 1000])
def test_a_quantile_lies_between_the_ranks_in_95_of_100_samples(count: int, share: float) -> None:
    """The chance is binomial; one rank less on either side, and it would be exceeded."""

    def at_most(heads: int) -> float:
        return sum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(heads + 1))

    low, rank, high = ranks(count, share)
    assert rank - 1 < count * share <= rank + 1e-9
    assert at_most(low - 1) <= 0.025 < at_most(low)
    assert at_most(high - 2) < 0.975 <= at_most(high - 1)


def test_a_lift_lies_in_the_interval_of_newcombes_example() -> None:
    """Newcombe (1998), table II, (a): 56/70 against 48/80, method 10."""
    found = lift(56, 70, 48, 80)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_without_other_requests_there_is_no_lift() -> None:
    assert lift(3, 10, 0, 0) == Estimate(None, rows=10)


def test_a_model_rescues_of_the_requests_that_reached_it(tmp_path: Path) -> None:
    """Whatever failed in chains that the model is not in does not count."""
    view = Traffic(tmp_path / "lab.sqlite", 4000).view
    claude = ("anthropic:claude-sonnet",)  # in the chain `reasoning` alone as a fallback
    filters = Filter(), Filter(categories=("reasoning",))
    whole, chain = (FIGURES["rescues"].of(view.where(chosen))[claude] for chosen in filters)
    assert whole.rows
    assert whole == chain


def test_few_values_bound_a_tail_on_one_side_alone(traffic: Traffic) -> None:
    few = traffic.view.requests.take(slice(2000, 2025))
    p95 = FIGURES["latency"].of(View(few, traffic.view.attempts))[(0.95,)]
    assert isinstance(p95, Estimate)
    assert (p95.low is not None, p95.high) == (True, None)
