"""What a provider's error body means: its class, and the reason in the provider's own words."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from router.core.errors import (
    BY_STATUS,
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
from router.core.untrusted import MAX_MESSAGE, NO_JSON, decode_json, mapping, mappings, number, text

MAX_RETRY_AFTER = 86_400.0
"""Seconds; a longer Retry-After is taken as one day."""

# A code is more precise than the status, so it takes precedence.
_BY_CODE: Mapping[str, type[ProviderError]] = {
    "insufficient_quota": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "insufficient_balance": QuotaExhausted,
    "insufficient_credits": QuotaExhausted,
    "credit_exhausted": QuotaExhausted,
    "exceeded_current_quota_error": QuotaExhausted,  # Kimi: the account, not its rate
    "1113": QuotaExhausted,  # Zhipu
    "billing_error": PaymentRequired,
    "Arrearage": PaymentRequired,  # Alibaba
    "context_length_exceeded": ContextLengthExceeded,
    "exceed_context_size_error": ContextLengthExceeded,  # llama.cpp
    "string_above_max_length": ContextLengthExceeded,
    "request_too_large": RequestTooLarge,
    "content_policy_violation": ContentFiltered,
    "content_filter": ContentFiltered,
    "ResponsibleAIPolicyViolation": ContentFiltered,  # Azure
    "DataInspectionFailed": ContentFiltered,  # Alibaba
    "data_inspection_failed": ContentFiltered,
    "moderation": ContentFiltered,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_error": RateLimited,
    "rate_limit_reached_error": RateLimited,  # Kimi
    "RESOURCE_EXHAUSTED": RateLimited,  # Google: per minute or per day
    "ThrottlingException": RateLimited,  # AWS
    "overloaded_error": ServerFailed,
    "timeout_error": ServerFailed,
    "server_error": ServerFailed,
    "api_error": ServerFailed,
    "invalid_api_key": AuthenticationFailed,
    "API_KEY_INVALID": AuthenticationFailed,  # Google, with a 400
    "UNAUTHENTICATED": AuthenticationFailed,
    "authentication_error": AuthenticationFailed,
    "permission_error": PermissionDenied,
    "PERMISSION_DENIED": PermissionDenied,
    "not_found_error": ModelNotFound,
    "model_not_found": ModelNotFound,
    "DeploymentNotFound": ModelNotFound,  # Azure
}

_CONTEXT = re.compile(
    r"(maximum|exceeds?|larger than|longer than).{0,60}context|prompt is too long", re.IGNORECASE | re.DOTALL
)

_WORDS = (
    *("message", "Message", "detail", "msg", "error", "errors", "error_message", "errorMessage"),
    *("error_description", "status_msg", "reason", "description", "title", "base_resp"),
)
"""Where servers put their reason, the most precise first."""

_STATUSES = ("code", "status", "statusCode", "status_code", "http_status_code")
_CODES = ("error_type", "code", "type", "status", "__type", "reason")
_HTML_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
# An unclosed script runs to the end of the page; without \Z the search would restart at each `<script`, in quadratic
# time.
_HTML_TAG = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]*>", re.IGNORECASE | re.DOTALL)

MAX_TEXT = 20_000
"""Characters of a reason that are read, enough to include a page's title. Users see fewer: see `exchange`."""

MAX_DEPTH = 6
"""Levels of an error body that are searched; no server nests its reason more deeply."""


def reports_error(answer: Mapping[str, Any], *, unless: str | None = None) -> bool:
    """Whether an answer, or an event of one, says that something failed.

    Args:
        unless: the field that a successful one has; beside it only `error` counts.
    """
    if answer.get("error"):
        return True
    if unless in answer:
        return False
    named = "error" in (answer.get("object"), answer.get("type"))
    told = answer.get("message") and any(name in answer for name in _STATUSES)
    return bool(named or told or any(answer.get(name) for name in ("errors", "detail", "Message", "base_resp")))


def failure(status: int | None, body: object, headers: Mapping[str, str] = {}) -> ProviderError:
    """Turn an error body into our error.

    Args:
        status: the HTTP status; 200 if the error was inside a successful response.
        body: the parsed JSON body, or its bytes or text.
        headers: the response's headers.
    """
    body = _parsed(body)
    objects = list(_objects(body))[::-1]  # innermost first: the most precise
    codes = [code for each in objects for code in _codes(each)]
    raw = list(_objects(_raw(body)))[::-1]
    inner = next(_statuses(raw), None)  # of the provider behind OpenRouter
    if status in (None, 200):
        status = inner or next(_statuses(objects), status)
    message = _message(body, status)
    kind = _class(inner or status, codes, message[:MAX_MESSAGE], objects)
    retryable = next((r for each in objects if isinstance(r := _availability(each).get("retryable"), bool)), None)
    if retryable is not None and retryable != DECISIONS[kind].retry:
        kind = ServerFailed if retryable else Unavailable  # the provider knows best
    return kind(
        message,
        status=status,
        code=codes[0] if codes else None,
        retry_after=_retry_after(headers, objects),
    )


