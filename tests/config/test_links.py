"""Links of a chain: what an entry may set for its model alone, and what is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from router.config.chains import Chain, Link, ModelRef
from router.config.loading import load_config
from router.core.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models.yaml"


def chain(path: Path, *entries: str, rest: str = "") -> Chain:
    path.write_text(f"chains:\n  a: {{models: [{', '.join(entries)}]{rest}}}\n")
    return load_config(path).chains["a"]


FULL = "{model: y, params: {seed: 1, stop: [END]}, system: Think., first_token: 30s}"


def test_an_entry_sets_what_holds_for_its_model_alone(path: Path) -> None:
    plain, full = chain(path, "x", FULL).links
    assert (plain.ref.text, plain.params, plain.system, plain.first_token) == ("x", {}, "", None)
    assert (full.ref.text, full.params, full.system, full.first_token) == (
        "y",
        {"seed": 1, "stop": ["END"]},
        "Think.",
        30,
    )


def test_a_chain_still_lists_its_models(path: Path) -> None:
    assert [ref.text for ref in chain(path, "x", FULL).models] == ["x", "y"]


def test_an_entry_that_sets_nothing_is_the_same_as_its_name(path: Path) -> None:
    assert chain(path, "{model: x}").links == chain(path, "x").links


def test_a_link_s_params_are_laid_over_the_chain_s_and_null_leaves_one_out(path: Path) -> None:
    found = chain(path, "{model: x, params: {a: 2, b: null}}", "y", rest=", params: {a: 1, b: 1, c: 1}")
    assert [found.params_of(link) for link in found.links] == [{"a": 2, "c": 1}, {"a": 1, "b": 1, "c": 1}]


@pytest.mark.parametrize("own", ["params: {seed: 1}", "system: Think.", "first_token: 5"])
def test_a_fingerprint_changes_with_what_a_link_sets(path: Path, own: str) -> None:
    assert chain(path, f"{{model: x, {own}}}").fingerprint != chain(path, "x").fingerprint


def test_what_a_link_sets_is_told_in_words_without_long_values() -> None:
    ref = ModelRef(provider="p", model="x", text="x")
    params = {"temperature": 0.2, "effort": "high", "seed": None, "stop": ["one", "two", "three", "four"]}
    assert Link(ref=ref, params=params, system="Think.", first_token=1.5).own == (
        "temperature 0.2",
        'effort "high"',
        "seed null",
        "stop",
        "system prompt",
        "first_token 1.5 s",
    )


def test_limits_of_links_count_where_a_chain_cannot_wait_for_all(path: Path) -> None:
    chain(path, "{model: x, first_token: 100}", "y", rest=", policy: {deadline: 105}")
    [warning] = load_config(path).warnings
    assert "2 models total 110 s and exceed the deadline of 105 s" in warning
    chain(path, "{model: x, first_token: 5}", "y", rest=", policy: {first_token: 100, deadline: 105}")
    assert load_config(path).warnings == ()


LIST, MAPPING = "chains:\n  a:\n    - x\n    - {}\n", "chains:\n  a:\n    models:\n      - x\n      - {}\n"


@pytest.mark.parametrize(("shape", "line"), [(LIST, 4), (MAPPING, 5)], ids=["list", "mapping"])
@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{model: y, parms: {}}", "unknown key `parms`. Did you mean `params`?"),
        ("{model: y, policy: {}}", "unknown key `policy`. Known: `model`, `params`, `system`, `first_token`."),
        ("{openai: gpt-5}", "unknown key `openai`. Known: `model`, `params`, `system`, `first_token`."),
        ("{params: {}}", "`chains.a.models.1.model` is missing."),
        ("{model: 5}", "`chains.a.models.1.model` must be text, not this number."),
        ("{model: ' '}", "`chains.a.models.1.model`: ` ` is not a model name."),
        ("{model: 'opnai:y'}", "`opnai` is not a provider in this file. Did you mean `openai`?"),
        ("{model: x, system: Think.}", "`x` is in this chain twice. Remove one."),
        ("{model: 'openrouter:x'}", "`openrouter:x` is in this chain twice. Remove one."),
        ("{model: y, system: 5}", "`chains.a.models.1.system` must be text, not this number."),
        ("{model: y, params: [x]}", "`chains.a.models.1.params` must be a mapping, not a list."),
        ("{model: y, first_token: 0}", "`chains.a.models.1.first_token` must be greater than 0, not this number."),
        (
            "{model: y, first_token: soon}",
            "`chains.a.models.1.first_token`: `soon` is not a duration. Write seconds as a number, or",
        ),
        (
            "{model: y, params: {stream: true}}",
            "`chains.a.models.1.params`: `stream` is set by each call itself; leave it out here.",
        ),
        (
            "{model: y, params: {api_key: sk-1}}",
            "`chains.a.models.1.params`: `api_key` contains a key, which is not allowed in bodies",
        ),
        (
            "{model: y, params: {p: .nan}}",
            "`chains.a.models.1.params`: it contains a number that is not finite, which JSON does not support.",
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line(path: Path, shape: str, line: int, entry: str, sentence: str) -> None:
    path.write_text(shape.replace("{}", entry))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}, line {line}: {sentence}")


def test_the_line_is_that_of_the_wrong_key(path: Path) -> None:
    path.write_text(
        "chains:\n  a:\n    - x\n    - model: y\n      params:\n        stream: true\n      sytem: Think.\n"
    )
    with pytest.raises(ConfigError, match="line 7: unknown key `sytem`"):
        load_config(path)


def test_keys_are_refused_in_a_chain_s_params_too(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`chains\.a\.params`: `api_key` contains a key"):
        chain(path, "x", rest=", params: {api_key: sk-1}")


def test_a_changed_chain_lists_its_new_models_and_has_another_fingerprint(path: Path) -> None:
    before = chain(path, "x", "y")
    assert (before.models[0].text, before.fingerprint) is not None  # both are worked out once, and kept
    after = msgspec.structs.replace(before, links=before.links[::-1])
    assert [ref.text for ref in after.models] == ["y", "x"]
    assert after.fingerprint != before.fingerprint
