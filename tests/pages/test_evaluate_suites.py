"""The Evaluate page's suites without a browser: listed, edited, imported, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from router.evaluate.library import BUNDLED, Library
from tests.pages.conftest import OpenApp, as_read, field, look, texts
from tests.pages.evaluate_page import SUITE, click, fill, has, put, tab


@pytest.fixture
def suites(open_evaluate: OpenApp, home: Path) -> AppTest:
    """The list, with one suite of the Lab's own."""
    put(home)
    return tab(open_evaluate(), "Suites")


def on_disk(home: Path, name: str = "mine") -> str:
    return (home / ".lab" / "suites" / f"{name}.yaml").read_text(encoding="utf-8")


def typed(app: AppTest, text: str) -> AppTest:
    """Type another text into the editor, which has no field of Streamlit's."""
    app.session_state["evaluate_suite_open"].text = text
    return look(app)


def said(app: AppTest) -> list[str]:
    """What the page says went wrong, and what went well."""
    return [as_read(element.value) for element in (*app.error, *app.success)]


OTHER = SUITE.replace("Say hello.", "Say goodbye.")


# --- The list --------------------------------------------------------------------------------------


def test_the_lab_s_own_suites_and_the_bundled_ones_are_listed(suites: AppTest) -> None:
    found = texts(suites)
    assert [name for name in ("**mine**", "**code**", "**reasoning**") if name in found] == [
        "**mine**",
        "**code**",
        "**reasoning**",
    ]
    assert "2 cases, conversation" in found
    assert "Whether it greets." in found


def test_only_the_suites_of_this_project_are_called_bundled(suites: AppTest, home: Path) -> None:
    put(home, "tries.jsonl", '{"input": "Hello", "target": "Hi"}\n')
    assert len([text for text in texts(look(suites)) if text.endswith(", bundled")]) == 4


@pytest.mark.parametrize("name", ["my suite.yaml", "<b>x<b> :red[y].yaml", "Ω.yaml"])
def test_a_file_of_any_name_is_listed_and_opens_as_a_copy(name: str, suites: AppTest, home: Path) -> None:
    put(home, name)
    stem = Path(name).stem
    app = look(suites)
    assert f"**{stem}**" in texts(app)
    app = click(app, f"evaluate_edit_{stem}")
    assert "cannot name a suite" in said(app)[0]
    app.text_input(key="evaluate_suite_name").set_value("plain")
    assert said(click(look(app), "evaluate_suite_save")) == ["Saved plain: 2 cases."]


def test_a_suite_that_is_wrong_is_told_with_its_line_and_can_be_opened(suites: AppTest, home: Path) -> None:
    put(home, text=SUITE.replace("contains", "contain"))
    app = look(suites)
    assert "mine.yaml, line 5: " in said(app)[0]
    assert not has(app, "evaluate_use_mine")
    assert "mine.yaml, line 5: " in said(click(app, "evaluate_edit_mine"))[0]


def test_no_message_about_a_suite_shows_a_folder_of_the_machine(suites: AppTest, home: Path) -> None:
    wrong = SUITE.replace("contains", "contain")
    put(home, text=wrong)
    found = [*said(look(suites)), *said(click(suites, "evaluate_edit_mine"))]
    app = upload(click(suites, "evaluate_suite_close"), "sent.yaml", wrong.encode())
    listed, sent = said(app)
    assert [*found, listed] == [f".lab/suites/mine.yaml, line 5: {listed.partition('line 5: ')[2]}"] * 3
    assert sent.startswith("sent.yaml, line 5: ")


def test_a_wrong_suite_of_the_form_is_called_by_its_path_from_the_working_folder(
    open_evaluate: OpenApp, home: Path
) -> None:
    app = fill(open_evaluate(), suite=put(home).stem)
    put(home, text=SUITE.replace("contains", "contain"))
    assert [text for text in texts(look(app)) if "material/info: .lab/suites/mine.yaml, line 5: " in text]


def test_what_of_an_imported_file_is_left_is_placed_by_the_file_s_name(suites: AppTest) -> None:
    found = texts(upload(suites, "eval.yaml", PROMPTFOO))
    assert [text for text in found if "material/info:] eval.yaml:5: Its `javascript` assertion" in text]


