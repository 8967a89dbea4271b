"""What grading 100,000 stored answers takes, with each grader that reads text, and with three checks a case.

uv run python -m tests.benchmarks.graders
"""

from __future__ import annotations

import time
from typing import Any

from router.core.messages import Answer, ToolCall
from router.core.requests import Request
from router.core.suites import Answered, Case, Check
from router.evaluate.graders import grade, problem
from tests.benchmarks.harness import report

ANSWERS = 100_000

TEXT = (
    "To find the total, we first add what each of the three shops sold in the morning, which is 1,250 pieces, and then"
    " what they sold after noon. The second sum is 17 % larger, so that we get 1,462.5 pieces.\n\n"
    "* The first shop sold 40 % of all of them.\n* The second one sold as many as the third.\n\n"
) * 2 + "Together that makes **2,712.5** pieces.\n\n#### 2712.5"
JSON = '{"city": "Oslo", "days": 3, "tags": ["a", "b"], "place": {"lat": 59.9, "lon": 10.7}}'
SCHEMA = {
    "type": "object",
    "required": ["city"],
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
}
TOOL = {"type": "function", "function": {"name": "forecast", "parameters": SCHEMA}}

CASE = Case(
    id="a", request=Request(messages=({"role": "user", "content": "How many?"},), tools=(TOOL,)), target=("2712.5",)
)
CALL = ToolCall(id="c", name="forecast", arguments='{"city": "oslo", "days": 3}')

CHECKS: dict[str, Any] = {
    "equals": "2712.5",
    "contains-all": ["pieces", "second"],
    "icontains-any": ["PIECES", "none"],
    "regex": r"\b\d[\d,.]+\b.*pieces$",
    "word-count": {"min": 50, "max": 200},
    "levenshtein": "2712.5",
    "rouge-n": "Together that makes 2712.5 pieces, since the first shop sold 40 %.",
    "is-json": SCHEMA,
    "json-match": {"city": "Oslo"},
    "is-refusal": None,
    "fuzzy-match": "2712.5 pieces",
    "number": None,
    "choice": "B",
    "tool-calls": [{"forecast": {"city": ["Oslo"], "days": [3]}}],
    "is-valid-openai-tools-call": None,
    "instructions": [
        {"id": "length_constraints:number_words", "num_words": 50, "relation": "at least"},
        {"id": "detectable_format:number_bullet_lists", "num_bullets": 4},
        {"id": "keywords:existence", "keywords": ["shop", "pieces"]},
    ],
}
MIXED = ("icontains-any", "regex", "number")
ON_JSON = ("is-json", "json-match")


def measure(names: tuple[str, ...]) -> float:
    """Seconds of the processor's time of grading all answers, each of which differs from all others."""
    checks = [Check(type=name, value=CHECKS[name]) for name in names]
    assert all(problem(check, CASE) is None for check in checks)
    text = JSON if names[0] in ON_JSON else TEXT
    answers = [Answer(text=f"{text}{' ' * (n % 7)}", tool_calls=(CALL,)) for n in range(ANSWERS)]
    began = time.process_time()
    for answer in answers:
        answered = Answered(case=CASE, answer=answer)
        for check in checks:
            grade(answered, check)
    return time.process_time() - began


def main() -> None:
    rows = [(name, "under 10 s", f"{measure((name,)):.2f} s") for name in CHECKS]
    rows.append((f"three checks a case ({', '.join(MIXED)})", "under 10 s", f"{measure(MIXED):.2f} s"))
    report([(f"{ANSWERS:,} answers of {len(TEXT)} characters, {name}", asked, seen) for name, asked, seen in rows])


if __name__ == "__main__":
    main()
