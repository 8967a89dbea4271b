"""Lanes as people write them on the command line."""

from __future__ import annotations

import click
import pytest

from router.cli.lanes import lanes_of
from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.lab import Lab
from tests.conftest import MakeLab
from tests.upstream import Upstream, chain_yaml


@pytest.fixture
def lab(make_lab: MakeLab, upstream: Upstream) -> Lab:
    return make_lab(chain_yaml(upstream, "a"))


def test_a_category_is_a_chain_and_any_other_name_a_model(lab: Lab) -> None:
    lanes = lanes_of(lab, "chat, z-ai/glm-5:free", ())
    assert [lane.settings for lane in lanes] == [Settings(category="chat"), Settings(model="z-ai/glm-5:free")]


def test_parameters_follow_a_name_as_json(lab: Lab) -> None:
    plain, other = lanes_of(lab, 'chat,chat{"temperature": 0.5, "top_p": 0.1, "system": "a, b"}', ())
    assert other.settings == Settings(category="chat", temperature=0.5, system="a, b", params={"top_p": 0.1})
    assert (plain.name, other.name) == ("chat", "chat, system prompt, temperature 0.5, top-p 0.1")
    assert plain.key != other.key


@pytest.mark.parametrize("text", ["a,,b", ",a", "a,", "", '{"seed": 1}'])
def test_a_missing_name_is_told(lab: Lab, text: str) -> None:
    with pytest.raises(click.UsageError, match="A name is missing"):
        lanes_of(lab, text, ())


@pytest.mark.parametrize("text", ['a{"seed": }', "a{", 'a{"seed" 1}'])
def test_parameters_that_are_no_json_are_told(lab: Lab, text: str) -> None:
    with pytest.raises(InvalidRequest, match="must be a JSON object"):
        lanes_of(lab, text, ())


def test_a_parameter_of_the_wrong_type_is_told(lab: Lab) -> None:
    with pytest.raises(InvalidRequest, match=r"Expected `float \| null`, got `str` - at `\$\.temperature`"):
        lanes_of(lab, 'a{"temperature": "high"}', ())


def test_what_each_call_sets_itself_is_refused(lab: Lab) -> None:
    with pytest.raises(InvalidRequest, match="`model` has its own setting"):
        lanes_of(lab, 'a{"model": "b"}', ())


def test_what_follows_parameters_is_a_comma(lab: Lab) -> None:
    with pytest.raises(click.UsageError, match="a comma is missing after the parameters of a"):
        lanes_of(lab, 'a{"seed": 1}b', ())
