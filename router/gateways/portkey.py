"""Portkey's gateway: a config, as JSON, whose targets are the links.

What is said here of Portkey was read in its gateway's source (src/middlewares/requestValidator/schema/config.ts,
src/handlers/retryHandler.ts, src/services/conditionalRouter.ts) and tried with @portkey-ai/gateway 1.15;
https://portkey.ai/docs/product/ai-gateway/configs describes the fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from router.config.chains import Chain, Link
from router.config.schema import Config, ProviderConfig
from router.config.values import shortened
from router.gateways.exported import Exported, Loss, merged
from router.gateways.links import bearer, fields_of, network_links, other_headers, without_query
from router.gateways.unsaid import unsaid

_CARRIED = frozenset({"answer", "retries", "content_filter", "cache"})

_RETRIED = (429, 500, 502, 503, 504)
"""Without 408, which is Portkey's own status of a target that took too long."""


def to_portkey(config: Config, chains: Sequence[Chain]) -> Exported:
    """A config for the header `x-portkey-config`; one of several chains is chosen by the request's `model`.

    Raises:
        InvalidRequest: a chain has no model that Portkey can call.
    """
    links = {str(chain.name): network_links(config, chain) for chain in chains}
    said = [_chain(chain, links[str(chain.name)]) for chain in chains]
    if len(chains) == 1:
        whole = said[0]
    else:
        conditions = [{"query": {"params.model": {"$eq": name}}, "then": name} for name in links]
        targets = [{"name": name, **each} for name, each in zip(links, said, strict=True)]
        whole = {"strategy": {"mode": "conditional", "conditions": conditions}, "targets": targets}
    if config.policy.cache.enabled:
        whole = {**whole, "cache": {"mode": "simple", "max_age": round(config.policy.cache.ttl)}}
    losses: list[Loss] = [
        (chain, sentence) for chain in chains for sentence in _losses(config, chain, links[str(chain.name)])
    ]
    text = json.dumps(whole, indent=2) + "\n"  # in ASCII: it goes into a header
    return Exported(text, merged(losses, chains), "portkey.json", "json")


def _chain(chain: Chain, links: Sequence[tuple[Link, ProviderConfig]]) -> dict[str, Any]:
    # Without `on_status_codes`, any status but a 2xx leads to the next target.
    return {"strategy": {"mode": "fallback"}, "targets": [_target(chain, *link) for link in links]}


def _target(chain: Chain, link: Link, provider: ProviderConfig) -> dict[str, Any]:
    policy, key = chain.policy, bearer(provider)
    kind = "anthropic" if provider.protocol == "anthropic" else "openrouter" if provider.is_openrouter else "openai"
    target: dict[str, Any] = {
        "provider": kind,
        "custom_host": without_query(provider.base_url),
        # Required; a server without keys ignores it.
        "api_key": f"${key}" if key else "none",
        "request_timeout": round(policy.answer * 1000),
        "override_params": {"model": link.ref.model, **fields_of(chain, link, provider)},
    }
    if policy.retries:
        target["retry"] = {
            "attempts": min(policy.retries, _MOST_RETRIES),
            "on_status_codes": list(_RETRIED),
            "use_retry_after_header": True,
        }
    return target


_MOST_RETRIES = 5
"""https://portkey.ai/docs/product/ai-gateway/automatic-retries"""


def _losses(config: Config, chain: Chain, links: Sequence[tuple[Link, ProviderConfig]]) -> Iterator[str]:
    policy = chain.policy
    yield from unsaid(config, chain, _CARRIED)
    yield f"`answer` ({policy.answer:g} s) ends with the response's headers, and holds for streams too."
    if policy.on_content_filter == "stop":
        yield "`on_content_filter: stop`: Portkey knows errors by their status alone, and any leads to the next model."
    if policy.retries > _MOST_RETRIES:
        yield f"`retries` ({policy.retries}): Portkey retries {_MOST_RETRIES} times at most."
    if any(fields_of(chain, *link) for link in links):
        yield "`params` and a provider's `body` replace a request's own; names that Portkey does not know are dropped."
    for _, provider in links:
        for name in other_headers(provider):
            yield f"The header `{name}` is left out: a target has no headers of its own."
        for name, value in provider.body.items():
            if value is None:
                yield f"`{shortened(name)}: null` in a body: Portkey leaves no field out."
    if config.policy.cache.enabled:
        yield "`cache` is kept by Portkey's hosted gateway, without `size_limit`; the one from npm has none."
