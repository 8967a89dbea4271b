"""Files of records: their places, and what cannot be read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from router.core.errors import ConfigError
from router.evaluate.importers.records import MAX_LINE, Record, records
from router.evaluate.importers.source import MAX_BYTES, Source, opened
from tests.evaluate.importers.samples import lines, text


def read(source: Source) -> list[Record]:
    return list(records(source))


def parquet(**columns: list[Any]) -> Source:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return Source(Path("a.parquet"), file.getvalue())


def test_json_lines_have_their_lines() -> None:
    assert read(lines({"a": 1}, "", "  ", {"a": 2})) == [
        Record("cases.jsonl:1", {"a": 1}),
        Record("cases.jsonl:4", {"a": 2}),
    ]


def test_a_list_in_json_has_the_lines_of_its_items() -> None:
    assert read(text('[\n {"a": 1},\n {"a":\n 2}]', "a.json")) == [
        Record("a.json:2", {"a": 1}),
        Record("a.json:3", {"a": 2}),
    ]


def test_an_object_over_several_lines_is_one_record() -> None:
    assert read(text('\n{"a":\n 1}\n', "a.json")) == [Record("a.json:2", {"a": 1})]


def test_csv_has_the_lines_on_which_its_rows_begin() -> None:
    assert read(text('a,b\r\n1,"x\ny"\r\n\r\n2,\r\n', "a.csv")) == [
        Record("a.csv:2", {"a": "1", "b": "x\ny"}),
        Record("a.csv:5", {"a": "2", "b": ""}),
    ]


@pytest.mark.parametrize(("content", "name"), [("a;b\n1;2,5\n", "a.csv"), ("a\tb\n1\t2,5\n", "a.tsv")])
def test_csv_may_be_separated_by_other_signs(content: str, name: str) -> None:
    assert read(text(content, name))[0].data == {"a": "1", "b": "2,5"}


def test_a_short_row_has_empty_fields() -> None:
    assert read(text("a,b\n1\n", "a.csv"))[0].data == {"a": "1", "b": ""}


def test_parquet_has_its_rows() -> None:
    assert read(parquet(a=["x", "y"], b=[1, None], c=[["u"], []])) == [
        Record("a.parquet:1", {"a": "x", "b": 1, "c": ["u"]}),
        Record("a.parquet:2", {"a": "y", "b": None, "c": []}),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1]", "it is not a JSON object"),
        ("{", "it is not JSON"),
        ('{"a": 1, "a": 2}', "it has the name `a` twice"),
        ('{"a": "' + "x" * MAX_LINE + '"}', "it has more than 5 million characters"),
    ],
    ids=lambda value: value[:12],
)
def test_a_line_that_cannot_be_read_is_named(line: str, problem: str) -> None:
    _, broken, after = read(lines({"a": 1}, line, {"a": 2}))
    assert broken.place == "cases.jsonl:2" and broken.problem.startswith(problem)
    assert after.data == {"a": 2}


def test_a_row_with_more_fields_than_columns_is_named() -> None:
    assert read(text("a,b\n1,2,3\n", "a.csv"))[0].problem.startswith("it has 3 fields, and the header 2")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (text("this is prose\nof two lines", "a.json"), r"a\.json, line 1: it is not JSON"),
        (text("[1, 2", "a.json"), r"a\.json cannot be imported: it is not JSON"),
        (text("", "a.csv"), r"a\.csv is empty"),
        (text("a,a\n1,2\n", "a.csv"), r"a\.csv, line 1: there are two columns called `a`"),
        (text('a\n"' + "x" * (MAX_LINE + 1) + '"\n', "a.csv"), r"a\.csv, line \d: not valid CSV: field larger"),
        (Source(Path("a.csv"), b"a\n\xff\n"), r"a\.csv is not UTF-8 text \(byte 2\)"),
        (Source(Path("a.parquet"), b"PAR1 and no more"), r"a\.parquet is not a readable Parquet file"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(source: Source, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(source)
    assert "\n" not in str(caught.value)


def test_a_small_parquet_file_of_a_million_rows_is_refused() -> None:
    bomb = parquet(a=pa.array(["x"]).take(pa.array([0] * 1_000_000)))
    assert len(bomb.data) < 10_000
    with pytest.raises(ConfigError, match="has more than 100,000 rows"):
        read(bomb)


def test_a_small_parquet_file_that_unpacks_to_gigabytes_is_refused() -> None:
    bomb = parquet(a=pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 100_000])))
    assert len(bomb.data) < 200_000
    with pytest.raises(ConfigError, match="unpacks to more than 200 MB"):
        read(bomb)


def test_bytes_are_limited_like_files() -> None:
    with pytest.raises(ConfigError, match="import is larger than 50 MB"):
        opened(b"x" * (MAX_BYTES + 1))
