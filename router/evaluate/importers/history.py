"""Cases from what people did here: conversations with what they liked, and comparisons with their votes."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from router.chat.transcripts import LoadFile, messages_of
from router.compare.plan import lane_name, turn_of
from router.config.values import shortened
from router.core.comparisons import Comparison, Key, Vote
from router.core.conversations import Settings, Turn
from router.core.errors import InvalidRequest
from router.core.messages import Answer, Message
from router.core.requests import Request
from router.core.suites import Case, Check
from router.evaluate.importers.imported import Collector, Imported, NotTaken
from router.evaluate.importers.json_text import decode
from router.evaluate.importers.source import Source, suite_name

PREFERRED = (Check(type="pairwise"),)
"""By default, a judge compares an answer with the target: the one that a person preferred."""

_NO_FILE = Source(Path("history"), b"")

_LIKE = "Like the answer that is right, or save it as a test case."
_VOTE = "Vote on its answers, and import again."


def import_conversation(
    turns: Sequence[Turn], load: LoadFile, title: str = "", checks: Sequence[Check] = PREFERRED
) -> Imported:
    """A case for each answer that somebody liked; what was said before it stays as it was said.

    Args:
        turns: one branch, from its first turn on.
        load: returns the bytes of a prompt's file; it may raise InvalidRequest.
        checks: grade the answers; the liked text is the target. Liked calls of tools have a check of their own.
    """
    collector = Collector(_NO_FILE, "a conversation")
    for number in range(1, len(turns) + 1):
        collector.take(f"turn {number}", functools.partial(_of_turn, turns[:number], load, tuple(checks)))
    return collector.imported(suite_name(title or "conversation"))


def import_replay(
    turns: Sequence[Turn], load: LoadFile, title: str = "", checks: Sequence[Check] = PREFERRED
) -> Imported:
    """One case of a whole conversation: its prompts are asked again, each after the model's own answer.

    Args:
        turns: one branch, from its first turn to the one whose answer is the target.
        load, checks: as for `import_conversation`.
    """
    collector = Collector(_NO_FILE, "a conversation")
    if turns:
        collector.take(f"turn {len(turns)}", functools.partial(_replay, turns, load, tuple(checks)))
    return collector.imported(suite_name(title or "conversation"))


def import_comparison(
    comparison: Comparison, votes: Sequence[Vote], load: LoadFile, checks: Sequence[Check] = PREFERRED
) -> Imported:
    """A case for each prompt on which people prefer an answer; the answers preferred most are the targets.

    A vote counts 1 for the answer that wins and -1 for the other, 1/2 for both where they tie, -1 where both are bad.

    Args:
        votes: those of other comparisons do not count.
        load, checks: as for `import_conversation`.
    """
    collector = Collector(_NO_FILE, "a comparison")
    for number in range(len(comparison.plan.prompts)):
        own = [vote for vote in votes if (vote.comparison, vote.prompt) == (comparison.id, number)]
        collector.take(
            f"prompt {number + 1}", functools.partial(_of_prompt, comparison, number, own, load, tuple(checks))
        )
    for number, lane in enumerate(comparison.plan.lanes, 1):
        collector.leave(f"lane {number}", f"{lane_name(lane)} is not part of a suite.", "Choose lanes when you run it.")
    return collector.imported(suite_name(comparison.name or "comparison"))


def _of_turn(turns: Sequence[Turn], load: LoadFile, checks: tuple[Check, ...]) -> Case:
    turn = turns[-1]
    target, graded = _liked(turn, checks)
    return Case(
        id="",
        request=_request(turn.settings, turns, load),
        category=turn.settings.category,
        target=target,
        checks=graded,
    )


def _replay(turns: Sequence[Turn], load: LoadFile, checks: tuple[Check, ...]) -> Case:
    if any(turn.results for turn in turns):
        raise NotTaken("It has results of tool calls, which belong to its own calls.", "Import its liked answers.")
    target, graded = _liked(turns[-1], checks)
    return Case(
        id="",
        request=_request(turns[-1].settings, turns[:1], load),
        then=tuple(message for turn in turns[1:] for message in _messages([turn], "", load)),
        category=turns[-1].settings.category,
        target=target,
        checks=graded,
    )


def _of_prompt(
    comparison: Comparison, number: int, votes: Sequence[Vote], load: LoadFile, checks: tuple[Check, ...]
) -> Case:
    plan, prompt = comparison.plan, comparison.plan.prompts[number]
    best = _preferred(comparison, number, votes)
    target = tuple(dict.fromkeys(answer.text for answer in best if answer.text.strip()))
    if not target:
        raise NotTaken("No answer to it was preferred.", _VOTE)
    asked = msgspec.structs.replace(turn_of(plan, Key(0, number, 0)), settings=plan.common)
    return Case(
        id="",
        request=_request(plan.common, [*plan.before, asked], load),
        category=prompt.category,
        target=target,
        checks=checks,
    )


def _preferred(comparison: Comparison, number: int, votes: Sequence[Vote]) -> list[Answer]:
    points: dict[str, float] = defaultdict(float)
    for vote in votes:
        for name, other in ((vote.left, "right"), (vote.right, "left")):
            points[name] += {"tie": 0.5, "both bad": -1.0, other: -1.0}.get(vote.winner, 1.0)
    most = max(points.values(), default=0.0)
    names = [name for name, value in points.items() if value == most > 0]
    keys = [Key(lane, number, 0) for lane, own in enumerate(comparison.plan.lanes) if lane_name(own) in names]
    return [comparison.cells[key].answer for key in keys if key in comparison.cells]


def _request(settings: Settings, turns: Sequence[Turn], load: LoadFile) -> Request:
    return settings.request(_messages(turns, settings.system, load))


def _messages(turns: Sequence[Turn], system: str, load: LoadFile) -> list[Message]:
    try:
        return list(messages_of(turns, system, load))
    except InvalidRequest as error:
        raise NotTaken(str(error), "Ask it again without the file, and import that.") from None


def _liked(turn: Turn, checks: tuple[Check, ...]) -> tuple[tuple[str, ...], tuple[Check, ...]]:
    """The target and the checks that a liked answer gives; raises NotTaken if nobody liked it."""
    if not turn.liked or turn.state != "answered":
        raise NotTaken("Nobody liked its answer.", _LIKE)
    if turn.answer.tool_calls:
        return (), (
            Check(type="tool-calls", value=[_accepted(call.arguments, call.name) for call in turn.answer.tool_calls]),
        )
    return (turn.answer.text,), checks


def _accepted(arguments: str, name: str) -> Any:
    try:
        given = decode(arguments or "{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise NotTaken(f"The arguments of its call of `{shortened(name)}` are not a JSON object.", _LIKE)
    return {name: {key: [value] for key, value in given.items()}}
