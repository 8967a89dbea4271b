"""Scores of answers: how often models pass, by category and model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.core.records import ScoredAnswer
from router.store import Passes, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "lab.sqlite")
    yield store
    store.close()


def save(store: Store, *, passed: bool, **given: Any) -> None:
    values: dict[str, Any] = {
        "at": 1000.0, "run": "r", "suite": "s", "case": "one", "question": "q1", "lane": "l", "repeat": 0,
        "category": "code", "model": "m", "place": 0, "score": float(passed), **given,
    }  # fmt: skip
    store.scores.save(ScoredAnswer(passed=passed, **values))


def passes(store: Store, since: float = 0.0) -> dict[tuple[str, str], Passes]:
    store.writer.flush()
    return dict(store.scores.passes(since))


def test_a_case_counts_once_however_often_it_was_asked(store: Store) -> None:
    save(store, passed=True)
    save(store, passed=True, repeat=1)
    save(store, passed=False, case="two", question="q2")
    assert passes(store) == {("code", "m"): Passes(0.5, 2)}


def test_an_answer_that_is_graded_again_counts_once(store: Store) -> None:
    save(store, passed=True)
    save(store, passed=False)
    assert passes(store) == {("code", "m"): Passes(0.0, 1)}


def test_what_a_fallback_answered_says_nothing_of_its_quality(store: Store) -> None:
    save(store, passed=True, place=1)
    assert passes(store) == {}


def test_cases_without_a_category_belong_to_no_chain(store: Store) -> None:
    save(store, passed=True, category=None)
    assert passes(store) == {}


def test_old_scores_are_left_out(store: Store) -> None:
    save(store, passed=True, at=10.0)
    assert passes(store, since=11.0) == {}


def test_the_scores_of_a_deleted_run_are_gone(store: Store) -> None:
    save(store, passed=True)
    store.scores.drop("r")
    assert passes(store) == {}
