"""When somebody is told: once when it begins, once a day while it goes on, once when it is over; never twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from router.alerts.states import REMIND, State, States, moved
from router.config.alerts import parse_condition

RULE = parse_condition("answered < 99% over 15m in code")
WINDOW = 900.0
NOW = 1_790_000_000.0


def told(looks: Sequence[tuple[float, bool]], when: str = RULE.text) -> list[tuple[float, str]]:
    """The messages of these looks, each a time after `NOW` and whether the rule holds then."""
    state, found = State(), []
    for at, holds in looks:
        before, state = state, moved(state, parse_condition(when), "97%", NOW + at, holds=holds)
        if state.told != before.told:
            assert state.unsent is not None
            found.append((at, state.unsent))
    return found


def test_one_message_says_that_it_begins_and_one_that_it_is_over() -> None:
    looks = [(at, at < 600) for at in range(0, 6000, 30)]
    assert told(looks) == [
        (0, "Alert: answered < 99% over 15m in code. Now 97%."),
        (600 + WINDOW, "Over: answered < 99% over 15m in code, since 2026-09-21 14:13 UTC. Now 97%."),
    ]


def test_a_flapping_figure_is_told_of_once() -> None:
    looks = [(at, at % 60 == 0) for at in range(0, 7200, 30)]
    assert [words[:6] for _, words in told(looks)] == ["Alert:"]


def test_a_figure_that_flaps_just_within_its_window_is_told_of_once() -> None:
    looks = [(at * (WINDOW - 1), at % 2 == 0) for at in range(50)]
    assert [words[:6] for _, words in told(looks)] == ["Alert:"]


def test_what_goes_on_is_told_again_once_a_day() -> None:
    looks = [(float(at), True) for at in range(0, int(3.5 * REMIND), 30)]
    assert [at for at, _ in told(looks)] == [0, REMIND, 2 * REMIND, 3 * REMIND]
    assert told(looks)[1][1] == "Still: answered < 99% over 15m in code, since 2026-09-21 14:13 UTC. Now 97%."


def test_what_comes_back_after_its_end_is_told_again() -> None:
    looks = [(0, True), (30, False), (30 + WINDOW, False), (60 + WINDOW, True)]
    assert [words[:5] for _, words in told(looks)] == ["Alert", "Over:", "Alert"]


def test_a_drift_is_over_after_an_hour_without_one() -> None:
    looks = [(0, True), (30, False), (3600, False), (3630, False)]
    assert [at for at, _ in told(looks, "drift in code")] == [0, 3630]


@given(st.lists(st.tuples(st.floats(1, 2 * WINDOW), st.booleans()), max_size=60))
def test_beginnings_and_ends_take_turns_and_an_end_is_a_window_after_the_last_time_it_held(
    steps: list[tuple[float, bool]],
) -> None:
    at, looks = 0.0, []
    for wait, holds in steps:
        at += wait
        looks.append((at, holds))
    kinds = [(at, words.partition(":")[0]) for at, words in told(looks)]
    turns = [kind for _, kind in kinds if kind != "Still"]
    assert turns == ["Alert", "Over"] * (len(turns) // 2) + ["Alert"] * (len(turns) % 2)
    for end, kind in kinds:
        if kind == "Over":
            assert end - max(at for at, holds in looks if holds and at < end) >= WINDOW


# --- The file --------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lab" / "alerts.json"


def test_states_outlive_the_process_and_are_seen_by_others(path: Path) -> None:
    ours, theirs = States(path), States(path)
    ours.change(lambda states: states.update(a=State(since=NOW)))
    assert theirs.all() == States(path).all() == {"a": State(since=NOW)}
    theirs.change(lambda states: states.update(b=State(told=NOW)))
    assert ours.all() == {"a": State(since=NOW), "b": State(told=NOW)}


def test_the_file_is_for_its_owner_alone_and_unwritten_where_nothing_changed(path: Path) -> None:
    states = States(path)
    states.change(lambda _: None)
    assert not path.exists()
    states.change(lambda states: states.update(a=State(since=NOW)))
    assert path.stat().st_mode & 0o077 == 0


def test_a_damaged_file_starts_over(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"a": {"since": ')
    states = States(path)
    assert states.all() == {}
    states.change(lambda states: states.update(a=State(since=NOW)))
    assert States(path).all() == {"a": State(since=NOW)}


def test_where_nothing_can_be_written_the_states_last_as_long_as_the_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    states = States(tmp_path / "file" / "alerts.json")
    states.change(lambda states: states.update(a=State(since=NOW)))
    assert states.all() == {"a": State(since=NOW)}


def test_another_process_that_does_not_let_go_is_not_waited_for_without_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.alerts.states.LOCK_WAIT", 0.05)
    path.parent.mkdir()
    with FileLock(path.with_suffix(".lock")), pytest.raises(OSError, match="could not be acquired"):
        States(path).change(lambda states: states.clear())


def test_forgotten_states_are_gone(path: Path) -> None:
    states = States(path)
    states.change(lambda states: states.update(a=State(since=NOW)))
    states.forget()
    assert States(path).all() == {}
