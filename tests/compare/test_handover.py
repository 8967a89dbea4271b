"""From a conversation to a comparison and back: what is asked, of whom, and what goes along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.compare import can_be_asked, plan_of, turns_of
from router.config.loading import parse_config
from router.config.schema import Config
from router.core.attempts import Attempt
from router.core.comparisons import Cell, Comparison, Key, Plan, Prompt
from router.core.conversations import Settings, ToolResult, Turn
from router.core.messages import Answer
from router.core.tools import Tool

CHAINS = """
default_provider: local
providers: {local: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}}
offline: null
chains: {code: [a, b, c], short: [d]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse_config(CHAINS, tmp_path / "models.yaml")


def attempt(model: str) -> Attempt:
    return Attempt(model=model, provider="local", place=0, number=1, outcome="answered", started=0, offset=0)


def turn(prompt: str, settings: Settings = Settings(category="code"), *, model: str = "b", **rest: Any) -> Turn:
    return Turn(
        id=prompt or "results", conversation="c", parent=None, created=0, prompt=prompt, settings=settings,
        state="answered", answer=Answer(text="Yes."), attempts=(attempt(model),), **rest,
    )  # fmt: skip


def test_the_model_that_answered_comes_first_then_the_others_of_its_chain(config: Config) -> None:
    plan = plan_of(config, [turn("First?"), turn("Then?")])
    assert [lane.model for lane in plan.lanes] == ["b", "a", "c"]
    assert plan.prompts == (Prompt(text="Then?", category="code"),)
    assert [before.prompt for before in plan.before] == ["First?"]


def test_a_model_without_others_stands_beside_another_that_is_known(config: Config) -> None:
    plan = plan_of(config, [turn("First?", Settings(category="short"), model="d")])
    assert [lane.model for lane in plan.lanes] == ["d", "a"]


def test_system_prompt_tools_and_schema_are_for_all_lanes_and_sampling_is_each_lane_s_own(config: Config) -> None:
    common = Settings(system="Be brief.", tools=(Tool(name="weather"),), schema={"type": "object"})
    settings = Settings(
        category="code", system=common.system, tools=common.tools, schema=common.schema, temperature=0.5
    )
    plan = plan_of(config, [turn("First?", settings)])
    assert plan.common == common
    assert {lane.temperature for lane in plan.lanes} == {0.5}


def test_after_tool_results_the_prompt_that_led_to_the_calls_is_asked(config: Config) -> None:
    plan = plan_of(config, [turn("Weather?"), turn("", results=(ToolResult(call="1", content="Rain."),))])
    assert ([prompt.text for prompt in plan.prompts], plan.before) == (["Weather?"], ())


def test_a_conversation_without_prompts_cannot_be_asked() -> None:
    assert not can_be_asked([turn("")])


def test_an_answer_goes_on_after_its_conversation_with_the_model_that_gave_it() -> None:
    plan = Plan(
        lanes=(Settings(category="code", temperature=0.5), Settings(model="d")),
        prompts=(Prompt(text="Then?"),),
        common=Settings(system="Be brief."),
        before=(turn("First?"),),
    )
    cell = Cell(lane=0, prompt=0, repeat=0, state="answered", answer=Answer(text="No."), attempts=(attempt("c"),))
    comparison = Comparison(id="c", name="", created=0, plan=plan, cells={cell.key: cell})
    first, last = turns_of(comparison, Key(0, 0, 0))
    assert (first.prompt, last.prompt, last.answer.text) == ("First?", "Then?", "No.")
    assert last.settings == Settings(model="c", system="Be brief.", temperature=0.5)
