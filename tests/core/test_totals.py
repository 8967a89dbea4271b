"""What a conversation took: what is known is added up, what is not known is said; how full the context is."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.attempts import Attempt, Spent
from router.core.messages import Usage
from router.core.totals import Fill, Totals, fill_of, totals


def attempt(read: int | None = 100, written: int | None = 20, **fields: Any) -> Attempt:
    given = {"number": 1, "outcome": "answered", "cost": 0.5, "started": 0.0, "offset": 0.0, "place": 0, **fields}
    usage = Usage(prompt_tokens=read, completion_tokens=written)
    return Attempt(model="m", provider="p", **{"usage": usage, **given})


def test_all_calls_are_added_up() -> None:
    found = totals([attempt(), attempt(outcome="failed"), attempt(1000)])
    assert found == Totals(3, Spent(1.5, 0), 1200, 60, 0)
    assert found.text == "$1.50 · 1,200 tokens in · 60 out"


@pytest.mark.parametrize("free", [{"cached": True}, {"shared": True}, {"number": 0, "outcome": "skipped"}])
def test_what_took_no_call_of_its_own_took_nothing(free: dict[str, Any]) -> None:
    assert totals([attempt(), attempt(**free)]) == totals([attempt()])


@pytest.mark.parametrize(
    ("attempts", "text"),
    [
        ([attempt(), attempt(cost=None)], "$0.50 + 1 call unknown · 200 tokens in · 40 out"),
        ([attempt(), attempt(usage=None)], "$1.00 · 100 tokens in · 20 out + 1 call unknown"),
        ([attempt(), attempt(written=None)], "$1.00 · 200 tokens in · 20 out + 1 call unknown"),
        ([attempt(usage=None, cost=None)], "cost unknown · tokens unknown"),
        ([attempt(usage=None, outcome="failed")], "$0.50 · no answer from 1 call"),
        ([attempt(usage=None, cost=0.0, outcome="failed")] * 3, "$0 · no answer from 3 calls"),
        ([attempt(usage=None, outcome="failed"), attempt(usage=None)], "$1.00 · tokens unknown"),
        ([attempt(), attempt(usage=None, outcome="failed")], "$1.00 · 100 tokens in · 20 out"),
        ([attempt(cached=True)], "$0 · 0 tokens in · 0 out"),
        ([attempt(read=1)], "$0.50 · 1 token in · 20 out"),
    ],
)
def test_what_is_not_known_is_said(attempts: list[Attempt], text: str) -> None:
    assert totals(attempts).text == text


def test_a_context_holds_the_prompt_and_the_answer() -> None:
    assert fill_of([attempt(outcome="failed"), attempt()], 480) == Fill("m", 120, 480)


@pytest.mark.parametrize(
    ("last", "context"),
    [({}, None), ({"usage": None}, 480), ({"read": None}, 480), ({"written": None}, 480), ({"outcome": "failed"}, 480)],
)
def test_a_context_of_which_a_part_is_not_known_is_unknown(last: dict[str, Any], context: int | None) -> None:
    assert fill_of([attempt(**last)], context) is None


def test_a_context_is_never_more_than_full() -> None:
    assert Fill("m", 600, 480).share == 1


@pytest.mark.parametrize(("tokens", "warned"), [(399, False), (400, True)])
def test_a_nearly_full_context_is_warned_of(tokens: int, warned: bool) -> None:
    assert (Fill("m", tokens, 500).warning is not None) == warned
