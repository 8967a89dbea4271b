"""A request's attempts and its completion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from router.core.fields import Label, Unstored
from router.core.messages import Answer, Frozen, Usage

State = Literal["running", "answered", "failed", "cut"]
"""The state of a request, a turn or a cell; cut: stopped, or lost with its session."""

Outcome = Literal["answered", "failed", "skipped", "cancelled"]


CostSource = Literal["provider", "computed"]


Source = Literal["chat", "compare", "eval", "cli", "check", "endpoint", "library", "shadow", "import"]


class UpstreamAttempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call that a provider made itself, of another one; None is unknown. `status` is HTTP's."""

    provider: str | None = None
    model: str | None = None
    status: int | None = None


class Routing(Frozen, frozen=True, kw_only=True):
    """What a provider says of the calls that it made for one of ours.

    Attributes:
        upstream: its attempts, in order; the last one answered.
        endpoints: how many it could choose from.
    """

    upstream: tuple[UpstreamAttempt, ...]
    endpoints: int | None = None


Validation = Literal["valid", "unknown_tool", "invalid_arguments", "invalid_json", "unchecked"]
"""Whether an answer's tool calls fit the request's tools, or its text the JSON that was asked for."""


class Attempt(Frozen, frozen=True, kw_only=True):
    """One call of one model for one request, or the reason for skipping it.

    Attributes:
        model: the requested model reference.
        provider: its provider's name in models.yaml.
        place: position in the chain, 0 for the primary.
        number: 1 for the first call of this model, 2 for its first retry, 0 for a skip.
        outcome: answered, failed, skipped or cancelled.
        reason: the error's kind, or why it was skipped.
        detail: one sentence for people.
        started: Unix time, seconds.
        offset: seconds from the start of the request.
        wait: seconds of back-off before it.
        queued: seconds it waited for a slot at its provider; not part of the latency.
        latency: seconds from sending to the end.
        ttft: seconds from sending to the first token.
        status: HTTP status.
        served_model, served_by, generation_id: what answered, according to the provider.
        routing: the calls that the provider made itself.
        usage: tokens, as reported.
        cost: US dollars; None is unknown.
        cost_source: where the cost comes from.
        cached: answered from the response cache; latency and cost are then those of the original.
        shared: an identical request in progress made this call.
        injected: whether it was affected by an injected fault.
        own: what the chain sets for this model alone, in words; never stored.
        validation: what the answer's check found; None where there was nothing to check.
        mismatch: one sentence on a validation that is not `valid`; it quotes the answer.
        notes: what of the request did not reach the model as it was asked, one sentence each; never stored.
    """

    model: Label[str]
    provider: Label[str]
    place: Label[int]
    number: Label[int]
    outcome: Label[Outcome]
    started: float
    offset: float
    reason: Label[str | None] = None
    detail: Unstored[str | None] = None
    wait: float = 0.0
    queued: float = 0.0
    latency: float | None = None
    ttft: float | None = None
    status: Label[int | None] = None
    served_model: str | None = None
    served_by: str | None = None
    generation_id: str | None = None
    routing: Routing | None = None
    usage: Usage | None = None
    cost: float | None = None
    cost_source: CostSource | None = None
    cached: Label[bool] = False
    shared: Label[bool] = False
    injected: Label[bool] = False
    own: Unstored[tuple[str, ...]] = ()
    validation: Label[Validation | None] = None
    mismatch: Unstored[str | None] = None
    notes: Unstored[tuple[str, ...]] = ()


def is_call(attempt: Attempt) -> bool:
    """Whether it was a call on the wire of its own: it has tokens, a time and a cost."""
    return attempt.number > 0 and not (attempt.cached or attempt.shared)


class Spent(msgspec.Struct, frozen=True, gc=False):
    """What calls cost.

    Attributes:
        cost: US dollars of those whose cost is known; None if there are calls, and none is.
        unpriced: calls whose cost is unknown.
    """

    cost: float | None
    unpriced: int

    @property
    def known(self) -> float | None:
        """US dollars; None if the cost of any part is unknown."""
        return None if self.unpriced else self.cost


def spent(attempts: Iterable[Attempt]) -> Spent:
    """What attempts cost together, failed ones included."""
    costs = [attempt.cost for attempt in attempts if is_call(attempt)]
    known = [cost for cost in costs if cost is not None]
    return Spent(sum(known) if known or not costs else None, len(costs) - len(known))


def own_answer(attempts: Sequence[Attempt]) -> Attempt | None:
    """The attempt that answered a request, if it was the request's own call; None too where nothing answered."""
    last = attempts[-1] if attempts else None
    return last if last is not None and last.outcome == "answered" and not (last.cached or last.shared) else None


def waited(attempts: Sequence[Attempt]) -> float | None:
    """Seconds from a request to the end of its answer, waits for a slot left out; None if there is no own answer."""
    last = own_answer(attempts)
    return None if last is None or last.latency is None else since_asked(attempts, last.latency)


def since_asked(attempts: Sequence[Attempt], after_sending: float) -> float:
    """Seconds from a request to a moment of its last call, waits for a slot left out."""
    return attempts[-1].offset + after_sending - sum(attempt.queued for attempt in attempts)


class Completion(Frozen, frozen=True, kw_only=True):
    """The answer, the attempt that gave it, and all attempts before it.

    Attributes:
        request_id: shared with the stored observations.
        category: the chain's name; None for a single model.
        attempts: all attempts in order; the last one gave the answer, unless cut.
        cut: whether the answer is partial.
        model: the reference that answered, or was answering when it was cut.
    """

    request_id: str
    category: str | None
    answer: Answer
    attempts: tuple[Attempt, ...]
    cut: bool = False

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that gave the answer."""
        last = self.attempts[-1] if self.attempts else None
        return last if last is not None and last.outcome == "answered" else None

    @property
    def cost(self) -> float | None:
        """US dollars of all attempts, including failed ones; None if any part is unknown."""
        return spent(self.attempts).known


def why(attempt: Attempt) -> str:
    """Why an attempt did not answer: its sentence, or the stored reason."""
    status = f" (HTTP {attempt.status})" if attempt.status else ""
    return attempt.detail or f"{(attempt.reason or 'unknown').replace('_', ' ')}{status}"
