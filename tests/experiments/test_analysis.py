"""What comes of an experiment's requests: units, figures, verdicts, and what stops it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from router.config.loading import parse_config
from router.config.schema import Experiment
from router.experiments.analysis import SESSION, Compared, analyze
from router.experiments.guardrails import broken
from router.store.experiments import Given

LATER = 1e9


def experiment(rails: str = "{}", **rest: Any) -> Experiment:
    more = "".join(f", {name}: {value}" for name, value in rest.items())
    settings = f"{{category: c, candidate: [b], share: 0.5, guardrails: {rails}{more}}}"
    text = f"chains:\n  c: [a]\nexperiments:\n  e: {settings}\n"
    return parse_config(text, Path("models.yaml")).experiments["e"]


def given(candidate: bool, good: bool = True, **rest: Any) -> Given:
    known: dict[str, Any] = {
        "started": 0.0, "session": None, "arm": "candidate" if candidate else "current", "probability": 0.5,
        "outcome": "answered" if good else "failed", "plain": True, "reason": None if good else "server_failed",
        "latency": 1.0, "cost": 0.01, "score": None, "grade": None,
    }  # fmt: skip
    return Given(**{**known, **rest})


def traffic(current: float, candidate: float, count: int = 600, **rest: Any) -> list[Given]:
    """Requests in turns, of each arm this share good, evenly."""
    found, good = [], {False: 0.0, True: 0.0}
    for number in range(count):
        arm = bool(np.random.default_rng(number).random() < 0.5)
        good[arm] += candidate if arm else current
        found.append(given(arm, good[arm] >= 1, started=float(number), **rest))
        good[arm] %= 1
    return found


def figure(name: str, requests: Sequence[Given], **settings: Any) -> Compared:
    [found] = [each for each in analyze(experiment(**settings), requests, LATER).compared if each.name == name]
    return found


@pytest.mark.parametrize(
    ("current", "candidate", "count", "verdict"),
    [
        (0.6, 0.9, 600, "better"),
        (0.9, 0.6, 600, "worse"),
        (0.9, 0.9, 60, "not separable yet"),
        (0.9, 0.9, 6_000, "no worse"),
    ],
)
def test_the_verdict_is_what_the_sequence_leaves_open(
    current: float, candidate: float, count: int, verdict: str
) -> None:
    assert figure("answered", traffic(current, candidate, count), margin="5 points").verdict == verdict


def test_lower_costs_are_better() -> None:
    requests = [
        given(arm, cost=(0.01 if arm else 0.03) * (1 + number % 3 / 10))
        for number, arm in enumerate(np.random.default_rng(1).random(600) < 0.5)
    ]
    assert figure("cost", requests).verdict == "better"


def test_an_answer_after_the_limit_is_not_in_time_and_a_failure_otherwise_says_nothing_of_time() -> None:
    requests = [
        given(True), given(True, latency=9.0), given(True, False, reason="first_token_timeout"), given(True, False),
        given(False),
    ]  # fmt: skip
    found = figure("in 5 s", requests, latency="5s")
    assert (found.candidate, found.units) == (pytest.approx(1 / 3), (1, 3))


def test_a_session_counts_once_with_the_mean_of_its_requests() -> None:
    session = [given(True, good, session="s", started=float(at)) for at, good in enumerate((True, False, True, True))]
    found = figure("answered", [*session, given(False)])
    assert (found.candidate, found.units) == (0.75, (1, 1))


def test_a_session_in_progress_does_not_count_yet_and_what_comes_late_never_does() -> None:
    session = [given(True, at < SESSION, session="s", started=at) for at in (0.0, 10.0, SESSION + 1)]
    early, late = (analyze(experiment(), session, now) for now in (SESSION - 1, SESSION + 2))
    assert (early.open, early.compared[0].units) == (1, (0, 0))
    assert (late.open, late.compared[0].candidate, late.left_out) == (0, 1.0, 1)


def test_cached_stopped_and_moved_requests_are_left_out_and_counted() -> None:
    moved = [given(True, session="s"), given(False, session="s", started=1.0)]
    requests = [given(True, plain=False), given(True, outcome="cancelled"), *moved]
    found = analyze(experiment(), requests, LATER)
    assert (found.left_out, found.compared[0].units) == (3, (0, 1))


def test_where_everybody_gets_the_candidate_nothing_is_compared() -> None:
    found = analyze(experiment(), [given(True, probability=1.0)] * 5, LATER)
    assert (found.requests, found.compared[0].units) == ((0, 5), (0, 0))


def test_feedback_is_compared_among_those_who_gave_it() -> None:
    found = figure("feedback", [given(True, score=1.0), given(True), given(False, score=0.2)])
    assert (found.current, found.candidate, found.units) == (0.2, 1.0, (1, 1))


# --- Guardrails ------------------------------------------------------------------------------------


def test_a_candidate_that_fails_is_stopped_after_a_few_dozen_requests() -> None:
    requests = traffic(1.0, 0.0, 200)
    first = next(n for n in range(1, 200) if broken(experiment("{answered: 5 points}"), requests[:n]))
    assert sum(each.arm == "candidate" for each in requests[:first]) <= 30
    assert (broken(experiment("{answered: 5 points}"), requests[:first]) or "").startswith(
        "The candidate answered 0.0% of requests, the current chain 100.0%: a loss of over 5 points."
    )


def test_no_guardrail_is_looked_at_before_its_least_requests() -> None:
    requests = traffic(1.0, 0.0, 100)
    assert broken(experiment("{answered: 5 points, min_requests: 60}"), requests) is None


def test_harm_is_seen_in_sessions_in_progress() -> None:
    requests = [given(n // 3 % 2 == 1, n // 3 % 2 == 0, session=f"s{n // 3}", started=float(n)) for n in range(240)]
    assert broken(experiment("{answered: 5 points}"), requests) is not None


@pytest.mark.parametrize("limit", ["4s", "2x"])
def test_a_candidate_that_is_late_too_often_is_stopped(limit: str) -> None:
    requests = [each._replace(latency=5.0 if each.arm == "candidate" else 1.0) for each in traffic(1.0, 1.0, 100)]
    assert "5% may" in (broken(experiment(f"{{latency_p95: {limit}}}"), requests) or "")
    quick = [each._replace(latency=1.5) for each in requests]
    assert broken(experiment(f"{{latency_p95: {limit}}}"), quick) is None


def test_a_candidate_that_costs_too_much_is_stopped() -> None:
    requests = [
        each._replace(cost=0.05 if each.arm == "candidate" else 0.01 * (1 + n % 2))
        for n, each in enumerate(traffic(1.0, 1.0, 600))
    ]
    assert "more than 2 times" in (broken(experiment("{cost: 2x}"), requests) or "")
    assert broken(experiment("{cost: 5x}"), requests) is None


def test_a_candidate_that_is_as_good_goes_on() -> None:
    rails = "{answered: 2 points, latency_p95: 1.5x, cost: 2x}"
    assert broken(experiment(rails), traffic(0.95, 0.95, 2_000)) is None


def graded(candidate: float) -> list[Given]:
    requests = traffic(1, 1, 400)
    return [each._replace(grade=candidate if each.arm == "candidate" else 0.9) for each in requests]


def test_grades_are_a_figure_where_the_experiment_takes_them() -> None:
    found = figure("grade", graded(0.5), grades="{checks: [is-json]}")
    assert (found.current, found.candidate, found.verdict) == (pytest.approx(0.9), 0.5, "worse")
    assert "grade" not in [each.name for each in analyze(experiment(), graded(0.5), LATER).compared]


def test_answers_that_are_graded_lower_stop_an_experiment_that_says_so() -> None:
    rails = "{grade: 10 points}"
    assert "a loss of over 10 points" in (broken(experiment(rails), graded(0.5)) or "")
    assert broken(experiment(rails), graded(0.85)) is None
    assert broken(experiment(), graded(0.5)) is None
