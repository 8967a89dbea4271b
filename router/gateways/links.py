"""The links of a chain as another program calls them: address, key, headers, fields."""

from __future__ import annotations

from typing import Any

from router.config.chains import Chain, Link
from router.config.keys import VARIABLE
from router.config.schema import Config, ProviderConfig
from router.config.values import shortened
from router.core.errors import InvalidRequest


def network_links(config: Config, chain: Chain) -> list[tuple[Link, ProviderConfig]]:
    """The links whose models another program can call, each with its provider.

    Raises:
        InvalidRequest: there is none.
    """
    links = [(link, config.providers[link.ref.provider]) for link in chain.links]
    found = [(link, provider) for link, provider in links if provider.base_url is not None]
    if not found:
        raise InvalidRequest(
            f"The chain `{shortened(chain.name)}` has only embedded models, which run inside Fallback Lab alone. Add a"
            " model that a provider serves."
        )
    return found


def bearer(provider: ProviderConfig) -> str | None:
    """The variable that holds a provider's key: `api_key`'s first, or that of `Authorization: Bearer`."""
    if provider.api_key:
        return provider.api_key[0]
    for name, text in provider.headers.items():
        scheme, _, rest = text.partition(" ")
        if name.lower() == "authorization" and scheme.lower() == "bearer" and (match := VARIABLE.fullmatch(rest)):
            return match[1]
    return None


def other_headers(provider: ProviderConfig) -> dict[str, str]:
    """The headers besides the one that `bearer` stands for."""
    is_bearer = not provider.api_key and bearer(provider) is not None
    return {
        name: text for name, text in provider.headers.items() if not (is_bearer and name.lower() == "authorization")
    }


def fields_of(chain: Chain, link: Link, provider: ProviderConfig) -> dict[str, Any]:
    """The body fields that are sent for a link: the provider's, the chain's, and its own.

    `reasoning` is OpenRouter's; all others get the effort alone, as router/providers/openai_request.py has it.
    """
    fields = {name: value for name, value in {**provider.body, **chain.params_of(link)}.items() if value is not None}
    if not provider.is_openrouter and "reasoning" not in provider.body:
        reasoning = fields.pop("reasoning", None)
        if isinstance(reasoning, dict) and "effort" in reasoning:
            fields.setdefault("reasoning_effort", reasoning["effort"])
    return fields


def without_query(address: str | None) -> str:
    """A base URL's part before its query."""
    return (address or "").partition("?")[0]
