"""models.yaml from text to `Config`: what the file may say, and each mistake as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from router.config.alerts import AlertsConfig
from router.config.chains import Chain, Link, ModelRef, parse_reference
from router.config.experiments import (
    MAX_EXPERIMENTS,
    MAX_SHADOWS,
    NAME,
    ExperimentSettings,
    ShadowSettings,
)
from router.config.explain import (
    close_to,
    explain,
    nearest,
    sentence,
)
from router.config.otel import OtelConfig
from router.config.policy import Backoff, ChainPolicy, Policy
from router.config.schema import Config, Experiment, ModelConfig, ProviderConfig, Shadow
from router.config.server import ServerConfig
from router.config.source import parse_yaml, read_text
from router.config.values import (
    Data,
    Params,
    Seconds,
    shortened,
)
from router.core.errors import ConfigError
from router.core.formatting import counted
from router.core.strict_yaml import Lines, Place

MAX_MODELS, MAX_CHAINS, MAX_PROVIDERS, MAX_FACTS = 50, 100, 50, 1_000
"""The most models of a chain, chains, providers, and entries under `models`."""


class _LinkFile(Data):
    model: str
    params: Params = Field(default={})
    system: str = ""
    first_token: Seconds | None = None

    @pydantic.field_validator("model")
    @classmethod
    def _a_name(cls, value: str) -> str:
        return _model_name(value)


class _ChainFile(Data):
    models: Sequence[_LinkFile]
    policy: Mapping[str, Any] = {}
    params: Params = Field(default={})

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        return {"models": value} if isinstance(value, list | str) or value is None else value

    @pydantic.field_validator("models", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        if not isinstance(value, list) or not value:
            raise ValueError("a chain needs a list of at least one model")
        if len(value) > MAX_MODELS:
            raise ValueError(f"a chain has at most {MAX_MODELS} models, not {len(value):,}")
        return [link if isinstance(link, dict) else {"model": _model_name(link)} for link in value]


class _ExperimentFile(ExperimentSettings):
    candidate: _ChainFile


class _ShadowFile(ShadowSettings):
    models: Annotated[Sequence[str], Field(min_length=1, max_length=MAX_SHADOWS)]


def _model_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"`{shortened(value)}` is not a model name")
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


class _File(Data):
    default_provider: str = "openrouter"
    providers: Mapping[str, ProviderConfig] = Field(
        default_factory=lambda: dict(_DEFAULT_PROVIDERS), validate_default=True, max_length=MAX_PROVIDERS
    )
    offline: str | None = DEFAULT_OFFLINE
    policy: Policy = Policy()
    models: Annotated[Mapping[str, ModelConfig], Field(max_length=MAX_FACTS)] = {}
    server: ServerConfig = ServerConfig()
    alerts: AlertsConfig = AlertsConfig()
    otel: OtelConfig | None = None
    experiments: Annotated[Mapping[str, _ExperimentFile], Field(max_length=MAX_EXPERIMENTS)] = {}
    shadow: Mapping[str, _ShadowFile] = {}
    chains: Mapping[str, _ChainFile] = Field(min_length=1, max_length=MAX_CHAINS)


def load_config(path: Path) -> Config:
    """Read and validate models.yaml.

    Raises:
        ConfigError: one sentence with the file, the line and the fix.
    """
    return parse_config(read_text(path), path)


def parse_config(text: str, path: Path) -> Config:
    """Validate the text of a models.yaml; raises as `load_config`."""
    data, lines, _ = parse_yaml(text, path)
    try:
        file = _File.model_validate(data)
        default = file.default_provider
        if default not in file.providers:
            raise _Located(
                ("default_provider",),
                f"`{shortened(default)}` is not a provider in this file{nearest(default, file.providers)}",
            )
        chains = dict(_chains(file))
        offline = _offline(file)
        models = _models(file)
        _check_aliases(file)
        _check_alerts(file)
        experiments = dict(_experiments(file))
        shadow = dict(_shadows(file))
    except pydantic.ValidationError as error:
        raise ConfigError(explain(path, lines, error, _File, _written(lines))) from None
    except _Located as error:
        raise ConfigError(f"{path}, line {lines.of(_written(lines)(error.at))}: {error}") from None
    return Config(
        path=path,
        default_provider=default,
        providers=file.providers,
        offline=offline,
        policy=file.policy,
        models=models,
        server=file.server,
        alerts=file.alerts,
        otel=file.otel,
        experiments=experiments,
        shadow=shadow,
        chains=chains,
        warnings=(*_warnings(path, lines, chains), *_unwatched(path, lines, file, chains)),
    )


def _written(lines: Lines) -> Callable[[Place], Place]:
    """Where the file has what `_File` has at a place: a list in a mapping's place has no level of its name."""

    def written(at: Place) -> Place:
        levels = (number for number, part in enumerate(at) if number and part in ("models", "rules"))
        skipped = next((number for number in levels if at[: number + 1] not in lines), len(at))
        return (*at[:skipped], *at[skipped + 1 :])

    return written


class _Located(Exception):
    def __init__(self, at: tuple[str | int, ...], message: str) -> None:
        self.at = at
        super().__init__(message)


def _chains(file: _File) -> Iterator[tuple[str, Chain]]:
    for name, chain in file.chains.items():
        yield name, _chain(file, name, chain, ("chains", name))


