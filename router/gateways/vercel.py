"""Vercel's AI SDK: a TypeScript file whose chains are language models of the SDK.

The SDK has no fallback of its own; the file brings one, as a LanguageModelV3 that streamText, generateText and agents
take like any other. Where Vercel's AI Gateway serves all models, its own fallback is used instead
(https://vercel.com/docs/ai-gateway/models-and-providers/model-fallbacks). Tried with ai 6.0, @ai-sdk/openai-compatible
2.0 and @ai-sdk/anthropic 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from router.config.chains import Chain, Link
from router.config.keys import VARIABLE
from router.config.schema import Config, ProviderConfig
from router.config.values import shortened
from router.gateways.exported import Exported, Loss, comments, merged
from router.gateways.links import bearer, fields_of, network_links, other_headers, without_query
from router.gateways.unsaid import unsaid

_CARRIED = frozenset(
    {"system", "query", "first_token", "stall", "answer", "retries", "backoff", "retry_after", "empty"}
)

_RUNTIME = Path(__file__).with_name("vercel_runtime.ts")
"""What the SDK lacks: a language model made of several."""

_SETTINGS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "stop": "stopSequences",
}
"""Fields of chat completions, and the SDK's names of those that the Anthropic provider takes."""


def to_vercel(config: Config, chains: Sequence[Chain]) -> Exported:
    """A TypeScript module that exports `chains`, by category.

    Raises:
        InvalidRequest: a chain has no model that the SDK can call.
    """
    links = {str(chain.name): network_links(config, chain) for chain in chains}
    if all(_is_gateway(provider) for each in links.values() for _, provider in each):
        return _to_gateway(config, chains)
    losses: list[Loss] = [
        (chain, sentence) for chain in chains for sentence in _losses(config, chain, links[str(chain.name)])
    ]
    lost = merged(losses, chains)
    head = comments(
        "//",
        "npm install ai @ai-sdk/provider @ai-sdk/openai-compatible @ai-sdk/anthropic\n"
        f"// streamText({{ model: chains[{_js(chains[0].name)}], prompt: 'Hello!' }})",
        lost,
    )
    said = "".join(_chain(chain, links[str(chain.name)]) for chain in chains)
    runtime = _RUNTIME.read_text(encoding="utf-8")
    return Exported(f"{head}{runtime}\nexport const chains = {{\n{said}}};\n", lost, "chains.ts", "typescript")


def _chain(chain: Chain, links: Sequence[tuple[Link, ProviderConfig]]) -> str:
    policy = chain.policy
    limits = {
        "stall": policy.stall,
        "answer": policy.answer,
        "retries": policy.retries,
        "backoff": policy.backoff.model_dump(),
        "retryAfterAtMost": policy.retry_after_at_most,
    }
    lines = "".join(f"    {_link(chain, *link)},\n" for link in links)
    return f"  {_js(chain.name)}: chain({_js(limits)}, [\n{lines}  ]),\n"


def _link(chain: Chain, link: Link, provider: ProviderConfig) -> str:
    key = bearer(provider)
    headers = ", ".join(f"{_js(name)}: {_text(text)}" for name, text in other_headers(provider).items())
    parts = [f"baseURL: {_js(without_query(provider.base_url))}", f"headers: {{{headers}}}"]
    if key:
        parts.append(f"apiKey: process.env.{key}")
    elif provider.protocol == "anthropic":
        parts.append("apiKey: 'none'")  # else the provider would send ANTHROPIC_API_KEY to this address
    fields = fields_of(chain, link, provider)
    rest = f"firstToken: {chain.first_token(link):g}, system: {_js(link.system)}"
    if provider.protocol == "anthropic":
        settings = {_SETTINGS[name]: value for name, value in fields.items() if name in _SETTINGS}
        made = f"createAnthropic({{ {', '.join(parts)} }})({_js(link.ref.model)})"
        return f"{{ model: {made}, settings: {_js(settings)}, {rest} }}"
    query = dict(parse_qsl(urlsplit(provider.base_url or "").query))
    without = [name for name, value in provider.body.items() if value is None]
    parts += [f"name: {_js(link.ref.provider)}", "includeUsage: true"]
    parts += [f"queryParams: {_js(query)}"] if query else []
    parts += [f"transformRequestBody: fields({_js(fields)}, {_js(without)})"] if fields or without else []
    return f"{{ model: createOpenAICompatible({{ {', '.join(parts)} }})({_js(link.ref.model)}), {rest} }}"


def _js(value: Any) -> str:
    """A value as TypeScript; JSON is a part of it."""
    return msgspec.json.encode(value).decode()


def _text(text: str) -> str:
    """A header's text, with its variables."""
    parts = enumerate(VARIABLE.split(text))  # words and names take turns
    said = [f"(process.env.{part} ?? '')" if place % 2 else _js(part) for place, part in parts if part]
    return " + ".join(said) or "''"


def _losses(config: Config, chain: Chain, links: Sequence[tuple[Link, ProviderConfig]]) -> Iterator[str]:
    yield from unsaid(config, chain, _CARRIED)
    for link, provider in links:
        if provider.protocol == "anthropic":
            for name in sorted(fields_of(chain, link, provider).keys() - _SETTINGS.keys()):
                yield f"`{shortened(name)}` of `{shortened(link.ref.text)}` is left out: pass it as `providerOptions`."


def _is_gateway(provider: ProviderConfig) -> bool:
    return urlsplit(provider.base_url or "").hostname == "ai-gateway.vercel.sh"


def _to_gateway(config: Config, chains: Sequence[Chain]) -> Exported:
    losses: list[Loss] = []
    said = ""
    for chain in chains:
        first, *others = [link for link, _ in network_links(config, chain)]
        options = {"gateway": {"models": [link.ref.model for link in others]}}
        said += f"  {_js(chain.name)}: {{ model: gateway({_js(first.ref.model)}), providerOptions: {_js(options)} }},\n"
        losses += [(chain, sentence) for sentence in unsaid(config, chain, {"keys", "query"})]
        for name in dict.fromkeys(name for link in network_links(config, chain) for name in fields_of(chain, *link)):
            losses.append((chain, f"`{shortened(name)}` is left out: pass it to the call."))
    lost = merged(losses, chains)
    usage = f"// generateText({{ ...chains[{_js(chains[0].name)}], prompt: 'Hello!' }}), with AI_GATEWAY_API_KEY"
    head = comments("//", f"npm install ai\n{usage}", lost)
    text = f"{head}import {{ gateway }} from 'ai';\n\nexport const chains = {{\n{said}}};\n"
    return Exported(text, lost, "chains.ts", "typescript")
