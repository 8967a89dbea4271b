"""Models that are known not to do what a request needs are skipped; what is not known is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.config.policy import CachePolicy
from router.core.capabilities import ModelInfo
from router.core.requests import Request
from router.engine.cache import ResponseCache
from tests.fakes import FOREVER, Bench, chain_of, good, ref, story
from tests.virtual_time import run_virtual

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}


def asking(content: Any, **rest: Any) -> Request:
    return Request(messages=({"role": "user", "content": content},), **rest)


WITH_TOOLS = asking("Look!", tools=(TOOL,))
NO_TOOLS = ModelInfo(tools=False)
TELLS = "tools are not supported"

each_need = pytest.mark.parametrize(
    ("request_", "lacking", "reason"),
    [
        pytest.param(WITH_TOOLS, NO_TOOLS, "no_tools", id="tools"),
        pytest.param(asking([IMAGE]), ModelInfo(images=False), "no_images", id="images"),
        pytest.param(asking([FILE]), ModelInfo(files=False), "no_files", id="files"),
        pytest.param(asking("a" * 7000), ModelInfo(context=1000), "context_too_small", id="a long prompt"),
    ],
)


@each_need
class TestLacking:
    def test_it_is_skipped_and_the_next_answers(self, request_: Request, lacking: ModelInfo, reason: str) -> None:
        bench = Bench(a=[good()], b=[good()], info={"a": lacking})
        attempts = run_virtual(bench.ask(chain_of("a", "b"), request_)).attempts
        assert story(attempts) == [("a", 0, "skipped", reason), ("b", 1, "answered", None)]

    def test_it_is_not_called(self, request_: Request, lacking: ModelInfo, reason: str) -> None:
        bench = Bench(a=[good()], b=[good()], info={"a": lacking})
        run_virtual(bench.ask(chain_of("a", "b"), request_))
        assert bench.provider.count("a") == 0

    def test_what_is_not_known_is_tried(self, request_: Request, lacking: ModelInfo, reason: str) -> None:
        attempts = run_virtual(Bench(a=[good()]).ask(chain_of("a"), request_)).attempts
        assert story(attempts) == [("a", 1, "answered", None)]


def test_why_it_is_skipped_is_told_in_words() -> None:
    bench = Bench(a=[good()], b=[good()], info={"a": NO_TOOLS})
    assert run_virtual(bench.ask(chain_of("a", "b"), WITH_TOOLS)).attempts[0].detail == TELLS


def test_tools_that_the_chain_adds_are_needed_too() -> None:
    bench = Bench(a=[good()], b=[good()], info={"a": NO_TOOLS})
    attempts = run_virtual(bench.ask(chain_of("a", "b", params={"tools": [TOOL]}))).attempts
    assert story(attempts)[0] == ("a", 0, "skipped", "no_tools")


def test_passing_over_says_nothing_about_the_breaker() -> None:
    bench = Bench(a=[good()], b=[good()], info={"a": NO_TOOLS})

    async def main() -> int:
        for _ in range(5):
            await bench.ask(chain_of("a", "b"), WITH_TOOLS)
        await bench.ask(chain_of("a", "b"))
        return bench.provider.count("a")

    assert run_virtual(main()) == 1


def test_it_is_observed() -> None:
    bench = Bench(a=[good()], b=[good()], info={"a": NO_TOOLS})
    run_virtual(bench.ask(chain_of("a", "b"), WITH_TOOLS))
    assert [seen.attempt.reason for seen in bench.observed] == ["no_tools", None]


def test_what_it_answered_before_is_still_its_answer(tmp_path: Path) -> None:
    """The cache is asked first: what was learnt since does not void a good answer."""
    info: dict[str, ModelInfo] = {}
    cache = ResponseCache(tmp_path / "cache", CachePolicy())
    bench = Bench(a=[good("before")], b=[good()], info=info, cache=cache)

    async def main() -> str:
        await bench.ask(chain_of("a", "b"), WITH_TOOLS)
        info["a"] = NO_TOOLS
        return (await bench.ask(chain_of("a", "b"), WITH_TOOLS)).answer.text

    try:
        assert run_virtual(main()) == "before"
    finally:
        cache.close()


# --- Where no model does ---------------------------------------------------------------------------


def test_where_no_model_does_all_fail_with_the_reason() -> None:
    bench = Bench(a=[good()], b=[good()], info={"a": NO_TOOLS, "b": NO_TOOLS})
    error = run_virtual(bench.failed(chain_of("a", "b"), request=WITH_TOOLS))
    assert str(error) == f"No model was called: a, b were skipped because {TELLS}."


def test_where_no_model_does_nothing_stands_in() -> None:
    """The embedded model is for those without a key; it would not do either."""
    bench = Bench(a=[good()], small=[good()], info={"a": NO_TOOLS})
    error = run_virtual(bench.failed(chain_of("a"), request=WITH_TOOLS, offline=ref("small", "q")))
    assert (story(error.attempts), bench.offline.calls) == ([("a", 0, "skipped", "no_tools")], [])


def test_where_no_key_is_set_the_stand_in_answers_whatever_the_models_lack() -> None:
    bench = Bench(a=[good()], small=[good("from it")], info={"a": NO_TOOLS})
    bench.provider.key = False
    completion = run_virtual(bench.ask(chain_of("a"), WITH_TOOLS, offline=ref("small", "q")))
    assert (completion.answer.text, completion.attempts[0].reason) == ("from it", "no_key")


def test_a_stand_in_that_does_not_do_is_skipped_too() -> None:
    bench = Bench(a=[good()], small=[good()], info={"small": NO_TOOLS})
    bench.provider.key = False
    error = run_virtual(bench.failed(chain_of("a"), request=WITH_TOOLS, offline=ref("small", "q")))
    assert story(error.attempts) == [("a", 0, "skipped", "no_key"), ("small", 0, "skipped", "no_tools")]


# --- The deadline ----------------------------------------------------------------------------------


@pytest.mark.parametrize("models", [("a", "lacks"), ("lacks", "a"), ("lacks", "a", "lacks2")])
def test_time_of_a_model_that_is_skipped_is_the_others(models: tuple[str, ...]) -> None:
    info = {"lacks": NO_TOOLS, "lacks2": NO_TOOLS}
    bench = Bench(a=[good(after=29)], lacks=[[FOREVER]], lacks2=[[FOREVER]], info=info)
    chain = chain_of(*models, first_token=30, deadline=30)
    assert run_virtual(bench.ask(chain, WITH_TOOLS)).attempts[-1].model == "a"
