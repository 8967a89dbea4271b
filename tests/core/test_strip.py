"""The fallback strip: what each model did, and what the user waited and paid."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.attempts import Attempt
from router.core.strip import strip_of


def attempt(model: str = "z-ai/glm-5", place: int = 0, **fields: Any) -> Attempt:
    given = {"number": 1, "outcome": "answered", "started": 0.0, "offset": 0.0, "latency": 1.0, "cost": 0.0}
    return Attempt(model=model, provider="p", place=place, **{**given, **fields})


def failed(offset: float = 0.0, latency: float = 1.0, status: int = 429, **fields: Any) -> Attempt:
    return attempt(outcome="failed", reason="rate_limited", status=status, offset=offset, latency=latency, **fields)


def skipped(model: str, place: int, reason: str, offset: float = 0.0, **fields: Any) -> Attempt:
    return attempt(
        model, place, number=0, outcome="skipped", reason=reason, offset=offset, latency=None, cost=None, **fields
    )


DEEPSEEK = attempt("deepseek/deepseek", 1, offset=10.5, latency=0.7, cost=0.0004)


def test_the_total_is_what_the_user_waited_and_not_the_last_call() -> None:
    strip = strip_of([failed(latency=10.5), DEEPSEEK])
    assert strip.text == "glm-5 ✕ 429 · 10.5 s → deepseek ✓ 0.7 s · total 11.2 s · $0.0004"


def test_retries_are_one_chip_that_holds_their_waits_too() -> None:
    strip = strip_of([failed(), failed(offset=4, number=2, wait=3), failed(offset=10, latency=0.5, number=3), DEEPSEEK])
    assert strip.chips[0].text == "glm-5 ×3 ✕ 429 · 10.5 s"


def test_a_chip_knows_the_attempts_that_it_opens() -> None:
    tries = (failed(), failed(offset=2, number=2))
    assert strip_of([*tries, DEEPSEEK]).chips[0].attempts == tries


@pytest.mark.parametrize(
    ("reason", "words"),
    [("breaker_open", "breaker open"), ("no_key", "no key"), ("no_images", "reads no images")],
)
def test_a_skipped_model_says_why_and_takes_no_time(reason: str, words: str) -> None:
    (chip,) = strip_of([skipped("z-ai/glm-5", 0, reason)]).chips
    assert (chip.text, chip.calls) == (f"glm-5 – {words}", 0)


def test_a_model_that_was_skipped_after_queueing_took_that_time() -> None:
    (chip,) = strip_of([skipped("z-ai/glm-5", 0, "breaker_open", offset=3.0, queued=3.0)]).chips
    assert chip.text == "glm-5 – breaker open · 3.0 s"


def test_a_model_that_was_skipped_and_called_after_all_is_two_chips_if_others_lie_between() -> None:
    strip = strip_of([skipped("a", 0, "breaker_open"), skipped("b", 1, "no_key"), attempt("a")])
    assert [chip.text for chip in strip.chips] == ["a – breaker open", "b – no key", "a ✓ 1.0 s"]


def test_a_cached_answer_counts_nothing_of_the_call_that_gave_it() -> None:
    strip = strip_of([attempt(cached=True, offset=0.01, latency=30.0, cost=0.5)])
    assert strip.text == "glm-5 ✓ cached · total 10 ms · $0"


def test_a_shared_answer_is_not_charged_for() -> None:
    assert strip_of([attempt(shared=True, cost=None)]).text == "glm-5 ✓ shared · 1.0 s · total 1.0 s · $0"


def test_a_call_joined_late_counts_from_when_this_request_joined() -> None:
    assert strip_of([attempt(shared=True, offset=-3.0, latency=5.0)]).total == 2.0


def test_a_request_that_failed_everywhere_ends_with_its_last_failure() -> None:
    strip = strip_of([failed(), failed(model="b", place=1, offset=1.0, latency=2.0, status=500)])
    assert strip.text == "glm-5 ✕ 429 · 1.0 s → b ✕ 500 · 2.0 s · total 3.0 s · $0"


def test_a_failure_without_an_http_status_says_its_reason() -> None:
    (chip,) = strip_of([attempt(outcome="failed", reason="first_token_timeout", latency=10.0)]).chips
    assert chip.text == "glm-5 ✕ first token timeout · 10.0 s"


def test_an_error_inside_a_200_says_its_reason() -> None:
    (chip,) = strip_of([attempt(outcome="failed", reason="server_failed", status=200)]).chips
    assert chip.text == "glm-5 ✕ server failed · 1.0 s"


def test_a_stopped_call_ends_where_it_was_stopped() -> None:
    strip = strip_of([attempt(outcome="cancelled", latency=3.1, cost=None)])
    assert strip.text == "glm-5 ■ 3.1 s · total 3.1 s · cost unknown"


def test_a_request_that_was_stopped_before_any_call_has_waited() -> None:
    assert strip_of([], waited=0.25).text == "total 0.2 s · $0"


def test_unknown_costs_stand_beside_what_is_known() -> None:
    strip = strip_of([failed(cost=None), DEEPSEEK])
    assert strip.price == "$0.0004 + 1 call unknown"


def test_an_injected_fault_is_said_to_be_one() -> None:
    assert strip_of([failed(injected=True)]).chips[0].text == "glm-5 ✕ injected fault · 429 · 1.0 s"


def test_models_whose_short_names_are_the_same_keep_their_whole_names() -> None:
    strip = strip_of([failed(model="here:z-ai/glm-5"), attempt("there:z-ai/glm-5", 1)])
    assert [chip.name for chip in strip.chips] == ["here:z-ai/glm-5", "there:z-ai/glm-5"]


@pytest.mark.parametrize("waited", [None, 11.3])
def test_the_total_that_is_known_better_wins(waited: float | None) -> None:
    assert strip_of([failed(latency=10.5), DEEPSEEK], waited).total == pytest.approx(waited or 11.2)
