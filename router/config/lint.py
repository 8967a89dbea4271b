"""Likely mistakes in models.yaml, based on the providers' model lists."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from router.config.chains import ModelRef
from router.config.schema import Config
from router.core.capabilities import ModelInfo
from router.core.model_names import listed_as

MUCH_SMALLER = 0.5
"""Fallbacks with less than this share of the primary's context are reported."""

# Supported by every model, or missing from all lists of parameters.
_ALWAYS = frozenset({"max_tokens", "stream", "tools", "tool_choice", "models", "provider", "user", "metadata", "usage"})

Listed = Callable[[str], Mapping[str, ModelInfo] | None]
Facts = Callable[[ModelRef], ModelInfo]


def advice(config: Config, listed: Listed, info: Facts) -> Iterator[str]:
    """One sentence for each thing that is valid but probably not intended.

    Args:
        listed: the models that a provider lists; None if unknown.
        facts: what is known of a model.
    """
    for name, chain in config.chains.items():
        largest = info(chain.models[0]).context
        for link in chain.links:
            ref = link.ref
            where = f"`{ref.text}` in `{name}`"
            if sentence := _unlisted(ref, listed(ref.provider)):
                yield f"{where} {sentence}"
                continue
            known = info(ref)
            yield from (f"{where} {sentence}" for sentence in _about(chain.name, chain.params_of(link), known))
            if largest and known.context and known.context < MUCH_SMALLER * largest:
                yield (
                    f"{where} has a context of {known.context:,} tokens, the chain's primary {largest:,}: prompts that"
                    " fit the primary may be too long for it."
                )


def _unlisted(ref: ModelRef, listed: Mapping[str, ModelInfo] | None) -> str | None:
    # OpenRouter's presets are its users' own: no list names them.
    if not listed or ref.model.startswith("@preset/") or listed_as(ref.model, listed):
        return None
    near = [f"`{name}`" for name in difflib.get_close_matches(ref.model, listed, n=3, cutoff=0.6)]
    return f"is not in the model list of {ref.provider}." + (f" Nearest: {', '.join(near)}." if near else "")


def _about(category: str | None, params: Mapping[str, Any], known: ModelInfo) -> Iterator[str]:
    if known.expires is not None:
        yield f"is discontinued on {known.expires}; replace it before then."
    if known.tools is False and (category == "tools" or "tools" in params):
        yield "does not support tools: requests with tools skip it."
    if known.parameters:
        for name in sorted(params.keys() - set(known.parameters) - _ALWAYS):
            yield f"ignores the parameter `{name}`."
