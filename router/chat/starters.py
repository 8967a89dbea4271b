"""What an empty conversation offers: prompts to begin with, and a fallback to watch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from router.chat.tools import BUILT_IN
from router.config.chains import Chain
from router.core.faults import Fault
from router.core.tools import Tool
from router.engine.faults import Faults


class Starter(NamedTuple):
    """A prompt to begin a conversation with, and the tools that it needs."""

    prompt: str
    tools: tuple[Tool, ...] = ()


_CLOCK, _CALCULATOR = (BUILT_IN["clock"],), (BUILT_IN["calculator"],)

STARTERS: Mapping[str, tuple[Starter, ...]] = {
    "tools": (
        Starter("What time is it in Tokyo right now?", _CLOCK),
        Starter("What is 17% of 4,830, plus 12.5?", _CALCULATOR),
        Starter("How many hours are left until midnight in Lima?", _CLOCK + _CALCULATOR),
    ),
    "code": (
        Starter("Write a Python function that reverses the words of a sentence."),
        Starter("Write a SQL query for the three customers who spent the most."),
        Starter("Why is 0.1 + 0.2 == 0.3 false in most languages?"),
    ),
    "reasoning": (
        Starter("A bat and a ball cost 1.10 together. The bat costs 1 more than the ball. What does the ball cost?"),
        Starter("Three switches, one lamp in another room, one visit. How do I find the right switch?"),
        Starter("If all bloops are razzies and some razzies are lazzies, are some bloops lazzies?"),
    ),
    "conversation": (
        Starter("Suggest three names for a gray cat."),
        Starter("Explain in three sentences why the sky is blue."),
        Starter("Write a haiku about a train that is late."),
    ),
}
"""By category, for those of the shipped models.yaml."""

GENERIC = (
    Starter("Summarize the plot of Romeo and Juliet in two sentences."),
    Starter("What are three things to check before a long bike ride?"),
    Starter("Translate “Where is the train station?” into Spanish and French."),
)
"""For every other category, and for a single model."""

DEMO_PROMPT = "In one sentence, what is a fallback?"
"""Sent to show a fallback: answered at once, even by the embedded model."""


def starters(category: str | None) -> tuple[Starter, ...]:
    """The prompts to begin with in a category; None is a single model."""
    return STARTERS.get(category or "", GENERIC)


def demo_faults(chain: Chain) -> Faults:
    """Faults for one request: every call of the chain's primary fails."""
    faults = Faults()
    faults.set(chain.models[0].text, Fault(kind="server error", times=None))
    return faults
