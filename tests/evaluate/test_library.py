"""Suites by name: which there are, what is written, and what is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from router.chat.attachments import MAX_FILE_BYTES
from router.core.errors import ConfigError, FallbackLabError, InvalidRequest, StoreError
from router.core.suites import Suite
from router.evaluate.library import BUNDLED, NEW, Library, joined
from tests.evaluate.written import case

TEXT = NEW.format(name="mine")
OTHER = TEXT.replace("France", "Peru").replace("Paris", "Lima")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the Lab's own suites; not made yet."""
    return tmp_path / ".lab" / "suites"


@pytest.fixture
def library(folder: Path) -> Library:
    return Library(folder)


def put(folder: Path, name: str, content: str | bytes = TEXT) -> None:
    """A file that somebody put there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


# --- Names -----------------------------------------------------------------------------------------


def test_a_new_lab_has_the_bundled_suites(library: Library) -> None:
    assert list(library.names()) == ["code", "conversation", "reasoning", "tools"]


def test_the_lab_s_own_suites_come_first(library: Library, folder: Path) -> None:
    put(folder, "zebra.yaml")
    put(folder, "tries.jsonl", '{"input": "Hello", "target": "Hi"}\n')
    assert list(library.names())[:2] == ["zebra", "tries"]


def test_an_own_suite_stands_before_the_bundled_one_of_its_name(library: Library, folder: Path) -> None:
    put(folder, "tools.yaml")
    assert library.names()["tools"] == folder / "tools.yaml"


@pytest.mark.parametrize("name", ["mine.yaml", "tries.jsonl", "my suite.yaml", "ü<b>.yaml", "tools.yaml"])
def test_no_file_of_the_folder_is_bundled(name: str, library: Library, folder: Path) -> None:
    put(folder, name)
    assert not library.is_bundled(Path(name).stem)


def test_the_suites_of_this_project_are_bundled(library: Library) -> None:
    assert [name for name in library.names() if library.is_bundled(name)] == list(library.names())


@pytest.mark.parametrize(
    ("name", "is_own"),
    [("mine", True), ("tries", False), ("my suite", False), ("tools", False), ("nothing", False), ("../x", False)],
)
def test_what_has_a_plain_name_can_be_changed(name: str, is_own: bool, library: Library, folder: Path) -> None:
    for file in ("mine.yaml", "tries.jsonl", "my suite.yaml", "../x.yaml"):
        put(folder, file)
    assert library.is_own(name) is is_own


# --- Reading ---------------------------------------------------------------------------------------


def test_a_suite_is_found_by_its_name(library: Library, folder: Path) -> None:
    put(folder, "mine.yaml")
    assert [each.id for each in library.find("mine").suite.cases] == ["capital"]


def test_a_suite_is_found_by_its_file(library: Library, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yaml").write_text(TEXT, encoding="utf-8")
    assert library.find(str(tmp_path / "elsewhere.yaml")).suite.name == "mine"


def test_a_name_that_is_none_is_told_with_those_that_are(library: Library) -> None:
    with pytest.raises(ConfigError, match=r"^There is no suite mine: neither a file, nor one of code, conversation, "):
        library.find("mine")


def test_the_text_of_an_own_suite_is_as_it_was_typed(library: Library) -> None:
    typed = f"# mine\n{TEXT}"
    library.write("mine", typed, None)
    assert library.text("mine") == typed


def test_the_text_of_a_suite_that_is_wrong_can_be_corrected(library: Library, folder: Path) -> None:
    put(folder, "mine.yaml", "cases: [")
    assert library.text("mine") == "cases: ["


def test_kept_prompts_are_shown_as_a_suite(library: Library, folder: Path) -> None:
    put(folder, "tries.jsonl", '{"input": "Hello", "target": "Hi"}\n')
    shown = library.check("tries", library.text("tries"))
    assert [each.target for each in shown.cases] == [("Hi",)]


def test_a_text_that_is_not_utf_8_is_told_in_one_sentence(library: Library, folder: Path) -> None:
    put(folder, "mine.yaml", TEXT.replace("capital", "f\xeate").encode("latin-1"))
    with pytest.raises(FallbackLabError, match=r"mine\.yaml"):
        library.text("mine")


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("mine.yaml", TEXT, "a suite of Fallback Lab"),
        ("eval.yaml", "prompts: ['Say {{x}}']\nproviders: [a]\ntests: [{vars: {x: hi}}]\n", "promptfoo"),
        ("table.csv", "input,target\nHello,Hi\n", "Inspect"),
        ("table.csv", "prompt,answer\nHello,Hi\n", "table"),
        ("samples.jsonl", '{"input": "Hello", "target": "Hi"}\n', "Inspect"),
    ],
)
def test_a_file_that_was_sent_is_read_by_its_content(name: str, content: str, format_: str, library: Library) -> None:
    imported = library.read(name, content.encode())
    assert format_ in imported.format
    assert len(imported.suite.cases) == 1


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe\x80", b"Hello, world.", b"a: [", b"PAR1"])
@pytest.mark.parametrize("name", ["x.yaml", "x.csv", "x.jsonl", "x", "..", "../../x.yaml", "<b>.yaml"])
def test_nonsense_is_refused_in_one_sentence(name: str, data: bytes, library: Library, folder: Path) -> None:
    with pytest.raises(FallbackLabError) as caught:
        library.read(name, data)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_of_a_file_that_was_sent_only_the_cases_with_a_check_that_cannot_be_used_are_left_out(library: Library) -> None:
    tests = "[{assert: [{type: regex, value: '('}]}, {assert: [{type: contains, value: x}]}]"
    imported = library.read("eval.yaml", f"prompts: [Hello]\ntests: {tests}\n".encode())
    assert len(imported.suite.cases) == 1
    assert ["It cannot be graded: " in left.what for left in imported.left] == [True]


# --- Writing ---------------------------------------------------------------------------------------


def test_the_first_suite_makes_the_folder_for_its_owner_alone(library: Library, folder: Path) -> None:
    library.write("mine", TEXT, None)
    assert folder.stat().st_mode & 0o077 == 0


def test_a_changed_text_replaces_the_one_before(library: Library) -> None:
    library.write("mine", TEXT, None)
    library.write("mine", OTHER, TEXT)
    assert library.text("mine") == OTHER


@pytest.mark.parametrize("on_disk", [OTHER.encode(), b"\xff\xfe"], ids=["another text", "not UTF-8"])
def test_a_text_that_was_changed_meanwhile_is_not_overwritten(on_disk: bytes, library: Library, folder: Path) -> None:
    put(folder, "mine.yaml", on_disk)
    with pytest.raises(
        InvalidRequest, match=r"^The suite mine is not saved: it was changed meanwhile\. Choose another"
    ):
        library.write("mine", OTHER, TEXT)
    assert (folder / "mine.yaml").read_bytes() == on_disk


@pytest.mark.parametrize("file", ["mine.yaml", "mine.jsonl"])
def test_a_new_suite_overwrites_none_of_its_name(file: str, library: Library, folder: Path) -> None:
    put(folder, file, OTHER)
    with pytest.raises(InvalidRequest, match=r"^The suite mine is not saved: there is one of that name already\."):
        library.write("mine", TEXT, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cases: [", r"mine\.yaml, line 2: "),
        ("cases: []", r"mine\.yaml"),
        ("cases: [{prompt: x, checks: [{contain: y}]}]", r"mine\.yaml, line 1: .*contains"),
        ("cases: [{prompt: x, checks: [{regex: '('}]}]", r"mine\.yaml, line 1: "),
    ],
    ids=["no YAML", "no case", "an unknown grader", "a check that cannot be used"],
)
def test_a_text_that_is_wrong_is_not_written(text: str, sentence: str, library: Library, folder: Path) -> None:
    with pytest.raises(FallbackLabError, match=sentence):
        library.write("mine", text, None)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "é", "x" * 101, "a\n", "<b>"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str, library: Library, tmp_path: Path) -> None:
    for attempt in (
        lambda: library.write(name, TEXT, None),
        lambda: library.check(name, TEXT),
        lambda: library.keep(Suite(name=name, cases=(case("one"),))),
        lambda: library.delete(name),
    ):
        with pytest.raises(InvalidRequest, match="cannot name a suite"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "suites").write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError, match=r"suites cannot be created: "):
        Library(tmp_path / "suites").write("mine", TEXT, None)


IMAGE = "cases: [{prompt: x, images: [large.png]}]"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda library: library.find("wrong"),
        lambda library: library.find("binary"),
        lambda library: library.find("gone"),
        lambda library: library.find("records"),
        lambda library: library.find("image"),
        lambda library: library.text("binary"),
        lambda library: library.check("mine", "cases: ["),
        lambda library: library.check("mine", IMAGE),
        lambda library: library.read("sent.yaml", b"cases: ["),
        lambda library: library.read("sent.csv", b""),
        lambda library: library.keep(Suite(name="mine")),
        lambda library: library.keep(Suite(name="mine", cases=(case("one"),))),
        lambda library: library.write("mine", TEXT, None),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_errors_call_a_suite_by_its_path_from_the_working_folder_or_its_name_alone(
    attempt: Callable[[Library], object], inside: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder.parents[1]
    (home / "other").mkdir()
    monkeypatch.chdir(home if inside else home / "other")
    put(folder, "wrong.yaml", "cases: [")
    put(folder, "binary.yaml", b"\xff")
    put(folder, "records.jsonl", "Hello")
    put(folder, "image.yaml", IMAGE)
    put(folder, "large.png", b"x" * (MAX_FILE_BYTES + 1))
    (folder / "gone.yaml").symlink_to("nowhere")
    monkeypatch.setattr("router.core.files.tempfile.mkstemp", full)
    with pytest.raises(FallbackLabError) as caught:
        attempt(Library(folder))
    assert str(home) not in str(caught.value)
    named = [word for word in str(caught.value).split() if word.startswith(".lab/suites/")]
    assert inside or not named


def full(**_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("inside", "place"), [(True, ".lab/suites/mine.yaml:5"), (False, "mine.yaml:5")])
def test_cases_are_placed_in_the_same_way(
    inside: bool, place: str, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "mine.yaml")
    monkeypatch.chdir(folder.parents[1] if inside else "/")
    assert library.find("mine").suite.cases[0].place == place


def test_a_suite_of_another_format_reads_the_files_beside_it(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    put(folder, "eval.yaml", "prompts: [file://prompt.txt]\ntests: [{assert: [{type: contains, value: x}]}]\n")
    put(folder, "prompt.txt", "Hello")
    [found] = library.find("eval").suite.cases
    assert found.request.messages == ({"role": "user", "content": "Hello"},)


def test_on_the_page_a_file_of_the_working_folder_stands_for_no_suite(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "mine.yaml")
    monkeypatch.chdir(folder.parent)
    Path("mine").write_text(OTHER, encoding="utf-8")
    assert library.named("mine").suite == library.check("mine", TEXT)


# --- Keeping and deleting --------------------------------------------------------------------------


def test_a_suite_that_was_kept_is_read_back(library: Library) -> None:
    kept = library.find("conversation").suite
    library.keep(msgspec.structs.replace(kept, name="mine"))
    assert [each.key for each in library.find("mine").suite.cases] == [each.key for each in kept.cases]


@pytest.mark.parametrize("file", ["mine.yaml", "mine.jsonl"])
def test_a_suite_is_not_kept_over_another_one(file: str, library: Library, folder: Path) -> None:
    put(folder, file)
    with pytest.raises(InvalidRequest, match=r"^There is already a suite called mine\. Choose another name\.$"):
        library.keep(msgspec.structs.replace(library.find("tools").suite, name="mine"))
    assert (folder / file).read_text(encoding="utf-8") == TEXT


def test_a_deleted_suite_is_gone(library: Library) -> None:
    library.write("mine", TEXT, None)
    library.delete("mine")
    assert "mine" not in library.names()


def test_deleting_a_bundled_suite_leaves_it(library: Library) -> None:
    library.delete("tools")
    assert (BUNDLED / "tools.yaml").is_file()


# --- Several as one --------------------------------------------------------------------------------


def test_cases_of_several_suites_are_told_apart_by_the_suites_names() -> None:
    found = joined([Suite(name="a", cases=(case("one"),)), Suite(name="b", cases=(case("one"), case("two")))])
    assert (found.name, [each.id for each in found.cases]) == ("a+b", ["a/one", "b/one", "b/two"])


def test_one_suite_stays_as_it_is() -> None:
    only = Suite(name="a", description="What it checks.", cases=(case("one"),))
    assert joined([only]) == only
