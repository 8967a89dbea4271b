"""Tables with a mapping of their columns."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from router.core.errors import ConfigError
from router.core.suites import Check
from router.evaluate.importers import Source, import_table
from tests.evaluate.importers.samples import left, lines, only, prompt, taken, text

TABLE = text("frage,antwort,art,stufe\nWie viele?,17,reasoning,2\n", "a.csv")
COLUMNS = {"prompt": "frage", "target": "antwort", "category": "art", "metadata.level": "stufe"}


def test_columns_become_what_they_are_mapped_to() -> None:
    case = only(import_table(TABLE, COLUMNS))
    assert (prompt(case), case.target, case.category) == ("Wie viele?", ("17",), "reasoning")
    assert (case.metadata, case.checks) == ({"level": "2"}, (Check(type="includes"),))


def test_usual_names_need_no_mapping() -> None:
    case = only(import_table(text("id,question,answer\na,How many?,17\n", "a.csv")))
    assert (case.id, prompt(case), case.target) == ("a", "How many?", ("17",))


def test_a_template_makes_a_prompt_of_several_columns() -> None:
    mapped = {"target": "antwort", "category": "art"}
    assert prompt(only(import_table(TABLE, mapped, template="Stufe {{stufe}}: {{frage}}"))) == "Stufe 2: Wie viele?"


def test_every_field_of_a_case_can_be_a_column() -> None:
    record = {"p": "x", "s": "Be brief.", "g": "one", "t": "a, b", "w": "2.5"}
    columns = {"prompt": "p", "system": "s", "group": "g", "tags": "t", "weight": "w"}
    case = only(import_table(lines(record), columns))
    assert case.request.messages[0] == {"role": "system", "content": "Be brief."}
    assert (case.group, case.tags, case.weight, case.checks) == ("one", ("a", "b"), 2.5, ())


def test_a_column_can_hold_chat_messages() -> None:
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, {"role": "user", "content": "z"}]
    assert only(import_table(lines({"prompt": chat, "target": 5}))).request.messages == tuple(chat)


def test_parquet_is_read() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["x", "y"], "target": [["a", "b"], ["c"]]}), file)
    cases = taken(import_table(Source(Path("a.parquet"), file.getvalue())))
    assert [(prompt(case), case.target, case.place) for case in cases] == [
        ("x", ("a", "b"), "a.parquet:1"),
        ("y", ("c",), "a.parquet:2"),
    ]


def test_columns_that_nobody_mapped_are_named() -> None:
    found = import_table(TABLE, {"prompt": "frage", "target": "antwort"})
    assert left(found) == [("a.csv:2", "`art` is not used."), ("a.csv:2", "`stufe` is not used.")]


@pytest.mark.parametrize(
    ("columns", "template", "sentence"),
    [
        ({"prompt": "frge"}, "", "a.csv has no column `frge`. Did you mean `frage`?"),
        ({"promt": "frage"}, "", "`promt` is not a field of a case. Did you mean `prompt`?"),
        ({"target": "antwort"}, "", "a.csv: say which column is the prompt, or write a template. Known: `frage`, "),
        (None, "", "a.csv: say which column is the prompt"),
        ({}, "{{farge}}", "a.csv has no column `farge`. Did you mean `frage`?"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(columns: dict[str, str] | None, template: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_table(TABLE, columns, template=template)
    assert str(caught.value).startswith(sentence)


def test_a_row_that_cannot_be_taken_is_named() -> None:
    file = text("prompt,target,w\nx,1,2\n,2,2\ny,3,heavy\nz,4,-1\n", "a.csv")
    found = import_table(file, {"prompt": "prompt", "target": "target", "weight": "w"})
    assert [prompt(case) for case in taken(found)] == ["x"]
    assert [place for place, _ in left(found)] == ["a.csv:3", "a.csv:4", "a.csv:5"]
    assert (found.found, len(found.suite.cases)) == (4, 1)
