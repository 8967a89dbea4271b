"""What a log's row becomes: a call, in this project's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias, TypeVar

from router.core.attempts import Attempt, Outcome
from router.core.messages import Frozen, Usage
from router.core.records import RequestSummary

T = TypeVar("T")


class Refused(Exception):
    """A row that cannot be taken; its text is a clause that says why."""


class NoCall(Exception):
    """A row about something else than a call of a model."""


class Call(Frozen, frozen=True, kw_only=True):
    """One call of a model, as a log has it.

    Attributes:
        key: the source's own id of it; None where there is none.
        parent: the key of what it is a part of; where that is a call too, it is told once, by its parts.
        group: what the calls of one request share; None where every call is a request of its own.
        attempt: place, number and offset hold only where `own`; `provider` is empty where the log does not say.
        labels: short texts by name, among which a category may be: tags, metadata, properties.
        category: as the log says itself.
        session: its name; never stored.
        own: it comes from this project's own export: models are named, and attempts placed.
        whole: the request itself, where the log has it beside its attempts; `attempt` is None then.
    """

    attempt: Attempt | None
    key: str | None = None
    parent: str | None = None
    group: str | None = None
    labels: Mapping[str, str] = {}
    category: str | None = None
    session: str | None = None
    own: bool = False
    whole: RequestSummary | None = None


def refuse(why: str) -> NoReturn:
    raise Refused(why)


def attempt(
    *,
    model: str | None,
    provider: str | None,
    started: float,
    outcome: Outcome,
    latency: float | None = None,
    ttft: float | None = None,
    usage: Usage | None = None,
    cost: float | None = None,
    **others: Any,
) -> Attempt:
    """A call as an attempt that is yet to be placed; raises `Refused` where no model is named."""
    if not model:
        refuse("no model is named")
    return Attempt(
        model=model,
        provider=(provider or "").lower(),
        place=0,
        number=1,
        outcome=outcome,
        started=started,
        offset=0.0,
        latency=latency,
        # A first token after the end, or at once, is no measure of anything: some write 0 where there was no stream.
        ttft=ttft if ttft and (latency is None or ttft <= latency) else None,
        usage=usage,
        cost=cost,
        cost_source="provider" if cost is not None else None,
        **others,
    )


def usage_of(
    prompt: int | None,
    completion: int | None,
    *,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
) -> Usage | None:
    """Tokens; None where nothing is known of them."""
    if prompt is None and completion is None:
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )


Found: TypeAlias = Call | Refused | NoCall


def each(read: Callable[[T], Call], parts: Iterable[T]) -> Iterator[Found]:
    """What a row of several parts holds; a part that cannot be taken keeps no other out."""
    for part in parts:
        try:
            yield read(part)
        except (Refused, NoCall) as problem:
            yield problem
