"""Rules of alerts: what they say, and how a mistake in one is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.alerts import ENOUGH, WATCHED, AlertsConfig, Condition, parse_condition
from router.config.changes import in_words
from router.config.editing import Editor
from router.config.loading import parse_config
from router.core.attempts import Source
from router.core.errors import ConfigError

FILE = Path("models.yaml")
DOCS = Path(__file__).parents[2] / "docs"
CHAINS = "chains:\n  tools: [a, b]\n  code: [a]\n"


def alerts_of(text: str) -> AlertsConfig:
    return parse_config(CHAINS + text, FILE).alerts


def refusal(text: str) -> str:
    """The sentence with which a file is refused, from its line on."""
    with pytest.raises(ConfigError) as caught:
        parse_config(CHAINS + text, FILE)
    return str(caught.value).removeprefix("models.yaml, ")


def rule(when: str) -> str:
    return f"alerts:\n  - {{when: '{when}', to: log}}\n"


# --- What a rule says ------------------------------------------------------------------------------


def test_the_rules_of_a_list_go_to_the_usual_variable() -> None:
    text = "alerts:\n  - {when: answered < 99% over 15m in code, to: webhook}\n  - {when: drift, to: log}\n"
    found = alerts_of(text)
    assert found.webhook == ("LAB_ALERTS_URL",)
    assert [each.key for each in found.rules] == ["answered < 99% over 15m in code → webhook", "drift → log"]


def test_a_mapping_names_another_variable() -> None:
    text = "alerts:\n  webhook: '${TEAM_HOOK}'\n  rules:\n    - {when: drift, to: webhook}\n"
    assert alerts_of(text).webhook == ("TEAM_HOOK",)


@pytest.mark.parametrize("text", ["", "alerts:\n", "alerts: []\n", "alerts: {rules: }\n"])
def test_without_rules_nothing_is_watched(text: str) -> None:
    assert not alerts_of(text).rules


@pytest.mark.parametrize(
    ("when", "figure", "comparison", "threshold", "window"),
    [
        ("answered < 99% over 15m", "answered", "<", 0.99, 900),
        ("answered<=99.5 % over 1h", "answered", "<=", 0.995, 3600),
        ("latency p95 > 8s over 1h", "latency p95", ">", 8, 3600),
        ("first token p95 >= 800ms over 30 m", "first token p95", ">=", 0.8, 1800),
        ("cost > $0.50 over 1d", "cost", ">", 0.5, 86_400),
        ("cost per 1,000 > $1,250 over 1w", "cost per 1000", ">", 1250, 604_800),
        ("unpriced > 0 over 1d", "unpriced", ">", 0, 86_400),
        ("breaker skips > 1,000 over 5m", "breaker skips", ">", 1000, 300),
    ],
)
def test_a_figure_is_compared_with_a_threshold_in_its_unit(
    when: str, figure: str, comparison: str, threshold: float, window: float
) -> None:
    found = parse_condition(when)
    assert (found.figure, found.comparison, found.threshold, found.window) == (figure, comparison, threshold, window)


def test_clauses_say_what_counts_in_any_order() -> None:
    found = parse_condition("answered < 99% from endpoint at least 50 requests of z-ai/glm-5:free in my code over 15m")
    assert (found.category, found.model, found.source) == ("my code", "z-ai/glm-5:free", "endpoint")
    assert found.at_least == 50
    assert found.text == "answered < 99% over 15m in my code of z-ai/glm-5:free from endpoint at least 50 requests"


def test_shares_and_times_need_a_sample_and_counts_and_sums_none() -> None:
    assert {name for name, watched in WATCHED.items() if watched.at_least != ENOUGH} == {
        "cost", "unpriced", "requests", "breaker skips"
    }  # fmt: skip
    assert parse_condition("answered < 99% over 15m").at_least == ENOUGH
    assert parse_condition("requests < 1 over 15m").at_least == 0


THRESHOLDS = {
    "share": st.decimals(0, 100, places=2).map(lambda number: f"{number}%"),
    "seconds": st.builds(
        lambda number, unit: f"{number}{unit}", st.integers(0, 999), st.sampled_from(["ms", "s", "m"])
    ),
    "US dollars": st.decimals(0, 10_000, places=2).map(lambda number: f"${number}"),
    "count": st.integers(0, 10_000).map(str),
}
CLAUSES = ("over", "in", "of", "from", "at least")
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9/:._-]{0,20}", fullmatch=True).filter(lambda name: name not in CLAUSES)


@st.composite
def rules_(draw: st.DrawFn) -> str:
    figure = draw(st.sampled_from(sorted(WATCHED)))
    watched = WATCHED[figure]
    clauses = {
        "over": st.builds(lambda number, unit: f"{number}{unit}", st.integers(1, 99), st.sampled_from(["m", "h", "d"])),
        "in": names.filter(lambda name: name != "at"),
        "of": names.filter(lambda name: name != "at"),
        "from": st.sampled_from(get_args(Source)),
        "at least": st.integers(0, 999).map(lambda number: f"{number} {watched.of}"),
    }
    chosen = draw(st.permutations(["over", *draw(st.sets(st.sampled_from(CLAUSES[1:])))]))
    said = " ".join(f"{name} {draw(clauses[name])}" for name in chosen)
    return f"{figure} {draw(st.sampled_from(['<', '<=', '>', '>=']))} {draw(THRESHOLDS[watched.unit])} {said}"


@given(rules_())
def test_a_rule_reads_back_as_what_it_was(when: str) -> None:
    found = parse_condition(when)
    assert parse_condition(found.text) == found
    assert sorted(found.text.split()) == sorted(when.split())


WORDS = st.sampled_from(
    [
        *" ".join(WATCHED).split(),
        *CLAUSES,
        "<",
        ">=",
        "99%",
        "15m",
        "$5",
        "8s",
        "drift",
        "at",
        "least",
        "%",
        "code",
        "\x1b",
    ]
)


@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=80))
def test_any_text_is_a_rule_or_one_sentence(text: str) -> None:
    try:
        assert isinstance(parse_condition(text), Condition)
    except ValueError as error:
        sentence = str(error)
        assert sentence.isprintable() and len(sentence) < 500


# --- What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("answred < 99% over 15m", "`answred` is not a figure. Did you mean `answered`?"),
        ("drfit < 9% over 15m", "`drfit` is not a figure. Did you mean `drift`?"),
        ("answered < 99% ovr 15m", "`ovr` is not a clause. Did you mean `over`?"),
        ("answered < 99% over 15m frm chat", "`frm` is not a clause. Did you mean `from`?"),
        ("answered < 99% over 15m from endpont", "`endpont` is not a source. Did you mean `endpoint`?"),
        ("answered < 99 over 15m", "`99` is not a share, such as 99%."),
        ("answered < 101% over 15m", "`101%` is more than 100%."),
        ("latency p95 > 8 over 1h", "`8` is not a time with its unit, such as 800ms, 8s or 2m."),
        ("cost > 5 over 1d", "`5` is not an amount in US dollars, such as $5 or $0.50."),
        ("requests < 1.5 over 1h", "`1.5` is not a whole number, such as 10."),
        ("answered < 99%", "it has no window; add `over` and a time, such as `over 15m`."),
        ("answered < 99% over 15", "`15` is not a time with its unit, such as 15m, 6h or 1d."),
        ("answered < 99% over 0m", "`0m` is not a time with its unit, such as 15m, 6h or 1d."),
        ("answered < 99% over 15m over 1h", "`over` is in it twice; leave one out."),
        ("answered < 99% over 15m in", "`in` is not followed by anything; write, for example, `in code`."),
        ("answered < 99% over 15m at least x", "`x` is not a whole number, such as 20."),
        (
            "failed calls > 9% over 1h at least 50 requests",
            "this figure is counted in calls; write `at least 50 calls`.",
        ),
        (
            "answered",
            "`answered` has no comparison; write, for example, `answered < 99% over 15m in code`, or `drift` alone.",
        ),
        ("drift over 1h", "`over` says nothing of drift, which is tested over all that is stored; leave it out."),
        ("x" * 501, "it is longer than 500 characters."),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_fix(when: str, words: str) -> None:
    assert refusal(f"alerts:\n  - {{when: drift, to: log}}\n  - {{when: '{when}', to: log}}\n") == (
        f"line 6: `alerts.rules.1.when`: {words}"
    )


@pytest.mark.parametrize("head", ["alerts:\n", "alerts:\n  rules:\n"])
def test_an_unknown_category_is_told_with_its_line_and_the_nearest_one(head: str) -> None:
    text = f"{head}    - {{when: drift, to: log}}\n    - {{when: drift in cod, to: log}}\n"
    assert refusal(text) == f"line {5 + head.count(chr(10))}: `cod` is not a category. Did you mean `code`?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alerts: {webhok: x}\n", "line 4: unknown key `webhok`. Did you mean `webhook`?"),
        ("alerts:\n  - {wen: drift, to: log}\n", "line 5: unknown key `wen`. Did you mean `when`?"),
        (
            "alerts:\n  - {when: drift, to: slack}\n",
            "line 5: `alerts.rules.0.to` must be 'webhook' or 'log', not `slack`.",
        ),
        ("alerts:\n  - {when: drift}\n", "line 5: `alerts.rules.0.to` is missing."),
        (
            "alerts:\n  - {when: 5, to: log}\n",
            "line 5: `alerts.rules.0.when`: write it as text, such as `answered < 99% over 15m in code`.",
        ),
        ("alerts: 5\n", "line 4: `alerts` must be a mapping, not this number."),
    ],
)
def test_what_is_no_section_of_alerts_is_refused(text: str, words: str) -> None:
    assert refusal(text) == words


def test_the_same_rule_to_the_same_place_is_refused() -> None:
    text = "alerts:\n  - {when: 'answered < 99% over 15m', to: log}\n  - {when: 'answered<99 % over 15m', to: log}\n"
    assert "`answered < 99% over 15m → log` is in it twice; remove one." in refusal(text)


@pytest.mark.parametrize("webhook", ["http://127.0.0.1/s3cret", "'${A} x'", "[]", "5"])
def test_an_address_in_the_file_is_refused_and_not_repeated(webhook: str) -> None:
    words = 'line 4: `alerts.webhook`: write the address as the name of a variable, such as "${LAB_ALERTS_URL}".'
    assert refusal(f"alerts: {{webhook: {webhook}}}\n") == words


def test_a_model_of_no_chain_is_watched_with_a_warning() -> None:
    config = parse_config(CHAINS + rule("failed calls > 9% over 1h of bb"), FILE)
    assert config.warnings == ("models.yaml, line 5: no chain has the model `bb`. Did you mean `b`?",)


def test_every_example_of_the_documents_is_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / "alerts.md").read_text(encoding="utf-8"), re.DOTALL)
    shipped = (DOCS.parent / "models.yaml").read_text(encoding="utf-8")
    commented = "".join(line[2:] for line in re.findall(r"^# (?:alerts:|  - \{when).*\n", shipped, re.MULTILINE))
    for text in [*blocks, commented]:
        config = parse_config("chains:\n  tools: [z-ai/glm-5]\n  code: [a]\n" + text, FILE)
        assert config.alerts.rules
        assert config.warnings == ()


# --- Editing ---------------------------------------------------------------------------------------

SECTION = """\
alerts:  # whom to wake
  - {when: answered < 99% over 15m in code, to: webhook}  # the important one
  - when: "cost per 1,000 > $5 over 1d"
    to: log
"""


def test_an_edited_chain_leaves_the_alerts_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(f"{SECTION}{CHAINS}", encoding="utf-8")
    editor = Editor(path, tmp_path / ".lab" / "history")
    draft = (
        editor.draft().with_models("tools", ["b", "c"]).with_moved("tools", "b", 1).with_policy("code", ["stall"], 7)
    )
    editor.save(draft, "another order")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(SECTION)
    assert [link.ref.text for link in parse_config(text, path).chains["tools"].links] == ["c", "b"]


def test_a_change_of_the_alerts_is_named(tmp_path: Path) -> None:
    before, after = (parse_config(CHAINS + text, tmp_path) for text in ("", SECTION))
    assert in_words(before, after) == "alerts"
