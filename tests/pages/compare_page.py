"""What the tests do on the Compare page, without a browser."""

from __future__ import annotations

import json
import time
from typing import Any

from streamlit.testing.v1 import AppTest

from router.core.comparisons import Comparison
from router.lab import open_lab
from tests.pages.conftest import look, press


def compare(app: AppTest, prompt: str = "Hello?") -> AppTest:
    """Send a prompt to all lanes, and wait for their ends."""
    app.text_area(key="compare_prompt").set_value(prompt)
    press(app, "Compare")
    return wait_for_end(app)


def wait_for_end(app: AppTest, within: float = 30) -> AppTest:
    deadline = time.monotonic() + within
    while any(button.key == "compare_stop" for button in look(app).button):
        assert time.monotonic() < deadline, "a lane is still in progress"
    return app


def comparison(app: AppTest) -> Comparison:
    """The comparison that the page's link names."""
    found = open_lab().comparisons.get(link(app))
    assert found is not None
    return found


def link(app: AppTest) -> str:
    """What the page's link names."""
    named = app.query_params["comparison"]
    return named if isinstance(named, str) else named[0]


def view(app: AppTest, name: str) -> AppTest:
    app.button_group(key="compare_view").set_value(name)
    return look(app)


def rows(app: AppTest, key: str, *given: dict[str, str]) -> AppTest:
    """Type rows into a table."""
    app.session_state[key] = {"edited_rows": {}, "added_rows": list(given), "deleted_rows": []}
    return app


def choose(app: AppTest, mode: str) -> AppTest:
    app.button_group(key="compare_mode").set_value(mode)
    return look(app)


def matrix(app: AppTest) -> list[dict[str, Any]]:
    """The rows of the matrix as the browser gets them."""
    [grid] = [each for each in app.get("bidi_component") if each.proto.component_name.endswith("matrix")]
    found: list[dict[str, Any]] = json.loads(grid.proto.json)["rows"]
    return found


def compare_many(app: AppTest, *prompts: dict[str, str]) -> AppTest:
    rows(choose(app, "Several"), "compare_rows", *prompts)
    app.number_input(key="compare_limit").set_value(1000)
    return wait_for_end(press(app, "Compare"))
