"""The section `otel` of models.yaml: where spans of requests and attempts are sent."""

from __future__ import annotations

from pydantic import Field

from router.config.values import Data, Headers, HttpUrl


class OtelConfig(Data):
    """An OpenTelemetry collector that takes OTLP over HTTP.

    Attributes:
        endpoint: its address, without /v1/traces.
        headers: sent with each batch; a key as the name of its variable.
        service: the name that the spans are of.
    """

    endpoint: HttpUrl
    headers: Headers = Field(default={})
    service: str = "fallback-lab"
