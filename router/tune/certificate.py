"""A chain's certificate: what becomes of a request when models fail, and what the chain is expected to do.

The fault matrix runs the engine on the measured models, whose calls answer as they were seen to answer, while one fault
after another hits the primary, or all models but the last. Nothing is sent and nothing is paid. What was expected is
kept under the chain's fingerprint, so that it can be held against what was observed since.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from router.config.chains import Chain
from router.config.policy import Policy
from router.core.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ConnectionReset,
    ConnectTimeout,
    ContextLengthExceeded,
    FirstTokenTimeout,
    InvalidAnswer,
    ModelNotFound,
    PaymentRequired,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
    StoreError,
    StreamCut,
    StreamStalled,
    Unavailable,
)
from router.core.files import whole
from router.core.messages import Frozen
from router.tune.behavior import Behavior, Calls, Measured, Outages
from router.tune.simulated import Simulated
from router.tune.simulation import simulate

SILENT = (FirstTokenTimeout, ConnectTimeout)
FLOWING = (StreamCut, StreamStalled)
FAULTS: tuple[type[ProviderError], ...] = (
    ConnectionFailed,
    ConnectTimeout,
    ConnectionReset,
    FirstTokenTimeout,
    StreamStalled,
    StreamCut,
    ServerFailed,
    Unavailable,
    RateLimited,
    QuotaExhausted,
    AuthenticationFailed,
    PaymentRequired,
    PermissionDenied,
    ModelNotFound,
    ContextLengthExceeded,
    InvalidAnswer,
)
"""Sixteen ways to fail that another model can make good."""

REQUESTS = 20


class FaultLine(NamedTuple):
    """What becomes of requests while a fault lasts.

    Attributes:
        fault: the error's kind.
        failing: the models that it hits.
        answered: share of requests, 0 to 1.
        latency: seconds until half of the requests were answered; None where fewer were.
    """

    fault: str
    failing: tuple[str, ...]
    answered: float
    latency: float | None


class Expected(Frozen, frozen=True, kw_only=True):
    """A figure as it was predicted: its value with the ends of its interval of 95%; None is unknown."""

    value: float | None
    low: float | None
    high: float | None


class Certificate(Frozen, frozen=True, kw_only=True):
    """What was checked and predicted when a chain was proposed.

    Attributes:
        at: Unix time, seconds.
        chain: its fingerprint.
        evidence: names what the proposal rests on.
        expected: by the figure's name; see `Run.figures`.
        faults: kinds that a request does not survive, with those that fail; none is what one wants.
        checked: how many situations were tried.
    """

    at: float
    category: str
    chain: str
    models: tuple[str, ...]
    evidence: str
    expected: Mapping[str, Expected]
    faults: tuple[str, ...]
    checked: int


def fault_matrix(chain: Chain, policy: Policy, measured: Measured) -> list[FaultLine]:
    """Every fault on the primary, and on all models but the last; of a chain of one, nothing is left."""
    names = [ref.text for ref in chain.models]
    groups = list(dict.fromkeys(tuple(names[:count]) for count in (1, len(names) - 1) if count))
    return [_line(chain, policy, measured, fault, failing) for fault in FAULTS for failing in groups]


def _line(
    chain: Chain, policy: Policy, measured: Measured, fault: type[ProviderError], failing: Sequence[str]
) -> FaultLine:
    models = {
        name: _failing(each, fault, chain.policy.first_token)
        if name in failing
        else _answering(each, chain.policy.first_token)
        for name, each in measured.models.items()
    }
    world = Measured(models, {}, min(measured.rate, 0.1))
    run = simulate(chain, policy, world, requests=REQUESTS, runs=1, exact=True).runs[0]
    middle = float(np.sort(run.latency)[(REQUESTS - 1) // 2])
    return FaultLine(fault.kind, tuple(failing), float(run.answered.mean()), middle if np.isfinite(middle) else None)


def _answering(behavior: Behavior, limit: float) -> Behavior:
    """The model at its best: with the answers that it gave in time."""
    calls = behavior.calls
    answers = np.array([error is None for error in calls.error], bool)
    in_time = answers & (calls.first_token <= limit)
    best = np.flatnonzero(in_time if in_time.any() else answers)  # one that is always late is so at its best
    return behavior._replace(calls=calls.at(best) if len(best) else _one(None, limit / 2), outages=Outages())


def _failing(behavior: Behavior, fault: type[ProviderError], limit: float) -> Behavior:
    seconds = 10 * limit if fault in SILENT else 0.2
    return behavior._replace(calls=_one(fault, seconds, flows=fault in FLOWING), outages=Outages())


def _one(error: type[ProviderError] | None, seconds: float, *, flows: bool = False) -> Calls:
    first = seconds / 2 if flows or error is None else np.inf
    return Calls(np.array([error], object), np.array([first]), np.array([seconds]), np.array([0.0]))


def certificate(
    category: str, chain: Chain, evidence: str, simulated: Simulated, faults: Sequence[FaultLine]
) -> Certificate:
    """What is kept of a chain that is about to be used."""
    expected = {
        name: Expected(value=_finite(each.value), low=_finite(each.low), high=_finite(each.high))
        for name, each in simulated.figures().items()
    }
    return Certificate(
        at=time.time(),
        category=category,
        chain=chain.fingerprint,
        models=tuple(ref.text for ref in chain.models),
        evidence=evidence,
        expected=expected,
        faults=tuple(f"{line.fault} of {', '.join(line.failing)}" for line in faults if line.answered < 1),
        checked=len(faults),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


class Certificates:
    """The certificates of a Lab's chains.

    Args:
        folder: one file a chain's fingerprint; made when the first one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, each: Certificate) -> None:
        """Keep a certificate, in place of an earlier one of the same chain.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole(self._folder / f"{each.chain}.json") as file:
                file.write(msgspec.json.encode(each))
        except OSError as error:
            raise StoreError(f"The certificate cannot be written to {self._folder}: {error.strerror}.") from None

    def any(self) -> bool:
        """Whether there is one at all."""
        return self._folder.is_dir()

    def of(self, chain: str) -> Certificate | None:
        """A chain's certificate, by its fingerprint; None where there is none, or it is damaged."""
        try:
            return msgspec.json.decode((self._folder / f"{chain}.json").read_bytes(), type=Certificate)
        except (OSError, msgspec.MsgspecError):
            return None