def test_a_suite_that_is_not_utf_8_is_one_sentence(suites: AppTest, home: Path) -> None:
    (home / ".lab" / "suites" / "mine.yaml").write_bytes(SUITE.replace("greets", "gr\xfc\xdft").encode("latin-1"))
    app = look(suites)
    assert len(said(app)) == 1
    app = typed(click(app, "evaluate_edit_mine"), SUITE)
    assert "The suite mine is not saved: " in said(click(app, "evaluate_suite_save"))[0]


def test_a_suite_is_chosen_for_a_new_run(suites: AppTest) -> None:
    app = click(suites, "evaluate_use_mine")
    assert app.multiselect(key="evaluate_suites").value == ["mine"]
    assert has(app, "evaluate_start")


# --- The editor ------------------------------------------------------------------------------------


def test_a_new_suite_is_saved_under_its_name(suites: AppTest, home: Path) -> None:
    app = click(suites, "evaluate_new_suite")
    app.text_input(key="evaluate_suite_name").set_value("fresh")
    assert said(click(look(app), "evaluate_suite_save")) == ["Saved fresh: 1 case."]
    assert [each.id for each in Library(home / ".lab" / "suites").find("fresh").suite.cases] == ["capital"]


def test_a_new_suite_gets_a_name_that_is_free(suites: AppTest, home: Path) -> None:
    put(home, "suite-1.yaml")
    app = click(look(suites), "evaluate_new_suite")
    assert app.text_input(key="evaluate_suite_name").value == "suite-2"


def test_a_new_suite_is_not_saved_over_another_one(suites: AppTest, home: Path) -> None:
    app = click(suites, "evaluate_new_suite")
    app.text_input(key="evaluate_suite_name").set_value("mine")
    assert said(click(look(app), "evaluate_suite_save")) == [
        "The suite mine is not saved: there is one of that name already. Choose another name, or open it again."
    ]
    assert on_disk(home) == SUITE


def test_an_edit_is_saved(suites: AppTest, home: Path) -> None:
    app = typed(click(suites, "evaluate_edit_mine"), OTHER)
    assert said(click(app, "evaluate_suite_save")) == ["Saved mine: 2 cases."]
    assert on_disk(home) == OTHER


def test_a_second_edit_is_saved_too(suites: AppTest, home: Path) -> None:
    app = click(typed(click(suites, "evaluate_edit_mine"), OTHER), "evaluate_suite_save")
    assert said(click(typed(app, SUITE), "evaluate_suite_save")) == ["Saved mine: 2 cases."]
    assert on_disk(home) == SUITE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cases: [", "not valid YAML"),
        (SUITE.replace("contains", "contain"), "line 5: "),
        (SUITE.replace("{contains: word1}", "{regex: '('}"), "line 5: "),
        ("", "mine.yaml"),
    ],
    ids=["no YAML", "an unknown grader", "a check that cannot be used", "empty"],
)
def test_what_is_wrong_is_told_and_cannot_be_saved(text: str, sentence: str, suites: AppTest) -> None:
    app = typed(click(suites, "evaluate_edit_mine"), text)
    [error] = said(app)
    assert sentence in error
    assert app.button(key="evaluate_suite_save").disabled


def test_what_was_not_changed_cannot_be_saved(suites: AppTest) -> None:
    assert click(suites, "evaluate_edit_mine").button(key="evaluate_suite_save").disabled


def test_a_bundled_suite_is_copied(suites: AppTest, home: Path) -> None:
    app = click(suites, "evaluate_edit_tools")
    assert app.text_input(key="evaluate_suite_name").value == "my-tools"
    assert not has(app, "evaluate_suite_delete")
    click(app, "evaluate_suite_save")
    assert on_disk(home, "my-tools") == (BUNDLED / "tools.yaml").read_text(encoding="utf-8")


def test_what_was_changed_on_disk_meanwhile_is_not_overwritten(suites: AppTest, home: Path) -> None:
    app = typed(click(suites, "evaluate_edit_mine"), OTHER)
    put(home, text=SUITE + "# by somebody else\n")
    assert said(click(app, "evaluate_suite_save")) == [
        "The suite mine is not saved: it was changed meanwhile. Choose another name, or open it again."
    ]
    assert on_disk(home).endswith("# by somebody else\n")


def test_what_was_typed_is_still_there_when_it_could_not_be_saved(suites: AppTest, home: Path) -> None:
    app = typed(click(suites, "evaluate_edit_mine"), OTHER)
    put(home, text="# by somebody else\n")
    assert click(app, "evaluate_suite_save").session_state["evaluate_suite_open"].text == OTHER


