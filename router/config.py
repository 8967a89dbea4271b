"""models.yaml as frozen, validated data: the only truth about routing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from router.config_errors import close_to, explain, line_of, nearest, sentence
from router.config_values import Bytes, Dollars, Header, HeaderName, HttpUrl, Seconds, Variables
from router.errors import ConfigError
from router.facts import ModelFacts
from router.messages import SET_BY_CALL, digest
from router.pricing import Price
from router.yaml_source import Lines, parse_yaml, read_text


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Backoff(_Data):
    """Full jitter: before retry n, a wait drawn from 0 to min(cap, base x 2^(n-1)) seconds."""

    base: Seconds = 0.5
    cap: Seconds = 8


class BreakerPolicy(_Data):
    """When a model's breaker opens; see router/breaker.py."""

    window: Annotated[int, Field(ge=1)] = 20
    within: Seconds = 120
    min_calls: Annotated[int, Field(ge=1)] = 3
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    open_for: Seconds = 20


class CachePolicy(_Data):
    """What the response cache keeps, and for how long."""

    enabled: bool = True
    ttl: Seconds = 7 * 86400
    size_limit: Bytes = 1_000_000_000


class RetentionPolicy(_Data):
    """How long, and up to which size, what was observed is kept; see router/store/retention.py."""

    ttl: Seconds = 90 * 86400
    size_limit: Bytes = 2_000_000_000
    summaries: Seconds = 3650 * 86400


class ChainPolicy(_Data):
    """Limits of one chain; seconds."""

    connect: Seconds = 5
    first_token: Seconds = 10
    stall: Seconds = 10
    answer: Seconds = 60
    deadline: Seconds = 120
    max_answer: Seconds = 600
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    backoff: Backoff = Backoff()
    on_content_filter: Literal["stop", "next"] = "stop"


class Policy(ChainPolicy):
    """Limits of all chains, and what belongs to no single one."""

    breaker: BreakerPolicy = BreakerPolicy()
    cache: CachePolicy = CachePolicy()
    retention: RetentionPolicy = RetentionPolicy()


class ProviderConfig(_Data):
    """Somewhere a model is served; `api_key` are the names of the variables that may hold its key."""

    protocol: Literal["openai", "anthropic", "embedded"]
    base_url: HttpUrl | None = None
    api_key: Variables = ()
    headers: Mapping[HeaderName, Header] = {}
    body: Mapping[str, Any] = {}
    max_concurrency: Annotated[int, Field(ge=1)] = 8

    @cached_property
    def is_openrouter(self) -> bool:
        """Whether it is OpenRouter itself, which has more than a compatible server."""
        return urlsplit(self.base_url or "").hostname == "openrouter.ai"

    @cached_property
    def is_openai(self) -> bool:
        """Whether it is OpenAI itself, which refuses what it has renamed."""
        return urlsplit(self.base_url or "").hostname == "api.openai.com"

    @pydantic.model_validator(mode="after")
    def _has_address(self) -> ProviderConfig:
        if self.protocol != "embedded" and self.base_url is None:
            raise ValueError(f"a provider with protocol {self.protocol} needs a base_url")
        return self


