"""What is stored of requests: attempts as observations, and each request's outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from router.core.attempts import Attempt, Outcome, Source
from router.core.fields import Label
from router.core.messages import Frozen

Arm = Literal["current", "candidate"]


class Origin(Frozen, frozen=True, kw_only=True):
    """Who sent a request, and what an experiment made of it.

    Attributes:
        caller: the name of the key that it came with; None without one.
        tags: `name=value`, sorted by name.
        experiment, arm: the experiment that it is part of, and the chain that it was given there.
    """

    caller: Label[str | None] = None
    tags: Label[tuple[str, ...]] = ()
    experiment: Label[str | None] = None
    arm: Label[Arm | None] = None


class Observation(Frozen, frozen=True, kw_only=True):
    """An attempt with its request, as it is stored: no prompt text, no key, no error text.

    Attributes:
        prompt_hash: SHA-256 of the request's canonical JSON.
        category: the chain's name; None for a single model.
        chain: its fingerprint.
        sample: index that keeps repeats of one prompt apart.
    """

    request_id: str
    prompt_hash: str
    category: Label[str | None]
    chain: str
    source: Label[Source]
    sample: int
    attempt: Attempt
    origin: Origin = Origin()


LONGEST_COMMENT = 2_000
"""Characters of a comment that are kept."""


class Feedback(Frozen, frozen=True, kw_only=True):
    """What somebody thinks of a request's answer.

    Attributes:
        score: 0 to 1, a thumb up is 1; None where they took it back.
        at: Unix time, seconds.
        comment: for people alone; leaves the database with nothing else.
    """

    request_id: str
    score: float | None
    at: float
    comment: str | None = None

    @property
    def liked(self) -> bool:
        """Whether it is more good than bad."""
        return self.score is not None and self.score >= 0.5


class ScoredAnswer(Frozen, frozen=True, kw_only=True):
    """What an evaluation says of a model's answer.

    Attributes:
        at: Unix time of the grade, seconds.
        run: the evaluation's id.
        question: `Case.key`.
        lane: `Lane.key`.
        category: the case's; None if unknown.
        model: what answered, as models.yaml names it.
        place: in its chain; 0 for a primary, and for a model alone. Fallbacks see what others left.
        score: 0 to 1.
    """

    at: float
    run: str
    suite: str
    case: str
    question: str
    lane: str
    repeat: int
    category: str | None
    model: str
    place: int
    score: float
    passed: bool


RequestOutcome = Literal["answered", "failed", "cancelled"]


FAILS_EVERYWHERE = "prompt_fails_everywhere"
"""The reason of a path's last step, where the prompt is at fault."""


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A model on a request's path, called or skipped.

    Attributes:
        reason: that of its last attempt, or FAILS_EVERYWHERE.
        status: HTTP's of its last attempt; None where there is none, and in what was stored before it was kept.
    """

    model: str
    provider: str
    place: int
    outcome: Outcome
    reason: str | None
    status: int | None = None

    def of_prompt(self) -> Step:
        """The same step, failed by a prompt that fails everywhere."""
        return msgspec.structs.replace(self, reason=FAILS_EVERYWHERE)


class RequestSummary(Frozen, frozen=True, kw_only=True):
    """A request that is over, as it is stored: no prompt text, no key, no error text.

    Attributes:
        started: Unix time, seconds.
        category: the chain's name; None for a single model.
        chain: its fingerprint.
        path: the models it went through, in order.
        model, place: what answered; None where nothing did.
        latency: seconds from asking to the end, as the user saw them: queueing, waits and failed attempts included;
            None is unknown, as imported logs may leave it.
        ttft: seconds from asking to the first token of the answer, with the same included.
        cost: US dollars of all attempts; None is unknown.
        cached, shared: the answer took no call of its own.
        injected: an injected fault affected it.
        stand_in: the offline model answered in place of the chain.
        keyless: models were skipped, all of them only for a missing key.
        session: a digest of its session's name; None without one.
        probability: that of its arm in the experiment, as it was drawn.
    """

    request_id: str
    started: float
    category: Label[str | None]
    chain: Label[str]
    source: Label[Source]
    outcome: Label[RequestOutcome]
    path: Label[tuple[Step, ...]]
    model: Label[str | None]
    place: Label[int | None]
    latency: float | None
    ttft: float | None
    cost: float | None
    cached: Label[bool]
    shared: Label[bool]
    injected: Label[bool]
    stand_in: Label[bool]
    keyless: Label[bool]
    origin: Origin = Origin()
    session: str | None = None
    probability: float | None = None


def path_of(attempts: Sequence[Attempt]) -> tuple[Step, ...]:
    """The way that attempts describe; consecutive attempts of one model are one step."""
    steps: list[Step] = []
    for attempt in attempts:
        step = Step(attempt.model, attempt.provider, attempt.place, attempt.outcome, attempt.reason, attempt.status)
        again = attempt.number > 1 and steps and steps[-1].place == attempt.place
        steps[-1 if again else len(steps) :] = [step]
    return tuple(steps)


def skipped_for_keys_alone(path: Sequence[Step]) -> bool:
    """Whether models were skipped, and only missing keys prevented an answer."""
    reasons = {step.reason for step in path if step.outcome in ("skipped", "failed")}
    return reasons == {"no_key"}
