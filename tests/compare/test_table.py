"""Prompts from a CSV file: what spreadsheets write is read, and what is wrong is named with its line."""

from __future__ import annotations

import pytest

from router.compare.table import MAX_CSV_BYTES, read_table
from router.core.errors import InvalidRequest


def read(text: str, encoding: str = "utf-8", required: tuple[str, ...] = ("prompt",)) -> list[dict[str, str]]:
    return [dict(row) for row in read_table(text.encode(encoding), required)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_umlauts_are_read_in_each_encoding(encoding: str) -> None:
    assert read("prompt,größe\nHällo,kühn\n", encoding) == [{"prompt": "Hällo", "größe": "kühn"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    assert read(f"a{delimiter}prompt\n1{delimiter}Hello\n") == [{"a": "1", "prompt": "Hello"}]


def test_a_comma_in_a_heading_does_not_hide_the_columns() -> None:
    assert read('"size, in m";prompt\n1;Hello\n') == [{"size, in m": "1", "prompt": "Hello"}]


def test_lines_of_a_single_column_are_not_split() -> None:
    assert read("prompt\nHello, you; and | you\n") == [{"prompt": "Hello, you; and | you"}]


def test_quoted_values_hold_separators_quotes_and_lines() -> None:
    assert read('prompt,x\r\n"One, ""two""\nthree",4\r\n') == [{"prompt": 'One, "two"\nthree', "x": "4"}]


def test_empty_rows_and_unnamed_empty_columns_are_left_out() -> None:
    assert read("prompt,x,\n,,\n\nHello,1,\n") == [{"prompt": "Hello", "x": "1"}]


def test_the_prompt_s_heading_is_found_in_any_case() -> None:
    assert read("Prompt,Category,Word\nHello,code,x\n") == [{"prompt": "Hello", "category": "code", "Word": "x"}]


def test_missing_values_at_a_line_s_end_are_empty() -> None:
    assert read("prompt,x\nHello\n") == [{"prompt": "Hello", "x": ""}]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf \n", "The file is empty."),
        ("prompt\nHello".encode("utf-16"), "The file is not a CSV file in UTF-8 or Latin-1."),
        (b"x" * (MAX_CSV_BYTES + 100_000), "The file is 1.1 MB; the limit is 1 MB."),
        (b"question,x\nHello,1", "Line 1: there is no column `prompt`; the columns are `question`, `x`."),
        (b"prompt,x,x\nHello,1,2", "Line 1: there are two columns called `x`."),
        (b"prompt,x\n", "The file has no prompts:"),
        (b"prompt,x\nHello,1\n,2\n", "Line 3 has no value for `prompt`."),
        (b"prompt,x\nHello,1,2\n", "Line 2 has 3 values, but there are 2 columns."),
        (b"prompt,x,\nHello,1,2\n", "Line 2 has a value in a column without a name."),
        (b'prompt,x\n"Two\nlines",1\n"open,2\n', "Line 4: a quote is opened and never closed."),
        (b'prompt,x\n"a"b,2\n', "Line 2: text follows a closing quote."),
        pytest.param(b"y" * 200_000, "Line 1: a value is longer than 131,072 characters.", id="long head"),
        (b"\n\nquestion\nHello", "Line 3: there is no column `prompt`"),
        pytest.param(
            b"prompt,x\n" + b"y" * 200_000 + b",1",
            "Line 2: a value is longer than 131,072 characters.",
            id="long value",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_line(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_table(data, ["prompt"])
    assert str(error.value).startswith(sentence)


def test_other_columns_can_be_required() -> None:
    with pytest.raises(InvalidRequest, match=r"^Line 1: there is no column `word`"):
        read("prompt,x\nHello,1\n", required=("word",))
