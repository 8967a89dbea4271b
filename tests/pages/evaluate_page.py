"""What the tests do on the Evaluate page, without a browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from router.evaluate.results import Results
from router.lab import open_lab
from tests.pages.conftest import look

SUITE = """\
name: mine
description: Whether it greets.
category: conversation
cases:
  - {id: hello, prompt: Say hello., checks: [{contains: word1}]}
  - {id: twice, prompt: Say hello twice., target: word1 word1, checks: [equals]}
"""


def put(home: Path, name: str = "mine.yaml", text: str = SUITE) -> Path:
    """A suite of the Lab's own."""
    folder = home / ".lab" / "suites"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def fill(app: AppTest, *lanes: str, suite: str = "mine") -> AppTest:
    """Choose a suite and lanes in the form."""
    app.multiselect(key="evaluate_suites").set_value([suite])
    app.multiselect(key="evaluate_lanes").set_value(list(lanes) or ["one", "two"])
    return look(app)


def begin(app: AppTest, *lanes: str) -> AppTest:
    """Run the suite; returns at once."""
    return click(fill(app, *lanes), "evaluate_start")


def finish(app: AppTest, within: float = 30) -> AppTest:
    """Draw the page until its run has ended."""
    deadline = time.monotonic() + within
    while has(look(app), "evaluate_stop"):
        assert time.monotonic() < deadline, "the run is still in progress"
    return app


def run(app: AppTest, *lanes: str) -> AppTest:
    """Run the suite to its end."""
    return finish(begin(app, *lanes))


def click(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click()
    return look(app)


def has(app: AppTest, key: str) -> bool:
    return any(button.key == key for button in app.button)


def link(app: AppTest) -> str:
    """What the page's link names."""
    named = app.query_params["run"]
    return named if isinstance(named, str) else named[0]


def results(app: AppTest) -> Results:
    return open_lab().evaluations.results(link(app))


def view(app: AppTest, name: str) -> AppTest:
    app.button_group(key="evaluate_view").set_value(name)
    return look(app)


def tab(app: AppTest, name: str) -> AppTest:
    app.session_state["evaluate_tabs"] = name
    return look(app)


def table(app: AppTest, number: int = 0) -> list[dict[Any, Any]]:
    """The rows of a table, as the browser gets them."""
    frame = app.dataframe[number].value
    return frame.to_dict("records")


def open_cell(app: AppTest, row: int, lane: int) -> AppTest:
    """Click a cell of the table of cases."""
    app.session_state["evaluate_matrix"] = {"selection": {"rows": [], "columns": [], "cells": [(row, f"lane_{lane}")]}}
    return look(app)
