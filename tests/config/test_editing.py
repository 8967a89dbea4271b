"""Saving models.yaml: whole or not at all, never over somebody else's change, and back again."""

from __future__ import annotations

import codecs
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import router.config.editing
from router.config.draft import Draft
from router.config.editing import Editor
from router.core.errors import ConfigError, InvalidEdit
from tests.conftest import MakeLab
from tests.upstream import Upstream

TEXT = """\
policy: {retries: 1}  # once
chains:
  tools:
    - a  # primary
    - b
  code: {models: [a, b], policy: {stall: 5}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "models.yaml"
    path.write_bytes(TEXT.encode())
    return path


@pytest.fixture
def editor(path: Path) -> Editor:
    return Editor(path, path.parent / ".lab" / "history")


def reading(text: str) -> Draft:
    return Draft(before=text, text=text)


def chains(editor: Editor, draft: Draft) -> dict[str, list[str]]:
    return {name: [ref.text for ref in chain.models] for name, chain in editor.check(draft).chains.items()}


# --- Drafts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", ["tools", "code"])
def test_a_chain_gets_other_models_and_no_other_chain_does(editor: Editor, category: str) -> None:
    draft = editor.draft().with_models(category, ["b", "c"])
    assert chains(editor, draft) == {"tools": ["a", "b"], "code": ["a", "b"], category: ["b", "c"]}


@pytest.mark.parametrize(("by", "order"), [(1, "bac"), (2, "bca"), (9, "bca"), (-1, "abc")])
def test_a_model_moves_by_some_places_but_not_out_of_its_chain(editor: Editor, by: int, order: str) -> None:
    draft = reading("chains: {x: [a, {model: b, system: Think.}, c]}\n")
    assert chains(editor, draft.with_moved("x", "a", by)) == {"x": [*order]}


def test_a_model_is_removed_or_added_by_its_name(editor: Editor) -> None:
    draft = editor.draft().without("tools", "a").with_added("code", "c")
    assert chains(editor, draft) == {"tools": ["b"], "code": ["a", "b", "c"]}


@pytest.mark.parametrize("category", ["tools", "code"])
def test_a_chain_gets_a_limit_of_its_own(editor: Editor, category: str) -> None:
    config = editor.check(editor.draft().with_policy(category, ["first_token"], 7))
    assert [
        config.chains[name].policy.first_token for name in (category, {"tools": "code", "code": "tools"}[category])
    ] == [
        7,
        10,
    ]


def test_all_chains_get_a_limit(editor: Editor) -> None:
    draft = editor.draft().with_limit(("stall",), 7).with_limit(("breaker", "open_for"), 30)
    config = editor.check(draft)
    assert (config.policy.stall, config.policy.retries, config.policy.breaker.open_for) == (7, 1, 30)
    assert {name: chain.policy.stall for name, chain in config.chains.items()} == {"tools": 7, "code": 5}
    assert draft.text == TEXT.replace("{retries: 1}", "{retries: 1, stall: 7, breaker: {open_for: 30}}")


def test_a_chain_gets_parameters_of_its_own(editor: Editor) -> None:
    draft = editor.draft().with_params("tools", {"top_p": 0.9})
    assert editor.check(draft).chains["tools"].params == {"top_p": 0.9}
    assert editor.check(draft.with_params("tools", {})).chains["tools"].params == {}


@pytest.mark.parametrize("category", ["tools", "code"])
def test_a_chain_without_parameters_stays_so_where_none_are_given(editor: Editor, category: str) -> None:
    assert editor.draft().with_params(category, {}).text == TEXT


def test_the_last_limit_that_is_taken_out_leaves_nothing_empty(editor: Editor) -> None:
    draft = editor.draft().with_policy("code", ["stall"], None)
    assert draft.text == TEXT.replace(", policy: {stall: 5}", "")


LINKS = """\
chains:
  tools:
    - a  # primary
    # the slow one
    - model: b   # two
      system: |
        Think.

        Then answer.
      params: {seed: 1}
    - {model: "c", first_token: 30s}   # three
  code: {models: [a, {model: b, params: {seed: 1}}]}
