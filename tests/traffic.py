"""Traffic as it is seen in the field, generated: a million attempts and their requests in seconds, the same by seed.

Days have a rhythm; a provider's outage hits all its models at once; breakers open meanwhile; some calls are tried
again, some time out; answers come from the cache and from calls in progress; people ask for faults, and stop answers;
keys are missing at first, so that the stand-in answers.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.core.attempts import Outcome, Validation
from router.core.messages import digest
from router.core.records import Step, skipped_for_keys_alone
from router.store.database import Database
from router.store.tables import observations, requests

Columns: TypeAlias = dict[str, NDArray[Any]]

UNTIL = 1_790_000_000.0
"""The Unix time at which the traffic ends."""

ATTEMPTS_A_REQUEST = 1.208
CHUNK = 200_000
DAY = 86_400.0


class Served(NamedTuple):
    """A model as it behaves: median seconds to its first token, tokens a second, US dollars a token, failing share."""

    reference: str
    provider: str
    ttft: float
    rate: float
    price: float
    failing: float


MODELS = (
    Served("openrouter/aurora-alpha", "openrouter", 0.9, 80, 2e-6, 0.14),
    Served("moonshotai/kimi-k2.5", "openrouter", 0.7, 110, 1.2e-6, 0.1),
    Served("z-ai/glm-5", "openrouter", 0.5, 140, 0.6e-6, 0.08),
    Served("openai:gpt-4o-mini", "openai", 0.4, 120, 0.5e-6, 0.03),
    Served("anthropic:claude-sonnet", "anthropic", 1.1, 70, 9e-6, 0.05),
    Served("lan:qwen3", "lan", 0.3, 35, np.nan, 0.15),  # nobody knows what it costs
    Served("embedded:smollm2-135m-instruct", "embedded", 0.1, 140, 0.0, 0.001),
)
STAND_IN = len(MODELS) - 1

CATEGORIES = ("tools", "code", "reasoning", "conversation", None)
WEIGHTS = (0.3, 0.25, 0.15, 0.25, 0.05)
CHAINS = np.array([[0, 1, 3], [4, 0, 2], [1, 2, 4], [2, 3, 5], [5, -1, -1]])  # -1: the chain is over
LENGTHS = (CHAINS >= 0).sum(axis=1)
SOURCES = ("chat", "compare", "eval", "cli", "check")

RETRIED = ("server_failed", "rate_limited", "connection_reset")
REASONS = (
    *RETRIED, "first_token_timeout", "stream_cut", "invalid_answer", "content_filtered",
    "no_key", "breaker_open", None,
)  # fmt: skip
STATUSES = np.array([503, 429, np.nan, np.nan, 200, 200, 400, np.nan, np.nan, 200])
TIMEOUT, CUT, FILTERED, NO_KEY, OPEN, NONE = 3, 4, 6, 7, 8, 9
VALIDATIONS = (*get_args(Validation), *[None] * 20)
OUTCOMES: tuple[Outcome, ...] = ("answered", "failed", "skipped", "cancelled")
ANSWERED, FAILED, SKIPPED, CANCELLED = range(4)


def write_traffic(path: Path, attempts: int, *, seed: int = 0, days: float = 30.0, until: float = UNTIL) -> None:
    """Write about so many attempts, with their requests, into the database; it is made where there is none.

    Args:
        until: Unix time of the last one.
    """
    Database(path).close()
    rng = np.random.default_rng(seed)
    count = max(1, round(attempts / ATTEMPTS_A_REQUEST))
    world = _World(rng, until - days * DAY, until)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        indices = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        found = [(name, sql) for name, sql in indices if name.startswith(("observations", "requests"))]
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for name, _ in found:
            connection.execute(f"DROP INDEX {name}")  # in one go at the end they are made ten times faster
        for first, last in pairwise([*range(0, count, CHUNK), count]):
            began = world.times(np.arange(first, last) / count)
            for table, rows in zip((observations, requests), _Chunk(rng, world, began).rows(), strict=True):
                names, marks = ", ".join(f'"{name}"' for name in rows), ", ".join("?" * len(rows))
                values = zip(*(column.tolist() for column in rows.values()), strict=True)
                connection.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", values)
        for _, sql in found:
            connection.execute(sql)
        connection.execute("COMMIT")


class _World:
    """What all requests meet: the time of day, outages, keys that come late."""

    def __init__(self, rng: np.random.Generator, since: float, until: float) -> None:
        self._since, self._span = since, until - since
        self._outages = [
            (provider, since + at * self._span, since + (at + length) * self._span)
            for provider, often in (("openrouter", 3), ("openai", 2), ("anthropic", 1))
            for at, length in zip(rng.uniform(0.1, 0.95, often), rng.uniform(0.003, 0.01, often), strict=True)
        ]

    def times(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unix times at shares (0 to 1) of all traffic: little at night, much by day."""
        days = share * self._span / DAY
        return self._since + DAY * (days + 0.12 * np.sin(2 * np.pi * days))

    def down(self, provider: NDArray[Any], at: NDArray[np.float64]) -> NDArray[np.bool_]:
        hit = np.zeros(len(at), bool)
        for name, start, end in self._outages:
            hit |= (provider == name) & (at >= start) & (at < end)
        return hit

    def keyless(self, provider: NDArray[Any], at: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The first key comes after a hundredth of the time, Anthropic's after a tenth."""
        gone = (at - self._since) / self._span
        return ((gone < 0.01) & (provider != "embedded")) | ((gone < 0.1) & (provider == "anthropic"))


class _Chunk:
    """Requests that begin at given times: each array has one entry a request, or one an attempt once it is recorded."""

    def __init__(self, rng: np.random.Generator, world: _World, began: NDArray[np.float64]) -> None:
        count = len(began)
        self._rng, self._world, self._began = rng, world, began
        self._category = rng.choice(len(CATEGORIES), count, p=WEIGHTS)
        self._source = rng.choice(len(SOURCES), count, p=(0.5, 0.2, 0.2, 0.08, 0.02))
        kind = rng.choice(5, count, p=(0.89, 0.06, 0.02, 0.01, 0.02))
        self._cached, self._shared, self._injected, self._stopped = (kind == number for number in range(1, 5))
        self._alive = np.ones(count, bool)
        self._offset = np.zeros(count)
        self._wait = np.zeros(count)
        self._steps: list[NDArray[np.int64]] = []
        self._attempts: list[Columns] = []
        self._ended = {
            "outcome": np.full(count, FAILED),
            "model": np.full(count, -1),
            "place": np.full(count, np.nan),
            "ttft": np.full(count, np.nan),
            "cost": np.zeros(count),
            "injected": np.zeros(count, bool),
        }

    def rows(self) -> tuple[Columns, Columns]:
        """The columns of both tables."""
        for place in range(CHAINS.shape[1]):
            self._ask(place, CHAINS[self._category, place])
        keyless = self._skipped_for_keys()
        self._ask(LENGTHS[self._category], np.where(keyless == LENGTHS[self._category], STAND_IN, -1))
        return self._finished()

    def _skipped_for_keys(self) -> NDArray[np.int64]:
        """How many models of each request were skipped for a missing key."""
        reasons = [np.where(steps >= 0, steps // 4 % len(REASONS), NONE) for steps in self._steps]
        return np.sum([reason == NO_KEY for reason in reasons], axis=0)

    def _ask(self, place: int | NDArray[np.int64], model: NDArray[np.int64]) -> None:
        """One place of all chains: skip the model, or call it until it answers or may not be tried again."""
        places = np.broadcast_to(place, model.shape)
        provider = _PROVIDERS[model]
        here = self._alive & (model >= 0)
        at = self._began + self._offset
        self._steps.append(np.full(len(model), -1))
        keyless = here & self._world.keyless(provider, at) & ~self._cached
        down = self._world.down(provider, at)
        is_open = here & ~keyless & ~self._cached & down & (self._rng.random(len(model)) < 0.6)
        for skipped, reason in ((keyless, NO_KEY), (is_open, OPEN)):
            self._record(np.flatnonzero(skipped), model, places, number=0, outcome=SKIPPED, reason=reason)
        calling = np.flatnonzero(here & ~keyless & ~is_open)
        self._wait[:] = 0
        for number in (1, 2, 3):
            calling = self._call(calling, model, places, number, down)

    def _call(
        self,
        who: NDArray[np.int64],
        model: NDArray[np.int64],
        place: NDArray[Any],
        number: int,
        down: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """One try each. Returns those that try again."""
        rng, count = self._rng, len(who)
        traits = model[who]
        first = number == 1 and not np.any(place[who])
        injected = self._injected[who] & first
        stopped = self._stopped[who] & first
        free = self._cached[who] | self._shared[who]
        chance = np.where(down[who], 0.9, np.where(number > 1, 0.5, _FAILING[traits]))
        failed = ((rng.random(count) < chance) & ~free & ~stopped) | injected
        outcome = np.where(failed, FAILED, np.where(stopped, CANCELLED, ANSWERED))
        reason = np.where(failed, rng.choice(7, count, p=(0.3, 0.25, 0.08, 0.17, 0.1, 0.08, 0.02)), NONE)
        reason[down[who] & failed & (reason > TIMEOUT)] = 0

        ttft = _TTFT[traits] * rng.lognormal(0, 0.4, count)
        tokens = np.ceil(rng.lognormal(5, 0.8, count))
        latency = ttft + tokens / (_RATE[traits] * rng.lognormal(0, 0.15, count))
        latency = np.where(failed, ttft * rng.uniform(0.1, 1, count), latency)
        latency = np.where(reason == TIMEOUT, 10.0, np.where(stopped, ttft + rng.exponential(1, count), latency))
        silent = failed & (reason != CUT)
        latency = np.where(reason == CUT, ttft + 1, latency)
        ttft = np.where(silent, np.nan, ttft)
        tokens = np.where(outcome == ANSWERED, tokens, np.nan)
        cost = np.where(outcome == ANSWERED, (tokens + 300) * _PRICE[traits], np.where(reason == CUT, np.nan, 0.0))
        cost[self._shared[who]] = np.nan
        self._record(
            who, model, place, number=number, outcome=outcome, reason=reason, latency=latency, ttft=ttft,
            completion_tokens=tokens, prompt_tokens=np.where(np.isnan(tokens), np.nan, 300.0), cost=cost,
            injected=injected,
        )  # fmt: skip

        waited = np.where(self._cached[who], 0.0, np.where(self._shared[who], latency / 2, latency))
        seen = np.where(self._cached[who], 0.0, np.where(self._shared[who], np.maximum(0, ttft - latency / 2), ttft))
        over = outcome == ANSWERED
        for name, value in (("model", traits), ("place", place[who]), ("ttft", self._offset[who] + seen)):
            self._ended[name][who[over]] = value[over]
        self._ended["outcome"][who] = outcome
        self._ended["injected"][who] |= injected
        self._ended["cost"][who] += np.where(free, 0.0, cost)
        self._offset[who] += waited
        self._alive[who[(outcome != FAILED) | (reason == FILTERED)]] = False
        again = who[failed & (reason < len(RETRIED))] if number < 3 else who[:0]
        self._wait[again] = rng.uniform(0, 0.5, len(again)) * 2**number
        self._offset[again] += self._wait[again]
        return again

    def _record(
        self,
        who: NDArray[np.int64],
        model: NDArray[np.int64],
        place: NDArray[Any],
        *,
        outcome: Any,
        reason: Any,
        **fields: Any,
    ) -> None:
        unknown, none = np.full(len(who), np.nan), np.zeros(len(who), bool)
        free = {"cached": self._cached[who], "shared": self._shared[who]} if fields["number"] else {}
        shared = free.get("shared", none)
        offset = self._offset[who] - np.where(shared, fields.get("latency", 0) / 2 if free else 0, 0)
        columns: Columns = {
            "request": who, "model": model[who], "place": place[who], "outcome": outcome, "reason": reason,
            "offset": offset, "wait": self._wait[who] * bool(free), "latency": unknown, "ttft": unknown,
            "prompt_tokens": unknown, "completion_tokens": unknown, "cost": unknown, "cached": none, "shared": none,
            "injected": none, **free, **fields,
        }  # fmt: skip
        columns = {name: np.broadcast_to(value, who.shape) for name, value in columns.items()}
        self._attempts.append(columns)
        step = ((columns["model"] * 4 + columns["place"]) * len(REASONS) + columns["reason"]) * 4 + columns["outcome"]
        self._steps[-1][who] = step

    def _finished(self) -> tuple[Columns, Columns]:
        seen = {name: np.concatenate([block[name] for block in self._attempts]) for name in self._attempts[0]}
        order = np.argsort(seen["request"], kind="stable")
        seen = {name: column[order] for name, column in seen.items()}
        of = seen.pop("request")
        random = self._rng.bytes(16 * len(self._began)).hex()
        ids = np.array([random[at : at + 32] for at in range(0, len(random), 32)], object)
        chains = np.array([digest(str(chain))[:12] for chain in CHAINS], object)[self._category]
        both = {
            "request_id": ids,
            "category": np.array(CATEGORIES, object)[self._category],
            "chain": chains,
            "source": np.array(SOURCES, object)[self._source],
            "tags": np.full(len(self._began), "[]", object),
        }
        answered = seen["outcome"] == ANSWERED
        observed: Columns = {
            **{name: column[of] for name, column in both.items()},
            **seen,
            "model": _REFERENCES[seen["model"]],
            "provider": _PROVIDERS[seen["model"]],
            "outcome": np.array(OUTCOMES, object)[seen["outcome"]],
            "reason": np.array(REASONS, object)[seen["reason"]],
            "status": np.where(seen["number"] > 0, STATUSES[seen["reason"]], np.nan),
            "started": self._began[of] + seen["offset"],
            "prompt_hash": _PROMPTS[of % len(_PROMPTS)],
            "served_model": np.where(answered, _REFERENCES[seen["model"]], _NOTHING),
            "validation": np.where(answered, np.array(VALIDATIONS, object)[of % len(VALIDATIONS)], _NOTHING),
            "cost_source": np.where(np.isnan(seen["cost"]), _NOTHING, "computed"),
            "sample": np.zeros(len(of), int),
            "queued": np.zeros(len(of)),
        }
        return observed, self._requests(both)

    def _requests(self, both: Columns) -> Columns:
        ended = self._ended
        answered = ended["outcome"] == ANSWERED
        codes = np.zeros(len(self._began), np.int64)
        for steps in self._steps:
            codes = np.where(steps >= 0, codes * 4096 + steps + 1, codes)
        paths, which = np.unique(codes, return_inverse=True)
        decoded = [_path(code) for code in paths.tolist()]
        return {
            **both,
            "started": self._began,
            "outcome": np.array(OUTCOMES, object)[ended["outcome"]],
            "path": np.array([msgspec.json.encode(path).decode() for path in decoded], object)[which],
            "model": np.where(answered, _REFERENCES[ended["model"]], None),
            "place": ended["place"],
            "latency": self._offset,
            "ttft": np.where(answered, ended["ttft"], np.nan),
            "cost": ended["cost"],
            "cached": self._cached & answered,
            "shared": self._shared & answered,
            "injected": ended["injected"],
            "stand_in": answered & (ended["place"] >= LENGTHS[self._category]),
            "keyless": np.array([skipped_for_keys_alone(path) for path in decoded])[which],
        }


def _path(code: int) -> tuple[Step, ...]:
    """The steps whose numbers a code holds, twelve bits each."""
    steps: list[Step] = []
    while code:
        code, number = divmod(code, 4096)
        rest, outcome = divmod(number - 1, 4)
        rest, reason = divmod(rest, len(REASONS))
        model, place = divmod(rest, 4)
        status = None if np.isnan(STATUSES[reason]) else int(STATUSES[reason])
        steps.insert(
            0, Step(MODELS[model].reference, MODELS[model].provider, place, OUTCOMES[outcome], REASONS[reason], status)
        )
    if [step.reason for step in steps[-2:]] == ["server_failed"] * 2:
        steps[-1] = steps[-1].of_prompt()
    return tuple(steps)


_NOTHING: Any = None  # numpy puts it in a column of objects, which its types do not say
_REFERENCES = np.array([model.reference for model in MODELS], object)
_PROVIDERS = np.array([model.provider for model in MODELS], object)
_TTFT, _RATE, _PRICE, _FAILING = np.array([model[2:] for model in MODELS]).T
_PROMPTS = np.array([digest(str(number)) for number in range(1000)], object)
