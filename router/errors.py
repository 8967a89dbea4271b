"""Everything that can go wrong, and what the chain does about it.

FallbackLabError
├── ConfigError              models.yaml cannot be used
├── InvalidRequest           the request cannot be sent to any model
├── InvalidEdit              models.yaml cannot be changed so
├── StoreError               the database cannot be opened
├── AllModelsFailed          no model of the chain answered
├── Cancelled                the request was stopped
└── ProviderError            one call of one model failed
    ├── ConnectionFailed         nothing listens there, or no TLS
    ├── ConnectTimeout           no connection in time
    ├── ConnectionReset          connection lost before the answer began
    ├── FirstTokenTimeout        connected, but silent
    ├── StreamStalled            silent after its first token
    ├── StreamCut                ended before it was whole
    ├── AnswerTimeout            longer than an answer may take
    ├── AnswerTooLarge           larger than an answer may be
    ├── ServerFailed             5xx, 408, or an error inside a 200
    ├── Unavailable              the provider says that asking again is of no use
    ├── RateLimited              429
    ├── QuotaExhausted           429 that is a bill, not a rate
    ├── AuthenticationFailed     401
    ├── PaymentRequired          402
    ├── PermissionDenied         403
    ├── ModelNotFound            404
    ├── BadRequest               400, 422 and other 4xx
    ├── ContextLengthExceeded    the prompt does not fit the model
    ├── RequestTooLarge          413
    ├── ContentFiltered          refused by a content policy
    ├── InvalidAnswer            an answer nobody can read, or empty
    └── EmbeddedUnavailable      the embedded model cannot start here
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from router.messages import Attempt, Completion


class FallbackLabError(Exception):
    """Base of all errors that this project raises on purpose; its text is one sentence for people."""


class ConfigError(FallbackLabError):
    """models.yaml cannot be used; the text names the file, the line and the mend."""


class InvalidRequest(FallbackLabError):
    """The request cannot be sent to any model; the text says what to change."""


class InvalidEdit(FallbackLabError):
    """models.yaml cannot be changed so; the text says what to do instead."""


class StoreError(FallbackLabError):
    """The database cannot be opened; the text names the file and the mend."""


class AllModelsFailed(FallbackLabError):
    """No model of the chain answered.

    Args:
        attempts: every attempt, skips included, in order.
        last_error: the error that ended the chain, where a call was made.
    """

    def __init__(self, attempts: Sequence[Attempt], last_error: ProviderError | None) -> None:
        self.attempts = tuple(attempts)
        self.last_error = last_error
        if last_error is not None:
            last = str(last_error)
        elif self.attempts:
            last = self.attempts[-1].detail or "no model could be tried"
        else:
            last = "the chain has no model"
        super().__init__(f"All models failed. Last error: {last}")


class Cancelled(FallbackLabError):
    """The request was stopped before it was answered; `partial` holds what had arrived."""

    def __init__(self, partial: Completion) -> None:
        self.partial = partial
        super().__init__("Stopped.")


class ProviderError(FallbackLabError):
    """One call of one model failed.

    Args:
        message: one sentence, without keys.
        status: the HTTP status, where there was one.
        code: the provider's own error code.
        retry_after: seconds that the provider asked to wait.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.retry_after = retry_after
        super().__init__(message)


class ConnectionFailed(ProviderError):
    kind = "connection_failed"


class ConnectTimeout(ProviderError):
    kind = "connect_timeout"


class ConnectionReset(ProviderError):
    kind = "connection_reset"


class FirstTokenTimeout(ProviderError):
    kind = "first_token_timeout"


class StreamStalled(ProviderError):
    kind = "stream_stalled"


class StreamCut(ProviderError):
    kind = "stream_cut"


class AnswerTimeout(ProviderError):
    kind = "answer_timeout"


class AnswerTooLarge(ProviderError):
    kind = "answer_too_large"


class ServerFailed(ProviderError):
    kind = "server_failed"


class Unavailable(ProviderError):
    kind = "unavailable"


class RateLimited(ProviderError):
    kind = "rate_limited"


class QuotaExhausted(ProviderError):
    kind = "quota_exhausted"


class AuthenticationFailed(ProviderError):
    kind = "authentication_failed"


class PaymentRequired(ProviderError):
    kind = "payment_required"


class PermissionDenied(ProviderError):
    kind = "permission_denied"


class ModelNotFound(ProviderError):
    kind = "model_not_found"


class BadRequest(ProviderError):
    kind = "bad_request"


class ContextLengthExceeded(ProviderError):
    kind = "context_length_exceeded"


class RequestTooLarge(ProviderError):
    kind = "request_too_large"


class ContentFiltered(ProviderError):
    kind = "content_filtered"


class InvalidAnswer(ProviderError):
    kind = "invalid_answer"


class EmbeddedUnavailable(ProviderError):
    kind = "embedded_unavailable"


class Decision(NamedTuple):
    """What follows from one class of error."""

    retry: bool
    """Try the same model again, after a wait."""
    next: bool
    """Go on to the next model of the chain."""
    fault: bool
    """It is the provider's fault: its breaker counts it."""


# The one place that decides. A content-policy rejection goes on only where `on_content_filter: next`.
# fmt: off
DECISIONS: Mapping[type[ProviderError], Decision] = MappingProxyType({
    #                               retry  next   fault
    ConnectionFailed:      Decision(False, True,  True),
    ConnectTimeout:        Decision(False, True,  True),
    ConnectionReset:       Decision(True,  True,  True),
    FirstTokenTimeout:     Decision(False, True,  True),
    StreamStalled:         Decision(False, True,  True),
    StreamCut:             Decision(False, True,  True),
    AnswerTimeout:         Decision(False, True,  True),
    AnswerTooLarge:        Decision(False, True,  False),
    ServerFailed:          Decision(True,  True,  True),
    Unavailable:           Decision(False, True,  True),
    RateLimited:           Decision(True,  True,  True),
    QuotaExhausted:        Decision(False, True,  False),
    AuthenticationFailed:  Decision(False, True,  False),
    PaymentRequired:       Decision(False, True,  False),
    PermissionDenied:      Decision(False, True,  False),
    ModelNotFound:         Decision(False, True,  False),
    BadRequest:            Decision(False, True,  False),
    ContextLengthExceeded: Decision(False, True,  False),
    RequestTooLarge:       Decision(False, True,  False),
    ContentFiltered:       Decision(False, False, False),
    InvalidAnswer:         Decision(False, True,  True),
    EmbeddedUnavailable:   Decision(False, True,  False),
})
# fmt: on


def decide(error: ProviderError) -> Decision:
    """Look the error's class up in DECISIONS."""
    return DECISIONS[type(error)]
