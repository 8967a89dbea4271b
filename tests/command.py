"""What tests of the command line share; its fixtures `config` and `run` stand in conftest.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.upstream import Upstream, chain_yaml

KEY = "sk-or-v1-0123456789abcdef"

Run = Callable[..., Result]


def with_key(config: Path, upstream: Upstream) -> None:
    """The same file, with a provider whose key is LOCAL_KEY."""
    text = chain_yaml(upstream, "primary", "fallback", retries=0, provider={"api_key": "${LOCAL_KEY}"})
    config.write_text(text, encoding="utf-8")


def logged(run: Run, *args: str) -> list[dict[str, Any]]:
    """What `log --json` prints."""
    return [json.loads(line) for line in run("log", "--json", *args).stdout.splitlines()]


def rows(result: Result) -> list[list[str]]:
    """The cells of all tables' rows, headings included."""
    return [line.split("\t") for line in result.stdout.splitlines() if "\t" in line]


def row(result: Result, *cells: str) -> list[str]:
    """The one row that has these cells."""
    (found,) = [row for row in rows(result) if set(cells) <= set(row)]
    return found
