"""Attempts and figures in words, for the pages and the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from router.core.attempts import Attempt, Spent, Validation, why
from router.core.capabilities import ModelInfo
from router.core.comparisons import Cell
from router.core.conversations import SAMPLING, Settings, Turn
from router.core.events import Began, Queued, Waiting
from router.core.snapshots import Snapshot
from router.core.stops import write_stops
from router.core.untrusted import cut

NOTICEABLE = 0.05
"""Seconds below which a wait is not worth a word."""


def seconds(value: float | None) -> str:
    """A duration for people: 85 ms, 2.41 s, 3 min 20 s; a dash for None."""
    if value is None:
        return "–"
    # Thresholds at which rounding reaches the larger unit: 119.7 s is 2 min 0 s, not 1 min 60 s.
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def moment(at: float, zone: tzinfo | None = None) -> str:
    """A Unix time to the minute: 2026-11-28 19:14.

    Args:
        zone: None is this machine's.
    """
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"


def clock(at: float, now: float, zone: tzinfo | None = None) -> str:
    """The same, without the day where that is today's."""
    whole = moment(at, zone)
    return whole[-5:] if whole[:-5] == moment(now, zone)[:-5] else whole


def size(count: int) -> str:
    """Bytes for people: 0.4 kB, 12.3 MB, 1.20 GB."""
    if count < 999_950:
        return f"{count / 1e3:,.1f} kB"
    return f"{count / 1e6:.1f} MB" if count < 999_950_000 else f"{count / 1e9:,.2f} GB"


def interval(low: float | None, high: float | None, *, digits: int = 0) -> str:
    """The interval of a share, from 0 to 1, in percent: 12% to 34%; empty if unknown."""
    return f"{low:.{digits}%} to {high:.{digits}%}" if low is not None and high is not None else ""


def counted(number: int, noun: str) -> str:
    """A number with its noun in singular or plural: 1 call, 2 calls, 1,234 calls."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def dollars(value: float | None) -> str:
    """Money for people: $0.0012, $1,234.50; `unknown` is not 0."""
    if value is None:
        return "unknown"
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if value >= 0.1 else f"${value:.2g}" if value >= 0.0001 else "< $0.0001"


def expense(spent: Spent) -> str:
    """The cost of several calls: $0.0012, $0.0002 + 2 calls unknown, unknown."""
    unknown = f" + {counted(spent.unpriced, 'call')} unknown" if spent.unpriced and spent.cost is not None else ""
    return dollars(spent.cost) + unknown


def cost(attempt: Attempt) -> str:
    """A call's cost and its source: $0.0012, $0.0012 by list price, unknown."""
    by_list = attempt.cost_source == "computed" and attempt.cost
    return dollars(attempt.cost) + (" by list price" if by_list else "")


def abilities(info: ModelInfo) -> str:
    """What is known of a model, to help choose one: its context, inputs, and price."""
    takes = {"tools": info.tools, "images": info.images, "files": info.files, "reasoning": info.reasoning}
    parts = [f"{info.context:,} tokens of context"] if info.context is not None else []
    parts += [name if does else f"no {name}" for name, does in takes.items() if does is not None]
    if info.price is not None:
        parts.append(f"{dollars(info.price.input)} in and {dollars(info.price.output)} out per million tokens")
    if info.expires is not None:
        parts.append(f"ends on {info.expires}")
    return " · ".join(parts)


def abilities_in_short(info: ModelInfo) -> str:
    """The same in a few characters, to choose among many: 200k · $0.6 / $2.2 · tools, images."""
    can = {"tools": info.tools, "images": info.images, "reasoning": info.reasoning}
    parts = [f"{info.context / 1000:,.0f}k" if info.context is not None else "", "", ""]
    if info.price is not None:
        parts[1] = f"{dollars(info.price.input)} / {dollars(info.price.output)}"
    parts[2] = ", ".join(name for name, does in can.items() if does)
    return " · ".join(filter(None, parts))


def place(number: int) -> str:
    """Primary, fallback 1, fallback 2, …"""
    return "primary" if number == 0 else f"fallback {number}"


_MISMATCHES: dict[Validation | None, str] = {
    "unknown_tool": "It called a tool that was not offered.",
    "invalid_arguments": "The arguments of a tool call do not fit the tool.",
    "invalid_json": "It is not the JSON that was asked for.",
    "unchecked": "Its tool calls or its JSON could not be checked.",
}


def attempt_sentence(attempt: Attempt) -> str:
    """What happened in an attempt, without the model's name; how the request that reached it differs, and what of the
    answer does not fit the request.
    """
    own = [f"Set for this model alone: {', '.join(attempt.own)}."] if attempt.own else []
    remarks = [*own, *_upstream(attempt), *attempt.notes]
    if attempt.outcome == "answered" and (mismatch := attempt.mismatch or _MISMATCHES.get(attempt.validation)):
        remarks.append(mismatch)
    return " ".join([f"{_outcome(attempt).rstrip('.')}.", *remarks]) if remarks else _outcome(attempt)


def attempt_facts(attempt: Attempt) -> str:
    """What `attempt_sentence` leaves out: the HTTP status, times, and the speed of its tokens; may be empty."""
    failed, rate = attempt.outcome == "failed", None if attempt.cached else tokens_per_second(attempt)
    parts = [
        f"HTTP {attempt.status}" if failed and attempt.status and attempt.detail else "",
        f"took {seconds(attempt.latency)}" if failed and attempt.latency is not None else "",
        f"{seconds(attempt.wait)} of back-off before it" if attempt.wait >= NOTICEABLE else "",
        f"{seconds(attempt.queued)} in the queue before it" if attempt.queued >= NOTICEABLE else "",
        f"{rate:.0f} tokens/s" if rate else "",
    ]
    return " · ".join(filter(None, parts))


