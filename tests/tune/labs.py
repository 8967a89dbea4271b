"""A Lab with traffic and evaluations: one chain that could be better, one that could not, one that nobody graded."""

from __future__ import annotations

import time
from pathlib import Path

from router.core.suites import Suite
from tests.evaluated import Skill, write_run
from tests.traffic import write_traffic
from tests.tune.logs import case_of

AURORA, KIMI, GLM = "openrouter/aurora-alpha", "moonshotai/kimi-k2.5", "z-ai/glm-5"

MODELS_YAML = f"""\
default_provider: openrouter
providers:
  openrouter: {{protocol: openai, base_url: "http://127.0.0.1:9"}}
  openai: {{protocol: openai, base_url: "http://127.0.0.1:9"}}
offline: null
chains:
  code: [{AURORA}, {GLM}]       # the second one is better
  reasoning: [{GLM}, {AURORA}]  # nothing is better
  tools: [{AURORA}, {KIMI}]     # nothing was graded
"""

SKILLS = {
    "code": {AURORA: Skill(0.4, cost=0.002), GLM: Skill(0.95, cost=0.001)},
    "reasoning": {AURORA: Skill(0.05, cost=0.002), GLM: Skill(1.0, cost=0.001)},
}


def fill(folder: Path) -> None:
    """Write models.yaml, a month of traffic, and an evaluation for each of two chains."""
    (folder / "models.yaml").write_text(MODELS_YAML, encoding="utf-8")
    lab = folder / ".lab"
    lab.mkdir(mode=0o700)
    now = time.time()
    write_traffic(lab / "lab.sqlite", 3000, until=now - 60)
    for number, (category, skills) in enumerate(SKILLS.items()):
        cases = tuple(case_of(f"{category} {question}", category) for question in range(60))
        write_run(
            lab / "runs" / f"20260101-00000{number}-0000.jsonl", Suite(name=category, cases=cases), skills, at=now
        )
