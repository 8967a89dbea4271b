"""Feedback on answers: one row a request, the last word counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.core.attempts import Attempt
from router.core.records import LONGEST_COMMENT, Feedback, Observation
from router.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "lab.sqlite")
    yield store
    store.close()


def rate(store: Store, request_id: str, liked: bool | None, at: float = 1.0) -> None:
    store.feedback.save(Feedback(request_id=request_id, score=None if liked is None else float(liked), at=at))
    assert store.writer.flush()


def see(store: Store, request_id: str, **rest: Any) -> None:
    attempt = Attempt(**{"model": "m", "provider": "p", "place": 0, "number": 1, "started": 0, "offset": 0, **rest})
    store.observations.add(
        Observation(
            request_id=request_id, prompt_hash="h", category=None, chain="c", source="chat", sample=0, attempt=attempt
        )
    )
    assert store.writer.flush()


def test_the_last_word_on_an_answer_counts(store: Store) -> None:
    rate(store, "r", True)
    rate(store, "r", False, at=2.0)
    assert store.feedback.of_request("r") == Feedback(request_id="r", score=0.0, at=2.0)


def test_feedback_that_is_taken_back_is_gone(store: Store) -> None:
    rate(store, "r", True)
    rate(store, "r", None)
    assert store.feedback.of_request("r") is None


def test_a_score_comes_with_a_comment_of_bounded_length(store: Store) -> None:
    store.feedback.save(Feedback(request_id="r", score=0.7, at=1.0, comment="x" * 5_000))
    assert store.writer.flush()
    kept = store.feedback.of_request("r")
    assert kept is not None
    assert (kept.score, kept.liked, len(kept.comment or "")) == (0.7, True, LONGEST_COMMENT)


def test_forgetting_deletes_comments_too(store: Store, tmp_path: Path) -> None:
    store.feedback.save(Feedback(request_id="r", score=1.0, at=1.0, comment="a secret remark"))
    store.forget()
    assert b"a secret remark" not in (tmp_path / "lab.sqlite").read_bytes()


def test_feedback_is_of_the_attempt_that_answered(store: Store) -> None:
    see(store, "r", outcome="failed")
    see(store, "r", outcome="answered")
    see(store, "unrated", outcome="answered")
    rate(store, "r", True)
    rate(store, "nothing is stored of it", True)
    assert store.feedback.of_answers() == {2: True}


def test_answers_are_counted_by_who_stood_behind_them(store: Store) -> None:
    calls = [("A", "answered"), ("A", "answered"), ("B", "answered"), ("A", "failed"), (None, "answered")]
    for number, (served_by, outcome) in enumerate(calls):
        see(store, f"r{number}", outcome=outcome, served_by=served_by)
    assert store.observations.upstream(["m", "never asked"], since=0.0) == {"m": {"A": 2, "B": 1}}
    assert store.observations.upstream(["m"], since=1.0) == {}
