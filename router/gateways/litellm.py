"""LiteLLM's proxy: a config.yaml with a model group for each link, and the fallbacks between them.

What is said here of LiteLLM was read in litellm 1.108 (router.py, router_utils/, types/router.py) and tried with its
Router; https://docs.litellm.ai/docs/routing and /docs/proxy/config_settings describe the fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from router.config.chains import Chain, Link
from router.config.keys import VARIABLE
from router.config.schema import Config, ProviderConfig
from router.config.values import shortened
from router.gateways.exported import Exported, Loss, comments, merged
from router.gateways.links import bearer, fields_of, network_links, other_headers, without_query
from router.gateways.unsaid import unsaid

_KNOWN = frozenset(
    {
        *("temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "presence_penalty", "seed"),
        *("frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format", "tools", "tool_choice"),
        *("parallel_tool_calls", "reasoning_effort", "verbosity", "service_tier", "modalities"),
    }
)
"""Fields of chat completions that LiteLLM takes beside its own; any other name might be one of its own settings."""

_CARRIED = frozenset({"first_token", "stall", "answer", "retries", "breaker", "content_filter", "cache"})


def to_litellm(config: Config, chains: Sequence[Chain]) -> Exported:
    """A config.yaml of LiteLLM's proxy: `model: <category>` asks a chain.

    Raises:
        InvalidRequest: a chain has no model that LiteLLM can call.
    """
    losses: list[Loss] = []
    models: list[dict[str, Any]] = []
    fallbacks, policies, filters = [], {}, []
    names = _Names(str(chain.name) for chain in chains)
    for chain in chains:
        links = network_links(config, chain)
        groups = [str(chain.name), *(names.of_fallback(chain, number) for number in range(1, len(links)))]
        for group, (link, provider) in zip(groups, links, strict=True):
            models.append({"model_name": group, "litellm_params": _params(chain, link, provider)})
            if chain.policy.retries != config.policy.retries:
                policies[group] = _retries(chain.policy.retries)
        if groups[1:]:
            fallbacks.append({groups[0]: groups[1:]})
        # Without an entry, a prompt that a policy rejects goes on to `fallbacks`; an empty one ends it.
        filters.append({groups[0]: groups[1:] if chain.policy.on_content_filter == "next" else []})
        losses += [(chain, sentence) for sentence in _losses(config, chain, links)]
    settings: dict[str, Any] = {
        "fallbacks": fallbacks,
        "content_policy_fallbacks": filters,
        "max_fallbacks": max(len(chain.links) for chain in chains),  # 5 unless said
        "retry_policy": _retries(config.policy.retries),
        **({"model_group_retry_policy": policies} if policies else {}),
        "allowed_fails_policy": dict.fromkeys(_FAULTS, config.policy.breaker.min_calls - 1),
        "cooldown_time": config.policy.breaker.open_for,
    }
    data: dict[str, Any] = {"model_list": models, "router_settings": settings}
    if config.policy.cache.enabled:
        cache = {"type": "local", "ttl": config.policy.cache.ttl}
        data["litellm_settings"] = {"cache": True, "cache_params": cache}
    lost = merged(losses, chains)
    head = comments("#", "LiteLLM proxy: litellm --config config.yaml; a request's `model` is a category.", lost)
    return Exported(f"{head}\n{yaml.dump(data, Dumper=_Dumper, **_STYLE)}", lost, "config.yaml", "yaml")


_STYLE: Mapping[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 120}


class _Dumper(yaml.SafeDumper):
    """Writes what occurs twice, twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # its name is PyYAML's
        return True


_FAULTS = tuple(
    f"{error}AllowedFails"
    for error in ("TimeoutError", "RateLimitError", "InternalServerError", "ServiceUnavailableError", "BadGatewayError")
)
"""What the breaker counts: the provider's faults."""


class _Names:
    """Names of groups, none twice."""

    def __init__(self, taken: Iterator[str]) -> None:
        self._taken = set(taken)

    def of_fallback(self, chain: Chain, number: int) -> str:
        name = f"{chain.name}-fallback-{number}"
        while name in self._taken:
            name += "-"
        self._taken.add(name)
        return name


