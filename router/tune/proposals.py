"""Proposals in words that a person can repeat to a colleague."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from router.core.formatting import counted, dollars, place, seconds
from router.core.messages import digest
from router.metrics.estimates import Estimate
from router.tune.baselines import Baseline, baselines
from router.tune.choice import Candidate, Choice
from router.tune.experiment import Experiment
from router.tune.goals import Goals
from router.tune.grid import Grid
from router.tune.replay import Figures, figures


class Proposal(NamedTuple):
    """A change of a chain.

    Attributes:
        models: the chain's, in order.
        figures: what the chain does on the prompts that chose it.
        candidate: how held-out prompts judge it; None for the current chain.
        change: what to do, a clause such as `Swap fallback 1 and fallback 2`.
        sentence: with what it brings.
    """

    models: tuple[str, ...]
    figures: Figures
    candidate: Candidate | None
    change: str
    sentence: str


class Advice(NamedTuple):
    """What a category's evidence says of its chain.

    Attributes:
        current: the chain in use.
        proposals: other chains, the proposed one first.
        verdict: one sentence.
        prompts: how many the figures rest on.
        baselines: beside the first proposal, or the current chain.
        experiment: the next step, where the evidence is not enough.
        evidence: an id of what it rests on, for the history.
    """

    category: str
    choice: Choice
    goals: Goals
    current: Proposal
    proposals: tuple[Proposal, ...]
    verdict: str
    prompts: int
    baselines: tuple[Baseline, ...]
    experiment: Experiment | None
    evidence: str

    @property
    def experiment_sentence(self) -> str:
        """The next step in words; empty where there is none."""
        step = self.experiment
        if step is None:
            return ""
        cost = f"about {dollars(step.cost)}" if step.cost is not None else "an unknown cost"
        return (
            f"Next step: ask {', '.join(step.models)} {counted(step.prompts, 'more prompt')}, for {cost} and "
            f"{seconds(step.seconds)} of calls. It changes the choice with a chance of {step.changes:.0%}, and brings "
            f"{100 * step.gain:.1f} points on average."
        )

    @property
    def proposed(self) -> Proposal | None:
        """The change that the evidence speaks for; None for none."""
        return self.proposals[0] if self.choice.proposed is not None else None


def advice(
    category: str, grid: Grid, goals: Goals, choice: Choice, current: Sequence[int], *, experiment: Experiment | None
) -> Advice:
    """A choice in words."""
    names = tuple(grid.models[number] for number in current)
    now = Proposal(names, figures(grid, current), None, "Keep the chain", "")
    ordered = sorted(choice.candidates, key=lambda each: each is not choice.proposed)
    proposals = tuple(_proposal(grid, now, each, goals, category) for each in ordered)
    beside = ordered[0].chain if choice.proposed is not None else tuple(current)
    return Advice(
        category,
        choice,
        goals,
        now,
        proposals,
        verdict(choice, proposals, goals, category, len(grid.prompts)),
        len(grid.prompts),
        tuple(baselines(grid, goals, beside)),
        experiment,
        digest(msgspec.json.encode([grid.models, grid.prompts, names]))[:8],
    )


def _proposal(grid: Grid, now: Proposal, candidate: Candidate, goals: Goals, category: str) -> Proposal:
    models = tuple(grid.models[number] for number in candidate.chain)
    change = change_in_words(now.models, models)
    brings = ", ".join(_brings(now.figures, candidate, goals))
    sentence = f"{change} in {category}: {brings} ({counted(len(grid.prompts), 'prompt')})."
    return Proposal(models, figures(grid, candidate.chain), candidate, change, sentence)


def _brings(now: Figures, candidate: Candidate, goals: Goals) -> list[str]:
    gains, said = candidate.gains, list[str]()
    answered = min(now.answered + (gains.answered.value or 0.0), 1.0)
    if abs(answered - now.answered) >= 0.0005:
        said.append(f"{now.answered:.1%} → {answered:.1%} answered")
    said.append(_quality(now.quality, gains.quality, goals.margin))
    if (cost := gains.cost.value) is not None and not math.isnan(cost):
        less = f"{dollars(abs(cost))} {_less(cost, 'cheaper', 'more')} per 1,000"
        said.append("the same cost" if abs(cost) < 5e-5 else less)
    elif not math.isnan(now.cost):
        said.append("at an unknown cost")
    if (slower := gains.seconds.value) is not None and abs(slower) >= 0.01:
        said.append(f"{seconds(abs(slower))} {_less(slower, 'faster', 'slower')}")
    return said


def _less(value: float, less: str, more: str) -> str:
    return less if value < 0 else more


def _quality(now: float, gain: Estimate, margin: float) -> str:
    value, low, high = gain.value or 0.0, gain.low or 0.0, gain.high or 0.0
    if low > 0 or high < 0:
        return f"quality {now:.1%} → {now + value:.1%} (95% interval {100 * low:+.1f} to {100 * high:+.1f} points)"
    if low > -margin:
        return f"quality within {points(margin)}"
    return f"quality {100 * value:+.1f} points (95% interval {100 * low:+.1f} to {100 * high:+.1f}: not separable yet)"


def points(share: float) -> str:
    """A difference of shares in words: `a point`, `2.5 points`."""
    value = round(100 * share, 1)
    return "a point" if value == 1 else f"{value:g} points"


def change_in_words(before: Sequence[str], after: Sequence[str]) -> str:
    """What turns one chain into another, in a clause."""
    if tuple(before) == tuple(after):
        return "Keep the chain"
    added, gone = [each for each in after if each not in before], [each for each in before if each not in after]
    if not added and not gone:
        moved = [number for number, model in enumerate(after) if before[number] != model]
        if len(moved) == 2:
            return f"Swap {place(moved[0])} and {place(moved[1])}"
        return f"Reorder to {' → '.join(after)}"
    rest = [each for each in before if each in after] == [each for each in after if each in before]
    if rest and len(added) == len(gone) == 1 and before.index(gone[0]) == after.index(added[0]):
        return f"Replace {gone[0]} by {added[0]} as {place(after.index(added[0]))}"
    if rest and not gone and len(added) == 1:
        return f"Add {added[0]} as {place(after.index(added[0]))}"
    if rest and not added and len(gone) == 1:
        return f"Remove {gone[0]} ({place(before.index(gone[0]))})"
    return f"Use {' → '.join(after)}"


def verdict(choice: Choice, proposals: Sequence[Proposal], goals: Goals, category: str, prompts: int) -> str:
    """What the evidence says, in one sentence."""
    seen = counted(prompts, "prompt")
    if choice.kind == "breaks_limits":
        return f"The current chain does not keep to your limits. {proposals[0].sentence}"
    if choice.kind in ("better", "cheaper", "faster"):
        return proposals[0].sentence
    if choice.kind == "keep":
        return f"Keep the current chain in {category}: no other is better by {points(goals.margin)} or more ({seen})."
    best = next((each for each in choice.candidates if each.rule == "best"), None)
    if best is None:
        return f"Not enough evidence in {category}: {seen} cannot tell chains apart."
    gain = best.gains.value
    between = f"{100 * (gain.low or 0.0):+.1f} to {100 * (gain.high or 0.0):+.1f}"
    return f"Not enough evidence in {category}: the best other chain is {between} points from the current one ({seen})."
