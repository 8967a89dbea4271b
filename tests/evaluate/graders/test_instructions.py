"""Verifiable instructions: for each, a text that follows it and one that does not."""

from __future__ import annotations

from typing import Any

import pytest

from router.evaluate.graders.instructions import INSTRUCTIONS
from router.evaluate.graders.wording import count_sentences
from tests.evaluate.graders.grading import graded, refused

LEAST, LESS = {"relation": "at least"}, {"relation": "less than"}

PAIRS: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["cat", "Dog"]}, "A dog and a CAT.", "A dog alone."),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "A category.", "Cat!"),
    ("keywords:forbidden_words", {"forbidden_words": ["c++"]}, "C and C#.", "I like C++."),
    ("keywords:frequency", {"keyword": "cat", "frequency": 2, **LEAST}, "Cat, cat.", "Cat."),
    ("keywords:frequency", {"keyword": "cat", "frequency": 2, **LESS}, "Cat.", "Cat, cat."),
    ("keywords:letter_frequency", {"letter": "A", "let_frequency": 3, "let_relation": "at least"}, "Aaa", "Aa"),
    ("keywords:letter_frequency", {"letter": "!", "let_frequency": 1, "let_relation": "less than"}, "Hi", "Hi!"),
    ("language:response_language", {"language": "de"}, "Heute ist das Wetter wirklich schön.", "The weather is nice."),
    ("language:response_language", {"language": "hi"}, "आज मौसम बहुत अच्छा है", "The weather is nice."),
    ("length_constraints:number_words", {"num_words": 4, **LEAST}, "One two, three four.", "One two three."),
    ("length_constraints:number_words", {"num_words": 4, **LESS}, "One two three.", "It's two-three."),
    ("length_constraints:number_sentences", {"num_sentences": 2, **LEAST}, "Yes. No?", "Mr. X came at 3.5 p.m."),
    ("length_constraints:number_sentences", {"num_sentences": 2, **LESS}, "Yes", "Yes! And no"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n\nb"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\na\n***\nb", "a\n***\n***\nb"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Well"},
        "So.\n\n“Yes”.".replace("“Yes”", '"well," yes'),
        "So.\n\nYes, well.",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "well"},
        "Well.",
        "Well.\n\nWell.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] at [address]", "[name] at [\n]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP. S. More", "Bye."),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "P.P.S. More", "P.S. More"),
    ("detectable_content:postscript", {"postscript_marker": "NB:"}, "nb: more", "P.S. More"),
    ("detectable_format:constrained_response", {}, "My answer is maybe.", "Maybe."),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "a: 1"),
    ("detectable_format:json_format", {}, "[1, 2]", "[1, 2"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\na\nSECTION 2\nb",
        "Section 1\na\nSECTION 2\nb",
    ),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n  - b", "* a\n* b\n* c"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "**bold**\n* a", "**bold**"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **b**", "*a* and ****"),
    ("detectable_format:title", {}, "<<A poem>>\nIt", "<< >>\n<A poem>"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi."}, "say hi. Hi!", "Hi! Say hi."),
    ("combination:two_responses", {}, "a\n******\nb", "a\n******\na"),
    ("combination:two_responses", {}, "a\n******\nb\n******", "a"),
    ("startend:end_checker", {"end_phrase": "That is all."}, 'So "that is all."', "That is all. Bye."),
    ("startend:quotation", {}, '"All of it"', '"All" of it'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "NASA and WELL-KNOWN things",
        "NASA and Things",
    ),
    ("change_case:english_capital", {}, "THE WEATHER IS VERY NICE TODAY, SAYS THE MAN.", "The weather is nice."),
    ("change_case:english_capital", {}, "THIS IS WHAT THE PEOPLE HAVE SAID.", "DAS WETTER IST HEUTE WIRKLICH SCHÖN."),
    ("change_case:english_lowercase", {}, "the weather is very nice today.", "The weather is very nice today."),
    ("punctuation:no_comma", {}, "One; two", "One, two"),
]


@pytest.mark.parametrize(("name", "settings", "follows", "_"), PAIRS)
def test_a_text_that_follows_passes(name: str, settings: dict[str, Any], follows: str, _: str) -> None:
    assert graded(follows, "instructions", [{"id": name, **settings}]).passed


@pytest.mark.parametrize(("name", "settings", "_", "does_not"), PAIRS)
def test_a_text_that_does_not_fails(name: str, settings: dict[str, Any], _: str, does_not: str) -> None:
    assert graded(does_not, "instructions", [{"id": name, **settings}]).score == 0


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_each_instruction_has_a_pair(name: str) -> None:
    assert name in {pair[0] for pair in PAIRS}


@pytest.mark.parametrize(("name", "settings", "_", "__"), PAIRS)
def test_an_empty_answer_follows_nothing(name: str, settings: dict[str, Any], _: str, __: str) -> None:
    assert graded(" \n", "instructions", [{"id": name, **settings}]).score == 0


def test_the_score_is_the_share_and_all_must_be_followed() -> None:
    found = graded(
        "One, two", "instructions", ["punctuation:no_comma", {"id": "keywords:existence", "keywords": ["one"]}]
    )
    assert (found.score, found.passed) == (0.5, False)
    assert found.reason == "It does not follow `punctuation:no_comma`."


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One.", 1),
        ("One. Two! Three? Four…", 4),
        ("He said “Stop!” and left.", 1),
        ("Dr. A. Smith, e.g. of Acme Inc. here, paid 3.50 at 4 p.m. sharp.", 1),
        ("See example.com. Done.", 2),
        ("1. First thing\n2. Second thing", 1),
        ("一つ。二つ。", 2),
        ("Really?! Yes...", 2),
    ],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "The value of `instructions` must be a list such as `{id: punctuation:no_comma}`, settings beside "),
        ([], "The value of `instructions` must be a list such as `{id: punctuation:no_comma}`, settings beside "),
        (["punctuation:no_coma"], "`instructions` does not know `punctuation:no_coma`. Did you mean `punctuation:no_c"),
        ([{"id": "keywords:existence"}], "`keywords` of `keywords:existence` must be texts."),
        (
            [{"id": "length_constraints:number_words", "num_words": 3, "relation": "about"}],
            "`relation` of `length_constraints:number_words` must be `at least` or `less than`.",
        ),
        ([{"id": "punctuation:no_comma", "most": 1}], "`punctuation:no_comma` has no setting `most`"),
    ],
)  # fmt: skip
def test_instructions_that_cannot_be_checked_are_refused(value: Any, sentence: str) -> None:
    assert refused("instructions", value).startswith(sentence)
