"""What promptfoo's providers say about the request itself; which models answer is not part of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from router.config.values import shortened
from router.evaluate.importers.imported import NotTaken

NAMED = ("tool_choice", "response_format", "temperature", "max_tokens")
OTHERS = ("top_p", "seed", "stop", "reasoning_effort", "presence_penalty", "frequency_penalty", "parallel_tool_calls")

_LANES = "Choose lanes when you run the suite."


class Settings(NamedTuple):
    """What is asked beside the prompt.

    Attributes:
        fields: of a request.
        notes: what is left, and what to do.
    """

    tools: tuple[Any, ...] = ()
    fields: Mapping[str, Any] = {}
    notes: tuple[tuple[str, str], ...] = ()


def settings_of(providers: Any) -> Settings:
    """The settings of a configuration's providers, where all have the same.

    Raises:
        NotTaken: they differ, or cannot be read.
    """
    if providers is None:
        return Settings()
    listed = providers if isinstance(providers, list) else [providers]
    configs = [_config(provider) for provider in listed]
    if any(config != configs[0] for config in configs):
        raise NotTaken("The providers have different settings, which are not taken.", "Set parameters for each lane.")
    config = configs[0] if configs else {}
    tools, named = config.get("tools"), {key: config[key] for key in NAMED if config.get(key) is not None}
    if not isinstance(tools, list | None) or any(_is_file(value) for value in config.values()):
        raise NotTaken("The settings of the providers are in other files.", "Write them there, and import again.")
    _check(named)
    others = {key: config[key] for key in OTHERS if config.get(key) is not None}
    left = sorted(config.keys() - {*NAMED, *OTHERS, "tools"})
    # Names alone: the values may be keys.
    notes = [("The models of `providers` are not taken.", _LANES)]
    notes += [
        (f"`config.{shortened(key)}` of the providers is not taken.", "Set it in models.yaml, or for a lane.")
        for key in left
    ]
    return Settings(tuple(tools or ()), {**named, "params": others} if others else named, tuple(notes))


def _config(provider: Any) -> Mapping[str, Any]:
    if isinstance(provider, dict) and "id" not in provider and len(provider) == 1:
        [provider] = provider.values()  # `openai:gpt-4: {config: …}`
    config = provider.get("config") if isinstance(provider, dict) else None
    return config if isinstance(config, dict) else {}


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("file://")


def _check(named: Mapping[str, Any]) -> None:
    kinds = {"temperature": int | float, "max_tokens": int, "response_format": dict, "tool_choice": str | dict}
    for key, value in named.items():
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise NotTaken(f"`config.{key}` of the providers cannot be read.", "Write it as chat completions have it.")
