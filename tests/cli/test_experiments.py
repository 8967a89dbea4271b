"""fallback-lab experiments: figures of both chains, with a verdict."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from router.engine.options import Options
from router.library.router import Router
from tests.command import Run
from tests.upstream import Upstream, chain_yaml, status


@pytest.fixture
def tried(config: Path, upstream: Upstream) -> Path:
    """A candidate that never answers had half of the requests."""
    text = json.loads(chain_yaml(upstream, "primary", retries=0, breaker={"min_calls": 1000}))
    guardrails = {"min_requests": 1000}
    text["experiments"] = {
        "cheaper": {"category": "chat", "candidate": ["cheap"], "share": 0.5, "guardrails": guardrails}
    }
    config.write_text(json.dumps(text), encoding="utf-8")
    upstream.script("cheap", then=status(503))

    async def ask() -> None:
        async with Router.open(config, environ={}) as router:
            for number in range(60):
                options = Options(source="library", cache="off", request_id=f"{number:032x}")
                stream = router.stream("chat", f"Hello {number}?", options=options)
                async for _ in stream.batches():
                    pass

    asyncio.run(ask())
    return config


def test_each_figure_has_its_verdict(tried: Path, run: Run) -> None:
    result = run("experiments")
    assert result.exit_code == 0
    assert "cheaper: 50% of chat" in result.stderr
    assert "worse" in result.stdout


def test_as_json_it_is_one_object_a_line(tried: Path, run: Run) -> None:
    [line] = run("experiments", "--json").stdout.splitlines()
    found = json.loads(line)
    assert (found["experiment"], found["candidate"], sum(found["requests"].values())) == ("cheaper", ["cheap"], 60)
    answered = found["figures"][0]
    assert (answered["figure"], answered["current"], answered["candidate"]) == ("answered", 1.0, 0.0)
    assert answered["difference"]["high"] < 0


def test_without_experiments_it_says_how_to_run_one(config: Path, run: Run) -> None:
    result = run("experiments")
    assert result.exit_code == 0
    assert "docs/experiments.md" in result.stderr