def test_a_suite_is_closed_without_a_change(suites: AppTest, home: Path) -> None:
    app = click(typed(click(suites, "evaluate_edit_mine"), OTHER), "evaluate_suite_close")
    assert has(app, "evaluate_new_suite")
    assert on_disk(home) == SUITE


def test_a_suite_is_deleted_after_a_second_click(suites: AppTest, home: Path) -> None:
    app = click(click(suites, "evaluate_edit_mine"), "evaluate_suite_delete")
    assert on_disk(home) == SUITE
    assert "**mine** is deleted from `.lab/suites`. Runs keep their cases and answers." in texts(app)
    app.button(key="evaluate_suite_delete").click()
    app = click(app, "evaluate_suite_delete_it")
    assert "**mine**" not in texts(app)
    assert has(app, "evaluate_new_suite")
    assert not (home / ".lab" / "suites" / "mine.yaml").exists()


def test_a_suite_that_cannot_be_deleted_is_one_sentence(suites: AppTest, home: Path) -> None:
    app = click(click(suites, "evaluate_edit_mine"), "evaluate_suite_delete")
    file = home / ".lab" / "suites" / "mine.yaml"
    file.unlink()
    file.mkdir()
    app.button(key="evaluate_suite_delete").click()
    app = click(app, "evaluate_suite_delete_it")
    assert said(app)[0].startswith("The suite mine cannot be deleted: ")


# --- Import ----------------------------------------------------------------------------------------


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    """Open the dialog again, as a browser leaves it open, with a file in it."""
    app = click(app, "evaluate_import")
    field(app.file_uploader, "File").upload(name, data)
    return click(app, "evaluate_import")


def keep(app: AppTest, name: str) -> AppTest:
    app.text_input(key="evaluate_import_name").set_value(name)
    app.button(key="evaluate_import_keep").click()
    return click(app, "evaluate_import")


PROMPTFOO = b"""\
prompts: ['Say {{word}}.']
providers: [openai:gpt-5]
tests:
  - {vars: {word: hello}, assert: [{type: contains, value: hello}]}
  - {vars: {word: bye}, assert: [{type: javascript, value: 'output.length > 3'}]}
"""


@pytest.mark.parametrize(
    ("file", "sentence", "cases"),
    [
        (("eval.yaml", PROMPTFOO), "Read as a promptfoo configuration: 1 of 2 cases taken.", 1),
        (("cases.csv", b"input,target\nHello,Hi\nBye,See you\n"), "2 of 2 cases taken.", 2),
        (("mine.yaml", SUITE.encode()), "Read as a suite of Fallback Lab", 2),
    ],
    ids=["promptfoo", "CSV", "a suite"],
)
def test_a_file_is_read_and_kept(
    file: tuple[str, bytes], sentence: str, cases: int, suites: AppTest, home: Path
) -> None:
    app = upload(suites, *file)
    assert [text for text in texts(app) if sentence in text]
    assert said(keep(app, "kept")) == [f"Kept as kept: {cases} case{'' if cases == 1 else 's'}."]
    assert "**kept**" in texts(look(app))
    assert len(Library(home / ".lab" / "suites").find("kept").suite.cases) == cases


def test_what_cannot_be_taken_is_named(suites: AppTest) -> None:
    found = " ".join(texts(upload(suites, "eval.yaml", PROMPTFOO)))
    assert "1 case is left out." in found
    assert "javascript" in found


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", b"Hello, world.", b"a: ["])
@pytest.mark.parametrize("name", ["x.yaml", "x.csv", "<b>.yaml"])
def test_nonsense_is_one_sentence(name: str, data: bytes, suites: AppTest) -> None:
    app = upload(suites, name, data)
    assert len(said(app)) == 1
    assert not has(app, "evaluate_import_keep")


@pytest.mark.parametrize(
    ("name", "sentence"), [("mine", "There is already a suite called mine."), ("../x", "cannot name a suite")]
)
def test_an_import_that_cannot_be_kept_is_one_sentence(name: str, sentence: str, suites: AppTest, home: Path) -> None:
    app = keep(upload(suites, "cases.csv", b"input,target\nHello,Hi\n"), name)
    assert sentence in said(app)[0]
    assert on_disk(home) == SUITE
