"""A request in the shape of chat completions, as the body of Anthropic messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from router.core.requests import Request
from router.core.schemas import closed
from router.core.untrusted import count, mapping, text
from router.providers.anthropic_messages import joined, system_blocks, turns
from router.providers.anthropic_tools import tool_choice_of, tools_of
from router.providers.completions_messages import unknown_fields

MAX_TOKENS = 4096
"""Answer limit if the request has none: the API requires one, and every model accepts this."""

# An effort as a number of thinking tokens: models before Claude 4.6 need the number; for later ones it is added to
# max_tokens, which includes thinking.
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 32_000}

LEAST_BUDGET = 1024
"""The smallest number of thinking tokens that the API takes."""

_ADAPTIVE = (4, 6)
"""The first Claude that takes an effort and decides how much to think."""

_STRICT = (4, 5)
"""The first Claude that can be held to a tool's schema."""

_NO_SAMPLING = (4, 7)
"""The first Claude that rejects budgets and sampling parameters; it also accepts an effort of xhigh."""

_ONE_SAMPLER = (4, 1)
"""The first Claude that rejects temperature beside top_p."""

BETWEEN_TOOLS = "between_tools"
"""The type of thinking that is none, but for words between the calls of tools that come as thoughts."""

_NO_THOUGHTS = (None, "disabled", BETWEEN_TOOLS)

_SAMPLING = ("temperature", "top_p", "top_k")
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(?P<major>\d)(?:[-.](?P<minor>\d{1,2})(?!\d))?")

_SAME = ("temperature", "top_p", "top_k", "thinking", "output_config", "metadata", "service_tier")
"""Fields that mean the same in both protocols, or are this one's own."""

_TIERS = ("auto", "standard_only")
"""What `service_tier` can be here; OpenAI's has other values."""

OWN = "anthropic"
"""The parameter with what a caller of the endpoint said in this protocol: `thinking`, `effort`, `metadata`, ….

No other provider is told of it; what they understand of it is in the request as well.
"""

BETAS = "betas"
"""The field of `OWN` with the caller's header `anthropic-beta`."""

_OWN_FIELDS = ("metadata", "service_tier", "cache_control")
"""Fields of `OWN` that are fields of the body as well; no other may be: a caller could name another model there."""

_BETA_NAMES = re.compile(r"[\w.,\- ]+", re.ASCII)
"""Nothing else may stand in a header that a caller writes: in one that is sent, `${…}` is a key."""


def messages_body(request: Request, model: str) -> dict[str, Any]:
    """The body of POST /v1/messages; parameters that the API does not have are left out, as `left_out` tells."""
    asked = request.body()
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": count(asked.get("max_tokens")) or count(asked.get("max_completion_tokens")) or MAX_TOKENS,
        "messages": turns(request.messages),
        **{name: asked[name] for name in _SAME if name in asked and not _is_others_tier(name, asked[name])},
        **{name: value for name, value in mapping(asked.get(OWN)).items() if name in _OWN_FIELDS},
    }
    system = system_blocks(request.messages)
    if system and body["messages"]:
        body["system"] = joined(system)
    elif system:  # the API takes no request without a message
        body["messages"] = [{"role": "user", "content": system}]
    if stops := [stop for stop in _stops(asked) if not _is_blank(stop)]:
        body["stop_sequences"] = stops
    if request.tools:
        body["tools"] = tools_of(request.tools, may_be_strict=_version(model) >= _STRICT).fields
        if choice := tool_choice_of(request.tool_choice, parallel=asked.get("parallel_tool_calls")):
            body["tool_choice"] = choice
    schema = _schema(request)
    if schema is not None and (found := closed(schema)) is not None:
        form = {"type": "json_schema", "schema": found.schema}
        body["output_config"] = {**mapping(body.get("output_config")), "format": form}
    _think(body, asked, _version(model))
    return body


def betas(request: Request) -> str | None:
    """The header `anthropic-beta` as the caller sent it."""
    found = text(mapping(request.params.get(OWN)).get(BETAS))
    return found if found is not None and _BETA_NAMES.fullmatch(found) else None


def left_out(request: Request, body: Mapping[str, Any]) -> tuple[str, ...]:
    """What the body leaves out or changes, one sentence each."""
    asked = {name: value for name, value in request.body().items() if value not in (None, False)}
    thinking, output = mapping(body.get("thinking")), mapping(body.get("output_config"))
    effort, budget = _asked_effort(asked)
    wish = mapping(mapping(asked.get(OWN)).get("thinking"))
    if OWN in asked and wish.get("type") in _NO_THOUGHTS:
        effort = None  # in this protocol's own words it asks for no thoughts
    told = [*unknown_fields(request.messages)]
    if "system" not in body and system_blocks(request.messages):
        told.append("The system prompt was sent as the user's: this API takes no request without a message.")
    lost = [name for name in asked if name not in _TRANSLATED and name not in body]
    schema = _schema(request)
    if schema is not None and (changed := _changed(schema)):
        told.append(changed)
    if schema is None and "response_format" in asked and "format" not in output:
        lost.append("response_format")
    if "service_tier" in lost:
        lost.remove("service_tier")
        told.append("`service_tier` was left out: here it can be auto or standard_only alone.")
    if any(map(_is_blank, _stops(asked))):
        told.append("Blank `stop` sequences were left out: this API refuses them.")
    told += _own_left_out(request, wish, thinking)
    told += tools_of(request.tools, may_be_strict=_version(str(body["model"])) >= _STRICT).notes
    if lost:
        told.append(f"{', '.join(f'`{name}`' for name in lost)} not sent: this model takes no such parameter here.")
    if asked.get("temperature") != body.get("temperature", asked.get("temperature")):
        told.append("`temperature` was lowered to 1, the highest here.")
    if (effort not in (None, "none") or budget) and not thinking:
        told.append("Thinking was left out: it cannot begin beside a forced tool call or after one made without it.")
    elif budget and "budget_tokens" not in thinking:
        told.append("`reasoning.max_tokens` was left out: this model takes an effort alone.")
    elif effort not in (None, "none") and effort != output.get("effort", effort):
        told.append(f"The effort `{effort}` became `{output['effort']}`, the nearest that this model has.")
    return tuple(told)


