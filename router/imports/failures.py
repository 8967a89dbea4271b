"""Which of our kinds of error a log means: by the error's class, its status, or its words."""

from __future__ import annotations

import re

from router.core.errors import (
    BY_STATUS,
    DECISIONS,
    AnswerTimeout,
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ConnectionReset,
    ConnectTimeout,
    ContentFiltered,
    ContextLengthExceeded,
    InvalidAnswer,
    InvalidJson,
    ModelNotFound,
    PaymentRequired,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestTooLarge,
    ServerFailed,
    StreamCut,
)

_KINDS = frozenset(error.kind for error in DECISIONS)

# Classes of LiteLLM, the OpenAI and Anthropic SDKs and httpx, codes of providers, and what their messages say; letters
# alone, in lower case. The first that is found decides, so what is special stands before what is general.
_WORDS: tuple[tuple[str, type[ProviderError]], ...] = (
    ("contextwindow", ContextLengthExceeded),
    ("contextlength", ContextLengthExceeded),
    ("contentpolicy", ContentFiltered),
    ("contentfilter", ContentFiltered),
    ("insufficientquota", QuotaExhausted),
    ("quotaexceeded", QuotaExhausted),
    ("budgetexceeded", QuotaExhausted),
    ("ratelimit", RateLimited),
    ("toomanyrequests", RateLimited),
    ("authentication", AuthenticationFailed),
    ("unauthorized", AuthenticationFailed),
    ("invalidapikey", AuthenticationFailed),
    ("paymentrequired", PaymentRequired),
    ("insufficientcredits", PaymentRequired),
    ("permissiondenied", PermissionDenied),
    ("forbidden", PermissionDenied),
    ("notfound", ModelNotFound),
    ("requesttoolarge", RequestTooLarge),
    ("connecttimeout", ConnectTimeout),
    ("timeout", AnswerTimeout),
    ("timedout", AnswerTimeout),
    ("deadlineexceeded", AnswerTimeout),
    ("connectionreset", ConnectionReset),
    ("remoteprotocol", ConnectionReset),
    ("midstream", StreamCut),
    ("connection", ConnectionFailed),
    ("connecterror", ConnectionFailed),
    ("jsonschemavalidation", InvalidJson),
    ("responsevalidation", InvalidAnswer),
    ("badrequest", BadRequest),
    ("invalidrequest", BadRequest),
    ("unprocessable", BadRequest),
    ("unsupportedparam", BadRequest),
)

_CANCELLED = ("clientdisconnected", "cancelled", "canceled", "generatorexit")

_STATUS = re.compile(r"(?:code|status|HTTP(?:/[\d.]+)?)\D{0,3}([45]\d\d)\b", re.IGNORECASE)
_BARE = re.compile(r"([45]\d\d)")


def is_cancelled(*words: str | None) -> bool:
    """Whether they say that the caller stopped the call."""
    return any(sign in _letters(each) for each in words if each for sign in _CANCELLED)


def reason_of(status: int | None, *words: str | None) -> str:
    """The kind of a failure; a server's failure where nothing says more.

    Args:
        words: the error's class, code or message, the most telling first.
    """
    said = [each[:2_000] for each in words if each]
    for each in said:
        if each in _KINDS:
            return each
    for each in said:
        letters = _letters(each)
        for sign, kind in _WORDS:
            if sign in letters:
                return kind.kind
    for each in said if status is None else ():
        if (found := _STATUS.search(each) or _BARE.fullmatch(each.strip())) is not None:
            status = int(found[1])
            break
    if status is not None and 400 <= status < 500:
        return BY_STATUS.get(status, BadRequest).kind
    return ServerFailed.kind


def _letters(words: str) -> str:
    return re.sub(r"[^a-z]", "", words.lower())
