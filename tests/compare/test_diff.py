"""Two answers, word by word: nothing is lost, and it ends in time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.compare.diff import CONTEXT, MAX_WORDS, Piece, folded, likeness, word_diff

TEXTS = st.text(alphabet="ab \n.é", max_size=40)


def side(pieces: list[Piece], kind: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in ("same", kind))


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_from_it(left: str, right: str) -> None:
    pieces = word_diff(left, right)
    assert (side(pieces, "left"), side(pieces, "right")) == (left, right)


@given(TEXTS)
def test_equal_texts_are_one_piece(text: str) -> None:
    assert word_diff(text, text) == ([Piece("same", text)] if text else [])


def test_a_changed_word_is_a_word() -> None:
    assert word_diff("The sky is blue.", "The sky is violet.") == [
        Piece("same", "The sky is"),
        Piece("left", " blue"),
        Piece("right", " violet"),
        Piece("same", "."),
    ]


def test_neighbouring_changes_are_one_passage() -> None:
    pieces = word_diff("one two three", "four five three")
    assert pieces[:2] == [Piece("left", "one two"), Piece("right", "four five")]


@pytest.mark.parametrize(("left", "right", "share"), [("a b", "a b", 1.0), ("a b", "a c", 0.5), ("a", "b", 0.0)])
def test_likeness_is_the_share_of_common_words(left: str, right: str, share: float) -> None:
    assert likeness(word_diff(left, right)) == share


def test_a_long_equal_passage_is_folded() -> None:
    text = "word " * 500
    pieces = folded(word_diff(f"one {text}two", f"three {text}four"))
    assert [piece.kind for piece in pieces] == ["left", "right", "same", "gap", "same", "left", "right"]
    assert int(pieces[3].text) + 2 * CONTEXT == 500


HARD = {
    "lines that all differ": ("line {n} of the first\n", "line {n} of the other\n"),
    "lines that are all the same": ("a\n", "a\n"),
    "one long line": ("word{n} ", "word{n}, "),
    "one word over and over": ("a ", "a, "),
}


@pytest.mark.parametrize("name", HARD)
def test_ten_thousand_lines_or_words_end_in_time(name: str) -> None:
    left, right = ("".join(form.format(n=n) for n in range(10_000)) for form in HARD[name])
    began = time.process_time()
    word_diff(left, right[:-5])
    assert time.process_time() - began < 3


def test_the_longest_passage_that_is_compared_word_by_word_ends_in_time() -> None:
    began = time.process_time()
    word_diff("a " * MAX_WORDS, "a, " * (MAX_WORDS // 2))
    assert time.process_time() - began < 3
