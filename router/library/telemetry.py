"""Live spans of requests and attempts, sent to an OpenTelemetry collector in the background; see docs/logs.md."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from router.config.keys import Keys
from router.config.otel import OtelConfig
from router.core.errors import KeyRefused
from router.core.fields import row_of
from router.core.formatting import counted
from router.core.genai import Span, attempt_span, request_span
from router.core.records import Observation, RequestSummary

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = logging.getLogger(__name__)

QUEUE = 20_000
"""Spans that wait to be sent; what comes on top is dropped."""

MISSING = "`otel` is set in models.yaml, but opentelemetry-sdk is not installed: `uv sync --group otel`."


class Telemetry:
    """Sends spans in batches, from a thread of the SDK's; a request never waits for it.

    Attributes:
        problem: why nothing is sent, in a sentence; None if all is well.
    """

    def __init__(self, config: OtelConfig, keys: Keys) -> None:
        self.problem: str | None = None
        self._sent: _Sent | None = None
        address = f"{config.endpoint}/v1/traces"
        try:
            exporter = _exporter(address, keys.fill(address, config.headers))
        except ImportError:
            self.problem = MISSING
            return
        except KeyRefused as refused:
            self.problem = f"Spans are not sent: {refused}"
            return
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # the group otel alone has it
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # the same

        self._resource = Resource.create({"service.name": config.service})
        self._sent = _Sent(exporter)
        self._processor = BatchSpanProcessor(self._sent.counting(), max_queue_size=QUEUE)

    def observe(self, record: Observation) -> None:
        """An attempt is over."""
        if self._sent is not None:
            self._put(attempt_span(row_of(record)))

    def conclude(self, summary: RequestSummary) -> None:
        """A request is over."""
        if self._sent is not None:
            self._put(request_span(row_of(summary)))

    def _put(self, span: Span) -> None:
        self._processor.on_end(_readable(span, self._resource))

    def notices(self) -> list[str]:
        """What people should know, one sentence each."""
        found = [self.problem] if self.problem else []
        if self._sent is not None and self._sent.lost:
            found.append(f"{counted(self._sent.lost, 'span')} could not be sent to the collector of `otel`.")
        return found

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        if self._sent is not None:
            self._processor.force_flush(3_000)
            self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK does not say so


def _exporter(address: str, headers: dict[str, str]) -> SpanExporter:
    import requests  # noqa: PLC0415  # the exporter's own client
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # the group otel alone has it
        OTLPSpanExporter,
    )

    session = requests.Session()
    session.trust_env = False  # it would send what .netrc holds for a host along
    return OTLPSpanExporter(address, headers=headers, timeout=10, session=session)


class _Sent:
    """Counts what the exporter could not send."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.lost = 0

    def counting(self) -> SpanExporter:
        """The exporter, watched."""
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415  # the same

        exporter, sent = self._exporter, self

        class Counting(SpanExporter):
            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                found = exporter.export(spans)
                if found is not SpanExportResult.SUCCESS:
                    sent.lost += len(spans)
                return found

            def shutdown(self) -> None:
                exporter.shutdown()

        return Counting()


def _readable(span: Span, resource: Any) -> ReadableSpan:
    """A span as the SDK has it when it is over."""
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415  # the same
    from opentelemetry.trace import (  # noqa: PLC0415  # the same
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
    )

    def context(id_: str) -> SpanContext:
        return SpanContext(int(span.trace, 16), int(id_, 16), is_remote=False, trace_flags=TraceFlags(1))

    return ReadableSpan(
        name=span.name,
        context=context(span.id),
        parent=context(span.parent) if span.parent else None,
        resource=resource,
        attributes=span.attributes,
        kind=SpanKind.CLIENT if span.parent else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
        start_time=round(span.started * 1e9),
        end_time=round(span.ended * 1e9),
    )