def _retries(retries: int) -> dict[str, int]:
    """Retries by the kind of error, as router/core/errors.py decides: a silent model has none."""
    never = ("TimeoutError", "BadRequestError", "AuthenticationError", "NotFoundError", "ContentPolicyViolationError")
    return {"DefaultRetries": retries} | {f"{error}Retries": 0 for error in never}


def _params(chain: Chain, link: Link, provider: ProviderConfig) -> dict[str, Any]:
    key = bearer(provider)
    params: dict[str, Any] = {
        "model": f"{_kind(provider)}/{link.ref.model}",
        "api_base": _address(provider),
        # Without one, LiteLLM would send OPENAI_API_KEY to this address.
        "api_key": f"os.environ/{key}" if key else "none",
        "timeout": chain.policy.answer,
        "stream_timeout": max(chain.first_token(link), chain.policy.stall),
    }
    if headers := {name: _header(text) for name, text in other_headers(provider).items() if _header(text)}:
        params["extra_headers"] = headers
    if provider.protocol == "anthropic":
        params["drop_params"] = True  # what the protocol lacks is left out, as here
    fields = fields_of(chain, link, provider)
    params |= {name: value for name, value in fields.items() if name in _KNOWN}
    if extra := {name: value for name, value in fields.items() if name not in _KNOWN}:
        params["extra_body"] = extra
    if dropped := [name for name, value in provider.body.items() if value is None]:
        params["additional_drop_params"] = dropped
    if allowed := sorted(params.keys() & {"reasoning_effort", "verbosity", "logprobs", "top_logprobs", "modalities"}):
        params["allowed_openai_params"] = allowed  # a compatible server knows more than LiteLLM thinks
    return params


def _kind(provider: ProviderConfig) -> str:
    if provider.protocol == "anthropic":
        return "anthropic"
    return "openrouter" if provider.is_openrouter else "openai"


def _address(provider: ProviderConfig) -> str:
    """`api_base`: Anthropic's takes `/v1/messages` by itself, unless it ends with it."""
    address = without_query(provider.base_url)
    return address.removesuffix("/v1") if provider.protocol == "anthropic" else address


def _header(text: str) -> str | None:
    """A header's text; None where LiteLLM cannot put it together from a variable and words, or encode it."""
    if match := VARIABLE.fullmatch(text):
        return f"os.environ/{match[1]}"
    return None if VARIABLE.search(text) or not text.isascii() else text


def _losses(config: Config, chain: Chain, links: Sequence[tuple[Link, ProviderConfig]]) -> Iterator[str]:
    yield from unsaid(config, chain, _CARRIED)
    policy, breaker = chain.policy, config.policy.breaker
    yield (
        "`first_token` and `stall` are one limit, the larger of them as `stream_timeout`, between any two reads;"
        " keep-alive comments count as reads."
    )
    yield (
        f"`breaker`: LiteLLM counts {breaker.min_calls} failures within {breaker.open_for:g} s instead of a share of"
        f" {breaker.window} calls within {breaker.within:g} s, and tests with all requests at once."
    )
    if policy.on_content_filter == "stop" and links[1:]:
        yield (
            "`on_content_filter: stop` holds for the primary alone, and for rejections that LiteLLM knows by their"
            " words; others go to the next model."
        )
    if policy.retries:
        yield "A 403 is retried like a 502: LiteLLM's retry policy has no name for either."
    if config.policy.cache.enabled:
        yield "`cache`: it is in the memory of one process, without `size_limit`."
    for _, provider in links:
        for name, text in other_headers(provider).items():
            if _header(text) is None:
                yield f"The header `{name}` is left out: LiteLLM takes a variable as a whole value alone, and ASCII."
        if provider.protocol == "anthropic" and not without_query(provider.base_url).endswith("/v1"):
            yield f"`{shortened(provider.base_url)}`: LiteLLM adds `/v1/messages` to it, not `/messages`."
