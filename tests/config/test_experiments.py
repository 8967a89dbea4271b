"""The sections `experiments` and `shadow`: what they say, what is refused in which words, what editing leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.draft import Draft
from router.config.experiments import Limit
from router.config.loading import parse_config
from router.core.errors import ConfigError

HEAD = "chains:\n  code: [a/b, c/d]\n  chat: [a/b]\n"
RUN = """experiments:
  cheap:  # asked for in November
    category: code
    candidate: [x/y, a/b]
    share: 0.1   # of requests
"""
SHADOW = "shadow:\n  code: {models: [x/y], share: 0.05, dollars_per_day: 1}\n"
PATH = Path("models.yaml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, PATH)
    return str(caught.value).removeprefix("models.yaml, ")


def test_a_candidate_is_a_chain_of_its_category_with_a_fingerprint_of_its_own() -> None:
    config = parse_config(HEAD + RUN, PATH)
    experiment = config.tried["code"]
    assert (experiment.chain.name, [ref.text for ref in experiment.chain.models]) == ("code", ["x/y", "a/b"])
    assert experiment.chain.fingerprint != config.chains["code"].fingerprint


def test_a_candidate_may_be_a_mapping_as_a_chain_is() -> None:
    text = RUN.replace(
        "[x/y, a/b]", "{models: [{model: x/y, first_token: 3}], policy: {retries: 0}, params: {top_p: 1}}"
    )
    chain = parse_config(HEAD + text, PATH).experiments["cheap"].chain
    assert (chain.links[0].first_token, chain.policy.retries, chain.params) == (3, 0, {"top_p": 1})


def test_limits_are_points_multiples_and_durations() -> None:
    rails = "    guardrails: {answered: 2.5 points, latency_p95: 1.5x, cost: 2x, min_requests: 50}\n"
    found = parse_config(HEAD + RUN + rails, PATH).experiments["cheap"].guardrails
    assert (found.answered, found.latency_p95, found.cost, found.min_requests) == (0.025, Limit(times=1.5), 2.0, 50)
    seconds = parse_config(HEAD + RUN + "    guardrails: {latency_p95: 8s}\n", PATH).experiments["cheap"].guardrails
    assert seconds.latency_p95 == Limit(value=8.0)


def test_a_start_without_a_zone_is_in_utc_and_nothing_runs_before_it() -> None:
    experiment = parse_config(HEAD + RUN + "    start: 2026-12-01T09:00\n", PATH).experiments["cheap"]
    assert experiment.start == 1_796_115_600
    assert not experiment.is_running(1_796_115_599)
    assert experiment.is_running(1_796_115_600)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (RUN.replace("category: code", "category: cod"), "line 6: `cod` is not a category. Did you mean `code`?"),
        (RUN.replace("category: code", "categroy: code"), "line 6: unknown key `categroy`. Did you mean `category`?"),
        (RUN.replace("0.1", "10%"), "line 8: `experiments.cheap.share` must be a number, not text."),
        (RUN.replace("x/y", "a/b"), "line 7: `a/b` is in this chain twice. Remove one."),
        (
            RUN + "    start: tomorrow\n",
            "line 9: `experiments.cheap.start`: `tomorrow` is not a date with a time. Write it so: 2026-12-01T09:00Z.",
        ),
        (
            RUN + "    margin: 2\n",
            "line 9: `experiments.cheap.margin`: `2` is not a number of points of 100. Write it so: 2 points.",
        ),
        (
            RUN + "    guardrails: {cost: 0.5x}\n",
            "line 9: `experiments.cheap.guardrails.cost`: `0.5x` is not a multiple of 1 or more. Write it so: 2x.",
        ),
        (RUN + "    stopped: why\n", "line 9: a stopped experiment has the share 0. Remove `stopped` to run it again."),
        (
            RUN + "  other: {category: code, candidate: [q], share: 0.2}\n",
            "line 9: the category `code` has a running experiment already, `cheap`. Set the share of one of them to 0.",
        ),
        (
            RUN.replace("  cheap:", "  a b:"),
            "line 5: `a b` cannot name an experiment: use up to 64 letters, digits, `_.-`.",
        ),
        (SHADOW.replace("code", "coda"), "line 5: `coda` is not a category. Did you mean `code`?"),
        (SHADOW.replace("[x/y]", "[]"), "line 5: `shadow.code.models` is empty. Name at least one."),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_was_meant(text: str, sentence: str) -> None:
    assert refusal(HEAD + text) == sentence


def test_two_experiments_of_a_category_are_fine_while_one_of_them_is_stopped() -> None:
    text = HEAD + RUN + '  other: {category: code, candidate: [q], share: 0, stopped: "It was slow."}\n'
    config = parse_config(text, PATH)
    assert [each.name for each in config.tried.values()] == ["cheap"]
    assert config.experiments["other"].stopped == "It was slow."


def test_a_stop_edits_the_share_and_adds_its_reason_and_nothing_else() -> None:
    text = HEAD + RUN + SHADOW
    stopped = Draft(before=text, text=text).with_stop("cheap", "It failed: 3 of 4.").text
    assert stopped == text.replace("share: 0.1 ", "share: 0 ").replace(
        "# of requests\n", "# of requests\n    stopped: 'It failed: 3 of 4.'\n"
    )
    assert parse_config(stopped, PATH).tried == {}


def test_editing_a_chain_leaves_experiments_as_they_are() -> None:
    text = RUN + SHADOW + HEAD
    edited = Draft(before=text, text=text).with_moved("code", "c/d", -1).text
    assert edited == text.replace("[a/b, c/d]", "[c/d, a/b]")


def test_an_edited_chain_becomes_a_candidate_with_its_links_and_the_chain_stays() -> None:
    head = HEAD.replace("[a/b, c/d]", "{models: [{model: a/b, first_token: 3}, c/d], params: {top_p: 1}}")
    edited = Draft(before=head, text=head).with_models("code", ["x/y", "a/b"])
    added = edited.as_experiment("cheap", "code", {"share": 0.1}).text
    assert added.startswith(head)
    chain = parse_config(added, PATH).tried["code"].chain
    assert [(link.ref.text, link.first_token) for link in chain.links] == [("x/y", None), ("a/b", 3)]
    assert chain.params == {"top_p": 1}


def test_an_added_experiment_has_a_line_for_each_setting() -> None:
    settings = {"share": 0.1, "guardrails": {"answered": "5 points"}}
    added = Draft(before=HEAD, text=HEAD).as_experiment("next", "code", settings).text
    assert added == HEAD + (
        "experiments:\n"
        "  next:\n"
        "    category: code\n"
        "    candidate: [a/b, c/d]\n"
        "    share: 0.1\n"
        "    guardrails: {answered: 5 points}\n"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("section", ["experiments:  # none yet\n", "experiments:\n", "experiments:"])
def test_the_first_experiment_comes_below_what_is_written_of_none(section: str, newline: str) -> None:
    text = (HEAD + section).replace("\n", newline)
    settings = {"share": 0.1, "guardrails": {"answered": "5 points", "latency_p95": "1.5x"}}
    added = Draft(before=text, text=text).as_experiment("next", "code", settings).text
    assert added.startswith(f"{text.rstrip()}{newline}  next:{newline}    category: code{newline}")
    assert parse_config(added, PATH).tried["code"].share == 0.1


def test_an_experiment_is_added_beside_those_that_ended() -> None:
    text = HEAD + RUN.replace("0.1 ", "0 ")
    added = Draft(before=text, text=text).as_experiment("next", "code", {"share": 0.2}).text
    assert [(each.name, each.share) for each in parse_config(added, PATH).experiments.values()] == [
        ("cheap", 0), ("next", 0.2),
    ]  # fmt: skip


def test_a_shadow_takes_the_place_of_the_one_that_was() -> None:
    for text in (HEAD, HEAD + SHADOW):
        changed = Draft(before=text, text=text).with_shadow(
            "code", {"models": ["c/d"], "share": 0.2, "dollars_per_day": 3.0}
        )
        shadow = parse_config(changed.text, PATH).shadow["code"]
        assert ([ref.text for ref in shadow.models], shadow.share, shadow.dollars_per_day) == (["c/d"], 0.2, 3)
