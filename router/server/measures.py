"""What happens in this process, for Prometheus."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from router.config.chains import ModelRef
from router.core.attempts import is_call
from router.core.records import Observation, RequestSummary
from router.engine.breaker import BreakerView

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)

MOST_MODELS = 200
"""Models with series of their own; callers may name any, and each series stays in memory. Later ones are `other`."""

Breakers = Callable[[], Iterable[tuple[ModelRef, BreakerView]]]


class Measures:
    """Counts requests and attempts as they end.

    Args:
        breakers: the state of every breaker now.
    """

    def __init__(self, breakers: Breakers) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        of = ("category", "source", "caller")
        self._requests = self._counter("requests", "Requests that are over.", *of, "outcome", "cached")
        self._latency = self._histogram("request_seconds", "From asking to the end of the answer.", *of)
        self._ttft = self._histogram("first_token_seconds", "From asking to the first token.", *of)
        self._cost = self._counter("cost_dollars", "US dollars, as far as they are known.", *of)
        self._unpriced = self._counter("unpriced_requests", "Requests whose cost is unknown.", *of)
        self._fallbacks = self._counter("fallback_answers", "Answers of a fallback.", *of, "model")
        self._attempts = self._counter("attempts", "Calls and skips.", "model", "provider", "outcome", "reason")
        self._tokens = self._counter("tokens", "Tokens, as reported.", "model", "direction")
        self._refused = self._counter("refused", "Calls of the endpoint without a request behind them.", "status")
        self.in_flight = Gauge("fallback_lab_in_flight", "Requests at the endpoint now.", registry=self._registry)
        self._registry.register(_BreakerStates(breakers))
        self._models: set[str] = set()
        # The library looks labels up under a lock, in more time than all else here takes.
        self._child: Callable[..., Any] = functools.lru_cache(maxsize=10_000)(lambda of, *labels: of.labels(*labels))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"fallback_lab_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"fallback_lab_{name}", text, labels, registry=self._registry, buckets=_SECONDS)

    def observe(self, record: Observation) -> None:
        """An attempt is over."""
        attempt, child = record.attempt, self._child
        model = self._named(attempt.model)
        child(self._attempts, model, attempt.provider, attempt.outcome, attempt.reason or "").inc()
        if (usage := attempt.usage) is not None and is_call(attempt):
            child(self._tokens, model, "in").inc(usage.prompt_tokens or 0)
            child(self._tokens, model, "out").inc(usage.completion_tokens or 0)
        if attempt.cost is not None and is_call(attempt):
            labels = record.category or "", record.source, record.origin.caller or ""
            child(self._cost, *labels).inc(attempt.cost)

    def conclude(self, summary: RequestSummary) -> None:
        """A request is over."""
        labels = summary.category or "", summary.source, summary.origin.caller or ""
        child = self._child
        child(self._requests, *labels, summary.outcome, str(summary.cached).lower()).inc()
        if summary.cost is None:
            child(self._unpriced, *labels).inc()
        if summary.outcome == "answered" and not summary.cached:
            child(self._latency, *labels).observe(summary.latency)
            if summary.ttft is not None:
                child(self._ttft, *labels).observe(summary.ttft)
        if summary.place:
            child(self._fallbacks, *labels, self._named(summary.model or "")).inc()

    def _named(self, model: str) -> str:
        if len(self._models) < MOST_MODELS:
            self._models.add(model)
        return model if model in self._models else "other"

    def refused(self, status: int) -> None:
        """A call was turned away."""
        self._refused.labels(status).inc()

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)


class _BreakerStates(Collector):
    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers

    def collect(self) -> Iterable[Metric]:
        states = GaugeMetricFamily("fallback_lab_breaker_open", "1 where a breaker is open.", labels=("model",))
        for ref, view in self._breakers():
            states.add_metric((ref.text,), float(view.state == "open"))
        yield states
