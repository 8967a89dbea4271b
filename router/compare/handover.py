"""From a conversation to a comparison, and from a comparison's answer to a conversation."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from router.compare.plan import MAX_LANES, MIN_LANES, turn_of
from router.config.schema import Config
from router.core.comparisons import Comparison, Key, Plan, Prompt
from router.core.conversations import Settings, Turn


def can_be_asked(turns: Sequence[Turn]) -> bool:
    """Whether a conversation has a prompt; an imported one may hold answers alone."""
    return any(turn.prompt.strip() for turn in turns)


def plan_of(config: Config, turns: Sequence[Turn]) -> Plan:
    """The plan that asks others what an answer was asked: the model that gave it, then the others of its chain.

    Results of tool calls are no prompt: the prompt that led to the calls is asked again.

    Args:
        turns: from the first to the one with the answer.
    """
    last = max(number for number, turn in enumerate(turns) if turn.prompt.strip())
    asked, answer = turns[last], turns[-1]
    own = msgspec.structs.replace(answer.settings, category=None, system="", tools=(), schema=None)
    common = Settings(system=answer.settings.system, tools=answer.settings.tools, schema=answer.settings.schema)
    return Plan(
        lanes=tuple(msgspec.structs.replace(own, model=model) for model in _models(config, answer)),
        prompts=(Prompt(text=asked.prompt, category=answer.settings.category),),
        common=common,
        before=tuple(turns[:last]),
        files=asked.attachments,
    )


def _models(config: Config, answer: Turn) -> list[str]:
    chain = config.chains.get(answer.settings.category or "")
    first = [answer.attempts[-1].model] if answer.attempts else []
    single = [answer.settings.model] if answer.settings.model is not None else []
    models = list(dict.fromkeys([*first, *single, *(ref.text for ref in (chain.models if chain else ()))]))
    others = [ref.text for ref in config.known_models if ref.text not in models]
    return [*models, *others[: max(0, MIN_LANES - len(models))]][:MAX_LANES]


def turns_of(comparison: Comparison, key: Key) -> list[Turn]:
    """The conversation that ends with a cell's answer; it goes on with the model that answered."""
    cell, asked = comparison.cells[key], turn_of(comparison.plan, key)
    model = cell.attempts[-1].model if cell.attempts else asked.settings.model
    settings = msgspec.structs.replace(
        asked.settings, model=model, category=asked.settings.category if model is None else None
    )
    answered = msgspec.structs.replace(
        asked, created=time.time(), settings=settings,
        state=cell.state, answer=cell.answer, attempts=cell.attempts, error=cell.error,
    )  # fmt: skip
    return [*comparison.plan.before, answered]
