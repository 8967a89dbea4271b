"""models.yaml: what is refused, in which words, and what the shipped file says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config.chains import ModelRef, parse_reference
from router.config.loading import load_config
from router.config.policy import Policy
from router.core.capabilities import ModelInfo
from router.core.errors import ConfigError
from router.core.pricing import Price

SHIPPED = Path(__file__).parents[2] / "models.yaml"
CHAINS = "chains:\n  tools: [a, b]\n"
PROVIDER = CHAINS + "default_provider: p\nproviders:\n  p: {{protocol: openai, base_url: http://h/v1, {}}}\n"
ADDRESS = CHAINS + "default_provider: p\nproviders:\n  p: {{protocol: openai, base_url: '{}'}}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models.yaml"


def refusal(path: Path, text: str) -> str:
    """The sentence with which a file is refused, from its line on."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    place, _, sentence = str(caught.value).partition(f"{path}, ")
    assert not place
    return sentence


# --- The shipped file ------------------------------------------------------------------------------


def test_the_shipped_chains_are_those_that_the_project_grew_out_of() -> None:
    chains = load_config(SHIPPED).chains
    assert {name: [ref.text for ref in chain.models] for name, chain in chains.items()} == {
        "tools": ["openrouter/aurora-alpha", "moonshotai/kimi-k2.5", "z-ai/glm-5"],
        "code": ["z-ai/glm-5", "openrouter/aurora-alpha", "openai/gpt-4o-mini"],
        "reasoning": ["openrouter/aurora-alpha", "z-ai/glm-5", "moonshotai/kimi-k2.5"],
        "conversation": ["z-ai/glm-5", "openai/gpt-4o-mini", "openrouter/aurora-alpha"],
    }


def test_the_shipped_models_are_all_served_by_openrouter() -> None:
    models = [ref for chain in load_config(SHIPPED).chains.values() for ref in chain.models]
    assert {(ref.provider, ref.model) for ref in models} == {("openrouter", ref.text) for ref in models}


@pytest.mark.parametrize("key", ["default_provider", "providers", "offline", "policy"])
def test_what_the_shipped_file_says_is_the_default(path: Path, key: str) -> None:
    path.write_text(CHAINS)
    assert getattr(load_config(SHIPPED), key) == getattr(load_config(path), key)


def test_the_shipped_file_names_every_default_of_the_policy() -> None:
    shipped = load_config(SHIPPED).policy
    groups = [shipped, shipped.backoff, shipped.breaker, shipped.cache, shipped.retention]
    assert [group.model_fields_set for group in groups] == [set(type(group).model_fields) for group in groups]


def test_the_shipped_file_gives_no_warning() -> None:
    assert load_config(SHIPPED).warnings == ()