_TRANSLATED = frozenset(
    {
        *("messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens"),
        *("stop", "response_format", "reasoning", "reasoning_effort", OWN),
    }
)


def _own_left_out(request: Request, wish: Mapping[str, Any], thinking: Mapping[str, Any]) -> Iterator[str]:
    """What is left out of that which the caller said in this protocol's own words."""
    if wish.get("type") == BETWEEN_TOOLS and not thinking:
        yield f"`thinking` of the type {BETWEEN_TOOLS} was left out: this model has none."
    if BETAS in mapping(request.params.get(OWN)) and betas(request) is None:
        yield "`anthropic-beta` was left out: it can hold names and commas alone."


def _schema(request: Request) -> Any:
    return mapping(mapping(request.response_format).get("json_schema")).get("schema")


def _changed(schema: Any) -> str | None:
    """What is said of the form in which a schema is sent."""
    found = closed(schema)
    if found is None:
        return "`response_format` was left out: this API takes no object with properties that its schema does not name."
    if found.schema == schema:
        return None
    less = f" without {', '.join(f'`{name}`' for name in found.left)}," if found.left else ""
    return (
        f"The schema of `response_format` was sent{less} in the form that this API takes;"
        " the answer is checked by all of it."
    )


def _is_others_tier(name: str, value: object) -> bool:
    return name == "service_tier" and value not in _TIERS


def _stops(asked: Mapping[str, Any]) -> list[Any]:
    stop = asked.get("stop")
    return list(stop) if isinstance(stop, list | tuple) else [] if stop is None else [stop]


def _is_blank(stop: object) -> bool:
    return isinstance(stop, str) and not stop.strip()


def _version(model: str) -> tuple[int, int]:
    """Claude's version; the newest where its name has none, the oldest of what only speaks its protocol."""
    if match := _VERSION.search(model):
        return int(match["major"]), int(match["minor"] or 0)
    return (99, 0) if "claude-" in model else (0, 0)


def _asked_effort(asked: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """The effort in words, and the budget in tokens."""
    reasoning = mapping(asked.get("reasoning"))
    return text(asked.get("reasoning_effort")) or text(reasoning.get("effort")), count(reasoning.get("max_tokens"))


def _think(body: dict[str, Any], asked: Mapping[str, Any], version: tuple[int, int]) -> None:
    effort, tokens = _asked_effort(asked)
    budget = tokens or _BUDGETS.get(effort or "")
    forced = mapping(body.get("tool_choice")).get("type") in ("any", "tool")
    adaptive = version >= _ADAPTIVE
    # The API rejects thinking beside a forced call, and a budget in the middle of a tool's turn that began without
    # thinking.
    may_begin = not forced and (adaptive or not _in_thoughtless_turn(body["messages"]))
    thinks = bool(budget) and may_begin and "thinking" not in body
    own = asked.get(OWN)
    wish = mapping(mapping(own).get("thinking"))
    if own is not None:
        # In this protocol's own words max_tokens includes the thoughts, and an effort does not ask for them.
        budget = min(count(wish.get("budget_tokens")) or budget or 0, body["max_tokens"] - 1)
        thinks = thinks and wish.get("type") not in _NO_THOUGHTS and (adaptive or budget >= LEAST_BUDGET)
        if adaptive and (kind := text(wish.get("type"))) and kind in _NO_THOUGHTS:
            body["thinking"] = {"type": kind}
        if mapping(own).get("effort") is None:
            effort = None
    if budget and thinks:
        if not adaptive:
            body["thinking"] = {"type": "enabled", "budget_tokens": budget}
        else:
            # From this version on, thinking text is sent only on request.
            display = {"display": wish.get("display") or "summarized"} if version >= _NO_SAMPLING else {}
            body["thinking"] = {"type": "adaptive", **display}
        if own is None:
            body["max_tokens"] += budget  # thinking counts against it
    if adaptive and effort in _BUDGETS:
        known = {"minimal": "low", "xhigh": "xhigh" if version >= _NO_SAMPLING else "high"}.get(effort, effort)
        body["output_config"] = {"effort": known, **mapping(body.get("output_config"))}
    if thinks or version >= _NO_SAMPLING:
        for name in _SAMPLING:
            body.pop(name, None)
    elif isinstance(temperature := body.get("temperature"), int | float):
        body["temperature"] = min(temperature, 1.0)  # at most 1 here
        if version >= _ONE_SAMPLER:
            body.pop("top_p", None)


def _in_thoughtless_turn(messages: list[dict[str, Any]]) -> bool:
    """Whether the last message answers tool calls that came without a thought."""
    if len(messages) < 2 or messages[-1]["content"][0].get("type") != "tool_result":
        return False
    return "thinking" not in str(messages[-2]["content"][0].get("type"))
