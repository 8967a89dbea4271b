"""The Chains page without a browser: what is changed, what is saved, and what is said."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from router.config.draft import Draft
from router.config.origins import host_of, origin_of
from router.config.values import MAX_COUNT, MAX_SECONDS
from router.core.errors import AllModelsFailed
from router.core.formatting import moment
from router.core.requests import Request
from router.lab import close_lab, open_lab
from tests.pages.conftest import OpenApp, as_read, look, press, texts
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
TRAFFIC = """\
default_provider: openrouter
providers: {openrouter: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}}
chains: {tools: [openrouter/aurora-alpha, moonshotai/kimi-k2.5]}
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
    click(page, "icon_up_tools\ntwo")
    assert saved(page, home) == TEXT.replace(
        "    - one   # the first\n    - two\n", "    - two\n    - one   # the first\n"
    )


def test_a_model_that_is_clicked_again_moves_on(page: AppTest) -> None:
    for _ in range(2):
        click(page, "icon_down_tools\none")
    assert drawn(page) == ["two", "three", "one", "one"]


def test_a_button_that_shows_an_icon_alone_says_what_it_does_and_to_which_model(page: AppTest) -> None:
    named = [button.label for button in page.button if re.match("icon_.*_code\n", button.key or "")]
    assert named == ["Move one up", "Move one down", "Remove one"]


def test_chains_and_models_whose_names_run_into_each_other_are_told_apart(open_app: OpenApp) -> None:
    app = open_app(TEXT + "  a: [b-c]\n  a-b: [c]\n")
    app.switch_page("chains.py")
    assert drawn(look(app))[-2:] == ["b-c", "c"]


def test_a_model_is_removed(page: AppTest) -> None:
    assert diff(click(page, "icon_remove_tools\nthree")) == ["-    - three"]


def test_the_last_model_cannot_be_removed(page: AppTest) -> None:
    assert next(button for button in page.button if button.key == "icon_remove_code\none").disabled


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
    assert error.value.startswith(r"\`model\` has its own setting")
    assert (drawn(page), diff(page)) == (["one", "two", "three", "one"], [])


# --- What another page gives -----------------------------------------------------------------------


def given(app: AppTest, change: str, by: str) -> AppTest:
    """The page with a change of the file that another page has just given it."""
    app.session_state["given_draft"] = Draft(before=TEXT, text=TEXT.replace(change, by)), "Tried on Tune."
    return look(app)


def test_a_change_that_another_page_gives_is_added_to_what_is_unsaved(home: Path, page: AppTest) -> None:
    click(page, "icon_remove_tools\nthree")
    assert diff(given(page, "code: {models: [one]}", "code: {models: [two]}")) == [
        "-    - three",
        "-  code: {models: [one]}",
        "+  code: {models: [two]}",
    ]
    assert saved(page, home) == TEXT.replace("    - three\n", "").replace("[one]", "[two]")


@pytest.mark.parametrize(
    ("change", "by"),
    [
        ("    - three", "    - four"),
        ("    - one   # the first\n    - two\n", "    - two\n    - one   # the first\n"),
    ],
    ids=["of the same line", "of the same chain"],
)
def test_unsaved_changes_stay_where_another_page_changes_the_same(page: AppTest, change: str, by: str) -> None:
    """A chain that Tune proposed and certified is not mixed with another change of it."""
    click(page, "icon_remove_tools\nthree")
    given(page, change, by)
    assert diff(page) == ["-    - three"]
    (error,) = page.error
    assert error.value.startswith("Your unsaved changes concern the same settings as what you chose on the other page")


def test_what_another_page_gave_gives_way_to_what_it_gives_next(page: AppTest) -> None:
    click(page, "icon_remove_tools\nthree")
    given(page, "code: {models: [one]}", "code: {models: [two]}")
    given(page, "code: {models: [one]}", "code: {models: [three]}")
    assert diff(page)[1:] == ["-  code: {models: [one]}", "+  code: {models: [three]}"]


def test_the_reason_for_what_is_unsaved_stays_beside_the_one_that_another_page_gives(page: AppTest) -> None:
    click(page, "icon_remove_tools\nthree")
    page.text_input(key="chains_why").set_value("three is slow")
    given(look(page), "code: {models: [one]}", "code: {models: [two]}")
    assert page.text_input(key="chains_why").value == "three is slow; Tried on Tune."