# --- What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "words"),
    [
        (CHAINS + "polcy: {}\n", "line 3: unknown key `polcy`", "`policy`"),
        (CHAINS + "policy: {retires: 3}\n", "line 3: unknown key `retires`", "`retries`"),
        (CHAINS + "policy:\n  cache:\n    tll: 3\n", "line 5: unknown key `tll`", "`ttl`"),
        (CHAINS + "policy:\n  breaker:\n    open_fro: 3\n", "line 5: unknown key `open_fro`", "`open_for`"),
        (CHAINS + "policy:\n  backoff:\n    bse: 3\n", "line 5: unknown key `bse`", "`base`"),
        (PROVIDER.format("apikey: sk-1"), "line 5: unknown key `apikey`", "`api_key`"),
        ("chains:\n  a:\n    models: [x]\n    polcy: {}\n", "line 4: unknown key `polcy`", "`policy`"),
        ("chains:\n  a:\n    modls: [x]\n", "line 3: unknown key `modls`", "`models`"),
        ("chain:\n  a: [x]\n", "line 1: unknown key `chain`", "`chains`"),
        ("chains:\n  a: {models: [x], policy: {stal: 1}}\n", "line 2: unknown key `stal`", "`stall`"),
        ("chains:\n  a:\n    models: [x]\n    policy: {backoff: {bse: 1}}\n", "line 4: unknown key `bse`", "`base`"),
        (CHAINS + "default_provider: openruter\n", "line 3: `openruter` is not a provider", "`openrouter`"),
        ("chains:\n  a:\n    - x\n    - opnai:gpt-5\n", "line 4: `opnai` is not a provider", "`openai`"),
        (CHAINS + "offline: embeded:smollm2\n", "line 3: `embeded` is not a provider", "`embedded`"),
        (CHAINS + "models:\n  a: {contxt: 5}\n", "line 4: unknown key `contxt`", "`context`"),
        (CHAINS + "models:\n  a:\n    price:\n      inputs: 1\n", "line 6: unknown key `inputs`", "`input`"),
        (CHAINS + "models:\n  a: {tools: true}\n  opnai:gpt-5: {}\n", "line 5: `opnai` is not a provider", "`openai`"),
    ],
)
def test_an_unknown_name_is_refused_with_its_line_and_the_nearest_one(
    path: Path, text: str, start: str, words: str
) -> None:
    sentence = refusal(path, text)
    assert sentence.startswith(start) and sentence.endswith(f"Did you mean {words}?")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("policy: {}\n", "line 1: `chains` is missing"),
        ("chains: {}\n", "line 1: `chains` is empty. Name at least one"),
        ("chains:\n", "line 1: `chains` must be a mapping, not nothing"),
        ("chains: [a, b]\n", "line 1: `chains` must be a mapping, not a list"),
        ("chains:\n  a: []\n", "line 2: `chains.a.models`: a chain needs a list of at least one model"),
        ("chains:\n  a:\n", "line 2: `chains.a.models`: a chain needs a list of at least one model"),
        ("chains:\n  a: x\n", "line 2: `chains.a.models`: a chain needs a list of at least one model"),
        ("chains:\n  a: {policy: {}}\n", "line 2: `chains.a.models` is missing"),
        ("chains:\n  a: [x, 5]\n", "line 2: `chains.a.models`: `5` is not a model name"),
        ("chains:\n  a: [x, ' ']\n", "line 2: `chains.a.models`: ` ` is not a model name"),
        ("chains:\n  a:\n    - x\n    - x\n", "line 4: `x` is in this chain twice"),
        (
            "chains:\n  a:\n    models:\n      - x\n      - openrouter:x\n",
            "line 5: `openrouter:x` is in this chain",
        ),
        (
            "chains:\n  a:\n    models: [x]\n    params: {model: y}\n",
            "line 4: `chains.a.params`: `model` is set by each call itself; leave it out here",
        ),
        ("chains:\n  5: [x]\n", "line 2: "),
        (
            PROVIDER.format('headers: {X-A: "a\\nb"}'),
            "line 5: `providers.p.headers.X-A`: a header cannot contain line breaks",
        ),
        (PROVIDER.format("headers: {X A: b}"), "line 5: the name `X A` is not a valid header name"),
        (CHAINS + "server: {keys: {team a: '${A}'}}\n", "line 3: the name `team a` is not a valid caller's name"),
        (
            CHAINS + "server: {keys: {a: '${KEY}', b: {key: ['${OWN}', '${KEY}']}}}\n",
            "line 3: `server.keys`: `a` and `b` have the same key, KEY; give each its own",
        ),
        (CHAINS + "models:\n", "line 3: `models` must be a mapping, not nothing"),
        (CHAINS + "models: [a]\n", "line 3: `models` must be a mapping, not a list"),
        (CHAINS + "models: {a: 5}\n", "line 3: `models.a` must be a mapping, not this number"),
        (CHAINS + "models: {5: {tools: true}}\n", "line 3: the name `5` must be text; write it in quotes"),
        (CHAINS + "models: {'openai:': {}}\n", "line 3: `openai:` names a provider but no model"),
        (CHAINS + "models:\n  a: {}\n  openrouter:a: {}\n", "line 5: `openrouter:a` is listed twice under `models`"),
        (CHAINS + "offline: 5\n", "line 3: `offline` must be text, not this number"),
        (PROVIDER.format("max_concurrency: 0"), "line 5: `providers.p.max_concurrency` "),
        (PROVIDER.format("headers: {X: 5}"), "line 5: `providers.p.headers.X` must be text, not this number"),
        (CHAINS + "providers: {p: 5}\n", "line 3: `providers.p` must be a mapping, not this number"),
        (
            CHAINS + "providers: {p: {protocol: openai}}\n",
            "line 3: `providers.p`: a provider with protocol openai needs",
        ),
        (
            CHAINS + "providers: {p: {protocol: opnai}}\n",
            "line 3: `providers.p.protocol` must be 'openai', 'anthropic' or",
        ),
    ],
)
def test_a_wrong_shape_is_refused_with_its_line(path: Path, text: str, start: str) -> None:
    assert refusal(path, text).startswith(start)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("retries: '2'", "must be a whole number, not text"),
        ("retries: 1.5", "must be a whole number"),
        ("retries: -1", "greater than or equal to 0"),
        ("retries: 1000", "less than or equal to 20"),
        ("deadline: '120'", "`120` is not a duration. Write seconds as a number, or add a unit: 30s, 5m, 7d"),
        ("deadline: 5 parsecs", "`5 parsecs` is not a duration"),
        ("deadline: -1", "must be greater than 0"),
        ("deadline: 0s", "must be greater than 0"),
        ("deadline: .inf", "must be less than or equal to 94608000000"),
        ("deadline: .nan", "must be"),
        ("deadline: true", "must be a number, not true or false"),
        ("backoff: 5", "must be a mapping, not this number"),
        ("on_content_filter: stpo", "must be 'stop' or 'next', not `stpo`"),
    ],
)
@pytest.mark.parametrize("at", [CHAINS + "policy: {{{}}}\n", "chains:\n  a:\n    models: [x]\n    policy: {{{}}}\n"])
def test_a_wrong_value_is_refused_everywhere_with_what_is_wanted(path: Path, at: str, setting: str, words: str) -> None:
    sentence = refusal(path, at.format(setting))
    assert sentence.startswith(("line 3: ", "line 4: ")) and setting.partition(":")[0] in sentence and words in sentence


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("breaker: {failure_rate: 2}", "`policy.breaker.failure_rate` .*less than or equal to 1"),
        ("breaker: {min_calls: 0}", "`policy.breaker.min_calls` .*greater than or equal to 1"),
        ("cache: {size_limit: 1XB}", "`1XB` is not a size. Write bytes as a number, or add a unit: 200MB, 1GB"),
        ("cache: {enabled: yes}", "must be true or false, not text"),
    ],
)
def test_a_wrong_breaker_or_cache_is_refused(path: Path, setting: str, words: str) -> None:
    assert re.match(f"line 3: .*{words}", refusal(path, CHAINS + f"policy: {{{setting}}}\n"))