def _chain(file: _File, name: str, chain: _ChainFile, at: Place) -> Chain:
    links: dict[tuple[str, str], Link] = {}
    for index, link in enumerate(chain.models):
        here = (*at, "models", index)
        ref = _reference(link.model, file, here)
        if (named := (ref.provider, ref.model)) in links:
            raise _Located(here, f"`{shortened(link.model)}` is in this chain twice. Remove one.")
        links[named] = Link(ref=ref, params=link.params, system=link.system, first_token=link.first_token)
    try:
        policy = file.policy.of_chain(chain.policy)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        inside = (*at, "policy", *first["loc"])
        model = Backoff if first["loc"][0] == "backoff" else ChainPolicy
        raise _Located(inside, sentence(first, model)) from None
    return Chain(name=name, links=tuple(links.values()), policy=policy, params=chain.params)


def _experiments(file: _File) -> Iterator[tuple[str, Experiment]]:
    running: dict[str, str] = {}
    for name, each in file.experiments.items():
        at = ("experiments", name)
        if not NAME.fullmatch(name):
            raise _Located(at, f"`{shortened(name)}` cannot name an experiment: use up to 64 letters, digits, `_.-`.")
        _check_category(file, each.category, (*at, "category"))
        if each.share > 0 and (other := running.setdefault(each.category, name)) != name:
            raise _Located(
                (*at, "share"),
                f"the category `{shortened(each.category)}` has a running experiment already, `{other}`. Set the share"
                " of one of them to 0.",
            )
        if each.share > 0 and each.stopped is not None:
            raise _Located((*at, "stopped"), "a stopped experiment has the share 0. Remove `stopped` to run it again.")
        chain = _chain(file, each.category, each.candidate, (*at, "candidate"))
        if each.grades is not None and (judge := each.grades.judge) is not None and judge not in file.chains:
            _reference(judge, file, (*at, "grades", "judge"))
        settings = {key: getattr(each, key) for key in ExperimentSettings.model_fields}
        yield name, Experiment.model_construct(**settings, name=name, chain=chain)


def _shadows(file: _File) -> Iterator[tuple[str, Shadow]]:
    for category, each in file.shadow.items():
        at = ("shadow", category)
        _check_category(file, category, at)
        models = [_reference(text, file, (*at, "models", index)) for index, text in enumerate(each.models)]
        settings = {key: getattr(each, key) for key in ShadowSettings.model_fields}
        yield category, Shadow.model_construct(**settings, models=tuple(models))


def _check_category(file: _File, category: str, at: Place) -> None:
    if category not in file.chains:
        raise _Located(at, f"`{shortened(category)}` is not a category{nearest(category, file.chains)}")


def _models(file: _File) -> dict[str, ModelConfig]:
    found: dict[str, ModelConfig] = {}
    for text, model in file.models.items():
        at = ("models", text)
        ref = _reference(text, file, at)
        if (name := f"{ref.provider}:{ref.model}") in found:
            raise _Located(at, f"`{shortened(text)}` is listed twice under `models`. Remove one.")
        found[name] = model
    return found


def _reference(text: str, file: _File, at: tuple[str | int, ...]) -> ModelRef:
    """Read a reference; a misspelled provider is not mistaken for part of the model's name."""
    head, colon, tail = text.strip().partition(":")
    if colon and head in file.providers and not tail:
        raise _Located(at, f"`{shortened(text)}` names a provider but no model.")
    if colon and head not in file.providers and "/" not in head and (near := close_to(head, file.providers)):
        raise _Located(at, f"`{head}` is not a provider in this file. Did you mean `{near}`?")
    return parse_reference(text, file.providers, file.default_provider)


def _check_aliases(file: _File) -> None:
    """What stands behind an alias is a category, or a model; a misspelled provider is neither."""
    for alias, target in file.server.aliases.items():
        if target not in file.chains:
            if not target.strip() or (":" not in target and "/" not in target):
                known = nearest(target, file.chains)
                raise _Located(("server", "aliases", alias), f"`{shortened(target)}` is not a category{known}")
            _reference(target, file, ("server", "aliases", alias))


def _check_alerts(file: _File) -> None:
    """The categories that alerts watch are there."""
    for index, rule in enumerate(file.alerts.rules):
        category = rule.when.category
        if category is not None and category not in file.chains:
            at = ("alerts", "rules", index, "when")
            raise _Located(at, f"`{shortened(category)}` is not a category{nearest(category, file.chains)}")


def _offline(file: _File) -> ModelRef | None:
    """The offline model; the default one only if the file has its provider."""
    if not file.offline or (file.offline == DEFAULT_OFFLINE and "embedded" not in file.providers):
        return None
    return _reference(file.offline, file, ("offline",))


def _warnings(path: Path, lines: Lines, chains: Mapping[str, Chain]) -> Iterator[str]:
    for name, chain in chains.items():
        total = sum(map(chain.first_token, chain.links))
        if total > chain.policy.deadline:
            yield (
                f"{path}, line {lines.of(('chains', name))}: in `{name}`, the first_token limits of"
                f" {counted(len(chain.links), 'model')} total {total:g} s and exceed the deadline of"
                f" {chain.policy.deadline:g} s; a model that does not respond may be given up earlier."
            )


def _unwatched(path: Path, lines: Lines, file: _File, chains: Mapping[str, Chain]) -> Iterator[str]:
    """Alerts on models that no chain has: valid, since a model can be asked for alone, but probably misspelled."""
    known = {ref.text: ref for chain in chains.values() for ref in chain.models}
    for index, rule in enumerate(file.alerts.rules):
        if rule.when.model is not None and rule.when.model not in known:
            line = lines.of(_written(lines)(("alerts", "rules", index, "when")))
            model = shortened(rule.when.model)
            yield f"{path}, line {line}: no chain has the model `{model}`{nearest(rule.when.model, known)}"
