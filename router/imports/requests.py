"""Calls of a log as requests with their attempts, as the store has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from router.config.schema import Config
from router.core.attempts import Attempt, spent
from router.core.messages import digest
from router.core.records import Observation, Origin, RequestOutcome, RequestSummary, path_of, skipped_for_keys_alone
from router.imports.calls import Call, Refused
from router.store import ImportedRequest
from router.store.records import is_name

GAP = 60.0
"""Seconds after a failure in which the next call is still of the same request."""

_OVERLAP = 0.5
"""Seconds by which clocks may let a call begin before the one that it follows has ended."""

_DATED = re.compile(r"-20\d{6}(?=$|:)")

UNKNOWN = "unknown"
"""The provider where the log names none."""


def split(calls: Sequence[Call]) -> Iterator[list[Call]]:
    """The requests among calls that share a trace, a session or an id: each ends with its answer, or with a pause."""
    if any(call.own for call in calls):
        yield list(calls)
        return
    current: list[Call] = []
    for call in calls:
        if current and not _follows(current[-1].attempt, call.attempt):
            yield current
            current = []
        current.append(call)
    yield current


def _follows(before: Attempt | None, after: Attempt | None) -> bool:
    if before is None or after is None or before.outcome != "failed":
        return False
    ended = before.started + (before.latency or 0.0)
    return ended - _OVERLAP <= after.started <= ended + GAP


def _named(attempt: Attempt) -> Attempt:
    """The attempt without what is no name where one should be: it may be anything, also the prompt."""
    names = {
        name: value if (value := getattr(attempt, name)) is not None and is_name(value) else None
        for name in ("served_model", "served_by", "generation_id")
    }
    return msgspec.structs.replace(attempt, **names, routing=None)


class Requests:
    """Makes requests of calls.

    Args:
        config: how its providers and models are named is how the log's are.
        form: the log's format.
        category: of calls without one.
    """

    def __init__(self, config: Config, form: str, category: str | None) -> None:
        self._form = form
        self._category = category
        self._origin = Origin(tags=(f"from={form}",))
        self._default = config.default_provider
        self._providers = {name.lower(): name for name in config.providers}
        self._known = {link.ref.text: link.ref.provider for chain in config.chains.values() for link in chain.links}

    def made(self, calls: Sequence[Call]) -> ImportedRequest:
        """One request.

        Raises:
            Refused: a name in it is none.
        """
        first = calls[0]
        attempts = self._placed(calls)
        whole = next((call.whole for call in calls if call.whole is not None), None)
        if whole is None and not attempts:
            raise Refused("it has no attempt")
        own_id = first.group if first.own else None
        steps = path_of(attempts) if whole is None else whole.path
        names = {name for step in steps for name in (step.model, step.provider, step.reason)}
        names |= {own_id, whole.session if whole is not None else None}
        if not all(is_name(name) for name in names if name is not None):
            raise Refused("a name in it is not valid, such as its model's")
        request_id = own_id or digest("import", self._form, first.key or msgspec.json.encode(first))[:32]
        category = next((call.category for call in calls if call.category), None) or self._category
        category = category if category is not None and is_name(category) else None
        session = next((call.session for call in calls if call.session), None)
        summary = self._summary(request_id, attempts, category, session) if whole is None else whole
        summary = msgspec.structs.replace(summary, source="import", origin=self._origin, category=category, chain="")
        records = [
            Observation(
                request_id=request_id,
                prompt_hash="",
                category=category,
                chain="",
                source="import",
                sample=0,
                attempt=each,
                origin=self._origin,
            )
            for each in attempts
        ]
        return ImportedRequest(summary, records)

    def _placed(self, calls: Sequence[Call]) -> list[Attempt]:
        found = [_named(call.attempt) for call in calls if call.attempt is not None]
        if calls[0].own:
            return sorted(found, key=lambda each: (each.offset, each.place, each.number))
        placed: list[Attempt] = []
        for each in found:
            model, provider = self._reference(each.model, each.provider)
            last = placed[-1] if placed else None
            again = last is not None and last.model == model
            place = 0 if last is None else last.place + (not again)
            number = last.number + 1 if last is not None and again else 1
            offset = each.started - found[0].started
            placed.append(
                msgspec.structs.replace(
                    each, model=model, provider=provider, place=place, number=number, offset=max(offset, 0.0)
                )
            )
        return placed

    def _reference(self, model: str, provider: str) -> tuple[str, str]:
        """A model as models.yaml names it, and its provider there."""
        if not provider:
            head = model.partition(":")[0]
            return model, self._known.get(model) or (head if head in self._providers.values() else UNKNOWN)
        # Vercel's AI SDK writes the kind of its calls to the provider's name: `openai.chat`.
        plain = self._providers.get(provider.partition(".")[0], provider)
        provider = self._providers.get(provider, plain)
        if provider == "openrouter" and (undated := _DATED.sub("", model)) in self._known:
            model = undated  # its log names the snapshot that the model stands for now
        return (model if provider == self._default else f"{provider}:{model}"), provider

    def _summary(
        self, request_id: str, attempts: Sequence[Attempt], category: str | None, session: str | None
    ) -> RequestSummary:
        last = attempts[-1]
        answered = last.outcome == "answered"
        outcome: RequestOutcome = "answered" if answered else "cancelled" if last.outcome == "cancelled" else "failed"
        path = path_of(attempts)
        return RequestSummary(
            request_id=request_id,
            started=attempts[0].started,
            category=category,
            chain="",
            source="import",
            outcome=outcome,
            path=path,
            model=last.model if answered else None,
            place=last.place if answered else None,
            latency=None if last.latency is None else last.offset + last.latency,
            ttft=last.offset + last.ttft if answered and last.ttft is not None else None,
            cost=spent(attempts).known,
            cached=answered and last.cached,
            shared=answered and last.shared,
            injected=any(each.injected for each in attempts),
            stand_in=False,
            keyless=skipped_for_keys_alone(path),
            session=digest(session)[:16] if session else None,
        )
