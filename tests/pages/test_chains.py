"""The Chains page without a browser: what is changed, what is saved, and what is said."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from router.lab import open_lab
from router.messages import Request
from tests.pages.conftest import OpenApp, look, press, texts
from tests.traffic import write_traffic
from tests.upstream import Upstream, chain_yaml, models, status

TEXT = """\
default_provider: p
providers:
  p: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}
offline: null
chains:
  tools:
    - one   # the first
    - two
    - three
  code: {models: [one]}
"""


@pytest.fixture
def page(open_app: OpenApp) -> AppTest:
    """The Chains page."""
    app = open_app(TEXT)
    app.switch_page("chains.py")
    return look(app)


def click(app: AppTest, key: str) -> AppTest:
    next(button for button in app.button if button.key == key).click()
    return look(app)


def drawn(app: AppTest) -> list[str]:
    """The models, as they are drawn."""
    return [
        re.split(r"[ \[]", element.value.removesuffix("]"))[-1]
        for element in app.markdown
        if "-badge[" in element.value
    ]


def diff(app: AppTest) -> list[str]:
    """The lines of the diff that is shown; none where nothing is to be saved."""
    shown = [block.value for block in app.code if block.language == "diff"]
    return [line for line in shown[0].splitlines() if line[0] in "+-"] if shown else []


def saved(app: AppTest, home: Path) -> str:
    click(app, "chains_save")
    return (home / "models.yaml").read_text(encoding="utf-8")


def test_a_chain_is_drawn_in_its_order(page: AppTest) -> None:
    assert drawn(page) == ["one", "two", "three", "one"]


def test_a_model_moves_up_and_its_comment_with_it(home: Path, page: AppTest) -> None:
    click(page, "chain_tools_1_Move up")
    assert saved(page, home) == TEXT.replace(
        "    - one   # the first\n    - two\n", "    - two\n    - one   # the first\n"
    )


def test_a_model_is_removed(page: AppTest) -> None:
    assert diff(click(page, "chain_tools_2_Remove")) == ["-    - three"]


def test_the_last_model_cannot_be_removed(page: AppTest) -> None:
    assert next(button for button in page.button if button.key == "chain_code_0_Remove").disabled


def test_a_model_is_added(page: AppTest) -> None:
    page.selectbox(key="add_code").select("two")
    assert diff(click(look(page), "adding_code")) == ["-  code: {models: [one]}", "+  code: {models: [one, two]}"]


def test_chains_whose_names_begin_alike_stand_side_by_side(open_app: OpenApp) -> None:
    app = open_app(TEXT + "  code_now: [two]\n")
    app.switch_page("chains.py")
    assert drawn(look(app))[-2:] == ["one", "two"]


def test_a_parameter_that_each_call_sets_is_refused_where_it_is_typed(page: AppTest) -> None:
    page.text_area[0].set_value('{"model": "x"}')
    (error,) = press(page, "Apply").error
    assert error.value.startswith(r"\`model\` has a place of its own")
    assert (drawn(page), diff(page)) == (["one", "two", "three", "one"], [])


def test_a_category_may_be_called_as_the_page_calls_its_own(open_app: OpenApp) -> None:
    names = ("limits", "breaker", "cache", "retention", "chains", "text")
    app = open_app(TEXT.replace("  code: [one]\n", "") + "".join(f"  {name}: [one]\n" for name in names))
    app.switch_page("chains.py")
    assert drawn(look(app))[-len(names) :] == ["one"] * len(names)


def test_a_limit_of_its_own_is_set_and_taken_back(page: AppTest) -> None:
    opened(page)
    field(page, "limit_code_stall").set_value(5)
    assert diff(look(page)) == ["-  code: {models: [one]}", "+  code: {models: [one], policy: {stall: 5}}"]
    field(page, "limit_code_stall").set_value(None)
    assert diff(look(page)) == []


def test_the_waits_of_a_chain_are_set_and_the_last_that_is_taken_back_leaves_nothing_empty(page: AppTest) -> None:
    opened(page)
    field(page, "limit_code_backoff.base").set_value(0.2)
    assert diff(look(page))[1] == "+  code: {models: [one], policy: {backoff: {base: 0.2}}}"
    field(page, "limit_code_backoff.base").set_value(None)
    assert diff(look(page)) == []


def test_a_chain_has_its_own_way_after_a_content_policy_rejection(page: AppTest) -> None:
    opened(page)
    page.selectbox(key="limit_code_on_content_filter_None").select("next")
    assert diff(look(page))[1] == "+  code: {models: [one], policy: {on_content_filter: next}}"
    page.selectbox(key="limit_code_on_content_filter_next").set_value(None)
    assert diff(look(page)) == []


def opened(app: AppTest) -> AppTest:
    """With all limits in sight."""
    for key in (
        "limits_code",
        "limits_tools",
        "general_limits",
        "general_breaker",
        "general_cache",
        "general_retention",
    ):
        app.session_state[key] = True
    return look(app)


def field(app: AppTest, key: str) -> Any:
    """The number whose key begins so: it ends with the value that is shown."""
    return next(number for number in app.number_input if (number.key or "").startswith(key))


@pytest.mark.parametrize(
    ("key", "value", "lines"),
    [
        ("general_retries", 3, ["+policy: {retries: 3}"]),
        ("general_backoff.base", 0.25, ["+policy: {backoff: {base: 0.25}}"]),
        ("general_breaker.open_for", 30.0, ["+policy: {breaker: {open_for: 30}}"]),
        ("general_cache.ttl", 1.0, ["+policy: {cache: {ttl: 1d}}"]),
        ("general_cache.size_limit", 0.5, ["+policy: {cache: {size_limit: 0.5GB}}"]),
        ("general_retention.ttl", 30.0, ["+policy: {retention: {ttl: 30d}}"]),
        ("general_retention.summaries", 1e6, ["+policy: {retention: {summaries: 1000000d}}"]),
    ],
)
def test_a_limit_of_all_chains_is_set(page: AppTest, key: str, value: float, lines: list[str]) -> None:
    opened(page)
    field(page, key).set_value(value)
    assert diff(look(page)) == lines
    assert not page.error
    assert field(page, key).value == value


def test_a_limit_of_all_chains_is_that_of_each_chain_without_its_own(page: AppTest) -> None:
    opened(page)
    field(page, "limit_tools_stall").set_value(5)
    field(look(page), "general_stall").set_value(7)
    look(page)
    assert [field(page, f"limit_{name}_stall").value for name in ("tools", "code")] == [5, None]
    assert field(page, "limit_code_stall").placeholder == "7, as all chains"


def test_a_limit_of_all_chains_cannot_be_emptied(page: AppTest) -> None:
    opened(page)
    field(page, "general_stall").set_value(None)
    assert (diff(look(page)), field(page, "general_stall").value) == ([], 10)


def test_what_comes_after_a_content_policy_rejection_is_chosen(page: AppTest) -> None:
    opened(page)
    page.button_group(key="general_on_content_filter_stop").set_value("next")
    assert diff(look(page)) == ["+policy: {on_content_filter: next}"]


def test_a_limit_that_cannot_be_changed_in_place_is_said_once_and_stays(open_app: OpenApp) -> None:
    app = open_app(
        TEXT.replace("  code: {models: [one]}\n", "  code: {models: [one], policy: *own}\n").replace(
            "  tools:\n", "  other: {models: [one], policy: &own {stall: 5}}\n  tools:\n"
        )
    )
    app.switch_page("chains.py")
    field(opened(app), "limit_code_stall").set_value(6)
    (error,) = look(app).error
    assert "cannot be changed in place" in error.value
    assert (diff(app), field(app, "limit_code_stall").value) == ([], 5)


def test_nothing_is_in_force_before_it_is_saved(home: Path, page: AppTest) -> None:
    click(page, "chain_tools_2_Remove")
    assert len(open_lab().config().chain("tools").models) == 3
    saved(page, home)
    assert len(open_lab().config().chain("tools").models) == 2


def test_what_is_discarded_is_gone(home: Path, page: AppTest) -> None:
    click(click(page, "chain_tools_2_Remove"), "chains_discard")
    assert (diff(page), (home / "models.yaml").read_text(encoding="utf-8")) == ([], TEXT)


def test_a_change_of_somebody_else_is_not_overwritten(home: Path, page: AppTest) -> None:
    click(page, "chain_tools_2_Remove")
    (home / "models.yaml").write_text(TEXT + "# mine\n", encoding="utf-8")
    assert saved(page, home) == TEXT + "# mine\n"
    assert any("has changed since you read it" in warning.value for warning in page.warning)
    assert diff(page) == ["-    - three"]


def test_a_change_is_made_to_what_another_saved_meanwhile(home: Path, page: AppTest) -> None:
    click(page, "chain_tools_2_Remove")
    (home / "models.yaml").write_text(TEXT + "# theirs\n", encoding="utf-8")
    assert diff(click(look(page), "chains_theirs")) == ["-    - three"]
    assert saved(page, home) == TEXT.replace("    - three\n", "") + "# theirs\n"


def test_where_both_changed_the_same_lines_it_is_said_before_anything_is_saved(home: Path, page: AppTest) -> None:
    click(page, "chain_tools_2_Remove")
    (home / "models.yaml").write_text(TEXT.replace("- three", "- four"), encoding="utf-8")
    click(look(page), "chains_theirs")
    assert diff(page) == ["-    - four"]
    assert [error.value for error in page.error] == [
        "You both changed the same lines. Your version would replace theirs: read the difference before you save."
    ]


def test_a_file_that_is_gone_is_said_and_made_anew_by_nobody(home: Path, page: AppTest) -> None:
    saved(click(page, "chain_tools_1_Remove"), home)  # with a history
    click(page, "chain_tools_1_Remove")
    (home / "models.yaml").unlink()
    click(page, "chains_save")
    assert diff(page) == ["-    - three"]
    click(page, "chains_discard")
    assert any("does not exist" in error.value for error in page.error)
    assert not (home / "models.yaml").exists()


def test_an_earlier_version_is_put_in_force_again_with_its_reason_shown(home: Path, page: AppTest) -> None:
    click(page, "chain_tools_2_Remove")
    page.text_input(key="chains_why").set_value("three is slow")
    assert saved(page, home) != TEXT
    assert any("three is slow" in expander.label for expander in page.expander)
    next(button for button in page.button if (button.key or "").startswith("back_")).click()
    look(page)
    assert (home / "models.yaml").read_text(encoding="utf-8") == TEXT


def test_each_change_in_the_history_shows_what_it_changed(home: Path, page: AppTest) -> None:
    saved(click(page, "chain_tools_2_Remove"), home)
    saved(click(page, "chain_tools_1_Remove"), home)
    shown = [block.value for block in look(page).code if block.language == "diff"]
    assert [[line for line in each.splitlines() if line[0] in "+-"] for each in shown] == [
        ["-    - two"],
        ["-    - three"],
    ]


def test_chains_can_be_changed_though_their_figures_cannot_be_read(home: Path, open_app: OpenApp) -> None:
    database = home / ".lab" / "lab.sqlite"
    database.parent.mkdir()
    write_traffic(database, 2000)
    with closing(sqlite3.connect(database)) as connection:
        [(root, size)] = connection.execute(
            "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = 'requests'"
        )
    with database.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(bytes(size))
    app = open_app(TEXT)
    app.switch_page("chains.py")
    assert any("The database could not be read. It was set aside" in error.value for error in look(app).error)
    assert saved(click(app, "chain_tools_2_Remove"), home) == TEXT.replace("    - three\n", "")


# --- Models to add ---------------------------------------------------------------------------------


def with_lists(upstream: Upstream) -> str:
    """Two providers beside the embedded model: one that lists its models, and one whose key is missing."""
    keyless = {"protocol": "openai", "base_url": upstream.base_url + "/other", "api_key": "${NO_SUCH_KEY}"}
    text = msgspec.json.decode(chain_yaml(upstream, "one"))
    return msgspec.json.encode({**text, "providers": {**text["providers"], "keyless": keyless}}).decode()


def test_the_providers_lists_are_read_when_asked_for_and_searched(upstream: Upstream, open_app: OpenApp) -> None:
    pricing = {"prompt": "0.0000005", "completion": "0.000002"}
    facts = {"context_length": 200_000, "supported_parameters": ["tools"], "pricing": pricing}
    upstream.script_models(models({"id": "a/listed", **facts}, {"id": "one"}))
    app = open_app(with_lists(upstream))
    app.switch_page("chains.py")
    assert (look(app).selectbox(key="add_chat").options, upstream.listings) == ([], [])
    click(app, "lists_chat")
    assert [caption.value for caption in app.caption if caption.value.startswith("keyless")] == [
        "keyless: NO\\_SUCH\\_KEY is not set."
    ]
    app.selectbox(key="add_chat").select("a/listed")
    known = "reads 200,000 tokens · tools · \\$0.50 in and \\$2.00 out per million tokens"
    assert f"Asked of local: {known}" in texts(look(app))
    click(app, "adding_chat")
    assert [name for name in drawn(app) if name.endswith("listed")] == ["a/listed"]


def test_a_list_that_cannot_be_read_is_said_and_tried_again_when_asked_for(
    upstream: Upstream, open_app: OpenApp
) -> None:
    upstream.script_models(status(500))
    app = open_app(with_lists(upstream))
    app.switch_page("chains.py")
    click(look(app), "lists_chat")
    said = [caption.value for caption in app.caption if caption.value.startswith("local: ")]
    assert len(said) == 1
    upstream.script_models(models({"id": "late"}))
    assert click(app, "lists_chat").selectbox(key="add_chat").options == ["late"]
    assert not [caption.value for caption in app.caption if caption.value.startswith("local: ")]


# --- Breakers --------------------------------------------------------------------------------------


def test_an_open_breaker_is_reset_by_one_click(upstream: Upstream, open_app: OpenApp) -> None:
    upstream.script("primary", then=status(500))
    app = open_app(chain_yaml(upstream, "primary", "fallback", retries=2))
    lab = open_lab()
    lab.start(Request(messages=({"role": "user", "content": "Hello?"},)), category="chat").result()
    app.switch_page("chains.py")
    assert any("passed over until" in text for text in texts(look(app)))
    click(app, "reset_chat_primary")
    while lab.breaker(lab.config().chain("chat").models[0]).state != "closed":
        time.sleep(0.01)
    assert not any("passed over until" in text for text in texts(look(app)))
    assert not any((button.key or "").startswith("reset_") for button in app.button)
