"""What tests of the command line share; its fixtures `config` and `run` stand in conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from tests.upstream import Upstream, chain_yaml

KEY = "sk-or-v1-0123456789abcdef"

Run = Callable[..., Result]


def with_key(config: Path, upstream: Upstream) -> None:
    """The same file, with a provider whose key is LOCAL_KEY."""
    text = chain_yaml(upstream, "primary", "fallback", retries=0, provider={"api_key": "${LOCAL_KEY}"})
    config.write_text(text, encoding="utf-8")


def row(result: Result, *starts: str) -> list[str]:
    """The cells of a table's one row that has such cells."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    (found,) = [cells for cells in rows if set(starts) <= set(cells)]
    return found
