"""What of a chain a format has no words for, one sentence each."""

from __future__ import annotations

from collections.abc import Container, Iterator

from router.config.chains import Chain
from router.config.policy import ChainPolicy
from router.config.schema import Config
from router.config.values import shortened


def unsaid(config: Config, chain: Chain, carried: Container[str]) -> Iterator[str]:
    """A sentence for each setting of a chain that a format has no word for.

    Args:
        carried: the settings that it has one for, or that it speaks of itself.
    """
    settings = [*_of_links(config, chain), *_of_time(chain.policy), *_of_failures(chain.policy), *_of_all(config)]
    return (sentence for setting, sentence in settings if setting not in carried)


def _of_links(config: Config, chain: Chain) -> Iterator[tuple[str, str]]:
    for link in chain.links:
        model = shortened(link.ref.text)
        if config.providers[link.ref.provider].base_url is None:
            yield "embedded", f"`{model}` is left out: it runs inside Fallback Lab alone."
        elif link.system.strip():
            yield "system", f"The system prompt of `{model}` is left out."
    for name in dict.fromkeys(link.ref.provider for link in chain.links):
        provider, shown = config.providers[name], shortened(name)
        if len(provider.api_key) > 1:
            first, *others = provider.api_key
            yield "keys", f"The key of `{shown}` is read from {first} alone, not from {', '.join(others)}."
        if "?" in (provider.base_url or ""):
            yield "query", f"The query in the base_url of `{shown}` is left out."


def _of_time(policy: ChainPolicy) -> Iterator[tuple[str, str]]:
    yield "first_token", f"`first_token` ({policy.first_token:g} s): a silent model is waited for."
    yield "stall", f"`stall` ({policy.stall:g} s): a stream that stops in the middle is waited for."
    if policy.min_tokens_per_s:
        yield "min_tokens_per_s", f"`min_tokens_per_s` ({policy.min_tokens_per_s:g}): a slow stream is not left."
    yield "answer", f"`answer` ({policy.answer:g} s): a whole answer may take any time."
    yield "connect", f"`connect` ({policy.connect:g} s): opening a connection has no limit of its own."
    yield "deadline", f"`deadline` ({policy.deadline:g} s): the chain as a whole may take any time."
    yield "max_answer", f"`max_answer` ({policy.max_answer:g} s): a streamed answer may take any time."


def _of_failures(policy: ChainPolicy) -> Iterator[tuple[str, str]]:
    if policy.retries:
        base, cap, longest = policy.backoff.base, policy.backoff.cap, policy.retry_after_at_most
        yield "retries", f"`retries` ({policy.retries}): a model that fails is not tried again before the next one."
        yield "backoff", f"`backoff` ({base:g} s to {cap:g} s): the waits between retries are the gateway's own."
        yield "retry_after", f"`retry_after_at_most` ({longest:g} s): a longer Retry-After does not end the retries."
    yield "breaker", "`breaker`: a model that keeps failing is called again by every request."
    if policy.on_content_filter == "stop":
        yield "content_filter", "`on_content_filter: stop`: a prompt that a policy rejects goes to the next model."
    if policy.on_invalid_tool_call == "next":
        yield "invalid", "`on_invalid_tool_call: next`: a tool call that does not fit its tool is accepted."
    if policy.on_invalid_json == "next":
        yield "invalid", "`on_invalid_json: next`: an answer that is not the JSON asked for is accepted."
    yield (
        "broken",
        "A stream that breaks after its first token ends with an error or short: no other model begins again.",
    )
    yield "empty", "An answer without text, and an error in a stream before its first token, count as answers."


def _of_all(config: Config) -> Iterator[tuple[str, str]]:
    if config.policy.cache.enabled:
        yield "cache", "`cache`: identical requests are sent again."
    if config.offline is not None:
        yield "offline", f"`offline` ({shortened(config.offline.text)}): without keys, no model stands in."
    yield "concurrency", "`max_concurrency`: calls at once are not limited, and none waits for its turn."