def _upstream(attempt: Attempt) -> Iterator[str]:
    """The calls that the provider made itself."""
    if (routing := attempt.routing) is None or attempt.cached:
        return
    attempts = ", ".join(
        (one.provider or one.model or "unknown") + (f" (HTTP {one.status})" if one.status else "")
        for one in routing.upstream
    )
    endpoints = f", of {counted(routing.endpoints, 'endpoint')}" if routing.endpoints else ""
    yield f"Its own attempts upstream: {attempts}{endpoints}."


def _outcome(attempt: Attempt) -> str:
    again = f" (try {attempt.number})" if attempt.number > 1 else ""
    again += " (injected fault)" if attempt.injected else ""
    if attempt.outcome == "skipped":
        return f"skipped: {why(attempt)}"
    if attempt.outcome == "failed":
        return f"failed{again}: {why(attempt)}"
    if attempt.outcome == "cancelled":
        return "stopped" if attempt.latency is None else f"stopped after {seconds(attempt.latency)}"
    if attempt.cached:
        return f"answered from the cache (originally {seconds(attempt.latency)})"
    tokens = attempt.usage.completion_tokens if attempt.usage else None
    parts = [f"answered{again} in {seconds(attempt.latency)}", f"first token {seconds(attempt.ttft)}"]
    if tokens is not None:
        parts.append(counted(tokens, "token"))
    if attempt.served_model and attempt.served_model not in (attempt.model, attempt.model.partition(":")[2]):
        parts.append(f"served by {attempt.served_model}")
    parts.append("shared" if attempt.shared else f"cost {cost(attempt)}")
    return ", ".join(parts)


_DATA_URL = re.compile(r"data:(?P<type>[\w.+/-]{1,80})?[^,]{0,80};base64,", re.IGNORECASE)

MAX_ADDRESS = 2_000
"""Characters of an image's address that are shown."""


def image_words(url: str) -> str:
    """An answer's image: the type and size that its data URL states, or its address."""
    if match := _DATA_URL.match(url):
        return f"{match['type'] or 'image'}, {size((len(url) - match.end()) * 3 // 4)}"
    return cut(url, MAX_ADDRESS)


def tokens_per_second(attempt: Attempt) -> float | None:
    """Output tokens per second after the first token; None if unknown."""
    if attempt.usage is None or attempt.usage.completion_tokens is None:
        return None
    if attempt.latency is None or attempt.ttft is None or attempt.latency <= attempt.ttft:
        return None
    return attempt.usage.completion_tokens / (attempt.latency - attempt.ttft)


def activity(now: Snapshot) -> str:
    """What a request in progress is doing, and for how long."""
    match now.activity:
        case Queued(model):
            what = f"Waiting for {model}"
        case Waiting(model, wait):
            what = f"Retrying {model} in {seconds(wait)}"
        case Began(model) if now.answer.text or now.answer.reasoning or now.answer.images:
            what = f"{model} is answering"
        case Began(model):
            what = f"Calling {model}"
        case _:
            what = "Starting"
    return f"{what} … {seconds(now.elapsed)}"


def skipped(attempts: Sequence[Attempt]) -> list[str]:
    """Why earlier models did not answer: one sentence per reason."""
    models: dict[str, list[str]] = {}
    for attempt in attempts:
        if attempt.outcome in ("skipped", "failed"):
            verb = "skipped" if attempt.outcome == "skipped" else "failed"
            reason = why(attempt).rstrip(".")
            names = models.setdefault(f"{verb}: {reason}.", [])
            if attempt.model not in names:
                names.append(attempt.model)
    return [f"{_list(names)} {reason}" for reason, names in models.items()]


def cut_short(result: Turn | Cell, settings: Settings) -> str | None:
    """That an answer ended at a token limit, in one sentence; None if it did not.

    Args:
        settings: those that the answer was asked with; a limit set elsewhere has no number here.
    """
    if result.state != "answered" or result.answer.finish_reason != "length":
        return None
    limit = settings.max_tokens
    return "Cut at the model's token limit." if limit is None else f"Cut at max tokens ({limit:,})."


def parameters(settings: Settings) -> dict[str, str]:
    """What a conversation sets besides its chain or model, in words, by names that `Settings.without` takes."""
    sampling = {name: _sampling(name, settings.params[name]) for name in SAMPLING if name in settings.params}
    found = {
        "system": "system prompt" if settings.system.strip() else "",
        "temperature": f"temperature {settings.temperature:g}" if settings.temperature is not None else "",
        "max_tokens": f"max {settings.max_tokens:,}" if settings.max_tokens is not None else "",
        **sampling,
        "params": ", ".join(name for name in settings.params if name not in SAMPLING),
        "tools": counted(len(settings.tools), "tool") if settings.tools else "",
        "schema": "JSON" if settings.schema is not None else "",
    }
    return {name: words for name, words in found.items() if words}


def _sampling(name: str, value: object) -> str:
    if name == "stop":
        stops = value if isinstance(value, list | tuple) else [value]
        return f"stop “{write_stops([str(stops[0])])}”" if len(stops) == 1 else counted(len(stops), "stop sequence")
    return f"{_SAMPLING_WORDS[name]} {value}"


_SAMPLING_WORDS = {"top_p": "top-p", "seed": "seed", "reasoning_effort": "effort"}


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
