"""What a provider's error body means, in our classes."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from router.errors import (
    DECISIONS,
    AuthenticationFailed,
    BadRequest,
    ContentFiltered,
    ContextLengthExceeded,
    ModelNotFound,
    PaymentRequired,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestTooLarge,
    ServerFailed,
    Unavailable,
)
from router.providers.untrusted import NO_JSON, mapping, number

MAX_RETRY_AFTER = 86_400.0
"""Seconds; a longer Retry-After is taken as one day."""

_BY_STATUS: Mapping[int, type[ProviderError]] = {
    401: AuthenticationFailed,
    402: PaymentRequired,
    403: PermissionDenied,
    404: ModelNotFound,
    408: ServerFailed,
    413: RequestTooLarge,
    429: RateLimited,
}

# A code says more than the status: it wins.
_BY_CODE: Mapping[str, type[ProviderError]] = {
    "insufficient_quota": QuotaExhausted,
    "billing_error": PaymentRequired,
    "context_length_exceeded": ContextLengthExceeded,
    "exceed_context_size_error": ContextLengthExceeded,  # llama.cpp
    "request_too_large": RequestTooLarge,
    "content_policy_violation": ContentFiltered,
    "content_filter": ContentFiltered,
    "moderation": ContentFiltered,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_error": RateLimited,
    "overloaded_error": ServerFailed,
    "timeout_error": ServerFailed,
    "server_error": ServerFailed,
    "api_error": ServerFailed,
    "invalid_api_key": AuthenticationFailed,
    "authentication_error": AuthenticationFailed,
    "permission_error": PermissionDenied,
    "not_found_error": ModelNotFound,
    "model_not_found": ModelNotFound,
}

_BILL = re.compile(r"credit|quota|billing|balance", re.IGNORECASE)
_CONTEXT = re.compile(
    r"(maximum|exceeds?|larger than|longer than).{0,60}context|prompt is too long", re.IGNORECASE | re.DOTALL
)


def failure(status: int | None, body: object, headers: Mapping[str, str] = {}) -> ProviderError:
    """Turn an error body into our error.

    Args:
        status: the HTTP status; None or 200 where the error stood inside a good answer.
        body: the parsed JSON body, an error object, or text.
        headers: the response's headers.
    """
    error = _error_object(body)
    raw_code = error.get("code")
    if status in (None, 200) and (inner := number(raw_code)) is not None and 300 <= inner < 600:
        status = int(inner)
    metadata = mapping(error.get("metadata"))
    codes = [
        str(code)
        for code in (metadata.get("error_type"), error.get("error_type"), raw_code, error.get("type"))
        if isinstance(code, str) and code
    ]
    message = _message(error, status)
    kind = _class(status, codes, message, metadata)
    retryable = mapping(error.get("availability")).get("retryable")
    if isinstance(retryable, bool) and retryable != DECISIONS[kind].retry:
        kind = ServerFailed if retryable else Unavailable  # the provider knows best
    return kind(
        message,
        status=status,
        code=codes[0] if codes else None,
        retry_after=_retry_after(headers, error),
    )


def _error_object(body: object) -> Mapping[str, Any]:
    if isinstance(body, bytes | str):
        try:
            body = msgspec.json.decode(body)
        except NO_JSON:
            return {}
    error = mapping(body).get("error", body)
    return {"message": error} if isinstance(error, str) else mapping(error)


def _message(error: Mapping[str, Any], status: int | None) -> str:
    message = error.get("message")
    if isinstance(message, str) and message.strip():
        return " ".join(message.split())[:500]
    if status is not None and 300 <= status < 400:
        return "The server redirects to another address, where the key is not sent; check its base_url."
    return f"The provider answered with status {status}." if status else "The provider reported an error."


def _class(status: int | None, codes: list[str], message: str, metadata: Mapping[str, Any]) -> type[ProviderError]:
    if "reasons" in metadata or "flagged_input" in metadata:
        return ContentFiltered
    for code in codes:
        if code in _BY_CODE:
            return _BY_CODE[code]
    if status == 429 and _BILL.search(message):
        return QuotaExhausted
    if status == 400 or (status in (None, 200) and "invalid_request_error" in codes):
        if "credit balance" in message.lower():  # Anthropic's bill
            return PaymentRequired
        return ContextLengthExceeded if _CONTEXT.search(message) else BadRequest
    if status is None or not 300 <= status < 500:
        return ServerFailed
    return _BY_STATUS.get(status, BadRequest)


def _retry_after(headers: Mapping[str, str], error: Mapping[str, Any]) -> float | None:
    """Seconds to wait, or None: OpenRouter's availability, retry-after-ms, Retry-After in seconds or as a date."""
    availability = mapping(error.get("availability"))
    seconds = number(availability.get("retry_after"))
    if seconds is None and (ms := number(headers.get("retry-after-ms"))) is not None:
        seconds = ms / 1000
    if seconds is None and (value := headers.get("retry-after")):
        seconds = number(value)
        if seconds is None:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except ValueError:
                return None
    if seconds is None or seconds <= 0:
        return None
    return min(seconds, MAX_RETRY_AFTER)