"""
PARTS = LINKS.splitlines(keepends=True)
A, B, C = PARTS[2], "".join(PARTS[3:10]), PARTS[10]


def test_a_link_that_moves_keeps_its_settings_and_lines() -> None:
    assert reading(LINKS).with_models("tools", ["c", "b", "a"]).text == LINKS.replace(A + B + C, C + B + A)


def test_a_link_that_is_removed_takes_its_lines_along_and_one_that_is_added_is_a_string() -> None:
    assert reading(LINKS).with_models("tools", ["a", "d", "c"]).text == LINKS.replace(B, "    - d\n")


def test_a_link_on_one_line_moves_along() -> None:
    assert reading(LINKS).with_models("code", ["b", "a", "d"]).text == LINKS.replace(
        "[a, {model: b, params: {seed: 1}}]", "[{model: b, params: {seed: 1}}, a, d]"
    )


@pytest.mark.parametrize(
    ("model", "own", "old", "new"),
    [
        ("a", {"params": {"top_p": 0.9}}, "- a  #", "- {model: a, params: {top_p: 0.9}}  #"),
        ("a", {"system": "One.\nTwo."}, "- a  #", '- {model: a, system: "One.\\nTwo."}  #'),
        ("b", {"params": {"seed": 2}}, "{seed: 1}\n", "{seed: 2}\n"),
        ("b", {"first_token": 5}, "{seed: 1}\n    -", "{seed: 1}\n      first_token: 5\n    -"),
        ("b", {"system": "No."}, "|\n        Think.\n\n        Then answer.", "No."),
        ("b", {"params": {}}, "      params: {seed: 1}\n    -", "    -"),
        ("b", {"params": {}, "system": ""}, B, "    # the slow one\n    - b   # two\n"),
        ("c", {"first_token": 4}, "30s", "4"),
        ("c", {"first_token": None}, '{model: "c", first_token: 30s}', '"c"'),
        ("c", {"first_token": None, "system": "Hm."}, "first_token: 30s}", "system: Hm.}"),
        ("a", {"params": {}, "system": "", "first_token": None}, "", ""),
        ("a", {}, "", ""),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_only_the_lines_of_a_link_s_settings_change(
    model: str, own: dict[str, object], old: str, new: str, newline: str
) -> None:
    before, old, new = (text.replace("\n", newline) for text in (LINKS, old, new))
    assert reading(before).with_link("tools", model, own).text == before.replace(old, new, 1)


@pytest.mark.parametrize(
    "edit", [lambda draft: draft.with_moved("tools", "z", 1), lambda draft: draft.without("tools", "z")]
)
def test_a_model_that_is_no_longer_in_the_chain_cannot_be_moved_or_removed(
    editor: Editor, edit: Callable[[Draft], Draft]
) -> None:
    with pytest.raises(InvalidEdit, match="`z` is no longer in the chain `tools`"):
        edit(editor.draft())


def test_settings_of_a_model_that_is_no_longer_in_the_chain_are_refused() -> None:
    with pytest.raises(InvalidEdit, match="`d` is no longer in the chain `tools`"):
        reading(LINKS).with_link("tools", "d", {"system": "Hm."})


THEIRS = {
    "before it": ("policy: {retries: 1}", "policy: {retries: 2}"),
    "behind it": ("stall: 5", "stall: 9"),
    "the line behind it": ("    - b\n", "    - c\n"),
    "a new line before it": ("policy:", "# theirs\npolicy:"),
    "a new line at the end": ("stall: 5}}\n", "stall: 5}}\n# theirs\n"),
    "the same change": ("    - a  # primary\n", "    - d  # primary\n"),
}


@pytest.mark.parametrize(("old", "new"), THEIRS.values(), ids=THEIRS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_change_is_made_to_what_others_saved_meanwhile(old: str, new: str, newline: str) -> None:
    text, theirs, ours, both = (
        each.replace("\n", newline)
        for each in (
            TEXT,
            TEXT.replace(old, new),
            TEXT.replace("- a ", "- d "),
            TEXT.replace(old, new).replace("- a ", "- d "),
        )
    )
    assert Draft(before=text, text=ours).onto(theirs) == (Draft(before=theirs, text=both), False)


def test_where_others_changed_the_same_line_the_whole_text_stands() -> None:
    ours, theirs = TEXT.replace("- a ", "- d "), TEXT.replace("- a ", "- e ").replace("stall: 5", "stall: 9")
    assert Draft(before=TEXT, text=ours).onto(theirs) == (Draft(before=theirs, text=ours), True)


def test_a_diff_shows_the_lines_concerned(editor: Editor) -> None:
    draft = editor.draft().with_models("tools", ["a"])
    assert [line for line in draft.diff().splitlines() if line[0] in "+-"] == ["-    - b"]


def test_a_draft_that_cannot_be_used_says_why(editor: Editor) -> None:
    draft = editor.draft().with_models("tools", ["opnai:x"])
    with pytest.raises(ConfigError, match=r"line 4: `opnai` is not a provider in this file\. Did you mean `openai`"):
        editor.check(draft)


@pytest.mark.parametrize("category", ["nowhere", "tools.x"])
def test_a_chain_that_is_not_there_is_said(editor: Editor, category: str) -> None:
    with pytest.raises(InvalidEdit, match="is not in the file"):
        editor.draft().with_models(category, ["a"])


# --- Saving ----------------------------------------------------------------------------------------


def test_what_is_saved_is_in_the_file(editor: Editor, path: Path) -> None:
    draft = editor.draft().with_models("tools", ["b", "a"])
    editor.save(draft, "turned round")
    assert path.read_text(encoding="utf-8") == draft.text


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_byte_order_mark_and_line_ends_stay(editor: Editor, path: Path, mark: bytes, newline: str) -> None:
    path.write_bytes(mark + TEXT.replace("\n", newline).encode())
    editor.save(editor.draft().with_models("tools", ["a", "b", "c"]), "one more")
    assert path.read_bytes() == mark + TEXT.replace("    - b\n", "    - b\n    - c\n").replace("\n", newline).encode()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("typed", ["\n", "\r\n"])
def test_another_text_gets_the_file_s_line_ends(editor: Editor, path: Path, newline: str, typed: str) -> None:
    path.write_bytes(TEXT.replace("\n", newline).encode())
    other = f"# mine\n{TEXT}"
    draft = editor.draft().with_text(other.replace("\n", typed))
    assert draft.text == other.replace("\n", newline)


def test_the_file_s_mode_stays(editor: Editor, path: Path) -> None:
    path.chmod(0o640)
    editor.save(editor.draft().with_models("tools", ["a"]), "fewer")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.parent / "link.yaml"
    link.symlink_to(path)
    editor = Editor(link, path.parent / "history")
    editor.save(editor.draft().with_models("tools", ["a"]), "fewer")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == TEXT.replace("    - b\n", "")


def test_a_draft_that_cannot_be_used_is_not_saved(editor: Editor, path: Path) -> None:
    with pytest.raises(ConfigError):
        editor.save(Draft(before=TEXT, text="chains: []"), "broken")
    assert path.read_text(encoding="utf-8") == TEXT


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(editor: Editor, path: Path) -> None:
    draft = editor.draft().with_models("tools", ["a"])
    path.write_text(TEXT + "# mine\n", encoding="utf-8")
    with pytest.raises(InvalidEdit, match="has been changed by someone else"):
        editor.save(draft, "fewer")
    assert path.read_text(encoding="utf-8") == TEXT + "# mine\n"


def test_of_many_who_save_at_once_one_wins_and_the_others_are_told(path: Path, editor: Editor) -> None:
    drafts = [editor.draft().with_models("tools", [f"model-{number}"]) for number in range(8)]
    told: list[int] = []
    ready = threading.Barrier(len(drafts))

    def save(number: int) -> None:
        ready.wait()
        try:
            Editor(path, path.parent / ".lab" / "history").save(drafts[number], str(number))
        except InvalidEdit:
            told.append(number)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(len(drafts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(range(len(drafts))) - set(told)
    assert path.read_text(encoding="utf-8") == drafts[winner].text


AS_NOBODY = """
import os, sys
from pathlib import Path
from router.config.editing import Editor
from router.core.errors import InvalidEdit
path = Path(sys.argv[1])
editor = Editor(path, path.parent / ".lab")
draft = editor.draft().with_models("tools", ["a"])
os.setuid(65534)
try:
    editor.save(draft, "fewer")
