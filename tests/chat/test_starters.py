"""What an empty conversation offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.chat.starters import DEMO_PROMPT, STARTERS, demo_faults, starters
from router.core.requests import Request
from tests.conftest import MakeLab
from tests.upstream import Upstream, answer, chain_yaml

SHIPPED = Path(__file__).parents[2] / "models.yaml"


def test_each_category_that_is_shipped_has_three_starters_of_its_own(make_lab: MakeLab) -> None:
    categories = make_lab(SHIPPED.read_text(encoding="utf-8")).config().chains
    assert {name: len(each) for name, each in STARTERS.items()} == dict.fromkeys(categories, 3)


@pytest.mark.parametrize("category", ["of my own", None])
def test_other_categories_and_single_models_have_three_too(category: str | None) -> None:
    assert len(starters(category)) == 3


def test_no_prompt_is_offered_twice() -> None:
    prompts = [starter.prompt for category in (*STARTERS, None) for starter in starters(category)]
    assert len(set(prompts)) == len(prompts)


def test_each_starter_of_tools_offers_some() -> None:
    assert all(starter.tools for starter in STARTERS["tools"])


def test_in_a_demo_the_primary_fails_however_often_it_is_tried(upstream: Upstream, make_lab: MakeLab) -> None:
    upstream.script("fallback", then=answer("Rescued."))
    lab = make_lab(chain_yaml(upstream, "primary", "fallback", retries=2))
    request = Request(messages=({"role": "user", "content": DEMO_PROMPT},))
    handle = lab.start(request, category="chat", faults=demo_faults(lab.config().chain("chat")))
    assert handle.result(timeout=30).answer.text == "Rescued."
    assert upstream.received("primary") == []
