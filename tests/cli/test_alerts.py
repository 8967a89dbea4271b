"""fallback-lab alerts: the rules with their figures, and a test message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.lab import Lab
from tests.alerts.conftest import SECRET, Hook, hook, status
from tests.command import Run, row

__all__ = ["hook"]


def with_alerts(config: Path, *rules: tuple[str, str]) -> None:
    """The same file with these rules."""
    alerts = [{"when": when, "to": to} for when, to in rules]
    text = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**text, "alerts": alerts}), encoding="utf-8")


@pytest.fixture
def with_hook(config: Path, hook: Hook) -> Hook:
    """A rule whose webhook is there."""
    with_alerts(config, ("drift", "webhook"))
    (config.parent / ".env").write_text(f"LAB_ALERTS_URL={hook.url}\n", encoding="utf-8")
    return hook


def test_each_rule_stands_with_its_figure_and_its_state(config: Path, run: Run) -> None:
    with_alerts(config, ("requests > 0 over 1h", "log"), ("answered < 99% over 1h in chat", "log"), ("drift", "log"))
    run("ask", "-c", "chat", "Hello")
    result = run("alerts")
    assert row(result, "requests > 0 over 1h") == ["requests > 0 over 1h", "log", "1 request", "holds", "–", "–"]
    assert row(result, "answered < 99% over 1h in chat")[2:4] == [
        "100% (n = 1, 20.7–100%, too few to tell, at least 20 are needed)", "cannot tell"
    ]  # fmt: skip
    assert row(result, "drift")[2:4] == ["no drift", "quiet"]


def test_what_fires_is_shown_with_its_beginning_and_its_message(config: Path, run: Run) -> None:
    with_alerts(config, ("requests < 1 over 1h", "log"))
    lab = Lab(config)
    lab._portal.call(lab.alerts.look)
    lab.close()
    cells = row(run("alerts"), "requests < 1 over 1h")
    assert cells[3] == "fires"
    assert cells[5] == f"{cells[4]}: Alert: requests < 1 over 1h. Now 0 requests."
    found = json.loads(run("alerts", "--json").stdout)
    assert (found["state"], found["now"], found["value"], found["holds"]) == ("fires", "0 requests", 0, True)
    assert found["sent"] == "Alert: requests < 1 over 1h. Now 0 requests."
    assert found["since"] <= found["sent_at"]


def test_without_rules_it_says_where_to_read_on(run: Run) -> None:
    result = run("alerts")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "models.yaml has no alerts; docs/alerts.md says how to add one.\n"


def test_a_test_message_is_sent(with_hook: Hook, run: Run) -> None:
    result = run("alerts", "--test")
    assert (result.exit_code, result.stdout) == (0, "The webhook of LAB_ALERTS_URL accepted the test message.\n")
    assert with_hook.messages == ["Test: alerts of Fallback Lab arrive here."]


def test_a_test_message_that_is_not_taken_fails_without_the_address(with_hook: Hook, run: Run) -> None:
    with_hook.answers = [status(404)]
    result = run("alerts", "--test")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("The test message was not sent. The webhook of LAB_ALERTS_URL refused the message")
    assert SECRET not in result.output