except InvalidEdit as error:
    print(error)
"""


@pytest.mark.process
@pytest.mark.skipif(os.getuid() != 0, reason="changes to another user")
def test_a_folder_that_cannot_be_written_is_said(path: Path) -> None:
    for parent in (path.parent, *path.parent.parents[:3]):
        parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"{path} cannot be written: Permission denied. The file is unchanged.", done.stderr


KILLED = """
import sys
from pathlib import Path
from router.config.editing import Editor
path = Path(sys.argv[1])
editor = Editor(path, path.parent / "history")
print("ready", flush=True)
number = 0
while True:
    number += 1
    editor.save(editor.draft().with_models("tools", ["a", f"model-{number}" + "x" * 50_000]), "again")
"""


@pytest.mark.process
@pytest.mark.parametrize("after_saves", [1, 3, 5])
def test_a_kill_in_the_middle_leaves_a_whole_file(path: Path, after_saves: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    history = path.parent / "history"
    while len(list(history.glob("*.json"))) < after_saves:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    editor = Editor(path, history)
    tools = chains(editor, editor.draft())["tools"]
    assert tools[0] == "a"
    assert tools[1] == "b" or tools[1].endswith("x" * 50_000)


# --- History ---------------------------------------------------------------------------------------


def test_what_was_in_force_is_kept_with_the_reason_of_its_end(editor: Editor) -> None:
    editor.save(editor.draft().with_models("tools", ["a"]), "b was slow")
    editor.save(editor.draft().with_models("tools", ["c"]), "c is better")
    kept = [(version.why, version.text) for version in editor.history()]
    assert kept == [("c is better", TEXT.replace("    - b\n", "")), ("b was slow", TEXT)]


def test_each_saved_change_has_its_text_before_and_after(editor: Editor, path: Path) -> None:
    for models, why in ((["a", "c"], "b was slow"), (["c", "a"], "c is better")):
        editor.save(editor.draft().with_models("code", models), why)
    first, second = editor.changes()
    assert (first.why, first.before, first.after) == ("b was slow", TEXT, second.before)
    assert (second.why, second.after) == ("c is better", path.read_text(encoding="utf-8"))
    assert second.at >= first.at


def test_the_last_change_is_undone(editor: Editor, path: Path) -> None:
    editor.save(editor.draft().with_models("tools", ["a"]), "fewer")
    editor.roll_back()
    assert path.read_text(encoding="utf-8") == TEXT


def test_an_undo_can_be_undone(editor: Editor, path: Path) -> None:
    editor.save(editor.draft().with_models("tools", ["a"]), "fewer")
    editor.roll_back()
    editor.roll_back()
    assert path.read_text(encoding="utf-8") == TEXT.replace("    - b\n", "")


def test_the_last_change_is_undone_also_where_the_clock_went_back(
    editor: Editor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.config.editing, "KEEP", 2)
    clock = iter(range(9, 0, -1))
    monkeypatch.setattr("time.time_ns", lambda: next(clock) * 3600 * 10**9)
    for models in (["a"], ["c"], ["d"]):
        editor.save(editor.draft().with_models("tools", models), f"{models[0]} is better")
    assert [version.why for version in editor.history()] == ["d is better", "c is better"]
    editor.roll_back()
    assert path.read_text(encoding="utf-8") == editor.draft().with_models("tools", ["c"]).text


def test_any_earlier_version_can_be_put_in_force(editor: Editor, path: Path) -> None:
    for models in (["a"], ["c"], ["d"]):
        editor.save(editor.draft().with_models("tools", models), "other")
    editor.roll_back(editor.history()[-1])
    assert path.read_text(encoding="utf-8") == TEXT


def test_a_file_that_somebody_broke_can_be_undone(editor: Editor, path: Path) -> None:
    editor.save(editor.draft().with_models("tools", ["a"]), "fewer")
    path.write_text("chains: [", encoding="utf-8")
    editor.roll_back()
    assert path.read_text(encoding="utf-8") == TEXT


def test_without_a_history_there_is_nothing_to_undo(editor: Editor) -> None:
    with pytest.raises(InvalidEdit, match="There is no earlier version"):
        editor.roll_back()


def test_so_many_versions_are_kept(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router.config.editing, "KEEP", 3)
    for number in range(6):
        editor.save(editor.draft().with_models("tools", [f"m{number}"]), str(number))
    assert [version.why for version in editor.history()] == ["5", "4", "3"]


def test_a_damaged_version_is_skipped(editor: Editor, path: Path) -> None:
    editor.save(editor.draft().with_models("tools", ["a"]), "fewer")
    (path.parent / ".lab" / "history" / "99999999999999999999-x.json").write_bytes(b"\xff")
    assert [version.why for version in editor.history()] == ["fewer"]


# --- In force --------------------------------------------------------------------------------------


def test_a_saved_chain_is_in_force_at_once(upstream: Upstream, make_lab: MakeLab, tmp_path: Path) -> None:
    provider = {"protocol": "openai", "base_url": upstream.base_url}
    text = msgspec.json.encode({"default_provider": "p", "providers": {"p": provider}, "chains": {"c": ["a"]}}).decode()
    lab = make_lab(text)
    editor = Editor(tmp_path / "models.yaml", tmp_path / ".lab" / "history")
    editor.save(editor.draft().with_models("c", ["b"]), "b is better")
    assert [ref.text for ref in lab.config().chain("c").models] == ["b"]
