"""models.yaml as frozen, validated data: the single source of truth for routing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode, urlsplit

import pydantic
from pydantic import Field

from router.config.alerts import AlertsConfig
from router.config.chains import Chain, Link, ModelRef, parse_reference
from router.config.experiments import ExperimentSettings, ShadowSettings
from router.config.explain import nearest
from router.config.keys import VARIABLE
from router.config.origins import is_loopback, origin_of
from router.config.otel import OtelConfig
from router.config.policy import Policy
from router.config.server import ServerConfig
from router.config.values import Body, Count, Data, Dollars, Headers, HttpUrl, Variables
from router.core.capabilities import ModelInfo
from router.core.errors import ConfigError
from router.core.messages import digest
from router.core.pricing import Price


class ProviderConfig(Data):
    """A place where models are served; `api_key` lists the variables that may hold its key.

    `headers` may name variables too.
    """

    protocol: Literal["openai", "anthropic", "embedded"]
    base_url: HttpUrl | None = None
    api_key: Variables = ()
    headers: Headers = Field(default={})
    body: Body = Field(default={})
    max_concurrency: Count = 8

    @cached_property
    def is_openrouter(self) -> bool:
        """Whether it is OpenRouter itself, which has features beyond a compatible server's."""
        return urlsplit(self.base_url or "").hostname == "openrouter.ai"

    @cached_property
    def is_openai(self) -> bool:
        """Whether it is OpenAI itself, which refuses the names of renamed fields."""
        return urlsplit(self.base_url or "").hostname == "api.openai.com"

    @cached_property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that calls of it need no network."""
        return self.protocol == "embedded" or is_loopback(urlsplit(self.base_url or "").hostname or "")

    @cached_property
    def variables(self) -> tuple[tuple[str, ...], ...]:
        """The variables that it sends, one from each group."""
        if self.base_url is None:
            return ()
        of_headers = dict.fromkeys(name for text in self.headers.values() for name in VARIABLE.findall(text))
        return ((self.api_key,) if self.api_key else ()) + tuple((name,) for name in of_headers)

    def url(self, path: str, **query: str) -> str:
        """An address below the base URL, whose own query stays behind it."""
        base = urlsplit(self.base_url or "")
        both = "&".join(filter(None, [base.query, urlencode(query)]))
        return base._replace(path=f"{base.path.rstrip('/')}/{path}", query=both).geturl()

    @pydantic.model_validator(mode="after")
    def _has_address(self) -> ProviderConfig:
        if self.protocol != "embedded" and self.base_url is None:
            raise ValueError(f"a provider with protocol {self.protocol} needs a base_url")
        return self


class PriceConfig(Data):
    """US dollars per million tokens, and per request; see `Price`."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None
    request: Dollars = 0.0


class ModelConfig(Data):
    """What models.yaml says about a model; see `ModelInfo`."""

    context: Count | None = None
    tools: bool | None = None
    images: bool | None = None
    files: bool | None = None
    price: PriceConfig | None = None

    def info(self) -> ModelInfo:
        """The same as plain data."""
        price = Price(**self.price.model_dump()) if self.price is not None else None
        return ModelInfo(context=self.context, tools=self.tools, images=self.images, files=self.files, price=price)


class Experiment(ExperimentSettings, arbitrary_types_allowed=True):
    """A chain that gets a share of a category's real requests; its name stays the category."""

    name: str
    chain: Chain

    def is_running(self, now: float) -> bool:
        """Whether requests are given to it at a Unix time, seconds."""
        return self.share > 0 and (self.start is None or self.start <= now)

    @cached_property
    def guarded(self) -> str:
        """What sets it apart from an experiment of the same name that was stopped before: twelve digits."""
        start = f"{self.start}" if self.start is not None else ""
        return digest(self.name, self.category, self.chain.fingerprint, self.seed or "", start)[:12]


class Shadow(ShadowSettings, arbitrary_types_allowed=True):
    """Models that a share of a category's real requests are sent to besides."""

    models: tuple[ModelRef, ...]


class Config(Data, arbitrary_types_allowed=True):
    """models.yaml, validated as a whole.

    Attributes:
        offline: the model that answers if no provider of a chain has a key.
        models: what the file says about models, by `provider:model`.
        experiments: by name. shadow: by category.
        warnings: sentences about what is valid but probably not intended.
    """

    path: Path
    default_provider: str
    providers: Mapping[str, ProviderConfig]
    offline: ModelRef | None
    policy: Policy
    models: Mapping[str, ModelConfig]
    server: ServerConfig = ServerConfig()
    alerts: AlertsConfig = AlertsConfig()
    otel: OtelConfig | None = None
    experiments: Mapping[str, Experiment] = {}
    shadow: Mapping[str, Shadow] = {}
    chains: Mapping[str, Chain]
    warnings: tuple[str, ...] = ()

    def chain(self, category: str) -> Chain:
        """The chain of a category.

        Raises:
            ConfigError: there is no chain of that name.
        """
        try:
            return self.chains[category]
        except KeyError:
            raise ConfigError(f"{self.path} has no chain `{category}`{nearest(category, self.chains)}") from None

    def model_info(self, ref: ModelRef) -> ModelInfo:
        """What the file itself says about a model."""
        model = self.models.get(f"{ref.provider}:{ref.model}")
        return model.info() if model is not None else ModelInfo()

    @cached_property
    def tried(self) -> Mapping[str, Experiment]:
        """By category, the experiment that has a share of its requests."""
        return {each.category: each for each in self.experiments.values() if each.share > 0}

    @property
    def default_category(self) -> str:
        """The category of what names none."""
        return "conversation" if "conversation" in self.chains else next(iter(self.chains))

    @cached_property
    def chain_models(self) -> tuple[ModelRef, ...]:
        """The models of all chains, each once."""
        return tuple(dict.fromkeys(ref for chain in self.chains.values() for ref in chain.models))

    @property
    def known_models(self) -> tuple[ModelRef, ...]:
        """The models that this file names: those of the chains, and the offline one."""
        offline = (self.offline,) if self.offline is not None else ()
        return tuple({ref.text: ref for ref in (*self.chain_models, *offline)}.values())

    @cached_property
    def destinations(self) -> frozenset[tuple[str, str]]:
        """The variables of all providers and of `otel`, each with the origin it would be sent to."""
        otel = self.otel
        named = [name for text in otel.headers.values() for name in VARIABLE.findall(text)] if otel is not None else []
        collector = ((name, origin_of(otel.endpoint)) for name in named if otel is not None)
        return frozenset(collector) | frozenset(
            (name, origin_of(provider.base_url))
            for provider in self.providers.values()
            if provider.base_url is not None  # for mypy: without an address it has no variables
            for names in provider.variables
            for name in names
        )

    def single(self, reference: str) -> Chain:
        """A chain of one model, under the general policy.

        Raises:
            ConfigError: the reference is empty or not text.
        """
        ref = parse_reference(reference, self.providers, self.default_provider)
        if not ref.model.isprintable() or not ref.model:
            raise ConfigError("Name a model, such as `z-ai/glm-5` or `openai:gpt-4o-mini`.")
        return Chain(name=None, links=(Link(ref=ref),), policy=self.policy.of_chain({}), params={})
