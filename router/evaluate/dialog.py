"""The turns of one case, asked one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from router.core.attempts import Attempt, Completion, waited
from router.core.errors import AllModelsFailed, Cancelled, FallbackLabError
from router.core.messages import Answer
from router.core.requests import Request
from router.core.suites import Case


class Held(NamedTuple):
    """How a dialog went; see `CellResult`."""

    state: Literal["answered", "failed", "cut"]
    answers: tuple[Answer, ...]
    attempts: tuple[Attempt, ...]
    latency: float | None
    error: str | None = None


def hold(case: Case, complete: Callable[[Request], Completion]) -> Held:
    """Ask a case's turns; where one is not answered, the dialog ends.

    Args:
        complete: waits for the answer to a request, or raises as `Handle.result` does.
    """
    messages = case.request.messages
    done: list[Completion] = []
    for further in (None, *case.then):
        if further is not None:
            messages = (*messages, done[-1].answer.message(), further)
        try:
            done.append(complete(msgspec.structs.replace(case.request, messages=messages)))
        except AllModelsFailed as error:
            return _held("failed", done, error.attempts, str(error))
        except Cancelled as error:
            return _held("cut", done, error.partial.attempts)
        except FallbackLabError as error:
            return _held("failed", done, (), str(error))
    return _held("answered", done, ())


def _held(
    state: Literal["answered", "failed", "cut"],
    done: list[Completion],
    last: tuple[Attempt, ...],
    error: str | None = None,
) -> Held:
    attempts = (*(attempt for completion in done for attempt in completion.attempts), *last)
    times = [waited(completion.attempts) for completion in done]
    latency = sum(time for time in times if time is not None) if times and None not in times else None
    return Held(state, tuple(completion.answer for completion in done), attempts, latency, error)
