"""What failed without a network is no evidence of models; what failed with one is."""

from __future__ import annotations

from typing import Any

import pytest

from router.core.records import Step
from router.metrics.view import View
from router.tune.evidence import failures
from router.tune.network import AROUND, with_network
from tests.tune.logs import call, request, view_of

UNREACHED = "connection_failed"


def kept(*calls: dict[str, Any], local: tuple[str, ...] = ()) -> list[tuple[str, str | None]]:
    """The model and the reason of each call that stays evidence."""
    view, _ = with_network(view_of(calls), local)
    return [
        (view.attempts.rows.labels[at].model, view.attempts.rows.labels[at].reason) for at in view.attempts.label_index
    ]


def unreached(way: str, at: float) -> dict[str, Any]:
    """A request that could connect to none of the models."""
    steps = (Step(model, model, place, "failed", UNREACHED) for place, model in enumerate(way.split()))
    return request(way.replace(" ", "- ") + "-", path=tuple(steps), started=at)


# --- Calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["connection_failed", "connect_timeout"])
def test_where_nobody_could_be_reached_failures_are_left_out_and_counted(reason: str) -> None:
    answered, offline = (
        [call("a", at=0.0)],
        [call(model, reason, at=500.0 + number) for number, model in enumerate("abab")],
    )
    view, lost = with_network(view_of([*answered, *offline]), ())
    assert (len(view.attempts), len(lost.attempts)) == (1, 4)


@pytest.mark.parametrize(
    "reason", [None, "server_failed", "rate_limited", "authentication_failed", "first_token_timeout"]
)
def test_who_gave_any_response_shows_that_there_was_a_network(reason: str | None) -> None:
    assert ("a", UNREACHED) in kept(call("a", UNREACHED, at=500.0), call("b", reason, at=500.0 + AROUND))


def test_a_response_at_another_time_tells_nothing() -> None:
    assert kept(call("b", at=500.0 - AROUND - 1), call("a", UNREACHED, at=500.0), call("b", at=501.0 + AROUND)) == [
        ("b", None), ("b", None),
    ]  # fmt: skip


def test_other_failures_stay_evidence() -> None:
    assert kept(call("a", "server_failed"), call("a", "connection_reset", at=500.0)) == [
        ("a", "server_failed"), ("a", "connection_reset"),
    ]  # fmt: skip


def test_a_server_on_this_machine_tells_nothing_of_the_network() -> None:
    assert kept(call("near", at=500.0), call("a", UNREACHED, at=500.0), local=("near",)) == [("near", None)]


def test_a_server_on_this_machine_needs_no_network() -> None:
    assert kept(call("near", UNREACHED), local=("near",)) == [("near", UNREACHED)]


def test_answers_from_the_cache_and_imported_calls_tell_nothing_of_the_network() -> None:
    others = [call("b", at=500.0, cached=True), call("b", at=500.0, source="import")]
    assert ("a", UNREACHED) not in kept(call("a", UNREACHED, at=500.0), *others)


def test_imported_calls_went_through_another_network() -> None:
    assert kept(call("a", UNREACHED, source="import")) == [("a", UNREACHED)]


# --- Requests --------------------------------------------------------------------------------------


def without(calls: list[dict[str, Any]], requests: list[dict[str, Any]]) -> View:
    return with_network(view_of(calls, requests), ())[0]


def test_requests_that_reached_nobody_are_no_failures_together() -> None:
    calls = [call("a", UNREACHED, at=500.0), call("b", UNREACHED, at=501.0, place=1)]
    found = failures(without(calls, [unreached("a b", 500.0), request("a+", started=0.0)]))
    assert (found.calls, found.failed, found.after) == ({"a": 1}, {"a": 0}, {})


def test_a_request_whose_fallback_was_reached_counts_however_late_that_was() -> None:
    path = (Step("a", "a", 0, "failed", UNREACHED), Step("b", "b", 1, "answered", None))
    calls = [call("a", UNREACHED, at=500.0), call("b", at=501.0 + AROUND, place=1)]
    found = failures(without(calls, [request("a- b+", path=path, started=500.0)]))
    assert found.failed == {"a": 1}


def test_a_request_to_a_server_on_this_machine_counts() -> None:
    calls = [call("a", UNREACHED, at=500.0)]
    view, _ = with_network(view_of(calls, [unreached("near", 500.0)]), ("near",))
    assert len(view.requests) == 1
