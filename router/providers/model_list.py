"""`GET /models`, as OpenRouter, OpenAI, Anthropic and compatible servers answer it; each with fields of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from router.core.capabilities import ModelInfo
from router.core.errors import InvalidAnswer
from router.core.pricing import Price
from router.core.untrusted import (
    MAX_NAME,
    count,
    mapping,
    number,
    text,
)

MAX_MODELS = 20_000
"""In a list; OpenRouter's, the longest that is known, has fewer than a thousand."""


def read_models(answer: object) -> dict[str, ModelInfo]:
    """Models by their names; what is absent or of another type stays unknown, and invalid names are skipped.

    Args:
        answer: an object with the list in `data`, or the list itself (Together).

    Raises:
        InvalidAnswer: there is no list in it, or too long a one.
    """
    models = answer if isinstance(answer, list) else mapping(answer).get("data")
    if not isinstance(models, list):
        raise InvalidAnswer("The server's list of models cannot be read.", status=200)
    if len(models) > MAX_MODELS:
        raise InvalidAnswer(f"The server lists {len(models):,} models; at most {MAX_MODELS:,} are read.", status=200)
    return {name: _facts(model) for model in models if isinstance(model, dict) and (name := _name(model.get("id")))}


def _name(value: object) -> str | None:
    # Never cut short: the rest of it would be asked for in vain.
    found = text(value)
    return found if found is not None and len(found) <= MAX_NAME else None


def _facts(model: Mapping[str, Any]) -> ModelInfo:
    meta, reads = mapping(model.get("meta")), mapping(model.get("architecture")).get("input_modalities")
    # OpenRouter, vLLM, Anthropic, llama.cpp
    contexts = (
        model.get("context_length"),
        model.get("max_model_len"),
        model.get("max_input_tokens"),
        meta.get("n_ctx"),
    )
    parameters = model.get("supported_parameters")
    parameters = tuple(filter(None, map(_name, parameters[:MAX_NAME]))) if isinstance(parameters, list) else None
    return ModelInfo(
        context=next((context for value in contexts if (context := count(value))), None),
        tools="tools" in parameters if parameters else None,
        images="image" in reads if isinstance(reads, list) else None,
        # OpenRouter parses PDFs for models that do not read files themselves.
        files=True if isinstance(reads, list) and "file" in reads else None,
        parameters=parameters,
        expires=_date(model.get("expiration_date")),
        price=_price(mapping(model.get("pricing"))),
        any_name=True if model.get("owned_by") == "llamacpp" else None,
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
