"""Who is given the candidate: by a seed, kept by a session, and only real requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.loading import parse_config
from router.config.schema import Config, Experiment
from router.engine.options import Options
from router.experiments.assignment import Assignments, draw
from router.store.experiments import Drawn


def config(share: float = 0.1, seed: str = "one") -> Config:
    text = (
        f"chains:\n  code: [a]\nexperiments:\n  e: {{category: code, candidate: [b], share: {share}, seed: {seed}}}\n"
    )
    return parse_config(text, Path("models.yaml"))


def experiment(share: float = 0.1, seed: str = "one") -> Experiment:
    return config(share, seed).experiments["e"]


def given(assignments: Assignments, to: Experiment, session: str | None = "s") -> Drawn:
    found = assignments.of(to, config().chains["code"], Options(source="endpoint", session=session))
    assert found.options.origin.arm is not None
    assert found.options.probability is not None
    assert found.options.origin.experiment == "e"
    assert found.chain.models[0].text == {"current": "a", "candidate": "b"}[found.options.origin.arm]
    return Drawn(found.options.origin.arm, found.options.probability)


def test_the_candidate_gets_its_share() -> None:
    running = experiment(0.2)
    arms = [draw(running, str(number)).arm for number in range(20_000)]
    assert arms.count("candidate") / 20_000 == pytest.approx(0.2, abs=0.01)


def test_a_draw_is_the_same_in_every_process_and_another_with_another_seed() -> None:
    one, other = ([draw(experiment(0.5, seed), str(n)).arm for n in range(64)] for seed in ("one", "two"))
    assert one == [draw(experiment(0.5, "one"), str(n)).arm for n in range(64)]
    assert one != other


def test_each_arm_s_probability_is_what_is_logged() -> None:
    running = experiment(0.2)
    found = {draw(running, str(number)) for number in range(100)}
    assert found == {Drawn("candidate", 0.2), Drawn("current", 0.8)}


def test_a_session_keeps_its_arm_and_its_probability_when_the_share_changes() -> None:
    assignments = Assignments()
    before = [given(assignments, experiment(0.1), f"s{n}") for n in range(50)]
    assert [given(assignments, experiment(0.9), f"s{n}") for n in range(50)] == before
    fresh = [given(assignments, experiment(0.9), f"t{n}") for n in range(50)]
    assert {drawn.probability for drawn in fresh if drawn.arm == "candidate"} == {0.9}


def test_what_another_process_gave_a_session_before_counts() -> None:
    assignments = Assignments()
    assignments.remember("e", {f"s{n}": Drawn("candidate", 0.3) for n in range(20)})
    assert {given(assignments, experiment(0.1), f"s{n}") for n in range(20)} == {Drawn("candidate", 0.3)}


def test_requests_without_a_session_are_drawn_each_by_its_own_name() -> None:
    assignments = Assignments()
    arms = [given(assignments, experiment(0.5), None).arm for _ in range(100)]
    assert 20 < arms.count("candidate") < 80
