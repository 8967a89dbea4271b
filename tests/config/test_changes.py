"""The reason that is proposed for a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.changes import in_words
from router.config.loading import parse_config
from router.config.schema import Config

TEXT = """\
policy: {retries: 1}
chains:
  tools:
    - openrouter/aurora-alpha
    - moonshotai/kimi-k2.5
    - z-ai/glm-5
  code: {models: [openai:gpt-4o-mini]}
"""
A, B, C = "    - openrouter/aurora-alpha\n", "    - moonshotai/kimi-k2.5\n", "    - z-ai/glm-5\n"
TRY = "experiments: {cheap: {category: code, candidate: [z-ai/glm-5], share: 0.1}}\n"
MINI = "{models: [openai:gpt-4o-mini]}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (A + B, B + A, "tools: aurora-alpha below kimi-k2.5"),
        (A + B + C, C + A + B, "tools: glm-5 above aurora-alpha"),
        (A + B + C, B + C + A, "tools: aurora-alpha below glm-5"),
        (A + B + C, C + B + A, "tools: in the order glm-5, kimi-k2.5, aurora-alpha"),
        (B, "", "tools: without kimi-k2.5"),
        (A + B, B, "tools: without aurora-alpha"),
        (A + B + C, C + B, "tools: without aurora-alpha, kimi-k2.5 below glm-5"),
        (C, C + "    - z-ai/glm-6:free\n", "tools: with glm-6:free"),
        (C, "    - {model: z-ai/glm-5, system: Think.}\n", "tools: settings of glm-5"),
        (MINI, "{models: [openai:gpt-4o-mini], params: {seed: 1}}", "code: parameters"),
        (MINI, "{models: [openai:gpt-4o-mini], policy: {stall: 5}}", "code: limits"),
        ("retries: 1", "retries: 2", "limits of all chains"),
        ("policy:", "default_provider: openai\npolicy:", "default provider"),
        ("  code:", "  other: [a]\n  code:", "new chain other"),
        (f"  code: {MINI}\n", "", "chain code removed"),
        (f"{B}{C}  code: {MINI}\n", f"{C}  c: [a]\n", "tools: without kimi-k2.5; chain code removed; new chain c"),
        ("chains:", f"{TRY}chains:", "new experiment cheap"),
        ("chains:", "chains:  # all of them", ""),
    ],
)
def test_a_change_is_told_in_a_few_words(old: str, new: str, words: str) -> None:
    assert old in TEXT
    before, after = (parse_config(text, Path("models.yaml")) for text in (TEXT, TEXT.replace(old, new)))
    assert in_words(before, after) == words


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (TRY, "", "experiment cheap removed"),
        ("0.1", "0", "experiment cheap"),
        ("[z-ai/glm-5], s", "[z-ai/glm-6], s", "experiment cheap: without glm-5, with glm-6"),
        ("retries: 1", "retries: 2", "limits of all chains"),
    ],
)
def test_a_changed_experiment_is_told_by_its_name(old: str, new: str, words: str) -> None:
    text = TRY + TEXT
    assert old in text
    before, after = (parse_config(each, Path("models.yaml")) for each in (text, text.replace(old, new, 1)))
    assert in_words(before, after) == words


@pytest.mark.parametrize("part", sorted(Config.model_fields.keys() - {"path", "warnings", "chains", "experiments"}))
def test_a_change_of_any_other_part_is_told(part: str) -> None:
    before = parse_config(TEXT, Path("models.yaml"))
    assert in_words(before, before.model_copy(update={part: "another"})) != ""
