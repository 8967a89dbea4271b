"""The cost of a call if the provider does not report it: list prices, in US dollars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from router.core.errors import ConnectionFailed, ConnectTimeout, ProviderError
from router.core.messages import Frozen, Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

CostFunction: TypeAlias = Callable[[Usage], float | None]
"""US dollars for the tokens of one call; None if the price or a count is unknown."""


class Price(Frozen, frozen=True, kw_only=True):
    """List price of a model: US dollars per million tokens, and per request.

    Attributes:
        cached_input: input read from the provider's prompt cache; None: same as other input.
        cache_write: input written to it for minutes; None: 1.25 times other input, as Anthropic takes, who alone count
            it. What is written for an hour is twice other input.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    request: float = 0.0

    def cost_of(self, usage: Usage) -> float | None:
        """See `CostFunction`."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        for_an_hour = min(usage.cache_write_1h_tokens or 0, written)
        millionths = (
            max(usage.prompt_tokens - read - written, 0) * self.input
            + read * (self.input if self.cached_input is None else self.cached_input)
            + (written - for_an_hour) * (1.25 * self.input if self.cache_write is None else self.cache_write)
            + for_an_hour * 2 * self.input
            + usage.completion_tokens * self.output
        )
        return millionths / 1e6 + self.request


def listed_cost(base_url: str, model: str) -> CostFunction:
    """Prices of providers that publish them for people alone, from the offline data of genai-prices."""

    def cost_of(usage: Usage) -> float | None:
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        listed = _listed(
            base_url,
            model,
            input_tokens=usage.prompt_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            output_tokens=usage.completion_tokens,
        )
        return float(listed.total_price) if listed is not None else None

    return cost_of


def price_of(cost_of: CostFunction) -> Price | None:
    """What input and output cost by a cost function, for prompts of usual length; None if it does not know."""
    prompt, completion = (cost_of(Usage(prompt_tokens=tokens, completion_tokens=1000 - tokens)) for tokens in (1000, 0))
    if prompt is None or completion is None:
        return None
    return Price(input=1000 * prompt, output=1000 * completion)


def listed_context(base_url: str, model: str) -> int | None:
    """The size of a model's context in tokens, from the same data."""
    listed = _listed(base_url, model, input_tokens=1)
    return listed.model.context_window if listed is not None else None


def _listed(base_url: str, model: str, **tokens: int | None) -> PriceCalculation | None:
    from genai_prices import Usage as Tokens  # noqa: PLC0415  # when first needed: it takes half a second
    from genai_prices import calc_price  # noqa: PLC0415  # the same

    try:
        return calc_price(Tokens(**tokens), model, provider_api_url=base_url)
    except (LookupError, ValueError):  # no such provider or model, or counts that do not add up
        return None


def is_unbilled(error: ProviderError, *, insured: bool) -> bool:
    """Whether a call that failed before its first token is known to cost nothing.

    There is no rule for all providers: only unsent calls and calls refused before a model ran are certain.

    Args:
        insured: the provider does not bill a failed answer either; OpenRouter's "zero completion insurance"
            (https://openrouter.ai/docs/guides/features/zero-completion-insurance, read in November 2026).
    """
    if isinstance(error, ConnectionFailed | ConnectTimeout):
        return True
    status = error.status or 0
    return (400 <= status < 500 and status != 408) or (insured and status >= 400)
