"""Looks at the figures of all rules in the background, and tells of those that begin to hold, and cease to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from router.alerts.states import State, States, moved
from router.alerts.webhook import NotDelivered, Webhook
from router.config.alerts import AlertsConfig, Rule
from router.config.keys import Keys
from router.library.parts import Parts

if TYPE_CHECKING:
    from router.alerts.readings import Reading
    from router.metrics import Observed, View
    from router.metrics.drift import Drift
    from router.store.scores import Passed, Suite

log = logging.getLogger("router.alerts")

EVERY = 30.0
"""Seconds between two looks, and for which a page shows what was read."""

LEASE = 120.0
"""Seconds that a process may take to send a message; then another one, or its next start, sends it."""

AGAIN = 600.0
"""Seconds until a message that could not be sent is tried again."""

DRIFTS_EVERY = 300.0
"""Seconds between two tests for drift, which look at all that is stored."""


class Watching(NamedTuple):
    """A rule, its figure now, and what became of it."""

    rule: Rule
    reading: Reading
    state: State

    @property
    def is_firing(self) -> bool:
        return self.state.since is not None

    @property
    def word(self) -> Literal["fires", "recovers", "holds", "quiet", "cannot tell"]:
        """How it stands: recovers is no longer so, but not for a whole window; holds is so, but not told yet."""
        if self.is_firing:
            return "fires" if self.state.cleared is None else "recovers"
        return "cannot tell" if self.reading.holds is None else "holds" if self.reading.holds else "quiet"


class Due(NamedTuple):
    """A message of a rule that this process is to send."""

    rule: Rule
    message: str


class Tested(NamedTuple):
    """What became of a test message, in a sentence or two."""

    is_sent: bool
    sentence: str


class Alerts:
    """The rules of models.yaml, watched. Methods may be called from any thread, unless they are asynchronous.

    Args:
        config: models.yaml's section now.
        observed: what was observed; asked for where there are rules alone.
        scores: answers in the order of time; see `ScoreLog.streams`.
        clock: gives Unix time, seconds.
    """

    def __init__(
        self,
        config: Callable[[], AlertsConfig],
        states: States,
        webhook: Webhook,
        keys: Keys,
        *,
        observed: Callable[[], Observed],
        scores: Callable[[], Mapping[Suite, Sequence[Passed]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._states = states
        self._webhook = webhook
        self._keys = keys
        self._observed = observed
        self._scores = scores
        self._clock = clock
        self._looking = threading.Lock()
        self._read_at: tuple[Sequence[Rule], float] | None = None
        self._readings: Mapping[str, Reading] = {}
        self._drifts: tuple[float, Sequence[Drift]] | None = None
        self._problem: str | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, parts: Parts, observed: Callable[[], Observed]) -> Alerts:
        """Those of a Lab, or of a router on its own; `start` and `stop` them on the loop of its transport."""
        return cls(
            lambda: parts.file.current().alerts,
            States(parts.folder / "alerts.json"),
            Webhook(parts.transport, parts.keys),
            parts.keys,
            observed=observed,
            scores=parts.store.scores.streams,
        )

    async def start(self) -> None:
        """Look every `EVERY` seconds from now on."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End it, also where it is sending."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await asyncio.to_thread(self._looking.acquire)  # a look that has begun reads the store
            self._looking.release()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self) -> None:
        """Look at all figures once, and send what is to be said."""
        try:
            if due := await asyncio.to_thread(self._due):
                await self._send(due)
            self._problem = None
        except Exception as error:
            log.exception("Alerts cannot be evaluated")
            self._problem = f"Alerts cannot be evaluated ({type(error).__name__}); the server's log says more."

    async def test(self) -> Tested:
        """Send a test message to where the rules send theirs, or to the webhook where there is no rule."""
        config = self._config()
        to = {rule.to for rule in config.rules} or {"webhook"}
        is_sent, sentences = True, []
        if "webhook" in to:
            try:
                name = await self._webhook.post(config.webhook, "Test: alerts of Fallback Lab arrive here.", tries=1)
                sentences.append(f"The webhook of {name} accepted the test message.")
            except NotDelivered as error:
                is_sent = False
                sentences.append(f"The test message was not sent. {error}")
        if "log" in to:
            log.warning("Test: alerts of Fallback Lab arrive here.")
            sentences.append("The test message is in the server's log.")
        return Tested(is_sent, " ".join(sentences))

    def status(self) -> list[Watching]:
        """All rules with their figures now, in the file's order.

        Raises:
            StoreError: the database is damaged.
        """
        rules, now = self._config().rules, self._clock()
        if not rules:
            return []
        with self._looking:
            if self._read_at is None or self._read_at[0] != rules or not 0 <= now - self._read_at[1] < EVERY:
                self._read(rules, now)
            readings = self._readings
        states = self._states.all()
        return [Watching(rule, readings[rule.key], states.get(rule.key, State())) for rule in rules]

    def notices(self) -> list[str]:
        """Why alerts do not arrive, one sentence each."""
        config = self._config()
        found = [self._problem] if self._problem else []
        if any(rule.to == "webhook" for rule in config.rules):
            unset = self._keys.problem(*config.webhook)
            states = self._states.all()
            problems = [states[rule.key].problem for rule in config.rules if rule.key in states]
            failed = f"{next(filter(None, problems))} It is tried again every 10 minutes." if any(problems) else None
            found += (
                [f"Alerts cannot be sent: {unset}."] if unset else [f"An alert was not sent. {failed}"] * bool(failed)
            )
        return found

    def forget(self) -> None:
        """Drop what is firing and what was sent."""
        self._states.forget()

    def _due(self) -> list[Due]:
        """Look once. Returns the messages that are to be sent, which no other process takes meanwhile."""
        rules = self._config().rules
        if not rules and not self._states.all():
            return []
        with self._looking:
            now = self._clock()
            readings = self._read(rules, now) if rules else {}
            return self._states.change(lambda states: _advance(states, rules, readings, now))

    def _read(self, rules: Sequence[Rule], now: float) -> Mapping[str, Reading]:
        from router.alerts.readings import read  # noqa: PLC0415  # numpy takes a sixth of a command's time
        from router.metrics import View  # noqa: PLC0415  # the same

        view = View.of(self._observed().rows())
        self._readings = {rule.key: read(rule.when, view, lambda: self._drifts_of(view, now), now) for rule in rules}
        self._read_at = rules, now
        return self._readings

    def _drifts_of(self, view: View, now: float) -> Sequence[Drift]:
        from router.metrics.drift import drifts  # noqa: PLC0415  # the same

        if self._drifts is None or not 0 <= now - self._drifts[0] < DRIFTS_EVERY:
            self._drifts = now, drifts(view, self._scores(), now)
        return self._drifts[1]

    async def _send(self, due: Sequence[Due]) -> None:
        """Send messages; those to the webhook together, since Slack takes one a second."""
        for each in due:
            if each.rule.to == "log":
                log.warning("%s", each.message)
        posted = [each.message for each in due if each.rule.to == "webhook"]
        problem = None
        if posted:
            try:
                await self._webhook.post(self._config().webhook, "\n".join(posted))
            except NotDelivered as error:
                problem = str(error)
        now = self._clock()
        await asyncio.to_thread(self._states.change, lambda states: _settle(states, due, problem, now))


def _advance(states: dict[str, State], rules: Sequence[Rule], readings: Mapping[str, Reading], now: float) -> list[Due]:
    """Move all states by one look, and take the messages that nobody is sending."""
    for key in states.keys() - {rule.key for rule in rules}:
        del states[key]
    due = []
    for rule in rules:
        reading = readings[rule.key]
        state = moved(states.get(rule.key, State()), rule.when, reading.said, now, holds=bool(reading.holds))
        if state.unsent is not None and state.busy <= now:
            due.append(Due(rule, state.unsent))
            state = replace(state, busy=now + LEASE)
        if state != State():
            states[rule.key] = state
    return due


def _settle(states: dict[str, State], due: Sequence[Due], problem: str | None, now: float) -> None:
    """Note what became of messages; a newer one of the same rule stays to be sent."""
    for rule, message in due:
        state = states.get(rule.key)
        if state is None or state.unsent != message:
            continue
        if problem is not None and rule.to == "webhook":
            states[rule.key] = replace(state, busy=now + AGAIN, problem=problem)
        else:
            states[rule.key] = replace(state, unsent=None, busy=0.0, sent=message, sent_at=now, problem=None)
