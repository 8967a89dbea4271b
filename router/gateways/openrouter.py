"""OpenRouter: a request's body, whose `models` are tried in order.

https://openrouter.ai/docs/guides/routing/model-fallbacks and /provider-routing describe the fields. More than three
models are a 400: "'models' array must have 3 items or fewer" (https://github.com/coder/xum/issues/2963).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from router.config.chains import Chain
from router.config.schema import Config
from router.config.values import shortened
from router.core.errors import InvalidRequest
from router.gateways.exported import Exported, Loss, merged
from router.gateways.links import fields_of, network_links
from router.gateways.unsaid import unsaid

MOST_MODELS = 3

_CARRIED = frozenset({"first_token", "min_tokens_per_s", "keys", "query"})


def to_openrouter(config: Config, chains: Sequence[Chain]) -> Exported:
    """A body for a chain; for several, an object of bodies by category.

    Raises:
        InvalidRequest: no chain is OpenRouter's alone.
    """
    bodies: dict[str, dict[str, Any]] = {}
    losses: list[Loss] = []
    refused: list[str] = []
    for chain in chains:
        if others := _others(config, chain):
            refused.append(
                f"`{shortened(chain.name)}` is left out: {', '.join(others)} {'is' if others[:1] == others else 'are'}"
                " not OpenRouter's, and a request to OpenRouter reaches no other provider."
            )
            losses.append((chain, refused[-1]))
            continue
        bodies[str(chain.name)] = _body(config, chain)
        losses += [(chain, sentence) for sentence in _losses(config, chain)]
    if not bodies:
        raise InvalidRequest(" ".join(refused))
    whole = bodies if len(chains) > 1 else next(iter(bodies.values()))
    text = msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
    return Exported(text, merged(losses, chains), "openrouter.json", "json")


def _others(config: Config, chain: Chain) -> list[str]:
    """The models that another provider serves."""
    links = network_links(config, chain)
    return [f"`{shortened(link.ref.text)}`" for link, provider in links if not provider.is_openrouter]


def _body(config: Config, chain: Chain) -> dict[str, Any]:
    links = network_links(config, chain)
    fields = [fields_of(chain, *link) for link in links]
    shared = {name: value for name, value in fields[0].items() if all(each.get(name) == value for each in fields)}
    policy = chain.policy
    # Preferences: OpenRouter asks a slower provider last, and ends no request for it.
    wanted: dict[str, Any] = {"preferred_max_latency": {"p90": policy.first_token}}
    if policy.min_tokens_per_s:
        wanted["preferred_min_throughput"] = {"p90": policy.min_tokens_per_s}
    own = shared.pop("provider", {})
    return {
        "models": [link.ref.model for link, _ in links[:MOST_MODELS]],
        "messages": [{"role": "user", "content": "Hello!"}],
        "provider": {**wanted, **own} if isinstance(own, dict) else own,
        **shared,
    }


def _losses(config: Config, chain: Chain) -> Iterator[str]:
    yield from unsaid(config, chain, _CARRIED)
    links, policy = network_links(config, chain), chain.policy
    if left := links[MOST_MODELS:]:
        names = ", ".join(f"`{shortened(link.ref.text)}`" for link, _ in left)
        yield f"OpenRouter takes {MOST_MODELS} models at most: {names} {'is' if not left[1:] else 'are'} left out."
    yield (f"`first_token` ({policy.first_token:g} s) is only preferred (`preferred_max_latency`), and ends no call.")
    if policy.min_tokens_per_s:
        yield f"`min_tokens_per_s` ({policy.min_tokens_per_s:g}) is only preferred (`preferred_min_throughput`)."
    fields = [fields_of(chain, *link) for link in links]
    for name in dict.fromkeys(name for each in fields for name in each):
        if any(each.get(name) != fields[0].get(name) for each in fields):
            yield f"`{shortened(name)}` is left out: it differs between the models, which share one body."
    for name in dict.fromkeys(name for _, provider in links for name in provider.headers):
        yield f"The header `{name}` is not in a body: the caller sends it."