def _parsed(value: object) -> object:
    """The value itself, or the JSON in a text."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace").removeprefix("\ufeff")
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return decode_json(value)
        except NO_JSON:
            return {}  # cut off: half of it tells users nothing
    return value


def _raw(body: object) -> object:
    """What the provider behind OpenRouter said."""
    return _parsed(mapping(mapping(mapping(body).get("error")).get("metadata")).get("raw"))


def _objects(value: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects of an error body that may hold a code, the outermost first."""
    value = _parsed(value)
    if isinstance(value, list):
        value = next(iter(mappings(value)), None)
    if not isinstance(value, Mapping) or depth > MAX_DEPTH:
        return
    yield value
    for name in ("error", "errors", "message", "detail", "innererror", "base_resp", "metadata", "raw"):
        yield from _objects(value.get(name), depth + 1)
    yield from mappings(value.get("details"))


def _codes(found: Mapping[str, Any]) -> Iterator[str]:
    for name in _CODES:
        if code := text(found.get(name)):
            yield code
    # Zhipu and others number what they refuse.
    if isinstance(code := found.get("code"), int) and not isinstance(code, bool) and str(code) in _BY_CODE:
        yield str(code)


def _statuses(objects: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    for found in objects:
        for name in _STATUSES:
            if (code := number(found.get(name))) is not None and 300 <= code < 600:
                yield int(code)


def _message(body: object, status: int | None) -> str:
    if status is not None and 300 <= status < 400:
        return "The server redirects to another address, and the key is not sent there; check its base_url."
    if words := " ".join(_words(body)[:MAX_TEXT].split()):
        return words
    return f"The provider answered with status {status}." if status else "The provider reported an error."


def _words(value: object, depth: int = 0) -> str:
    """The reason in the provider's own words, wherever it is."""
    value = _parsed(value)
    if depth > MAX_DEPTH:
        return ""
    if isinstance(value, str):
        return _of_page(value) if value.lstrip().startswith("<") else value
    if isinstance(value, list):
        return "; ".join(filter(None, (_words(item, depth + 1) for item in value[:3])))
    if not isinstance(value, Mapping):
        return ""
    raw = mapping(value.get("metadata")).get("raw")
    own = value.get("message")
    places = [value.get(name) for name in _WORDS]
    if isinstance(error := value.get("error"), Mapping | list):
        places.insert(0, error)
    if isinstance(_parsed(raw), Mapping | list) or own == "Provider returned error":
        places.insert(0, raw)
    words = next((found for place in places if (found := _words(place, depth + 1).strip())), "")
    where = value.get("loc")
    return f"{'.'.join(map(str, where))}: {words}" if words and isinstance(where, list) and where else words


def _of_page(page: str) -> str:
    """The title of an HTML page, otherwise its text."""
    page = page[:MAX_TEXT]
    title = _HTML_TITLE.search(page)
    return html.unescape(_HTML_TAG.sub(" ", title[2] if title else page))


def _class(
    status: int | None, codes: list[str], message: str, objects: Sequence[Mapping[str, Any]]
) -> type[ProviderError]:
    if any("reasons" in found or "flagged_input" in found for found in objects):
        return ContentFiltered
    for code in codes:
        if code in _BY_CODE:
            # A request that is too large stays too large, whichever limit it exceeds.
            return RequestTooLarge if status == 413 and _BY_CODE[code] is RateLimited else _BY_CODE[code]
    if status == 400 or (status in (None, 200) and "invalid_request_error" in codes):
        if "credit balance" in message.lower():  # Anthropic
            return PaymentRequired
        return ContextLengthExceeded if _CONTEXT.search(message) else BadRequest
    if status is None or not 300 <= status < 500:
        return ServerFailed
    return BY_STATUS.get(status, BadRequest)


def _availability(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(found.get("availability"))


def _retry_after(headers: Mapping[str, str], objects: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds to wait, or None: as OpenRouter, retry-after-ms, Retry-After (seconds or a date) and Google say it."""
    told = (number(_availability(found).get("retry_after")) for found in objects)
    seconds = next((each for each in told if each is not None), None)
    if seconds is None and (ms := number(headers.get("retry-after-ms"))) is not None:
        seconds = ms / 1000
    if seconds is None and (value := headers.get("retry-after")):
        seconds = number(value)
        if seconds is None:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except ValueError:
                return None
    if seconds is None:
        delays = (text(found.get("retryDelay")) for found in objects)
        seconds = next((number(delay.removesuffix("s")) for delay in delays if delay), None)
    if seconds is None or seconds <= 0:
        return None
    return min(seconds, MAX_RETRY_AFTER)
