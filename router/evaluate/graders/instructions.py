"""Instructions that can be verified, with the names and settings of IFEval (Zhou et al. 2023).

All of them run offline. Two differ from IFEval's own checks, which use NLTK's models: sentences and words are counted
by rules. Keywords are texts here, and no expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from router.config.explain import nearest
from router.core.errors import InvalidRequest
from router.core.suites import Answered, Case, Check
from router.evaluate.graders import formats, wording
from router.evaluate.graders.base import Found, Grader, plain, text_of

RELATIONS = ("at least", "less than")


class Setting(NamedTuple):
    """Attributes: fits: whether a value can be used. noun: what it must be."""

    fits: Callable[[Any], bool]
    noun: str


class Instruction(NamedTuple):
    """Attributes: follows: whether a text does; its settings come by name. settings: all of them are needed."""

    follows: Callable[..., bool]
    settings: Mapping[str, Setting] = {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and float(value).is_integer()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


COUNT = Setting(_is_count, "a whole number")
TEXT = Setting(_is_text, "a text")
TEXTS = Setting(lambda value: isinstance(value, list | tuple) and bool(value) and all(map(_is_text, value)), "texts")
RELATION = Setting(RELATIONS.__contains__, "`at least` or `less than`")

INSTRUCTIONS: Mapping[str, Instruction] = {
    "keywords:existence": Instruction(wording.has_all, {"keywords": TEXTS}),
    "keywords:forbidden_words": Instruction(wording.has_no_word, {"forbidden_words": TEXTS}),
    "keywords:frequency": Instruction(wording.has_keyword, {"keyword": TEXT, "frequency": COUNT, "relation": RELATION}),
    "keywords:letter_frequency": Instruction(
        wording.has_letter, {"letter": TEXT, "let_frequency": COUNT, "let_relation": RELATION}
    ),
    "language:response_language": Instruction(wording.is_in_language, {"language": TEXT}),
    "length_constraints:number_words": Instruction(wording.has_words, {"num_words": COUNT, "relation": RELATION}),
    "length_constraints:number_sentences": Instruction(
        wording.has_sentences, {"num_sentences": COUNT, "relation": RELATION}
    ),
    "length_constraints:number_paragraphs": Instruction(formats.has_paragraphs, {"num_paragraphs": COUNT}),
    "length_constraints:nth_paragraph_first_word": Instruction(
        formats.has_first_word, {"num_paragraphs": COUNT, "nth_paragraph": COUNT, "first_word": TEXT}
    ),
    "detectable_content:number_placeholders": Instruction(formats.has_placeholders, {"num_placeholders": COUNT}),
    "detectable_content:postscript": Instruction(formats.has_postscript, {"postscript_marker": TEXT}),
    "detectable_format:constrained_response": Instruction(formats.is_constrained),
    "detectable_format:json_format": Instruction(formats.is_json),
    "detectable_format:multiple_sections": Instruction(
        formats.has_sections, {"section_spliter": TEXT, "num_sections": COUNT}
    ),
    "detectable_format:number_bullet_lists": Instruction(formats.has_bullets, {"num_bullets": COUNT}),
    "detectable_format:number_highlighted_sections": Instruction(formats.has_highlights, {"num_highlights": COUNT}),
    "detectable_format:title": Instruction(formats.has_title),
    "combination:repeat_prompt": Instruction(wording.repeats, {"prompt_to_repeat": TEXT}),
    "combination:two_responses": Instruction(formats.has_two_responses),
    "startend:end_checker": Instruction(wording.ends_with, {"end_phrase": TEXT}),
    "startend:quotation": Instruction(wording.is_quoted),
    "change_case:capital_word_frequency": Instruction(
        wording.has_capital_words, {"capital_frequency": COUNT, "capital_relation": RELATION}
    ),
    "change_case:english_capital": Instruction(wording.is_english_capitals),
    "change_case:english_lowercase": Instruction(wording.is_english_lowercase),
    "punctuation:no_comma": Instruction(wording.has_no_comma),
}


class _Given(NamedTuple):
    name: str
    instruction: Instruction
    settings: Mapping[str, Any]


def _read(check: Check, _: Case) -> list[_Given]:
    given = check.value if isinstance(check.value, list | tuple) and check.value else [check.value]
    return list(map(_one, given))


def _one(value: Any) -> _Given:
    settings = {"id": value} if isinstance(value, str) else value
    if not isinstance(settings, Mapping) or not isinstance(name := settings.get("id"), str):
        raise InvalidRequest(
            "The value of `instructions` must be a list such as `{id: punctuation:no_comma}`, settings beside the `id`."
        )
    if (instruction := INSTRUCTIONS.get(name)) is None:
        raise InvalidRequest(f"`instructions` does not know `{name[:80]}`{nearest(name, INSTRUCTIONS)}")
    rest = {key: item for key, item in settings.items() if key != "id"}
    for key, setting in instruction.settings.items():
        if not setting.fits(rest.get(key)):
            raise InvalidRequest(f"`{key}` of `{name}` must be {setting.noun}.")
    for key in rest.keys() - instruction.settings.keys():
        raise InvalidRequest(f"`{name}` has no setting `{str(key)[:80]}`{nearest(str(key), instruction.settings)}")
    return _Given(name, instruction, rest)


def instructions(answered: Answered, check: Check) -> Found:
    """The share of instructions that the answer follows; an empty one follows none."""
    given, text = _read(check, answered.case), text_of(answered)
    missed = [each.name for each in given if not text.strip() or not each.instruction.follows(text, **each.settings)]
    reason = f"It does not follow {', '.join(f'`{name}`' for name in missed)}." if missed else ""
    return Found(1 - len(missed) / len(given), reason)


GRADERS: Mapping[str, Grader] = {
    "instructions": Grader(
        plain(instructions), _read, "follows instructions (IFEval's)", "a list of `{id: …}` with the settings of each"
    )
}
