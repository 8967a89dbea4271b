"""Everything that can go wrong, and what the chain does about it.

FallbackLabError
├── ConfigError              models.yaml cannot be used
├── InvalidRequest           the request cannot be sent to any model
├── InvalidEdit              models.yaml cannot be changed this way
├── StoreError               the database cannot be opened
├── GraderFailed             a grader cannot tell how good an answer is
├── AllModelsFailed          no model of the chain answered
├── Cancelled                the request was stopped
└── ProviderError            one call of one model failed
    ├── ConnectionFailed         nothing is listening, or TLS fails
    ├── ConnectTimeout           no connection in time
    ├── ConnectionReset          connection lost before the answer began
    ├── FirstTokenTimeout        connected, but no token in time
    ├── StreamStalled            no response after its first token
    ├── StreamTooSlow            fell too far behind the rate asked for
    ├── StreamCut                ended before it was complete
    ├── AnswerTimeout            took longer than the limit
    ├── AnswerTooLarge           larger than the limit
    ├── ServerFailed             5xx, 408, or an error inside a 200
    ├── Unavailable              the provider says not to retry
    ├── RateLimited              429
    ├── QuotaExhausted           429 for an exhausted quota, not a rate
    ├── AuthenticationFailed     401
    ├── PaymentRequired          402
    ├── PermissionDenied         403
    ├── ModelNotFound            404
    ├── BadRequest               400, 422 and other 4xx
    ├── ContextLengthExceeded    the prompt does not fit the model
    ├── RequestTooLarge          413
    ├── ContentFiltered          refused by a content policy
    ├── InvalidAnswer            unreadable or empty
    ├── InvalidToolCall          calls a tool that is unknown, or in a way that does not fit it
    ├── InvalidJson              not the JSON that was asked for
    ├── KeyRefused               its key may not be sent to its address
    └── EmbeddedUnavailable      the embedded model cannot start here
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from router.core.attempts import Attempt, Completion, why
from router.core.messages import Answer


class FallbackLabError(Exception):
    """Base of all errors that this project raises on purpose; its text is one sentence for people."""


class ConfigError(FallbackLabError):
    """models.yaml cannot be used; the text names the file, the line and the fix."""


class InvalidRequest(FallbackLabError):
    """The request cannot be sent to any model; the text says what to change."""


class InvalidEdit(FallbackLabError):
    """models.yaml cannot be changed this way; the text says what to do instead."""


class StoreError(FallbackLabError):
    """The database cannot be opened; the text names the file and the fix."""


class GraderFailed(FallbackLabError):
    """A grader cannot tell how good an answer is, which says nothing of the answer.

    Args:
        cost: US dollars that it took all the same; None if unknown.
    """

    def __init__(self, message: str, cost: float | None = 0.0) -> None:
        self.cost = cost
        super().__init__(message)


class AllModelsFailed(FallbackLabError):
    """No model of the chain answered.

    Args:
        attempts: every attempt, skips included, in order.
        last_error: the error that ended the chain, where a call was made.
        by_prompt: several models failed this prompt alike, and answer others meanwhile.
        by_policy: the last one's content policy ended the chain; the models after it were not asked.
        answer: the last one that was whole and yet not accepted, because it did not fit what was asked for.
    """

    def __init__(
        self,
        attempts: Sequence[Attempt],
        last_error: ProviderError | None,
        *,
        by_prompt: bool = False,
        by_policy: bool = False,
        answer: Answer | None = None,
    ) -> None:
        self.attempts = tuple(attempts)
        self.last_error = last_error
        self.by_prompt = by_prompt
        self.answer = answer
        super().__init__(_why_none_answered(self.attempts, last_error, by_prompt=by_prompt, by_policy=by_policy))


def _why_none_answered(
    attempts: Sequence[Attempt], last_error: ProviderError | None, *, by_prompt: bool, by_policy: bool
) -> str:
    skipped = _skipped(attempts)
    if last_error is None:
        return f"No model was called: {_joined(skipped) or 'the chain has no model'}."
    found = "All models that were called failed" if skipped else "All models failed"
    if by_prompt:
        found += ": this prompt fails everywhere, while others pass"
    elif by_policy:
        found = f"The content policy of {attempts[-1].model} refused the prompt and ended the chain"
    return f"{_joined([found, *skipped])}. Last error: {last_error}"


def _skipped(attempts: Sequence[Attempt]) -> list[str]:
    """Which models were skipped, and why, in a clause each reason; those that were called after all left out."""
    called = {attempt.model for attempt in attempts if attempt.outcome != "skipped"}
    models: dict[str, list[str]] = {}
    for attempt in attempts:
        if attempt.model not in called:
            models.setdefault(why(attempt).rstrip("."), []).append(attempt.model)
    return [
        f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} skipped because {reason}"
        for reason, names in models.items()
    ]


def _joined(clauses: Sequence[str]) -> str:
    return ", and ".join(clauses)


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


class StreamTooSlow(ProviderError):
    kind = "stream_too_slow"


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


class InvalidToolCall(ProviderError):
    kind = "invalid_tool_call"


class InvalidJson(ProviderError):
    kind = "invalid_json"


class KeyRefused(ProviderError):
    kind = "key_refused"


class EmbeddedUnavailable(ProviderError):
    kind = "embedded_unavailable"


class Decision(NamedTuple):
    """What follows from one class of error."""

    retry: bool
    """Retry the same model after a wait."""
    next: bool
    """Continue with the next model of the chain."""
    fault: bool
    """The provider is at fault: the breaker counts it."""
    prompt: bool = False
    """It may be the prompt's fault: what the next models make of the prompt says whose it is."""
    lasting: bool = False
    """It will end every call of the model until somebody acts: sets another key, pays, corrects a name."""