PRICE = "price: {{input: 1, output: 1, {}}}"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("context: 0", "`models.a.context` must be greater than or equal to 1"),
        ("context: '8192'", "`models.a.context` must be a whole number, not text"),
        ("context: 8192.5", "`models.a.context` must be a whole number"),
        ("context: true", "`models.a.context` must be a whole number, not true or false"),
        ("tools: yes", "`models.a.tools` must be true or false, not text"),
        ("images: 1", "`models.a.images` must be true or false, not this number"),
        ("files: []", "`models.a.files` must be true or false, not a list"),
        ("price: 3", "`models.a.price` must be a mapping, not this number"),
        ("price: {input: 3}", "`models.a.price.output` is missing."),
        ("price: {input: -1, output: 1}", "`models.a.price.input` must be greater than or equal to 0"),
        ("price: {input: '$3', output: 1}", "`models.a.price.input` must be a number, not text"),
        ("price: {input: .inf, output: 1}", "`models.a.price.input` must be a finite number"),
        ("price: {input: .nan, output: 1}", "`models.a.price.input` must be a finite number"),
        (PRICE.format("request: -0.01"), "`models.a.price.request` must be greater than or equal to 0"),
        (PRICE.format("cached_input: free"), "`models.a.price.cached_input` must be a number, not text"),
        (PRICE.format("cache_write: -1"), "`models.a.price.cache_write` must be greater than or equal to 0"),
    ],
)
def test_a_wrong_fact_is_refused_with_what_is_wanted(path: Path, setting: str, words: str) -> None:
    assert refusal(path, CHAINS + f"models:\n  a:\n    {setting}\n").startswith(f"line 5: {words}")


def test_a_provider_that_names_no_model_is_not_called_unknown(path: Path) -> None:
    assert "`openai` is not a provider" not in refusal(path, "chains:\n  a: ['openai:']\n")


