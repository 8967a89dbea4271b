"""Any text whatsoever is a Config or one sentence, in bounded time; what is accepted can be stored and drawn."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.config.draft import Draft
from router.config.editing import Editor
from router.config.loading import MAX_CHAINS, MAX_MODELS, parse_config
from router.config.schema import Config
from router.config.source import MAX_BYTES
from router.core.errors import ConfigError

FILE = Path("models.yaml")
SHIPPED = (Path(__file__).parents[2] / "models.yaml").read_text(encoding="utf-8")
CHAINS = "chains:\n  a: [x]\n"
PROVIDER = CHAINS + "default_provider: p\nproviders:\n  p:\n    protocol: openai\n    base_url: {}\n"

FRAGMENTS = (
    *("!!bool maybe", "!!int ''", "!!int '_'", "!!float ''", "!!float .", "!!timestamp foo", "!!timestamp 2026-01-01"),
    *(
        "!!binary x",
        "!!binary '#'",
        "!!set {x}",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
        "!!null x",
        "!!python/name:os.path",
    ),
    *("!!python/object/apply:os.system [x]", "!x y", "!!str {=: 5}", "!!int {=: 5}", "!!map [x]", "=", "<<: *a"),
    *(
        '"\\ud800"',
        '"\\uD83D\\uDE00"',
        '"\\0"',
        '"\\x1b[2J"',
        '"\\u2028"',
        '"\\ufeff"',
        "\ud800",
        "\0",
        "\x7f",
        "\ufeff",
    ),
    *(
        "9" * 5000,
        "-" + "9" * 400,
        "0x" + "f" * 300,
        "1:" * 200 + "1",
        "1.0e+999",
        "-.inf",
        ".nan",
        "1e400",
        "2026-01-01",
    ),
    *("9" * 400 + "GB", "9" * 400 + "d", "1e9d", "99999999999GB", "0.000000001ms", "١٢s"),
    *("http://[::1", "http://[::1]:x/", "http://h:99999", "http://h:0", "http://a b/", "http://h\\evil/", "http://é/"),
    *("&a [*a]", "*b", "? [x]\n", "{a: {b: [}", "- -", "%YAML 9.9\n---\n", "\n---\n", "\t", "...", "''", "~", "true"),
)

text_of_any_kind = st.text(st.characters(), max_size=200)
file_with_hostile_parts = st.builds(
    lambda at, parts, length: SHIPPED[:at] + "".join(parts) + SHIPPED[at + length :],
    st.integers(0, len(SHIPPED)),
    st.lists(st.sampled_from(FRAGMENTS) | st.sampled_from(SHIPPED.split()) | st.just("\n"), max_size=4),
    st.integers(0, 30),
)
value_in_any_place = st.builds(
    lambda frame, part: frame.format(part),
    st.sampled_from(
        [
            "chains: {{a: [{}]}}\n",
            "chains: {{{}: [x]}}\n",
            "chains: {{a: {{models: [x], params: {{p: {}}}}}}}\n",
            "chains: {{a: {{models: [x], params: {{{}: 1}}}}}}\n",
            "chains: {{a: [{{model: {}}}]}}\n",
            "chains: {{a: [{{model: x, params: {}}}]}}\n",
            "chains: {{a: [{{model: x, params: {{p: {}}}}}]}}\n",
            "chains: {{a: [{{model: x, system: {}}}]}}\n",
            "chains: {{a: [{{model: x, first_token: {}}}]}}\n",
            "chains: {{a: {{models: [x], policy: {{stall: {}}}}}}}\n",
            CHAINS + "policy: {{deadline: {}}}\n",
            CHAINS + "policy: {{breaker: {{window: {}}}}}\n",
            CHAINS + "policy: {{cache: {{size_limit: {}}}}}\n",
            CHAINS + "models: {{x: {{context: {}}}}}\n",
            CHAINS + "models: {{x: {{price: {{input: {}, output: 1}}}}}}\n",
            CHAINS + "offline: {}\n",
            PROVIDER,
            PROVIDER.format("http://h") + "    headers: {{X-A: {}}}\n",
            PROVIDER.format("http://h") + "    body: {{a: {}}}\n",
            PROVIDER.format("http://h") + "    api_key: {}\n",
            "{}\n" + CHAINS,
        ]
    ),
    st.sampled_from(FRAGMENTS),
)


def read(text: str) -> Config | None:
    """What a text means, or None where it is refused in one sentence that names the file."""
    try:
        return parse_config(text, FILE)
    except ConfigError as error:
        assert str(error).startswith("models.yaml") and len(str(error)) < 4_000
        str(error).encode()
        return None


def numbers(value: Any) -> list[int | float]:
    if isinstance(value, dict | list):
        return [found for inner in (value.values() if isinstance(value, dict) else value) for found in numbers(inner)]
    return [value] if isinstance(value, int | float) else []


@given(text=text_of_any_kind | file_with_hostile_parts | value_in_any_place)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_config_or_a_sentence(text: str) -> None:
    config = read(text)
    if config is not None:
        written = config.model_dump_json(fallback=msgspec.structs.asdict)
        written.encode()
        assert all(math.isfinite(number) for number in numbers(json.loads(written)))
        for chain in config.chains.values():
            msgspec.json.encode(chain.params)
            for link in chain.links:
                assert link.ref.text.isprintable()
                " ".join(link.own).encode()


@given(text=file_with_hostile_parts | value_in_any_place)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_can_be_saved_reads_back_and_can_be_undone(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("saved") / "models.yaml"
    path.write_text(CHAINS, encoding="utf-8")
    editor = Editor(path, path.parent / "history")
    try:
        editor.save(editor.draft().with_text(text), "hostile")
    except ConfigError:
        assert path.read_text(encoding="utf-8") == CHAINS
        return
    assert editor.draft().text == Draft(before=CHAINS, text="").with_text(text).text
    editor.roll_back()
    assert path.read_text(encoding="utf-8") == CHAINS


def filled(text: str, size: int) -> str:
    return text + "#" * (size - len(text))


@pytest.mark.parametrize(("size", "kept"), [(MAX_BYTES, True), (MAX_BYTES + 1, False)])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_saving_refuses_just_what_reading_refuses(tmp_path: Path, size: int, kept: bool, mark: bytes) -> None:
    path = tmp_path / "models.yaml"
    path.write_bytes(mark + CHAINS.encode())
    editor = Editor(path, tmp_path / "history")
    text = filled(CHAINS, size)
    if not kept:
        with pytest.raises(ConfigError, match="the limit is 250 kB"):
            editor.save(editor.draft().with_text(text), "large")
        return
    editor.save(editor.draft().with_text(text), "large")
    assert editor.draft().text == text
    editor.roll_back()
    assert path.read_bytes() == mark + CHAINS.encode()


@pytest.mark.parametrize(
    "now", [b"\xff\xfe", b"chains: [", b"#" * (MAX_BYTES + 9), None], ids=["no UTF-8", "no YAML", "too large", "gone"]
)
def test_an_earlier_version_comes_back_whatever_the_file_has_become(tmp_path: Path, now: bytes | None) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(CHAINS, encoding="utf-8")
    editor = Editor(path, tmp_path / "history")
    editor.save(editor.draft().with_text(CHAINS + "# more\n"), "more")
    path.unlink() if now is None else path.write_bytes(now)
    editor.roll_back()
    assert path.read_text(encoding="utf-8") == CHAINS


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("chains:\n  a: !!bool maybe\n", "line 2: not valid YAML: the value is not a valid `!!bool`."),
        ("chains:\n  a: !!int ''\n", "line 2: not valid YAML: the value is not a valid `!!int`."),
        ("chains:\n  a: !!timestamp foo\n", "line 2: not valid YAML: could not determine a constructor"),
        ("chains:\n  a: !!binary x\n", "line 2: not valid YAML: could not determine a constructor"),
        ('chains:\n  a: ["\\ud800"]\n', "line 2: the text contains U+D800"),
        ('chains:\n  a: ["\\0"]\n', "line 2: the text contains U+0000"),
        ('chains:\n  "a\\nb": [x]\n', "line 2: a key must be a plain word."),
        (CHAINS + "policy:\n  stall: " + "9" * 5000, "line 4: not valid YAML: a number has at most 100"),
        (CHAINS + "policy: {stall: 10000000000000000000}", "line 3: not valid YAML: a whole number is at"),
        (CHAINS + f"policy: {{cache: {{size_limit: {'9' * 400}GB}}}}", "line 3: `policy.cache.size_limit`"),
        (CHAINS + "policy: {cache: {size_limit: 99999999999GB}}", "line 3: `policy.cache.size_limit` must"),
        (CHAINS + f"policy: {{stall: {'9' * 400}d}}", "line 3: `policy.stall`: `999"),
        (CHAINS + "policy: {stall: 1095001d}", "line 3: `policy.stall` must be less than or equal to"),
        (CHAINS + "policy: {breaker: {window: 9007199254740992}}", "line 3: `policy.breaker.window` must"),
        (
            "chains:\n  a: {models: [x], params: {p: [.inf]}}",
            "line 2: `chains.a.params`: it contains a number that is not finite",
        ),
        (PROVIDER.format("'http://[::1'"), "line 7: `providers.p.base_url`: the address must be a host"),
        (PROVIDER.format("http://h:99999"), "line 7: `providers.p.base_url`: the address must be a host"),
        (PROVIDER.format("'http://h\\.evil'"), "line 7: `providers.p.base_url`: the address must be a host"),
    ],
    ids=lambda value: value[:40],
)
def test_what_used_to_crash_pages_is_a_sentence_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, FILE)
    assert str(caught.value).startswith(f"models.yaml, {sentence}")


def references(prefix: str, count: int) -> str:
    return "\n".join(f"    - {prefix}{number}:x" for number in range(count))


WORST = {
    "a chain of 20,000 models": "chains:\n  a:\n" + references("m", 16_000),
    "names like providers": "providers:\n"
    + "".join(f"  provider{n:016}x: {{protocol: embedded}}\n" for n in range(50))
    + "chains:\n"
    + "".join(f"  c{n}:\n{references(f'prov-{n:06}-aaaaaaaaaaaaaaaa', MAX_MODELS)}\n" for n in range(MAX_CHAINS)),
    "an unknown provider of great length": "chains: {a: ['" + "provider" * 30_000 + ":x']}",
    "numbers to the base of 60": "chains: {a: [x]}\na: 1" + ":1" * 120_000,
    "small values": "chains: {a: [" + "a," * 120_000 + "a]}",
    "chains by the thousand": "chains:\n" + "".join(f"  c{n}: [x]\n" for n in range(15_000)),
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST)
def test_the_worst_text_of_the_largest_size_is_checked_in_bounded_time(text: str) -> None:
    assert len(text) > 150_000 and len(text) <= MAX_BYTES
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 15


@pytest.mark.parametrize("lines", ["\n" * 60_000, "a\nb\n" * 30_000, "".join(f"{n % 300}\n" for n in range(50_000))])
def test_texts_of_the_largest_size_are_compared_in_bounded_time(lines: str) -> None:
    started = time.process_time()
    draft, _ = Draft(before=CHAINS + lines, text=f"# mine\n{lines}x\n{lines}").onto(f"{lines}# theirs\n")
    draft.diff()
    assert time.process_time() - started < 5


def test_a_chain_of_too_many_models_is_refused_in_words() -> None:
    models = ", ".join(f"m{number}" for number in range(MAX_MODELS + 1))
    with pytest.raises(ConfigError, match=r"`chains\.a\.models`: a chain has at most 50 models, not 51"):
        parse_config(f"chains: {{a: [{models}]}}", FILE)
