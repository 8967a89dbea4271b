"""A category's chain, its places and its models, as the engine runs them: plain data, validated where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from router.core.messages import digest
from router.core.requests import Request

if TYPE_CHECKING:  # the engine runs chains without the validation of a file, which takes long to load
    from router.config.policy import ChainPolicy

SHOWN = 20
"""A parameter whose JSON is longer is shown by its name alone."""


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """A model at a provider; `text` is how models.yaml names it."""

    provider: str
    model: str
    text: str


class Link(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One place of a chain: a model, and what is set for it alone.

    Attributes:
        params: body fields, over the chain's.
        system: comes before the request's own system prompt.
        first_token: seconds; None where the chain's limit holds.
    """

    ref: ModelRef
    params: Mapping[str, Any] = {}
    system: str = ""
    first_token: float | None = None

    @cached_property
    def own(self) -> tuple[str, ...]:
        """What it sets, in words: `temperature 0.2`, `system prompt`, `first_token 30 s`."""
        params = ((name, msgspec.json.encode(value).decode()) for name, value in self.params.items())
        words = [f"{name} {value}" if len(value) <= SHOWN else name for name, value in params]
        words += ["system prompt"] if self.system.strip() else []
        words += [f"first_token {self.first_token:g} s"] if self.first_token is not None else []
        return tuple(words)


class Chain(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A category's ordered models: primary, fallback 1, fallback 2, …"""

    name: str | None
    links: tuple[Link, ...]
    policy: ChainPolicy
    params: Mapping[str, Any]

    @cached_property
    def models(self) -> tuple[ModelRef, ...]:
        """The models alone."""
        return tuple(link.ref for link in self.links)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with the links, the policy or the parameters."""
        policy = msgspec.Raw(self.policy.model_dump_json().encode())
        return digest(msgspec.json.encode({"links": self.links, "policy": policy, "params": self.params}))[:12]

    def params_of(self, link: Link) -> Mapping[str, Any]:
        """The chain's parameters with a link's laid over them; a null there leaves the chain's out."""
        both = {**self.params, **link.params}
        return {name: value for name, value in both.items() if value is not None or name not in link.params}

    def request_for(self, link: Link, request: Request) -> Request:
        """The request as a link's model gets it: what the request sets itself wins."""
        return request.with_defaults(self.params_of(link)).with_system(link.system)

    def first_token(self, link: Link) -> float:
        """Seconds that a link's model may take to its first token."""
        return link.first_token if link.first_token is not None else self.policy.first_token


def parse_reference(text: str, providers: Mapping[str, object], default: str) -> ModelRef:
    """Read `provider:model`, or `model` alone; `z-ai/glm-5:free` is one model, since `z-ai/glm-5` is no provider."""
    head, colon, tail = text.strip().partition(":")
    if colon and head in providers and tail:
        return ModelRef(provider=head, model=tail, text=text.strip())
    return ModelRef(provider=default, model=text.strip(), text=text.strip())
