"""Certificates: which faults a chain survives, and what is kept of it."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from router.core.errors import ServerFailed, StoreError
from router.tune.behavior import ALWAYS, Calls
from router.tune.certificate import FAULTS, Certificate, Certificates, FaultLine, certificate, fault_matrix
from router.tune.simulation import simulate
from tests.tune.worlds import POLICY, behavior, calls, chain_of, measured

WORLD = measured({name: calls(None, None, ServerFailed) for name in ("a", "b", "c")})


def test_with_a_healthy_fallback_all_sixteen_faults_of_the_primary_are_survived() -> None:
    lines = fault_matrix(chain_of("a", "b"), POLICY, WORLD)
    assert [(line.failing, line.answered) for line in lines] == [(("a",), 1)] * 16


def test_a_chain_of_one_model_survives_none_of_them() -> None:
    lines = fault_matrix(chain_of("a"), POLICY, WORLD)
    assert [(line.failing, line.answered, line.latency) for line in lines] == [(("a",), 0, None)] * 16


def test_the_last_model_alone_carries_a_chain_of_three() -> None:
    lines = fault_matrix(chain_of("a", "b", "c"), POLICY, WORLD)
    assert {line.failing for line in lines} == {("a",), ("a", "b")}
    assert len(lines) == 32
    assert all(line.answered == 1 for line in lines)


def test_a_silent_primary_takes_its_limit_before_the_fallback_answers() -> None:
    lines = {line.fault: line for line in fault_matrix(chain_of("a", "b", first_token=7), POLICY, WORLD)}
    assert lines["first_token_timeout"].latency == pytest.approx(8, abs=0.1)


def survived(*answers: float, **policy: float) -> dict[str, float]:
    """The share that a fallback answers whose first tokens came after these seconds, by the primary's fault."""
    fallback = Calls(np.full(len(answers), None), np.array(answers), np.array(answers) + 1, np.zeros(len(answers)))
    world = measured({"a": calls(None), "b": fallback})
    return {line.fault: line.answered for line in fault_matrix(chain_of("a", "b", **policy), POLICY, world)}


def test_a_deadline_that_leaves_the_fallback_no_time_is_found() -> None:
    found = survived(6, first_token=7, deadline=10)
    assert found["first_token_timeout"] < 0.5  # those that the open breaker spares the wait are answered
    assert found["server_failed"] == 1


def test_a_fallback_that_is_always_late_saves_nothing() -> None:
    assert {*survived(8, 9, first_token=7).values()} == {0}


def test_a_fallback_that_is_late_at_times_is_taken_at_its_best() -> None:
    assert {*survived(8, 1, first_token=7).values()} == {1}


def test_outages_that_were_measured_are_no_part_of_a_fault() -> None:
    often_down = behavior("b", calls(None), outages=ALWAYS)
    lines = fault_matrix(chain_of("a", "b"), POLICY, measured({"a": calls(None), "b": often_down}))
    assert all(line.answered == 1 for line in lines)


def test_each_fault_is_there_once() -> None:
    assert len({fault.kind for fault in FAULTS}) == len(FAULTS) == 16


# --- What is kept ----------------------------------------------------------------------------------

CHAIN = chain_of("a", "b")


def kept(folder: Path, lines: tuple[FaultLine, ...] = ()) -> Certificate:
    simulated = simulate(CHAIN, POLICY, WORLD, requests=3, runs=2)
    made = certificate("code", CHAIN, "evidence", simulated, lines)
    Certificates(folder).keep(made)
    return made


def test_a_certificate_is_read_as_it_was_kept(tmp_path: Path) -> None:
    made = kept(tmp_path / "certificates")
    assert Certificates(tmp_path / "certificates").of(CHAIN.fingerprint) == made
    assert (made.category, made.models, made.evidence) == ("code", ("a", "b"), "evidence")


def test_only_the_owner_may_read_the_folder(tmp_path: Path) -> None:
    kept(tmp_path / "certificates")
    assert (tmp_path / "certificates").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"^The certificate cannot be written to .*: Not a directory\.$"):
        kept(tmp_path / "file" / "certificates")


def test_a_later_certificate_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    kept(tmp_path)
    later = kept(tmp_path, (FaultLine("server_failed", ("a",), 0.5, None),))
    assert Certificates(tmp_path).of(CHAIN.fingerprint) == later


def test_another_chain_has_none(tmp_path: Path) -> None:
    kept(tmp_path)
    assert Certificates(tmp_path).of(chain_of("b", "a").fingerprint) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b'{"at": "yesterday"}'])
def test_a_damaged_certificate_is_none(tmp_path: Path, damage: bytes) -> None:
    kept(tmp_path)
    (tmp_path / f"{CHAIN.fingerprint}.json").write_bytes(damage)
    assert Certificates(tmp_path).of(CHAIN.fingerprint) is None


def test_faults_that_are_not_survived_are_named(tmp_path: Path) -> None:
    lines = (FaultLine("server_failed", ("a", "b"), 0.5, None), FaultLine("stream_cut", ("a",), 1.0, 2.0))
    made = kept(tmp_path, lines)
    assert (made.faults, made.checked) == (("server_failed of a, b",), 2)


def test_what_is_unknown_or_never_ends_is_kept_as_unknown() -> None:
    failing = measured({"a": calls(ServerFailed, cost=math.nan)})
    made = certificate("code", chain_of("a"), "", simulate(chain_of("a"), POLICY, failing, requests=2, runs=2), ())
    assert made.expected["latency_p50"].value is None
    assert msgspec.json.decode(msgspec.json.encode(made), type=Certificate) == made
