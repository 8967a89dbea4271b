"""What check says of models.yaml that is allowed but probably not meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from router.config import ModelRef, load_config
from router.facts import ModelFacts
from router.lint import advice

GOOD = ModelFacts(context=1000, tools=True, parameters=("temperature", "seed"))


class Advice:
    """The sentences for a chain whose models have these facts; a model without any is not listed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "models.yaml"

    def __call__(self, chain: object, name: str = "chat", *, listed: bool = True, **models: ModelFacts) -> list[str]:
        return self.of({name: chain}, models if listed else None, models)

    def of(
        self, chains: Mapping[str, object], listed: Mapping[str, ModelFacts] | None, known: Mapping[str, ModelFacts]
    ) -> list[str]:
        self._path.write_text(json.dumps({"chains": chains}), encoding="utf-8")

        def facts(ref: ModelRef) -> ModelFacts:
            return known.get(ref.model, ModelFacts())

        return list(advice(load_config(self._path), lambda _: listed, facts))


@pytest.fixture
def say(tmp_path: Path) -> Advice:
    return Advice(tmp_path)


def test_models_that_do_are_not_spoken_of(say: Advice) -> None:
    assert say(["a", "b"], a=GOOD, b=GOOD) == []


def test_models_that_nothing_is_known_of_are_not_spoken_of(say: Advice) -> None:
    chain = {"models": ["a", "b"], "params": {"seed": 1}}
    assert say(chain, "tools", a=ModelFacts(), b=ModelFacts()) == []


# --- Models that are not listed --------------------------------------------------------------------


def test_a_model_that_its_provider_does_not_list_is_told(say: Advice) -> None:
    assert say(["b"], a=GOOD) == ["`b` in `chat` is not among the models of openrouter."]


def test_the_nearest_models_are_named(say: Advice) -> None:
    models = {"z-ai/glm-5": GOOD, "z-ai/glm-4": GOOD, "openai/o3": GOOD}
    (sentence,) = say(["z-ai/glm5"], **models)
    assert sentence.endswith("is not among the models of openrouter. Nearest: `z-ai/glm-5`, `z-ai/glm-4`.")


@pytest.mark.parametrize("listed", [None, {}], ids=["never read", "empty"])
def test_without_a_list_no_model_is_called_unknown(say: Advice, listed: Mapping[str, ModelFacts] | None) -> None:
    assert say.of({"chat": ["b"]}, listed, {}) == []


@pytest.mark.parametrize("route", ["nitro", "floor", "online", "exacto", "extended"])
def test_openrouter_s_routes_of_a_listed_model_are_listed_too(say: Advice, route: str) -> None:
    assert say([f"z-ai/glm-5:{route}"], **{"z-ai/glm-5": GOOD}) == []


@pytest.mark.parametrize(
    "model",
    ["z-ai/glm-5:fast", "z-ai/glm-6:nitro", "z-ai/glm-5:free"],
    ids=["no route", "no such model", "no free one"],
)
def test_what_is_no_route_of_a_listed_model_is_told(say: Advice, model: str) -> None:
    (sentence,) = say([model], **{"z-ai/glm-5": GOOD})
    assert sentence.startswith(f"`{model}` in `chat` is not among the models of openrouter.")


def test_a_variant_that_is_listed_is_not_spoken_of(say: Advice) -> None:
    assert say(["z-ai/glm-5:free"], **{"z-ai/glm-5:free": GOOD}) == []


def test_of_a_model_that_is_not_listed_nothing_else_is_told(say: Advice) -> None:
    """What is known of it was said of another, or long ago."""
    known = {"b": ModelFacts(expires="2027-01-01", tools=False)}
    assert len(say.of({"tools": ["b"]}, {"a": GOOD}, known)) == 1


# --- What models do not do -------------------------------------------------------------------------


def test_a_model_s_end_is_told(say: Advice) -> None:
    sentences = say(["a"], a=ModelFacts(expires="2027-03-01"))
    assert sentences == ["`a` in `chat` ends on 2027-03-01; choose its successor before."]


@pytest.mark.parametrize(
    ("name", "params"),
    [("tools", {}), ("chat", {"tools": [{"type": "function"}]})],
    ids=["by its name", "by its tools"],
)
def test_a_chain_for_tools_whose_model_takes_none_is_told(say: Advice, name: str, params: dict[str, Any]) -> None:
    sentences = say({"models": ["a"], "params": params}, name, a=ModelFacts(tools=False))
    assert sentences == [f"`a` in `{name}` takes no tools: it is passed over by every request that carries some."]


def test_a_chain_for_something_else_needs_no_tools(say: Advice) -> None:
    assert say(["a"], a=ModelFacts(tools=False)) == []


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
    assert say({"models": ["a"], "params": {"top_k": 5}}, a=ModelFacts(parameters=parameters)) == []


# --- Fallbacks that read less ----------------------------------------------------------------------


def test_a_fallback_that_reads_much_less_is_told(say: Advice) -> None:
    (sentence,) = say(["a", "b"], a=ModelFacts(context=200_000), b=ModelFacts(context=8192))
    assert sentence.startswith("`b` in `chat` reads 8,192 tokens, the chain's primary 200,000: ")


@pytest.mark.parametrize(("context", "told"), [(500, 0), (499, 1), (2000, 0), (None, 0)])
def test_less_than_half_is_much_less(say: Advice, context: int | None, told: int) -> None:
    assert len(say(["a", "b"], a=ModelFacts(context=1000), b=ModelFacts(context=context))) == told


def test_where_the_primary_s_context_is_unknown_no_fallback_s_is_small(say: Advice) -> None:
    assert say(["a", "b"], a=ModelFacts(), b=ModelFacts(context=1)) == []


# --- Where -----------------------------------------------------------------------------------------


def test_each_chain_is_told_of(say: Advice) -> None:
    known = {"a": ModelFacts(expires="2027-03-01")}
    sentences = say.of({"chat": ["a"], "code": ["a"]}, known, known)
    assert [sentence.partition(" ends")[0] for sentence in sentences] == ["`a` in `chat`", "`a` in `code`"]
