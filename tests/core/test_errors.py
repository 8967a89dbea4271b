"""The tree of errors, and the one table that decides what follows from each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from router.core import errors
from router.core.attempts import Attempt
from router.core.errors import (
    DECISIONS,
    AllModelsFailed,
    ContentFiltered,
    FallbackLabError,
    ProviderError,
    RateLimited,
    decide,
)

ALL = list(DECISIONS)


def drawn(cls: type[BaseException], before: str = "") -> Iterator[str]:
    """The tree below a class, as the docstring draws it."""
    children = [child for child in cls.__subclasses__() if child.__module__ == "router.core.errors"]
    for child in children:
        last = child is children[-1]
        yield f"{before}{'└── ' if last else '├── '}{child.__name__}"
        yield from drawn(child, before + ("    " if last else "│   "))


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    lines = (errors.__doc__ or "").partition("FallbackLabError\n")[2].splitlines()
    assert [re.sub(r"(\w)  .*", r"\1", line) for line in lines] == list(drawn(FallbackLabError))


def test_every_class_in_the_tree_is_explained() -> None:
    lines = (errors.__doc__ or "").partition("FallbackLabError\n")[2].splitlines()
    assert all(re.search(r"── \w+ +\S+", line) for line in lines)


def test_the_table_decides_every_provider_error() -> None:
    assert set(ALL) == {cls for cls in ProviderError.__subclasses__() if cls.__module__.startswith("router.")}


def test_the_same_model_is_tried_again_after_a_reset_a_5xx_and_a_429_alone() -> None:
    assert {cls.kind for cls in ALL if DECISIONS[cls].retry} == {"connection_reset", "server_failed", "rate_limited"}


def test_only_a_content_policy_ends_the_chain() -> None:
    assert [cls.kind for cls in ALL if not DECISIONS[cls].next] == ["content_filtered"]


def test_what_the_request_or_the_account_caused_is_not_held_against_the_model() -> None:
    assert {cls.kind for cls in ALL if not DECISIONS[cls].fault} == {
        "answer_too_large",
        "quota_exhausted",
        "authentication_failed",
        "payment_required",
        "permission_denied",
        "model_not_found",
        "bad_request",
        "context_length_exceeded",
        "request_too_large",
        "content_filtered",
        "invalid_tool_call",
        "invalid_json",
        "key_refused",
        "embedded_unavailable",
    }


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_a_kind_is_its_class_s_name_in_snake_case(cls: type[ProviderError]) -> None:
    assert cls.kind == re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_an_error_can_be_decided(cls: type[ProviderError]) -> None:
    assert decide(cls("Why.")) is DECISIONS[cls]


def test_a_provider_error_carries_what_the_provider_said() -> None:
    error = RateLimited("Slow down.", status=429, code="rate", retry_after=3)
    assert (str(error), error.status, error.code, error.retry_after) == ("Slow down.", 429, "rate", 3)


def skip(model: str, detail: str) -> Attempt:
    return Attempt(model=model, provider="p", place=0, number=0, outcome="skipped", started=0, offset=0, detail=detail)


NO_KEY, NO_IMAGES = "P_KEY is not set", "images are not supported"
CALLED = Attempt(model="a", provider="p", place=0, number=1, outcome="failed", started=0, offset=0)
ERROR = RateLimited("Slow down.")


def test_a_content_policy_that_ended_the_chain_is_not_the_failure_of_all() -> None:
    error = AllModelsFailed([skip("b", NO_KEY), CALLED], ContentFiltered("Not about that."), by_policy=True)
    assert str(error) == (
        "The content policy of a refused the prompt and ended the chain, and b was skipped because P_KEY is not set."
        " Last error: Not about that."
    )


@pytest.mark.parametrize(
    ("attempts", "last_error", "sentence"),
    [
        pytest.param([CALLED], ERROR, "All models failed. Last error: Slow down.", id="all called"),
        pytest.param([], None, "No model was called: the chain has no model.", id="no model"),
        pytest.param(
            [skip("a", NO_KEY)], None, "No model was called: a was skipped because P_KEY is not set.", id="one skipped"
        ),
        pytest.param(
            [skip("a", NO_KEY), skip("b", NO_IMAGES), skip("c", NO_KEY)],
            None,
            "No model was called: a, c were skipped because P_KEY is not set, and b was skipped because images are"
            " not supported.",
            id="all skipped",
        ),
        pytest.param(
            [CALLED, skip("b", NO_IMAGES)],
            ERROR,
            "All models that were called failed, and b was skipped because images are not supported."
            " Last error: Slow down.",
            id="some skipped",
        ),
        pytest.param(
            [skip("a", "its circuit breaker is open"), CALLED],
            ERROR,
            "All models failed. Last error: Slow down.",
            id="skipped and called after all",
        ),
    ],
)
def test_the_sentence_says_what_was_skipped_and_the_last_error_of_what_was_called(
    attempts: list[Attempt], last_error: ProviderError | None, sentence: str
) -> None:
    assert str(AllModelsFailed(attempts, last_error)) == sentence
