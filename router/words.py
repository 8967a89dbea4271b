"""What was observed, in words: the same on the pages and on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from router.events import Began, Queued, Waiting
from router.facts import ModelFacts
from router.handle import Snapshot
from router.messages import Attempt

CONTEXT_NEARLY_FULL = 0.8
"""Share of a known context from which on people are told."""


def seconds(value: float | None) -> str:
    """A duration for people: 85 ms, 2.41 s, 3 min 20 s; a dash where there is none."""
    if value is None:
        return "–"
    # Limits at which the larger unit is reached once it is rounded: 119.7 s are 2 min 0 s, not 1 min 60 s.
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def dollars(value: float | None) -> str:
    """Money for people: $0.0012, $1,234.50; `unknown` is not 0."""
    if value is None:
        return "unknown"
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if value >= 0.1 else f"${value:.2g}" if value >= 0.0001 else "< $0.0001"


def cost(attempt: Attempt) -> str:
    """What a call cost, and who says so: $0.0012, $0.0012 by list price, unknown."""
    by_list = attempt.cost_source == "computed" and attempt.cost
    return dollars(attempt.cost) + (" by list price" if by_list else "")


def abilities(facts: ModelFacts) -> str:
    """What helps to choose a model, as far as it is known: its context, what it takes, and its price."""
    takes = {"tools": facts.tools, "images": facts.images, "files": facts.files}
    parts = [f"reads {facts.context:,} tokens"] if facts.context is not None else []
    parts += [name if does else f"no {name}" for name, does in takes.items() if does is not None]
    if facts.price is not None:
        parts.append(f"{dollars(facts.price.input)} in and {dollars(facts.price.output)} out per million tokens")
    if facts.expires is not None:
        parts.append(f"ends on {facts.expires}")
    return " · ".join(parts)


def place(number: int) -> str:
    """Primary, fallback 1, fallback 2, …"""
    return "primary" if number == 0 else f"fallback {number}"


def attempt_sentence(attempt: Attempt) -> str:
    """What happened in an attempt, without the model's name."""
    again = f" (try {attempt.number})" if attempt.number > 1 else ""
    again += " (fault on demand)" if attempt.injected else ""
    if attempt.outcome == "skipped":
        return f"passed over: {_why(attempt)}"
    if attempt.outcome == "failed":
        return f"failed{again}: {_why(attempt)}"
    if attempt.outcome == "cancelled":
        return "stopped" if attempt.latency is None else f"stopped after {seconds(attempt.latency)}"
    if attempt.cached:
        return f"answered from the cache (originally {seconds(attempt.latency)})"
    tokens = attempt.usage.completion_tokens if attempt.usage else None
    parts = [f"answered{again} in {seconds(attempt.latency)}", f"first token {seconds(attempt.ttft)}"]
    if tokens is not None:
        parts.append(f"{tokens} tokens")
    if attempt.served_model and attempt.served_model not in (attempt.model, attempt.model.partition(":")[2]):
        parts.append(f"served by {attempt.served_model}")
    parts.append("shared" if attempt.shared else f"cost {cost(attempt)}")
    return ", ".join(parts)


def _why(attempt: Attempt) -> str:
    """Why it did not answer: its sentence, or what is stored of it."""
    status = f" (HTTP {attempt.status})" if attempt.status else ""
    return attempt.detail or f"{(attempt.reason or 'unknown').replace('_', ' ')}{status}"


def tokens_per_second(attempt: Attempt) -> float | None:
    """Output tokens a second after the first token; None where it is not known."""
    if attempt.usage is None or attempt.usage.completion_tokens is None:
        return None
    if attempt.latency is None or attempt.ttft is None or attempt.latency <= attempt.ttft:
        return None
    return attempt.usage.completion_tokens / (attempt.latency - attempt.ttft)


def activity(now: Snapshot) -> str:
    """What a request under way does, and since when."""
    match now.activity:
        case Queued(model):
            what = f"Waiting for {model}"
        case Waiting(model, wait):
            what = f"{model} is tried again after {seconds(wait)}"
        case Began(model) if now.answer.text or now.answer.reasoning:
            what = f"{model} answers"
        case Began(model):
            what = f"Asking {model}"
        case _:
            what = "Starting"
    return f"{what} … {seconds(now.elapsed)}"


def passed_over(attempts: Sequence[Attempt]) -> list[str]:
    """Why the models before the answer did not give it: one sentence for each reason."""
    models: dict[str, list[str]] = {}
    for attempt in attempts:
        if attempt.outcome in ("skipped", "failed"):
            verb = "passed over" if attempt.outcome == "skipped" else "failed"
            reason = _why(attempt).rstrip(".")
            names = models.setdefault(f"{verb}: {reason}.", [])
            if attempt.model not in names:
                names.append(attempt.model)
    return [f"{_list(names)} {reason}" for reason, names in models.items()]


def stand_in(attempts: Sequence[Attempt]) -> str | None:
    """Why the embedded model answers in the chain's place, in one sentence; None where it does not."""
    reasons = {a.detail for a in attempts if a.reason == "no_key" and a.detail}
    if not reasons or attempts[-1].outcome == "skipped" or attempts[-1].provider != "embedded":
        return None
    return (
        f"The chain's models were passed over because {_list(sorted(reasons))}."
        f" {attempts[-1].model}, a small model on this machine, answered in their place."
    )


def outgrown(attempts: Sequence[Attempt], context: int | None) -> str | None:
    """A sentence where the conversation nears the end of the context of the model that answered last."""
    usage = attempts[-1].usage if attempts else None
    if context is None or usage is None or usage.prompt_tokens is None:
        return None
    tokens = usage.prompt_tokens + (usage.completion_tokens or 0)
    if tokens < CONTEXT_NEARLY_FULL * context:
        return None
    return (
        f"This conversation holds {tokens:,} of the {context:,} tokens that {attempts[-1].model} can read."
        " Begin a new one before answers fail."
    )


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
