"""Verifiable instructions about words, sentences, letters and languages; see `instructions`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from router.evaluate.graders.languages import language_of

_WORD = re.compile(r"\w+")

_TOKEN = re.compile(r"\w++(?:-\w++)*+")

_END = re.compile(r"(?<![.!?…])[.!?…]++(?:[\"'”’)\]*_]{1,5}(?!\s{1,5}[a-z]))?(?=\s|\Z)|[。！？]++")

_ABBREVIATED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|cf|approx|No|Fig|Inc|Ltd|Co|a\.m|p\.m|U\.S)|\b[A-Z]|\n\d{1,3})\.\Z"
)
"""Ends of no sentence: abbreviations, initials, and the numbers of a list."""

_BEFORE = 12
"""Characters in which an abbreviation stands."""


def compare(count: int, relation: str, wanted: float) -> bool:
    """Whether a count is as wanted."""
    return count < wanted if relation == "less than" else count >= wanted


def has_all(text: str, *, keywords: Sequence[str]) -> bool:
    """Each keyword is in the text."""
    return all(keyword.strip().lower() in text.lower() for keyword in keywords)


def has_no_word(text: str, *, forbidden_words: Sequence[str]) -> bool:
    """None is in the text as a word of its own."""
    found = (re.search(rf"(?<!\w){re.escape(word.strip())}(?!\w)", text, re.IGNORECASE) for word in forbidden_words)
    return not any(found)


def has_keyword(text: str, *, keyword: str, frequency: float, relation: str) -> bool:
    """A keyword is in the text so often."""
    return compare(text.lower().count(keyword.strip().lower()), relation, frequency)


def has_letter(text: str, *, letter: str, let_frequency: float, let_relation: str) -> bool:
    """A letter is in the text so often."""
    return compare(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


def is_in_language(text: str, *, language: str) -> bool:
    """The text is in a language, by its ISO 639-1 code."""
    return language_of(text) == language


def has_words(text: str, *, num_words: float, relation: str) -> bool:
    """The text has so many words; an apostrophe or a hyphen separates two."""
    return compare(len(_WORD.findall(text)), relation, num_words)


def has_sentences(text: str, *, num_sentences: float, relation: str) -> bool:
    """The text has so many sentences."""
    return compare(count_sentences(text), relation, num_sentences)


def count_sentences(text: str) -> int:
    """Sentences by their punctuation; what is left at the end is one, too, if it has a word in it."""
    text = f"\n{text}"
    count = last = 0
    for end in _END.finditer(text):
        if _ABBREVIATED.search(text[max(0, end.start() - _BEFORE) : end.start() + 1]) is None:
            count, last = count + 1, end.end()
    return count + (_WORD.search(text, last) is not None)


def repeats(text: str, *, prompt_to_repeat: str) -> bool:
    """The text begins with the prompt."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def ends_with(text: str, *, end_phrase: str) -> bool:
    """The text ends with a phrase, also in quotation marks."""
    return text.strip().strip('"').strip().lower().endswith(end_phrase.strip().lower())


def is_quoted(text: str) -> bool:
    """The text is in double quotation marks."""
    text = text.strip()
    return len(text) > 1 and text.startswith('"') and text.endswith('"')


def has_capital_words(text: str, *, capital_frequency: float, capital_relation: str) -> bool:
    """So many words are in capital letters."""
    return compare(sum(word.isupper() for word in _TOKEN.findall(text)), capital_relation, capital_frequency)


def is_english_capitals(text: str) -> bool:
    """The text is English, without a lower-case letter."""
    return text.isupper() and language_of(text) == "en"


def is_english_lowercase(text: str) -> bool:
    """The text is English, without a capital letter."""
    return text.islower() and language_of(text) == "en"


def has_no_comma(text: str) -> bool:
    """The text has no comma."""
    return "," not in text
