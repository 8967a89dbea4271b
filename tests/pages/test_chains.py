"""The Chains page without a browser: what is changed, what is saved, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from router.lab import open_lab
from tests.pages.conftest import OpenApp, look, texts

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


def diff(app: AppTest) -> list[str]:
    """The lines of the diff that is shown; none where nothing is to be saved."""
    shown = [block.value for block in app.code if block.language == "diff"]
    return [line for line in shown[0].splitlines() if line[0] in "+-"] if shown else []


def saved(app: AppTest, home: Path) -> str:
    click(app, "chains_save")
    return (home / "models.yaml").read_text(encoding="utf-8")


def test_a_chain_is_drawn_in_its_order(page: AppTest) -> None:
    badges = [element.value.removesuffix("]").split()[-1] for element in page.markdown if "-badge[" in element.value]
    assert badges == ["one", "two", "three", "one"]


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
    assert diff(look(page)) == ["-  code: {models: [one]}", "+  code: {models: [one, two]}"]


def test_a_limit_of_its_own_is_set_and_taken_back(page: AppTest) -> None:
    field = next(field for field in page.number_input if (field.key or "").startswith("limit_code_stall"))
    field.set_value(5)
    assert diff(look(page)) == ["-  code: {models: [one]}", "+  code: {models: [one], policy: {stall: 5}}"]
    next(field for field in page.number_input if (field.key or "").startswith("limit_code_stall")).set_value(None)
    assert diff(look(page)) == []


def test_the_whole_file_is_changed_as_text_and_checked(page: AppTest) -> None:
    area = next(area for area in page.text_area if (area.key or "").startswith("chains_text_"))
    area.set_value(TEXT.replace("- three", "- two"))
    (error,) = look(page).error
    assert "line 9: `two` stands twice in this chain" in error.value.replace("\\", "")
    assert next(button for button in page.button if button.key == "chains_save").disabled


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
    assert any("was changed by somebody else" in error.value for error in page.error)


def test_an_earlier_version_is_put_in_force_again_with_its_reason_shown(home: Path, page: AppTest) -> None:
    click(page, "chain_tools_2_Remove")
    page.text_input(key="chains_why").set_value("three is slow")
    assert saved(page, home) != TEXT
    assert any("three is slow" in expander.label for expander in page.expander)
    next(button for button in page.button if (button.key or "").startswith("back_")).click()
    look(page)
    assert (home / "models.yaml").read_text(encoding="utf-8") == TEXT


def test_a_file_that_somebody_broke_can_be_mended_here(home: Path, page: AppTest) -> None:
    (home / "models.yaml").write_text("chains: [", encoding="utf-8")
    look(page)
    area = next(area for area in page.text_area if (area.key or "").startswith("chains_text_"))
    area.set_value(TEXT)
    assert saved(look(page), home) == TEXT
    assert "Traceback" not in " ".join(texts(page))
