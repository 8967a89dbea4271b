"""Graders that say how near an answer is to a reference."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Hashable, Mapping

from router.core.suites import Answered, Case, Check
from router.evaluate.graders.base import Found, Grader, plain, references, text_of, whole, yes_or_no

_DISTANCE = 5
"""promptfoo's own."""

_WORD = re.compile(r"[^\W_]+")


def _distance(check: Check, case: Case) -> tuple[tuple[str, ...], int]:
    return references(check, case), whole(check, "`max`", check.options.get("max", _DISTANCE))


def levenshtein(answered: Answered, check: Check) -> Found:
    """At most so many characters are to be inserted, deleted or replaced to make the answer the reference."""
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415  # loaded where it is used

    wanted, most = _distance(check, answered.case)
    text = text_of(answered)
    distance = min(Levenshtein.distance(text, each, score_cutoff=most) for each in wanted)
    return yes_or_no(distance <= most, f"It is more than {most} characters away from the reference.")


def _overlap(check: Check, case: Case) -> tuple[tuple[str, ...], int]:
    return references(check, case), max(1, whole(check, "`n`", check.options.get("n", 1)))


def rouge_n(answered: Answered, check: Check) -> Found:
    """ROUGE-N's F1: the harmonic mean of the shares of n-grams that both have (Lin 2004), without stemming."""
    wanted, length = _overlap(check, answered.case)
    own = _grams(text_of(answered), length)
    score = max(_f1(own, _reference_grams(each, length)) for each in wanted)
    return Found(score, f"ROUGE-{length} is {score:.2f}.")


def _grams(text: str, length: int) -> Counter[Hashable]:
    words = _WORD.findall(text.lower())
    return Counter(words) if length == 1 else Counter(zip(*(words[at:] for at in range(length)), strict=False))


def _f1(own: Counter[Hashable], wanted: Counter[Hashable]) -> float:
    shared = sum(min(count, own[gram]) for gram, count in wanted.items())
    return 2 * shared / (own.total() + wanted.total()) if shared else 0.0


_reference_grams = functools.lru_cache(maxsize=1024)(_grams)

_REFERENCE = "one or more texts; the case's target by default"

GRADERS: Mapping[str, Grader] = {
    "levenshtein": Grader(
        plain(levenshtein),
        _distance,
        "is a few characters away from the reference",
        _REFERENCE,
        {"max": f"the most characters, {_DISTANCE} by default"},
    ),
    "rouge-n": Grader(
        plain(rouge_n),
        _overlap,
        "shares words with the reference",
        _REFERENCE,
        {"n": "words of a phrase that is compared, 1 by default"},
        threshold=0.75,
    ),
}