@pytest.mark.parametrize("key", ["sk-or-v1-0123456789", "123456789", "$OPENAI_API_KEY", "x${OPENAI_API_KEY}", "''"])
def test_a_literal_key_is_refused_without_being_repeated(path: Path, key: str) -> None:
    sentence = refusal(path, CHAINS + f"providers:\n  p:\n    protocol: openai\n    api_key: {key}\n")
    assert sentence.startswith('line 6: `providers.p.api_key`: write a key as the name of a variable, such as "${')
    assert key not in sentence


@pytest.mark.parametrize(
    "keys", ["['${A_KEY}', sk-or-v1-0123456789]", "['${A_KEY}', 5]", "[['${A_KEY}']]", "{name: A_KEY}", "'${A} ${B}'"]
)
def test_a_list_with_anything_else_than_names_of_variables_is_refused(path: Path, keys: str) -> None:
    sentence = refusal(path, CHAINS + f"providers:\n  p:\n    protocol: openai\n    api_key: {keys}\n")
    assert sentence.startswith("line 6: `providers.p.api_key`: write a key as the name of a variable, such as ")
    assert "0123456789" not in sentence


@pytest.mark.parametrize("address", ["ftp://h/v1", "localhost:11434/v1", "h/v1", "", "http://", "file:///etc/passwd"])
def test_an_address_that_is_not_http_is_refused(path: Path, address: str) -> None:
    assert refusal(path, ADDRESS.format(address)).startswith(
        "line 5: `providers.p.base_url`: the address must start with http:// or https://, not "
    )


def test_an_address_with_a_password_is_refused_without_repeating_it(path: Path) -> None:
    assert "hunter2" not in refusal(path, ADDRESS.format("http://me:hunter2@h/v1"))


# --- What is understood ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("30s", 30),
        ("5 m", 300),
        ("2h", 7200),
        ("7d", 604_800),
        ("1w", 604_800),
    ],
)
def test_a_duration_is_seconds_or_carries_a_unit(path: Path, written: str, seconds: float) -> None:
    path.write_text(CHAINS + f"policy: {{deadline: {written}}}\n")
    assert load_config(path).policy.deadline == seconds


@pytest.mark.parametrize(("written", "size"), [("5000", 5000), ("200MB", 200_000_000), ("1.5 gb", 1_500_000_000)])
def test_a_size_is_bytes_or_carries_a_unit(path: Path, written: str, size: int) -> None:
    path.write_text(CHAINS + f"policy: {{cache: {{size_limit: {written}}}}}\n")
    assert load_config(path).policy.cache.size_limit == size


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("z-ai/glm-5", "main", "z-ai/glm-5"),
        ("z-ai/glm-5:free", "main", "z-ai/glm-5:free"),
        ("openai:gpt-5", "openai", "gpt-5"),
        ("openai:ft:gpt-5:me", "openai", "ft:gpt-5:me"),
        ("nobody:gpt-5", "main", "nobody:gpt-5"),
    ],
)
def test_the_part_before_the_first_colon_is_a_provider_only_where_one_has_that_name(
    text: str, provider: str, model: str
) -> None:
    assert parse_reference(text, {"main": 1, "openai": 1}, "main") == ModelRef(
        provider=provider, model=model, text=text
    )


@pytest.mark.parametrize("model", ["openai/gpt-4o:extended", "openrouter/auto:free", "z-ai/glm-5:free"])
def test_a_variant_of_a_model_is_not_taken_for_a_misspelt_provider(path: Path, model: str) -> None:
    path.write_text(f"chains:\n  a: ['{model}']\n")
    assert load_config(path).chains["a"].models[0].model == model


def test_without_an_embedded_provider_no_other_stands_in_for_it(path: Path) -> None:
    path.write_text(PROVIDER.format("max_concurrency: 1"))
    offline = load_config(path).offline
    assert offline is None or offline.provider == "embedded"


def test_a_chain_s_policy_overrides_the_general_one_value_by_value(path: Path) -> None:
    path.write_text(
        "policy: {stall: 3, backoff: {base: 1, cap: 4}}\n"
        "chains:\n  a: {models: [x], policy: {deadline: 7, backoff: {cap: 5}}}\n  b: [x]\n"
    )
    chains = load_config(path).chains
    got = [(p.stall, p.deadline, p.backoff.base, p.backoff.cap) for p in (chains["a"].policy, chains["b"].policy)]
    assert got == [(3, 7, 1, 5), (3, Policy().deadline, 1, 4)]


