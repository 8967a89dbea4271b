"""Verdicts in words."""

from __future__ import annotations

import pytest

from router.evaluate.statistics import Look, Verdict, separates_sentence, verdict_sentence
from router.evaluate.statistics.plan import End
from router.metrics.estimates import Estimate

DIFFERENCE = Estimate(0.081, 0.0204, 0.1412, 212)
ENDED = Look(212, 212, 0, DIFFERENCE, 40, 0.25, 1.0, End(DIFFERENCE, 0.01))
RUNNING = ENDED._replace(planned=300, end=None)
OPEN = ENDED._replace(difference=Estimate(0.012, -0.031, 0.055, 212))
OPEN_WORDS = "code and glm are not separable yet: 1.2 points (95% interval -3.1 to 5.5; 212 prompts)"


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (Verdict("better", ENDED), "code beats glm by 8.1 points (95% interval 2.0 to 14.1; 212 prompts)"),
        (
            Verdict("better", RUNNING),
            "code beats glm by 8.1 points so far (95% interval 2.0 to 14.1; 212 of 300 prompts)",
        ),
        (
            Verdict("worse", ENDED._replace(difference=Estimate(-0.081, -0.1412, -0.0204, 212))),
            "code loses to glm by 8.1 points (95% interval 2.0 to 14.1; 212 prompts)",
        ),
        (
            Verdict("no_worse", OPEN, margin=0.05),
            "code is no worse than glm by the margin of 5 points: 1.2 points (95% interval -3.1 to 5.5; 212 prompts)",
        ),
        (
            Verdict("not_separable", OPEN, more=700),
            f"{OPEN_WORDS}; about 700 more prompts, about $3.10",
        ),
        (
            Verdict("not_separable", OPEN),
            f"{OPEN_WORDS}; how many more prompts it takes cannot be told",
        ),
        (
            Verdict("not_separable", OPEN._replace(difference=Estimate(None))),
            "code and glm are not separable yet: no prompt has a score in both",
        ),
        (
            Verdict("no_verdict", ENDED._replace(finished=60, left_out=14)),
            "no verdict on code and glm: 14 of 60 prompts failed in either; retry the errors",
        ),
    ],
)
def test_a_verdict_in_words(verdict: Verdict, sentence: str) -> None:
    assert verdict_sentence(verdict, "code", "glm", price=3.10 / 700) == sentence


def test_what_is_not_known_to_cost_has_no_price() -> None:
    assert verdict_sentence(Verdict("not_separable", OPEN, more=700), "a", "b").endswith("; about 700 more prompts")


def test_failed_prompts_are_told() -> None:
    found = verdict_sentence(Verdict("better", ENDED._replace(left_out=3)), "a", "b")
    assert found.endswith("; 212 prompts, 3 more failed)")


def test_a_difference_that_rounds_to_0_has_no_sign() -> None:
    look = ENDED._replace(difference=Estimate(-0.0002, -0.031, 0.055, 212))
    assert "yet: 0.0 points (" in verdict_sentence(Verdict("not_separable", look), "a", "b")


def test_a_point_is_one() -> None:
    look = ENDED._replace(difference=Estimate(0.01, None, None, 1))
    assert verdict_sentence(Verdict("better", look), "a", "b") == "a beats b by 1.0 point (1 prompt)"


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        (60, "60 prompts separate two lanes that differ on 25% of them if they are 18 points apart (80% power)"),
        (5, "5 prompts cannot separate two lanes that differ on 25% of them, however far apart"),
    ],
)
def test_what_a_suite_separates_in_words(prompts: int, sentence: str) -> None:
    assert separates_sentence(prompts) == sentence
