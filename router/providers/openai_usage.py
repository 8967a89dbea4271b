"""Token counts and cost of a chat completions `usage` object, as a dozen servers write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.core.messages import Usage
from router.core.untrusted import count, mapping, number


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """What a usage object says; what is missing, malformed, or possibly too low stays unknown."""
    prompt = _first(usage, "prompt_tokens", "input_tokens")
    prompt_details = mapping(usage.get("prompt_tokens_details"))
    cached = _first(prompt_details, "cached_tokens")
    if cached is None:
        cached = _first(usage, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    written = _first(prompt_details, "cache_write_tokens")
    if written is None:
        written = _first(usage, "cache_creation_input_tokens")
    if not prompt or (cached or 0) + (written or 0) > prompt:
        prompt = None  # a server that does not count, or counts without the cached part
    completion, reasoning = _output(usage, prompt)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        cost=_cost(usage),
    )


def _output(usage: Mapping[str, Any], prompt: int | None) -> tuple[int | None, int | None]:
    """All output tokens and the reasoning tokens, which xAI and Gemini count only in the total."""
    completion, total = _first(usage, "completion_tokens", "output_tokens"), _first(usage, "total_tokens")
    reasoning = _first(mapping(usage.get("completion_tokens_details")), "reasoning_tokens")
    if reasoning is None:
        reasoning = _first(usage, "reasoning_tokens")
    if completion is None or prompt is None:
        return completion, reasoning
    beside = (total or 0) - prompt - completion
    if beside > 0:
        return completion + beside, beside if reasoning is None else reasoning
    if reasoning is not None and reasoning > completion:
        return (completion + reasoning if total is None else None), reasoning
    return completion, reasoning


def _first(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if name in usage and (found := count(usage[name])) is not None:
            return found
    return None


def _cost(usage: Mapping[str, Any]) -> float | None:
    """US dollars: a number, Perplexity's object, or OpenRouter's fee plus what the provider charges one's own key."""
    cost = usage.get("cost")
    own = _dollars(cost.get("total_cost") if isinstance(cost, Mapping) else cost)
    if own is None or usage.get("is_byok") is not True:
        return own
    upstream = _dollars(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return own + upstream if upstream is not None else None


def _dollars(value: object) -> float | None:
    cost = number(value)
    return cost if cost is not None and cost >= 0 else None
