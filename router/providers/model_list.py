"""`GET /models`, as OpenRouter, OpenAI, Anthropic and compatible servers answer it; each says other things."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from router.errors import InvalidAnswer
from router.facts import ModelFacts
from router.pricing import Price
from router.providers.untrusted import count, mapping, number, text


def read_models(answer: Mapping[str, Any]) -> dict[str, ModelFacts]:
    """Models by their names; what is absent or odd stays unknown.

    Raises:
        InvalidAnswer: there is no list in it.
    """
    models = answer.get("data")
    if not isinstance(models, list):
        raise InvalidAnswer("The server's list of models cannot be read.", status=200)
    return {name: _facts(model) for model in models if isinstance(model, dict) and (name := text(model.get("id")))}


def _facts(model: Mapping[str, Any]) -> ModelFacts:
    meta, reads = mapping(model.get("meta")), mapping(model.get("architecture")).get("input_modalities")
    # OpenRouter, vLLM, Anthropic, llama.cpp
    contexts = (
        model.get("context_length"),
        model.get("max_model_len"),
        model.get("max_input_tokens"),
        meta.get("n_ctx"),
    )
    parameters = model.get("supported_parameters")
    parameters = tuple(p for p in parameters if isinstance(p, str)) if isinstance(parameters, list) else None
    return ModelFacts(
        context=next((context for value in contexts if (context := count(value))), None),
        tools="tools" in parameters if parameters else None,
        images="image" in reads if isinstance(reads, list) else None,
        files="file" in reads if isinstance(reads, list) else None,
        parameters=parameters,
        expires=_date(model.get("expiration_date")),
        price=_price(mapping(model.get("pricing"))),
    )


def _date(value: object) -> str | None:
    try:
        return dt.date.fromisoformat((text(value) or "")[:10]).isoformat()
    except ValueError:
        return None


def _price(pricing: Mapping[str, Any]) -> Price | None:
    """OpenRouter's prices are dollars per token, as text; a negative one says that it depends."""
    prices = {name: number(value) for name, value in pricing.items()}
    prompt, completion = _million(prices.get("prompt")), _million(prices.get("completion"))
    if prompt is None or completion is None:
        return None
    return Price(
        input=prompt,
        output=completion,
        cached_input=_million(prices.get("input_cache_read")),
        cache_write=_million(prices.get("input_cache_write")),
        request=max(prices.get("request") or 0.0, 0.0),
    )


def _million(price: float | None) -> float | None:
    return number(price * 1e6) if price is not None and price >= 0 else None