class PriceConfig(_Data):
    """US dollars per million tokens, and per request; see `Price`."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None
    request: Dollars = 0.0


class ModelConfig(_Data):
    """What models.yaml says of a model; see `ModelFacts`."""

    context: Annotated[int, Field(ge=1)] | None = None
    tools: bool | None = None
    images: bool | None = None
    files: bool | None = None
    price: PriceConfig | None = None

    def facts(self) -> ModelFacts:
        """The same as plain data."""
        price = Price(**self.price.model_dump()) if self.price is not None else None
        return ModelFacts(context=self.context, tools=self.tools, images=self.images, files=self.files, price=price)


class ModelRef(_Data):
    """A model at a provider; `text` is how models.yaml names it."""

    provider: str
    model: str
    text: str


class Chain(_Data):
    """A category's ordered models: primary, fallback 1, fallback 2, …"""

    name: str | None
    models: tuple[ModelRef, ...]
    policy: ChainPolicy
    params: Mapping[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with the models, the policy or the parameters."""
        return digest(self.model_dump_json(exclude={"name"}))[:12]


class _ChainFile(_Data):
    models: tuple[str, ...] = Field(min_length=1, strict=False)
    policy: Mapping[str, Any] = {}
    params: Mapping[str, Any] = {}

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        return {"models": value} if isinstance(value, list | str) or value is None else value

    @pydantic.field_validator("models", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        if not isinstance(value, list) or not value:
            raise ValueError("a chain needs a list of at least one model")
        for model in value:
            if not isinstance(model, str) or not model.strip():
                raise ValueError(f"`{model}` is no model name")
        return value

    @pydantic.field_validator("params")
    @classmethod
    def _of_the_body(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if taken := sorted(value.keys() & SET_BY_CALL):
            raise ValueError(f"`{taken[0]}` is set by each call itself; leave it out here")
        return value


_DEFAULT_PROVIDERS: Mapping[str, Mapping[str, str]] = {
    "openrouter": {
        "protocol": "openai",
        "base_url": "https://openrouter.ai/api/v1",
        "api_key": "${OPENROUTER_API_KEY}",
    },
    "openai": {
        "protocol": "openai",
        "base_url": "https://api.openai.com/v1",
        "api_key": "${OPENAI_API_KEY}",
    },
    "anthropic": {
        "protocol": "anthropic",
        "base_url": "https://api.anthropic.com/v1",
        "api_key": "${ANTHROPIC_API_KEY}",
    },
    "embedded": {"protocol": "embedded"},
}


DEFAULT_OFFLINE = "embedded:smollm2-135m-instruct"


class _File(_Data):
    default_provider: str = "openrouter"
    providers: Mapping[str, ProviderConfig] = Field(
        default_factory=lambda: dict(_DEFAULT_PROVIDERS), validate_default=True
    )
    offline: str | None = DEFAULT_OFFLINE
    policy: Policy = Policy()
    models: Mapping[str, ModelConfig] = {}
    chains: Mapping[str, _ChainFile] = Field(min_length=1)


class Config(_Data):
    """models.yaml, validated as a whole.

    Attributes:
        offline: the model that answers where no provider of a chain has a key.
        models: what the file says of models, by `provider:model`.
        warnings: sentences about what is allowed but probably not meant.
    """

    path: Path
    default_provider: str
    providers: Mapping[str, ProviderConfig]
    offline: ModelRef | None
    policy: Policy
    models: Mapping[str, ModelConfig]
    chains: Mapping[str, Chain]
    warnings: tuple[str, ...] = ()

    def chain(self, category: str) -> Chain:
        """The chain of a category.

        Raises:
            ConfigError: there is none of that name.
        """
        try:
            return self.chains[category]
        except KeyError:
            raise ConfigError(f"{self.path} has no chain `{category}`{nearest(category, self.chains)}") from None

    def facts(self, ref: ModelRef) -> ModelFacts:
        """What the file itself says of a model."""
        model = self.models.get(f"{ref.provider}:{ref.model}")
        return model.facts() if model is not None else ModelFacts()

    def single(self, reference: str) -> Chain:
        """A chain of one model, under the general policy.

        Raises:
            ConfigError: the reference is empty, or no text.
        """
        ref = parse_reference(reference, self.providers, self.default_provider)
        if not ref.model.isprintable() or not ref.model:
            raise ConfigError("A model's name is needed, such as `z-ai/glm-5` or `openai:gpt-4o-mini`.")
        return Chain(name=None, models=(ref,), policy=_chain_policy(self.policy, {}), params={})


def parse_reference(text: str, providers: Mapping[str, object], default: str) -> ModelRef:
    """Read `provider:model`, or `model` alone; `z-ai/glm-5:free` stays one model, for `z-ai/glm-5` is no provider."""
    head, colon, tail = text.strip().partition(":")
    if colon and head in providers and tail:
        return ModelRef(provider=head, model=tail, text=text.strip())
    return ModelRef(provider=default, model=text.strip(), text=text.strip())


def load_config(path: Path) -> Config:
    """Read and validate models.yaml.

    Raises:
        ConfigError: one sentence with the file, the line and the mend.
    """
    return parse_config(read_text(path), path)


def parse_config(text: str, path: Path) -> Config:
    """Validate the text of a models.yaml; likewise."""
    data, lines, _ = parse_yaml(text, path)
    try:
        file = _File.model_validate(data)
        default = file.default_provider
        if default not in file.providers:
            raise _Located(
                ("default_provider",),
                f"`{default}` is no provider of this file{nearest(default, file.providers)}",
            )
        chains = dict(_chains(file))
        offline = _offline(file)
        models = _models(file)
    except pydantic.ValidationError as error:
        raise ConfigError(explain(path, lines, error, _File)) from None
    except _Located as error:
        raise ConfigError(f"{path}, line {line_of(lines, error.at)}: {error}") from None
    return Config(
        path=path,
        default_provider=default,
        providers=file.providers,
        offline=offline,
        policy=file.policy,
        models=models,
        chains=chains,
        warnings=tuple(_warnings(path, lines, chains)),
    )


class _Located(Exception):
    def __init__(self, at: tuple[str | int, ...], message: str) -> None:
        self.at = at
        super().__init__(message)


def _chains(file: _File) -> Iterator[tuple[str, Chain]]:
    for name, chain in file.chains.items():
        refs: list[ModelRef] = []
        for index, text in enumerate(chain.models):
            at = ("chains", name, "models", index)
            ref = _reference(text, file, at)
            if any((ref.provider, ref.model) == (other.provider, other.model) for other in refs):
                raise _Located(at, f"`{text}` stands twice in this chain. Keep one.")
            refs.append(ref)
        try:
            policy = _chain_policy(file.policy, chain.policy)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            inside = ("chains", name, "policy", *first["loc"])
            model = Backoff if first["loc"][0] == "backoff" else ChainPolicy
            raise _Located(inside, sentence(first, model)) from None
        yield name, Chain(name=name, models=tuple(refs), policy=policy, params=chain.params)


def _models(file: _File) -> dict[str, ModelConfig]:
    found: dict[str, ModelConfig] = {}
    for text, model in file.models.items():
        at = ("models", text)
        ref = _reference(text, file, at)
        if (name := f"{ref.provider}:{ref.model}") in found:
            raise _Located(at, f"`{text}` stands twice under `models`. Keep one.")
        found[name] = model
    return found


def _reference(text: str, file: _File, at: tuple[str | int, ...]) -> ModelRef:
    """Read a reference; a provider that is misspelt is not taken for a part of the model's name."""
    head, colon, tail = text.strip().partition(":")
    if colon and head in file.providers and not tail:
        raise _Located(at, f"`{text}` names a provider and no model.")
    if colon and head not in file.providers and "/" not in head and (near := close_to(head, file.providers)):
        raise _Located(at, f"`{head}` is no provider of this file. Did you mean `{near}`?")
    return parse_reference(text, file.providers, file.default_provider)


def _offline(file: _File) -> ModelRef | None:
    """The stand-in; the default one only where the file has its provider."""
    if not file.offline or (file.offline == DEFAULT_OFFLINE and "embedded" not in file.providers):
        return None
    return _reference(file.offline, file, ("offline",))


def _chain_policy(general: Policy, own: Mapping[str, Any]) -> ChainPolicy:
    shared = general.model_dump(include=set(ChainPolicy.model_fields))
    backoff = {**shared["backoff"], **own["backoff"]} if isinstance(own.get("backoff"), dict) else None
    merged = {**shared, **own} | ({"backoff": backoff} if backoff else {})
    return ChainPolicy.model_validate(merged)


def _warnings(path: Path, lines: Lines, chains: Mapping[str, Chain]) -> Iterator[str]:
    for name, chain in chains.items():
        total = len(chain.models) * chain.policy.first_token
        if total > chain.policy.deadline:
            share = chain.policy.deadline / len(chain.models)
            yield (
                f"{path}, line {line_of(lines, ('chains', name))}: in `{name}`, {len(chain.models)} models x"
                f" first_token {chain.policy.first_token:g} s exceed the deadline of"
                f" {chain.policy.deadline:g} s; each silent model is left after {share:.3g} s."
            )