# The one table that decides. A content-policy rejection continues only with `on_content_filter: next`. Answers that do
# not fit what was asked for are failures only with `on_invalid_tool_call: next` and `on_invalid_json: next`.
# fmt: off
DECISIONS: Mapping[type[ProviderError], Decision] = MappingProxyType({
    #                               retry  next   fault  prompt
    ConnectionFailed:      Decision(False, True,  True),
    ConnectTimeout:        Decision(False, True,  True),
    ConnectionReset:       Decision(True,  True,  True),
    FirstTokenTimeout:     Decision(False, True,  True),
    StreamStalled:         Decision(False, True,  True),
    StreamTooSlow:         Decision(False, True,  True),
    StreamCut:             Decision(False, True,  True),
    AnswerTimeout:         Decision(False, True,  True),
    AnswerTooLarge:        Decision(False, True,  False),
    ServerFailed:          Decision(True,  True,  True,  True),
    Unavailable:           Decision(False, True,  True),
    RateLimited:           Decision(True,  True,  True),
    QuotaExhausted:        Decision(False, True,  False, lasting=True),
    AuthenticationFailed:  Decision(False, True,  False, lasting=True),
    PaymentRequired:       Decision(False, True,  False, lasting=True),
    PermissionDenied:      Decision(False, True,  False, lasting=True),
    ModelNotFound:         Decision(False, True,  False, lasting=True),
    BadRequest:            Decision(False, True,  False, True),
    ContextLengthExceeded: Decision(False, True,  False),
    RequestTooLarge:       Decision(False, True,  False),
    ContentFiltered:       Decision(False, False, False),
    InvalidAnswer:         Decision(False, True,  True,  True),
    InvalidToolCall:       Decision(False, True,  False),
    InvalidJson:           Decision(False, True,  False),
    KeyRefused:            Decision(False, True,  False, lasting=True),
    EmbeddedUnavailable:   Decision(False, True,  False, lasting=True),
})
# fmt: on


BY_STATUS: Mapping[int, type[ProviderError]] = MappingProxyType(
    {
        401: AuthenticationFailed,
        402: PaymentRequired,
        403: PermissionDenied,
        404: ModelNotFound,
        408: ServerFailed,
        413: RequestTooLarge,
        429: RateLimited,
    }
)
"""What an HTTP status says by itself; any other 4xx is a `BadRequest`, a 5xx a `ServerFailed`."""


TIMED_OUT = frozenset(
    {
        ConnectTimeout.kind,
        FirstTokenTimeout.kind,
        StreamStalled.kind,
        StreamTooSlow.kind,
        AnswerTimeout.kind,
        "deadline",
    }
)
"""The reasons that stand for a time longer than anybody waited; `deadline` ends a chain before its next call."""


def decide(error: ProviderError) -> Decision:
    """Look the error's class up in DECISIONS."""
    return DECISIONS[type(error)]