def test_a_single_model_runs_under_the_general_policy(path: Path) -> None:
    path.write_text(CHAINS + "policy: {stall: 3}\n")
    chain = load_config(path).single("openai:gpt-5")
    assert (chain.name, chain.models[0].provider, chain.policy.stall) == (None, "openai", 3)


@pytest.mark.parametrize(
    ("chains", "category"), [("a: [x], conversation: [x]", "conversation"), ("b: [x], a: [x]", "b")]
)
def test_what_names_no_category_is_conversation_or_else_the_first(path: Path, chains: str, category: str) -> None:
    path.write_text(f"chains: {{{chains}}}")
    assert load_config(path).default_category == category


def test_the_models_of_the_chains_are_listed_once_with_the_offline_one_last(path: Path) -> None:
    path.write_text("{offline: embedded:e, chains: {a: [x, y], b: [y, z]}}")
    config = load_config(path)
    assert [ref.text for ref in config.chain_models] == ["x", "y", "z"]
    assert [ref.text for ref in config.known_models] == ["x", "y", "z", "embedded:e"]


def test_an_unknown_category_is_refused_with_the_nearest_one(path: Path) -> None:
    path.write_text(CHAINS)
    with pytest.raises(ConfigError, match=r"has no chain `tolos`\. Did you mean `tools`\?"):
        load_config(path).chain("tolos")


def test_models_that_cannot_all_be_waited_for_are_warned_of(path: Path) -> None:
    path.write_text("chains:\n  a:\n    models: [x, y, z]\n    policy: {first_token: 30, deadline: 60}\n")
    [warning] = load_config(path).warnings
    assert warning.startswith(
        f"{path}, line 2: in `a`, the first_token limits of 3 models total 90 s and exceed the deadline of 60 s"
    )


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("{models: [x, y]}", True),
        ("{models: [y, x]}", False),
        ("{models: [x, y], params: {seed: 1}}", False),
        ("{models: [x, y], policy: {stall: 3}}", False),
    ],
)
def test_a_fingerprint_changes_with_what_the_chain_does(path: Path, other: str, same: bool) -> None:
    path.write_text(f"chains:\n  a: [x, y]\n  b: {other}\n")
    chains = load_config(path).chains
    assert (chains["a"].fingerprint == chains["b"].fingerprint) is same


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("'${A_KEY}'", ("A_KEY",)),
        ("['${A_KEY}']", ("A_KEY",)),
        ("['${A_KEY}', ' ${B_KEY} ']", ("A_KEY", "B_KEY")),
        ("[]", ()),
        ("null", ()),
    ],
)
def test_a_provider_s_key_has_one_name_or_several_in_order(path: Path, written: str, names: tuple[str, ...]) -> None:
    path.write_text(PROVIDER.format(f"api_key: {written}"))
    assert load_config(path).providers["p"].api_key == names


INFO = (
    CHAINS
    + "models:\n  a: {context: 50, tools: true, images: false, price: {input: 1, output: 2, cached_input: 0.5}}\n"
)


@pytest.mark.parametrize("reference", ["a", "openrouter:a"])
def test_what_the_file_says_of_a_model_holds_however_it_is_named(path: Path, reference: str) -> None:
    path.write_text(INFO)
    config = load_config(path)
    assert config.model_info(config.single(reference).models[0]) == ModelInfo(
        context=50, tools=True, images=False, price=Price(input=1, output=2, cached_input=0.5)
    )


@pytest.mark.parametrize("reference", ["b", "openai:a"])
def test_of_any_other_model_the_file_says_nothing(path: Path, reference: str) -> None:
    path.write_text(INFO)
    config = load_config(path)
    assert config.model_info(config.single(reference).models[0]) == ModelInfo()


def test_a_provider_s_address_ends_without_a_slash(path: Path) -> None:
    path.write_text(ADDRESS.format("http://h/v1/"))
    assert load_config(path).providers["p"].base_url == "http://h/v1"


def test_what_was_read_cannot_be_changed(path: Path) -> None:
    path.write_text(CHAINS)
    with pytest.raises(ValueError, match="frozen"):
        load_config(path).policy.stall = 1