# --- What is set for one model alone ----------------------------------------------------------------

LINKS = (
    TEXT.replace("    - two\n", "    - {model: two, params: {seed: 1}, system: Think., first_token: 30}\n")
    + "  more: [four]\n"
)


@pytest.fixture
def links(open_app: OpenApp) -> AppTest:
    """The Chains page of a file whose second model has settings of its own, with these opened."""
    app = open_app(LINKS)
    app.switch_page("chains.py")
    for model in ("one", "two"):
        app.session_state[f"icon_link_tools\n{model}"] = True
    return look(app)


def applied(app: AppTest, model: str) -> AppTest:
    next(button for button in app.button if f"link_form_tools\n{model}" in (button.key or "")).click()
    return look(app)


def own_field(app: AppTest, kind: str, nth: int) -> Any:
    """A field of the first or the second model's settings."""
    return [each for each in getattr(app, kind) if each.label.startswith(("System", "First"))][nth]


def test_what_is_set_for_a_model_alone_is_shown(links: AppTest) -> None:
    assert [caption for caption in texts(links) if caption.startswith("Set for it alone")] == [
        "Set for it alone: seed 1, system prompt, first_token 30 s"
    ]


def test_a_model_that_moves_keeps_what_is_set_for_it(home: Path, links: AppTest) -> None:
    lines = LINKS.splitlines(keepends=True)
    assert saved(click(links, "icon_up_tools\nthree"), home) == "".join([*lines[:7], lines[8], lines[7], *lines[9:]])


def test_a_model_is_added_beside_one_with_settings(links: AppTest) -> None:
    links.selectbox(key="add_tools").select("four")
    assert diff(click(look(links), "adding_tools")) == ["+    - four"]


def test_parameters_for_a_model_alone_are_set(links: AppTest) -> None:
    links.text_area[0].set_value('{"top_p": 0.9}')
    assert diff(applied(links, "one")) == [
        "-    - one   # the first",
        "+    - {model: one, params: {top_p: 0.9}}   # the first",
    ]


def test_a_system_prompt_and_a_limit_for_a_model_alone_are_set(links: AppTest) -> None:
    own_field(links, "text_area", 0).set_value("Be brief.\nThink.")
    own_field(links, "number_input", 0).set_value(2.5)
    assert diff(applied(links, "one"))[1] == (
        '+    - {model: one, system: "Be brief.\\nThink.", first_token: 2.5}   # the first'
    )


def test_what_is_emptied_is_no_longer_set(links: AppTest) -> None:
    links.text_area[2].set_value("")
    own_field(links, "text_area", 1).set_value(" ")
    own_field(links, "number_input", 1).set_value(None)
    assert diff(applied(links, "two"))[1] == "+    - two"


