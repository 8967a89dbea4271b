"""What callers may name as the model: a category, a model, or an alias of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.config.explain import nearest
from router.config.schema import Config
from router.config.values import shortened
from router.library.router import Router, Target
from router.server.dialects.base import Refusal

_OURS = "fallback-lab"
"""Who owns categories and aliases."""


def target_of(router: Router, config: Config, name: str) -> Target:
    """What a caller's `model` means.

    Raises:
        Refusal: with 404, and the nearest name.
    """
    if not name.strip():
        raise Refusal("`model` is empty. Name a category or a model; GET /v1/models lists them.", param="model")
    meant = config.server.unaliased(name.strip())
    if meant in config.chains:
        return Target(config.chains[meant], config.offline)
    if _is_model(router, config, meant):
        return Target(config.single(meant), None)
    known = nearest(meant, dict(_named(config)))
    raise Refusal(
        f"`{shortened(name)}` is neither a category nor a model that is known here{known}"
        f" GET /v1/models lists what there is; `{config.default_provider}:{shortened(name)}` asks"
        f" {config.default_provider} for it as it is.",
        status=404,
        code="model_not_found",
        param="model",
    )


def _is_model(router: Router, config: Config, name: str) -> bool:
    provider, colon, model = name.partition(":")
    if colon and provider in config.providers:
        return bool(model) and model.isprintable()
    if any(ref.text == name for ref in config.known_models):
        return True
    listed = router.parts.catalog.models(config, config.default_provider)
    return name in listed if listed is not None else "/" in name and name.isprintable()


def listed(config: Config) -> list[dict[str, Any]]:
    """The categories, the aliases without `*` and the models of models.yaml, in a shape that OpenAI's and Anthropic's
    clients read.
    """
    return [_described(name, owner) for name, owner in _named(config)]


def described(router: Router, config: Config, name: str) -> dict[str, Any]:
    """Whatever a request may name as its model, in the same shape; raises as `target_of`."""
    chain = target_of(router, config, name).chain
    return _described(name, _OURS if chain.name is not None else chain.models[0].provider)


def _described(name: str, owner: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "type": "model",
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
    }


def _named(config: Config) -> Iterator[tuple[str, str]]:
    for name in config.chains:
        yield name, _OURS
    for name in config.server.aliases:
        if "*" not in name:
            yield name, _OURS
    for ref in config.known_models:
        yield ref.text, ref.provider
