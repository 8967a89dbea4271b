"""What check says of models.yaml that is allowed but probably not meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from router.config.chains import ModelRef
from router.config.lint import advice
from router.config.loading import load_config
from router.core.capabilities import ModelInfo

GOOD = ModelInfo(context=1000, tools=True, parameters=("temperature", "seed"))
GLM = {"z-ai/glm-5": GOOD}


class Advice:
    """The sentences for a chain whose models have these facts; a model without any is not listed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "models.yaml"

    def __call__(self, chain: object, name: str = "chat", *, listed: bool = True, **models: ModelInfo) -> list[str]:
        return self.of({name: chain}, models if listed else None, models)

    def of(
        self, chains: Mapping[str, object], listed: Mapping[str, ModelInfo] | None, known: Mapping[str, ModelInfo]
    ) -> list[str]:
        self._path.write_text(json.dumps({"chains": chains}), encoding="utf-8")

        def info(ref: ModelRef) -> ModelInfo:
            return known.get(ref.model, ModelInfo())

        return list(advice(load_config(self._path), lambda _: listed, info))


@pytest.fixture
def say(tmp_path: Path) -> Advice:
    return Advice(tmp_path)


def test_models_that_do_are_not_spoken_of(say: Advice) -> None:
    assert say(["a", "b"], a=GOOD, b=GOOD) == []


def test_models_that_nothing_is_known_of_are_not_spoken_of(say: Advice) -> None:
    chain = {"models": ["a", "b"], "params": {"seed": 1}}
    assert say(chain, "tools", a=ModelInfo(), b=ModelInfo()) == []


# --- Models that are not listed --------------------------------------------------------------------


def test_a_model_that_its_provider_does_not_list_is_told(say: Advice) -> None:
    assert say(["b"], a=GOOD) == ["`b` in `chat` is not in the model list of openrouter."]


def test_the_nearest_models_are_named(say: Advice) -> None:
    models = {"z-ai/glm-5": GOOD, "z-ai/glm-4": GOOD, "openai/o3": GOOD}
    (sentence,) = say.of({"chat": ["z-ai/glm5"]}, models, models)
    assert sentence.endswith("is not in the model list of openrouter. Nearest: `z-ai/glm-5`, `z-ai/glm-4`.")


@pytest.mark.parametrize("listed", [None, {}], ids=["never read", "empty"])
def test_without_a_list_no_model_is_called_unknown(say: Advice, listed: Mapping[str, ModelInfo] | None) -> None:
    assert say.of({"chat": ["b"]}, listed, {}) == []


@pytest.mark.parametrize("route", ["nitro", "floor", "online", "exacto", "brand-new"])
def test_openrouter_s_routes_of_a_listed_model_are_listed_too(say: Advice, route: str) -> None:
    assert say.of({"chat": [f"z-ai/glm-5:{route}"]}, GLM, GLM) == []


@pytest.mark.parametrize(
    "model",
    ["z-ai/glm-6", "z-ai/glm-6:nitro"],
)
def test_a_model_that_is_not_listed_is_told_by_any_route(say: Advice, model: str) -> None:
    (sentence,) = say.of({"chat": [model]}, GLM, GLM)
    assert sentence.startswith(f"`{model}` in `chat` is not in the model list of openrouter.")


def test_a_variant_that_is_listed_is_not_spoken_of(say: Advice) -> None:
    free = {"z-ai/glm-5:free": GOOD}
    assert say.of({"chat": list(free)}, free, free) == []


def test_of_a_model_that_is_not_listed_nothing_else_is_told(say: Advice) -> None:
    """What is known of it was said of another, or long ago."""
    known = {"b": ModelInfo(expires="2027-01-01", tools=False)}
    assert len(say.of({"tools": ["b"]}, {"a": GOOD}, known)) == 1


# --- What models do not do -------------------------------------------------------------------------


def test_a_model_s_end_is_told(say: Advice) -> None:
    sentences = say(["a"], a=ModelInfo(expires="2027-03-01"))
    assert sentences == ["`a` in `chat` is discontinued on 2027-03-01; replace it before then."]


def test_a_parameter_of_a_link_is_that_of_its_model_alone(say: Advice) -> None:
    chain = {"models": ["a", {"model": "b", "params": {"top_k": 5}}]}
    assert say(chain, a=GOOD, b=GOOD) == ["`b` in `chat` ignores the parameter `top_k`."]


def test_a_parameter_that_a_link_leaves_out_is_not_spoken_of(say: Advice) -> None:
    chain = {"models": [{"model": "a", "params": {"top_k": None}}], "params": {"top_k": 5}}
    assert say(chain, a=GOOD) == []


@pytest.mark.parametrize(
    ("name", "params"),
    [("tools", {}), ("chat", {"tools": [{"type": "function"}]})],
    ids=["by its name", "by its tools"],
)
def test_a_chain_for_tools_whose_model_takes_none_is_told(say: Advice, name: str, params: dict[str, Any]) -> None:
    sentences = say({"models": ["a"], "params": params}, name, a=ModelInfo(tools=False))
    assert sentences == [f"`a` in `{name}` does not support tools: requests with tools skip it."]


def test_a_chain_for_something_else_needs_no_tools(say: Advice) -> None:
    assert say(["a"], a=ModelInfo(tools=False)) == []


def test_each_parameter_that_a_model_ignores_is_told(say: Advice) -> None:
    sentences = say({"models": ["a"], "params": {"top_k": 5, "seed": 1, "min_p": 0.1}}, a=GOOD)
    assert sentences == [
        "`a` in `chat` ignores the parameter `min_p`.",
        "`a` in `chat` ignores the parameter `top_k`.",
    ]


@pytest.mark.parametrize("name", ["max_tokens", "provider", "user", "tool_choice"])
def test_what_no_list_of_parameters_names_is_not_called_ignored(say: Advice, name: str) -> None:
    assert say({"models": ["a"], "params": {name: 1}}, a=GOOD) == []


@pytest.mark.parametrize("parameters", [None, ()], ids=["unknown", "none listed"])
def test_a_model_whose_parameters_are_not_known_ignores_none(say: Advice, parameters: tuple[str, ...] | None) -> None:
    assert say({"models": ["a"], "params": {"top_k": 5}}, a=ModelInfo(parameters=parameters)) == []


# --- Fallbacks that read less ----------------------------------------------------------------------


def test_a_fallback_that_reads_much_less_is_told(say: Advice) -> None:
    (sentence,) = say(["a", "b"], a=ModelInfo(context=200_000), b=ModelInfo(context=8192))
    assert sentence.startswith("`b` in `chat` has a context of 8,192 tokens, the chain's primary 200,000: ")


@pytest.mark.parametrize(("context", "told"), [(500, 0), (499, 1), (2000, 0), (None, 0)])
def test_less_than_half_is_much_less(say: Advice, context: int | None, told: int) -> None:
    assert len(say(["a", "b"], a=ModelInfo(context=1000), b=ModelInfo(context=context))) == told


def test_where_the_primary_s_context_is_unknown_no_fallback_s_is_small(say: Advice) -> None:
    assert say(["a", "b"], a=ModelInfo(), b=ModelInfo(context=1)) == []


# --- Where -----------------------------------------------------------------------------------------


def test_each_chain_is_told_of(say: Advice) -> None:
    known = {"a": ModelInfo(expires="2027-03-01")}
    sentences = say.of({"chat": ["a"], "code": ["a"]}, known, known)
    assert [sentence.partition(" is ")[0] for sentence in sentences] == ["`a` in `chat`", "`a` in `code`"]