def test_settings_that_were_not_changed_change_nothing(links: AppTest) -> None:
    assert diff(applied(links, "two")) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ('{"stream": true}', r"\`stream\` has its own setting"),
        ('{"api_key": "sk-1"}', "contains a key, which is not allowed in bodies"),
        ("{", "not valid JSON"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused_where_they_are_typed(
    links: AppTest, typed: str, words: str
) -> None:
    links.text_area[0].set_value(typed)
    (error,) = applied(links, "one").error
    assert words in as_read(error.value) or words in error.value
    assert diff(links) == []


def test_a_category_may_be_called_as_the_page_calls_its_own(open_app: OpenApp) -> None:
    names = ("limits", "breaker", "cache", "retention", "chains", "text")
    app = open_app(TEXT.replace("  code: [one]\n", "") + "".join(f"  {name}: [one]\n" for name in names))
    app.switch_page("chains.py")
    assert drawn(look(app))[-len(names) :] == ["one"] * len(names)


def test_a_limit_of_its_own_is_set_and_removed(page: AppTest) -> None:
    opened(page)
    field(page, "limit_code_stall").set_value(5)
    assert diff(look(page)) == ["-  code: {models: [one]}", "+  code: {models: [one], policy: {stall: 5}}"]
    field(page, "limit_code_stall").set_value(None)
    assert diff(look(page)) == []


def test_the_waits_of_a_chain_are_set_and_the_last_one_removed_leaves_nothing_empty(page: AppTest) -> None:
    opened(page)
    field(page, "limit_code_backoff.base").set_value(0.2)
    assert diff(look(page))[1] == "+  code: {models: [one], policy: {backoff: {base: 0.2}}}"
    field(page, "limit_code_backoff.base").set_value(None)
    assert diff(look(page)) == []


FOLLOWS = {"on_content_filter": "stop", "on_invalid_tool_call": "accept", "on_invalid_json": "accept"}
"""What follows from an answer, with what it is until somebody chooses."""


@pytest.mark.parametrize("name", FOLLOWS)
def test_a_chain_has_its_own_way_after_an_answer_that_it_does_not_want(page: AppTest, name: str) -> None:
    opened(page)
    page.selectbox(key=f"limit_code_{name}_None").select("next")
    assert diff(look(page))[1] == f"+  code: {{models: [one], policy: {{{name}: next}}}}"
    page.selectbox(key=f"limit_code_{name}_next").set_value(None)
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
        ("general_min_tokens_per_s", 5.0, ["+policy: {min_tokens_per_s: 5}"]),
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
    assert field(page, "limit_code_stall").placeholder == "7 (all chains)"


def test_a_limit_of_all_chains_cannot_be_emptied(page: AppTest) -> None:
    opened(page)
    field(page, "general_stall").set_value(None)
    assert (diff(look(page)), field(page, "general_stall").value) == ([], 10)


@pytest.mark.parametrize(("name", "usual"), FOLLOWS.items())
def test_what_comes_after_an_answer_that_nobody_wants_is_chosen(page: AppTest, name: str, usual: str) -> None:
    opened(page)
    page.button_group(key=f"general_{name}_{usual}").set_value("next")
    assert diff(look(page)) == [f"+policy: {{{name}: next}}"]


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
    click(page, "icon_remove_tools\nthree")
    assert len(open_lab().config().chain("tools").models) == 3
    saved(page, home)
    assert len(open_lab().config().chain("tools").models) == 2


def test_what_is_discarded_is_gone(home: Path, page: AppTest) -> None:
    click(click(page, "icon_remove_tools\nthree"), "chains_discard")
    assert (diff(page), (home / "models.yaml").read_text(encoding="utf-8")) == ([], TEXT)


def test_a_change_of_somebody_else_is_not_overwritten(home: Path, page: AppTest) -> None:
    click(page, "icon_remove_tools\nthree")
    (home / "models.yaml").write_text(TEXT + "# mine\n", encoding="utf-8")
    assert saved(page, home) == TEXT + "# mine\n"
    assert any("has changed since you opened it" in warning.value for warning in page.warning)
    assert diff(page) == ["-    - three"]


def test_a_change_is_made_to_what_another_saved_meanwhile(home: Path, page: AppTest) -> None:
    click(page, "icon_remove_tools\nthree")
    (home / "models.yaml").write_text(TEXT + "# theirs\n", encoding="utf-8")
    assert diff(click(look(page), "chains_theirs")) == ["-    - three"]
    assert saved(page, home) == TEXT.replace("    - three\n", "") + "# theirs\n"


def test_where_both_changed_the_same_lines_it_is_said_before_anything_is_saved(home: Path, page: AppTest) -> None:
    click(page, "icon_remove_tools\nthree")
    (home / "models.yaml").write_text(TEXT.replace("- three", "- four"), encoding="utf-8")
    click(look(page), "chains_theirs")
    assert diff(page) == ["-    - four"]
    assert [error.value for error in page.error] == [
        "You and someone else changed the same lines. Saving replaces theirs with yours: check the diff first."
    ]


def test_a_file_that_is_gone_is_reported_and_not_created_again(home: Path, page: AppTest) -> None:
    saved(click(page, "icon_remove_tools\ntwo"), home)  # with a history
    click(page, "icon_remove_tools\nthree")
    (home / "models.yaml").unlink()
    click(page, "chains_save")
    assert diff(page) == ["-    - three"]
    click(page, "chains_discard")
    assert any("does not exist" in error.value for error in page.error)
    assert not (home / "models.yaml").exists()


def test_an_earlier_version_is_put_in_force_again_with_its_reason_shown(home: Path, page: AppTest) -> None:
    click(page, "icon_remove_tools\nthree")
    page.text_input(key="chains_why").set_value("three is slow")
    assert saved(page, home) != TEXT
    assert any("three is slow" in expander.label for expander in page.expander)
    next(button for button in page.button if (button.key or "").startswith("back_")).click()
    look(page)
    assert (home / "models.yaml").read_text(encoding="utf-8") == TEXT


def test_each_change_in_the_history_shows_what_it_changed(home: Path, page: AppTest) -> None:
    saved(click(page, "icon_remove_tools\nthree"), home)
    saved(click(page, "icon_remove_tools\ntwo"), home)
    shown = [block.value for block in look(page).code if block.language == "diff"]
    assert [[line for line in each.splitlines() if line[0] in "+-"] for each in shown] == [
        ["-    - two"],
        ["-    - three"],
    ]


def test_times_in_the_history_are_in_the_browser_s_zone(
    home: Path, page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(click(page, "icon_remove_tools\nthree"), home)
    monkeypatch.setattr(ContextProxy, "timezone", "Pacific/Kiritimati")  # where it is never the time of another place
    [version] = open_lab().editor.history()
    words = moment(version.until, ZoneInfo("Pacific/Kiritimati"))
    assert any(each.label.startswith(words) for each in look(page).expander)


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
    assert any("was damaged, and a new one was created" in error.value for error in look(app).error)
    assert saved(click(app, "icon_remove_tools\nthree"), home) == TEXT.replace("    - three\n", "")


@pytest.fixture
def traffic(home: Path, open_app: OpenApp) -> AppTest:
    """The page of a chain with some traffic."""
    (home / ".lab").mkdir()
    write_traffic(home / ".lab" / "lab.sqlite", 2000, until=time.time() - 60)
    app = open_app(TRAFFIC)
    app.switch_page("chains.py")
    return look(app)


def test_figures_have_one_header_for_each_chain_and_stay_with_the_place_they_were_seen_at(traffic: AppTest) -> None:
    click(traffic, "icon_up_tools\nmoonshotai/kimi-k2.5")
    shown = [str(getattr(element, "value", "")) for element in traffic.get("html")]
    assert len([each for each in shown if 'class="figures names"' in each]) == 1
    assert ["as fallback 1" in each for each in shown if "<b>" in each] == [True, False]


# --- Before a change is saved ---------------------------------------------------------------------


def reason(app: AppTest) -> str:
    return str(app.text_input(key="chains_why").value)


def test_a_reason_is_proposed_from_the_change_and_follows_it(page: AppTest) -> None:
    assert reason(click(page, "icon_down_tools\none")) == "tools: one below two"
    assert reason(click(page, "icon_remove_tools\nthree")) == "tools: without three, one below two"


def test_a_reason_that_was_edited_stays_and_is_the_one_in_the_history(home: Path, page: AppTest) -> None:
    click(page, "icon_down_tools\none")
    page.text_input(key="chains_why").set_value("one is slow")
    assert reason(click(look(page), "icon_down_tools\none")) == "one is slow"
    saved(page, home)
    assert any("one is slow" in expander.label for expander in page.expander)
    assert reason(click(page, "icon_remove_tools\ntwo")) == "tools: without two"


def test_the_review_says_what_the_change_would_have_done(traffic: AppTest) -> None:
    traffic.session_state["chains_review"] = True
    click(traffic, "icon_remove_tools\nmoonshotai/kimi-k2.5")
    (told,) = [text for text in texts(traffic) if text.startswith("What if, tools: ")]
    assert "Without moonshotai/kimi-k2.5 (fallback 1): " in told
    assert "would have failed (95% interval " in told


def test_without_a_change_nothing_is_kept_ready_at_the_bottom(page: AppTest) -> None:
    assert not [button for button in page.button if button.key == "chains_save"]


# --- A broken file --------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [b"chains: [", b"\xff\xfe", None], ids=["invalid", "unreadable", "missing"])
def test_while_the_file_is_broken_the_last_good_chains_are_shown_and_restored(
    home: Path, page: AppTest, broken: bytes | None
) -> None:
    path = home / "models.yaml"
    path.unlink() if broken is None else path.write_bytes(broken)
    assert drawn(look(page)) == ["one", "two", "three", "one"]
    assert not [button for button in page.button if (button.key or "").startswith("icon_")]
    click(page, "chains_last_good")
    assert path.read_text(encoding="utf-8") == TEXT
    assert [button for button in page.button if (button.key or "").startswith("icon_")]


def test_what_was_broken_stays_in_the_history(home: Path, page: AppTest) -> None:
    (home / "models.yaml").write_text("chains: [", encoding="utf-8")
    click(look(page), "chains_last_good")
    assert [version.text for version in open_lab().editor.history()] == ["chains: ["]


# --- Models to add ---------------------------------------------------------------------------------


def with_lists(upstream: Upstream) -> str:
    """Two providers beside the embedded model: one that lists its models, and one whose key is missing."""
    keyless = {"protocol": "openai", "base_url": upstream.base_url + "/other", "api_key": "${NO_SUCH_KEY}"}
    text = msgspec.json.decode(chain_yaml(upstream, "one"))
    return msgspec.json.encode({**text, "providers": {**text["providers"], "keyless": keyless}}).decode()


def test_the_providers_lists_are_read_when_asked_for_and_searched(upstream: Upstream, open_app: OpenApp) -> None:
    pricing = {"prompt": "0.0000005", "completion": "0.000002"}
    info = {"context_length": 200_000, "supported_parameters": ["tools"], "pricing": pricing}
    upstream.script_models(models({"id": "a/listed", **info}, {"id": "one"}))
    app = open_app(with_lists(upstream))
    app.switch_page("chains.py")
    assert (look(app).selectbox(key="add_chat").options, upstream.listings) == ([], [])
    click(app, "lists_chat")
    assert [caption.value for caption in app.caption if caption.value.startswith("keyless")] == [
        "keyless: NO\\_SUCH\\_KEY is not set."
    ]
    app.selectbox(key="add_chat").select("a/listed")
    known = "200,000 tokens of context · tools · no reasoning · $0.50 in and $2.00 out per million tokens"
    assert f"From local: {known}" in texts(look(app))
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
    assert any("skipped until" in text for text in texts(look(app)))
    click(app, "reset_chat\nprimary")
    while lab.breaker(lab.config().chain("chat").models[0]).state != "closed":
        time.sleep(0.01)
    assert not any("skipped until" in text for text in texts(look(app)))
    assert not any((button.key or "").startswith("reset_") for button in app.button)


# --- The ends of what is accepted ------------------------------------------------------------------

ENDS = """
policy:
  stall: {seconds}
  answer: {seconds}
  deadline: {seconds}
  backoff: {{base: {seconds}, cap: {seconds}}}
  breaker: {{window: {count}, min_calls: {count}, within: {seconds}, open_for: {seconds}}}
  cache: {{ttl: {seconds}, size_limit: {count}}}
  retention: {{ttl: {seconds}, size_limit: {count}, summaries: {seconds}}}
models: {{one: {{context: {count}, price: {{input: {dollars}, output: {dollars}}}}}}}
"""


@pytest.mark.parametrize(
    ("seconds", "count", "dollars"), [(MAX_SECONDS, MAX_COUNT, 1_000_000), (0.0001, 1, 0)], ids=["largest", "smallest"]
)
def test_the_largest_and_the_smallest_limits_are_drawn(
    open_app: OpenApp, seconds: float, count: int, dollars: float
) -> None:
    app = open_app(TEXT + ENDS.format(seconds=seconds, count=count, dollars=dollars))
    for page in ("chains.py", "compare.py", "chat.py", "chains.py"):
        app.switch_page(page)
        look(app)
    assert field(opened(app), "general_stall").value == pytest.approx(seconds)


# --- Keys, and read only ---------------------------------------------------------------------------

KEY = "sk-canary-7f3a9c0e5b1d"


def with_key(upstream: Upstream) -> str:
    return chain_yaml(upstream, "one", provider={"api_key": "${OPENAI_API_KEY}"})


@pytest.fixture
def refused(home: Path, upstream: Upstream, open_app: OpenApp) -> AppTest:
    """The page of a file that sends OpenAI's key to the upstream."""
    (home / ".env").write_text(f"OPENAI_API_KEY={KEY}\n", encoding="utf-8")
    app = open_app(with_key(upstream))
    app.switch_page("chains.py")
    return look(app)


def type_host(app: AppTest, host: str) -> AppTest:
    next(field for field in app.text_input if field.label.startswith("Type the host")).set_value(host)
    return press(app, "Allow")


def ask_once() -> None:
    with contextlib.suppress(AllModelsFailed):
        open_lab().start(Request(messages=({"role": "user", "content": "Hello?"},)), category="chat").result(20)


def test_a_key_for_another_host_waits_until_the_host_is_typed(refused: AppTest, upstream: Upstream) -> None:
    host = host_of(origin_of(upstream.base_url))
    assert any("may not be sent to" in warning.value for warning in refused.warning)
    ask_once()
    assert upstream.requests == []
    type_host(refused, host)
    assert not any("may not be sent to" in warning.value for warning in refused.warning)
    ask_once()
    assert [call.headers["authorization"] for call in upstream.requests] == [f"Bearer {KEY}"]


def test_another_host_that_is_typed_allows_nothing(refused: AppTest, upstream: Upstream) -> None:
    assert any("Type the full host name" in error.value for error in type_host(refused, "api.openai.com").error)
    ask_once()
    assert upstream.requests == []


def test_a_link_allows_no_host(refused: AppTest, upstream: Upstream) -> None:
    host = host_of(origin_of(upstream.base_url))
    for name in ("host", "allow", f"host_of_OPENAI_API_KEY_http://{host}", "base_url", "chains_text", "prompt"):
        refused.query_params[name] = host
    assert any("may not be sent to" in warning.value for warning in look(refused).warning)
    ask_once()
    assert upstream.requests == []


def test_read_only_the_page_shows_and_changes_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, upstream: Upstream, open_app: OpenApp
) -> None:
    (home / ".env").write_text(f"OPENAI_API_KEY={KEY}\n", encoding="utf-8")
    (home / "models.yaml").write_text(with_key(upstream), encoding="utf-8")
    editor = open_lab().editor
    editor.save(editor.draft().with_text(with_key(upstream) + "\n"), "more")
    close_lab()
    monkeypatch.setenv("FALLBACK_LAB_READONLY", "1")
    app = open_app(with_key(upstream))
    app.switch_page("chains.py")
    look(app)
    assert any("is read-only here because FALLBACK_LAB_READONLY is set" in text for text in texts(app))
    assert drawn(app) == ["one"]
    assert [button.label for button in app.button if not button.disabled] == []
    assert (list(app.text_input), list(app.text_area)) == ([], [])
    assert list(app.selectbox) == []


def test_a_file_that_cannot_be_read_is_undone_on_the_page(home: Path, page: AppTest) -> None:
    saved(click(page, "icon_remove_tools\nthree"), home)
    (home / "models.yaml").write_bytes(b"\xff\xfe")
    (back,) = [button for button in look(page).button if (button.key or "").startswith("back_")]
    back.click()
    look(page)
    assert (home / "models.yaml").read_text(encoding="utf-8") == TEXT


def open_export(page: AppTest, target: str) -> AppTest:
    page.session_state["chains_tabs"] = "Export"
    look(page).selectbox(key="export_target").select(target)
    return look(page)


def test_a_chain_is_exported_with_what_cannot_be_said_there(page: AppTest) -> None:
    open_export(page, "portkey")
    page.selectbox(key="export_category").select("code")
    look(page)
    (text,) = [block.value for block in page.code if block.language == "json"]
    assert [target["override_params"]["model"] for target in json.loads(text)["targets"]] == ["one"]
    assert any("`deadline`" in sentence.replace("\\", "") for sentence in texts(page))


def test_a_chain_that_a_gateway_cannot_hold_is_explained(page: AppTest) -> None:
    assert "not OpenRouter's" in open_export(page, "openrouter").info[0].value
