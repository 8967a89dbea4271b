"""What models.yaml probably does not mean, as far as the providers' lists of models tell."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping

from router.config import Chain, Config, ModelRef
from router.facts import ModelFacts

MUCH_SMALLER = 0.5
"""A fallback whose context is below this share of the primary's is told."""

# What every model heeds, or no list of parameters names.
_ALWAYS = frozenset({"max_tokens", "stream", "tools", "tool_choice", "models", "provider", "user", "metadata", "usage"})

# OpenRouter's ways to route a model, which its list does not name.
_ROUTES = frozenset({"nitro", "floor", "online", "exacto", "extended"})

Listed = Callable[[str], Mapping[str, ModelFacts] | None]
Facts = Callable[[ModelRef], ModelFacts]


def advice(config: Config, listed: Listed, facts: Facts) -> Iterator[str]:
    """One sentence for each thing that is allowed but probably not meant.

    Args:
        listed: the models that a provider lists; None where that is not known.
        facts: what is known of a model.
    """
    for name, chain in config.chains.items():
        largest = facts(chain.models[0]).context
        for ref in chain.models:
            where = f"`{ref.text}` in `{name}`"
            if sentence := _unlisted(ref, listed(ref.provider)):
                yield f"{where} {sentence}"
                continue
            known = facts(ref)
            yield from (f"{where} {sentence}" for sentence in _about(chain, known))
            if largest and known.context and known.context < MUCH_SMALLER * largest:
                yield (
                    f"{where} reads {known.context:,} tokens, the chain's primary {largest:,}: what the primary can"
                    " read may be too long for it."
                )


def _unlisted(ref: ModelRef, listed: Mapping[str, ModelFacts] | None) -> str | None:
    base, _, route = ref.model.rpartition(":")
    if not listed or ref.model in listed or (route in _ROUTES and base in listed):
        return None
    near = [f"`{name}`" for name in difflib.get_close_matches(ref.model, listed, n=3, cutoff=0.6)]
    return f"is not among the models of {ref.provider}." + (f" Nearest: {', '.join(near)}." if near else "")


def _about(chain: Chain, known: ModelFacts) -> Iterator[str]:
    if known.expires is not None:
        yield f"ends on {known.expires}; choose its successor before."
    if known.tools is False and (chain.name == "tools" or "tools" in chain.params):
        yield "takes no tools: it is passed over by every request that carries some."
    if known.parameters:
        for name in sorted(chain.params.keys() - set(known.parameters) - _ALWAYS):
            yield f"ignores the parameter `{name}`."
