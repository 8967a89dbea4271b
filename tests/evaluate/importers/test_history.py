"""Cases from conversations, and from comparisons with their votes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from router.compare.plan import lane_name
from router.core.comparisons import Cell, Comparison, Key, Plan, Prompt, Vote, Winner
from router.core.conversations import Attachment, Settings, ToolResult, Turn
from router.core.errors import InvalidRequest
from router.core.messages import Answer, ToolCall
from router.core.suites import Check
from router.core.tools import Tool
from router.evaluate.importers import Imported, import_comparison, import_conversation, import_replay
from tests.evaluate.importers.samples import left, only, taken

SETTINGS = Settings(category="reasoning", system="Be brief.", temperature=0.5, tools=(Tool(name="add"),))


def turn(prompt: str, answer: Answer | str, *, liked: bool | None = None, results: tuple[ToolResult, ...] = ()) -> Turn:
    text = Answer(text=answer) if isinstance(answer, str) else answer
    return Turn(
        id=prompt, conversation="c", parent=None, created=0, prompt=prompt, settings=SETTINGS, state="answered",
        answer=text, liked=liked, results=results,
    )  # fmt: skip


def load(_: str) -> bytes:
    raise InvalidRequest("A file of this conversation is no longer stored.")


def conversation(*turns: Turn) -> Imported:
    return import_conversation(turns, load, "Sums v1.2")


# --- Conversations ---------------------------------------------------------------------------------

FIRST, SECOND = turn("2 + 2?", "4"), turn("And 3 + 3?", "6", liked=True)


def test_a_liked_answer_is_the_target_and_what_was_said_before_stays() -> None:
    [case] = taken(conversation(FIRST, SECOND))
    assert [message["content"] for message in case.request.messages] == ["Be brief.", "2 + 2?", "4", "And 3 + 3?"]
    assert (case.target, case.checks, case.category) == (("6",), (Check(type="pairwise"),), "reasoning")
    assert (case.request.temperature, len(case.request.tools)) == (0.5, 1)


def test_answers_that_nobody_liked_are_named() -> None:
    found = conversation(FIRST, SECOND, replace(FIRST, prompt="And 4 + 4?", liked=False))
    assert [what for _, what in left(found)] == ["Nobody liked its answer."] * 2
    assert [place for place, _ in left(found)] == ["turn 1", "turn 3"]


def test_a_suite_has_the_conversations_title() -> None:
    assert conversation(SECOND).suite.name == "Sums-v1.2"


def test_checks_can_be_chosen() -> None:
    checks = (Check(type="includes"),)
    assert only(import_conversation([SECOND], load, checks=checks)).checks == checks


def test_a_liked_call_is_checked_as_one() -> None:
    calling = Answer(tool_calls=(ToolCall(id="1", name="add", arguments='{"a": 1, "b": [2]}'),))
    case = only(conversation(turn("1 + 2?", calling, liked=True)))
    assert case.checks == (Check(type="tool-calls", value=[{"add": {"a": [1], "b": [[2]]}}]),)


def test_an_answer_to_results_of_calls_keeps_them() -> None:
    calling = turn("1 + 2?", Answer(tool_calls=(ToolCall(id="1", name="add", arguments="{}"),)))
    answered = turn("", "3", liked=True, results=(ToolResult(call="1", content="3"),))
    [case] = taken(conversation(calling, answered))
    assert [message["role"] for message in case.request.messages] == ["system", "user", "assistant", "tool"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (
            replace(SECOND, attachments=(Attachment(id="f", name="a", media_type="image/png", size=1),)),
            "A file of this",
        ),
        (
            turn("x", Answer(tool_calls=(ToolCall(id="1", name="add", arguments="{"),)), liked=True),
            "The arguments of its",
        ),
        (replace(SECOND, state="cut"), "Nobody liked its answer."),
        (replace(SECOND, prompt=""), "The prompt is empty."),
    ],
    ids=["file", "arguments", "cut", "empty"],
)
def test_what_cannot_be_a_case_is_named(given: Turn, what: str) -> None:
    found = conversation(given)
    assert taken(found) == ()
    assert left(found)[0][1].startswith(what)


def test_a_conversation_can_be_asked_again_as_a_whole() -> None:
    case = only(import_replay([FIRST, SECOND], load))
    assert [message["content"] for message in case.request.messages] == ["Be brief.", "2 + 2?"]
    assert [message["content"] for message in case.then] == ["And 3 + 3?"]
    assert case.target == ("6",)


def test_a_conversation_with_results_of_calls_cannot_be_asked_again() -> None:
    answered = turn("", "3", liked=True, results=(ToolResult(call="1", content="3"),))
    assert left(import_replay([FIRST, answered], load))[0][1].startswith("It has results of tool calls")


# --- Comparisons -----------------------------------------------------------------------------------

LANES = tuple(Settings(model=name) for name in ("a", "b", "c"))
NAMES = [lane_name(lane) for lane in LANES]
PLAN = Plan(
    lanes=LANES,
    prompts=(Prompt(text="2 + 2?", category="reasoning"), Prompt(text="Hello?")),
    common=Settings(system="Be brief."),
)
COMPARISON = Comparison(
    id="1",
    name="Sums",
    created=0,
    plan=PLAN,
    cells={
        key: Cell(
            lane=key.lane, prompt=key.prompt, repeat=0, state="answered", answer=Answer(text=f"{key.lane}{key.prompt}")
        )
        for key in (Key(lane, prompt, 0) for lane in range(3) for prompt in range(2))
    },
)


def vote(left: int, right: int, winner: Winner, *, prompt: int = 0, comparison: str = "1") -> Vote:
    return Vote(
        id="", created=0, comparison=comparison, prompt=prompt, category=None, left=NAMES[left], right=NAMES[right],
        winner=winner,
    )  # fmt: skip


def targets(*votes: Vote) -> list[tuple[str, ...]]:
    return [case.target for case in taken(import_comparison(COMPARISON, votes, load))]


def test_the_preferred_answer_is_the_target() -> None:
    [case] = taken(import_comparison(COMPARISON, [vote(0, 1, "right")], load))
    assert [message["content"] for message in case.request.messages] == ["Be brief.", "2 + 2?"]
    assert (case.target, case.category, case.checks) == (("10",), "reasoning", (Check(type="pairwise"),))


@pytest.mark.parametrize(
    ("votes", "target"),
    [
        ([vote(0, 1, "left"), vote(1, 2, "left")], [("00",)]),
        ([vote(0, 1, "left"), vote(1, 2, "left"), vote(0, 2, "right")], []),
        ([vote(0, 1, "tie")], [("00", "10")]),
        ([vote(0, 1, "both bad")], []),
        ([vote(0, 1, "left"), vote(0, 2, "both bad"), vote(1, 2, "left")], []),
        ([vote(0, 1, "left", comparison="2")], []),
        ([vote(0, 1, "left"), vote(1, 2, "right", prompt=1)], [("00",), ("21",)]),
        ([], []),
    ],
    ids=["chain", "circle", "tie", "bad", "cancelled", "elsewhere", "two prompts", "none"],
)
def test_votes_decide_which_answers_are_targets(votes: list[Vote], target: list[tuple[str, ...]]) -> None:
    assert targets(*votes) == target


def test_prompts_without_a_preferred_answer_and_the_lanes_are_named() -> None:
    found = import_comparison(COMPARISON, [vote(0, 1, "left")], load)
    assert left(found) == [
        ("prompt 2", "No answer to it was preferred."),
        *((f"lane {number}", f"{name} is not part of a suite.") for number, name in enumerate(NAMES, 1)),
    ]
    assert found.found == 2
