"""What pages read each time they are drawn comes by an index: a million rows must not be read for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from router.store import Store

READS: dict[str, Callable[[Store], object]] = {
    "what a model usually takes": lambda store: store.comparisons.usual("p", "never asked"),
    "which answers were liked": lambda store: store.feedback.of_answers(),
    "who stands behind a model": lambda store: store.observations.upstream(["m"], 0.0),
    "a request": lambda store: store.observations.of_request("r"),
}


@pytest.mark.parametrize("name", READS)
def test_no_table_of_what_was_observed_is_read_whole(name: str, tmp_path: Path) -> None:
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            raw = connection.connection.driver_connection
            plans.extend(step[-1] for step in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    with closing(Store(tmp_path / "lab.sqlite")) as store:
        event.listen(Engine, "before_cursor_execute", explain)
        try:
            READS[name](store)
        finally:
            event.remove(Engine, "before_cursor_execute", explain)
    assert any("observations" in step for step in plans)
    assert not [step for step in plans if step.startswith(("SCAN observations", "SCAN requests"))]
