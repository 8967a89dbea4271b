"""Alerts on the Dashboard page: what fires, every rule's figure, and a test message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from router.lab import open_lab
from tests.alerts.conftest import SECRET, Hook, hook, status
from tests.pages.conftest import HOSTILE, OpenApp, as_read, look, open_page, press, texts

__all__ = ["hook"]

CHAINS = f"chains:\n  code: [one, '{HOSTILE}']\n"
OpenDashboard = Callable[..., AppTest]


@pytest.fixture
def open_dashboard(home: Path) -> OpenApp:
    """Opens the page with these rules."""

    def open_it(*rules: str) -> AppTest:
        listed = "".join(f"  - {{when: '{rule}', to: webhook}}\n" for rule in rules)
        return open_page("dashboard.py", home, f"{CHAINS}alerts:\n{listed}")

    return open_it


@pytest.fixture
def set_hook(home: Path, hook: Hook) -> Iterator[Hook]:
    (home / ".env").write_text(f"LAB_ALERTS_URL={hook.url}\n", encoding="utf-8")
    yield hook


def test_without_rules_nothing_is_drawn(open_dashboard: OpenApp) -> None:
    assert not [text for text in texts(open_dashboard()) if "alert" in text]


def test_rules_that_do_not_fire_are_one_line_with_their_figures_behind_it(
    open_dashboard: OpenApp, set_hook: Hook
) -> None:
    said = texts(open_dashboard("drift", "answered < 99% over 15m in code"))
    assert ":material/notifications: 2 alerts, none firing" in said
    assert any(
        "unknown (n = 0, too few to tell, at least 20 are needed), cannot tell · to webhook" in text for text in said
    )
    assert set_hook.received == []


def test_what_fires_has_a_line_of_its_own(open_dashboard: OpenApp, set_hook: Hook) -> None:
    app = open_dashboard("requests < 1 over 1h", f"failed calls > 9% over 1h of {HOSTILE}")
    lab = open_lab()
    lab._portal.call(lab.alerts.look)
    said = texts(look(app))
    assert ":material/notifications: 2 alerts, :red[**1 firing**]" in said
    assert any("requests < 1 over 1h: 0 requests, fires since " in text for text in said)
    assert len(set_hook.received) == 1


def test_what_a_rule_names_is_drawn_as_text(open_dashboard: OpenApp, set_hook: Hook) -> None:
    said = texts(open_dashboard(f"failed calls > 9% over 1h of {HOSTILE}"))
    assert any(f"failed calls > 9% over 1h of {HOSTILE}" in text for text in said)


def test_a_test_message_is_sent_and_that_is_said(open_dashboard: OpenApp, set_hook: Hook) -> None:
    app = press(open_dashboard("drift"), "Send a test")
    assert [as_read(success.value) for success in app.success] == [
        "The webhook of LAB_ALERTS_URL accepted the test message."
    ]
    assert set_hook.messages == ["Test: alerts of Fallback Lab arrive here."]


def test_why_a_test_message_was_not_sent_is_said_without_the_address(open_dashboard: OpenApp, set_hook: Hook) -> None:
    set_hook.answers = [status(302, location=set_hook.url)]
    app = press(open_dashboard("drift"), "Send a test")
    [said] = [text for text in texts(app) if "test message was not sent" in text]
    assert "a redirect (HTTP 302), which is not followed" in said
    assert not [text for text in texts(app) if SECRET in text]


def test_a_variable_that_is_not_set_is_named_on_every_page(open_dashboard: OpenApp) -> None:
    assert "Alerts cannot be sent: LAB_ALERTS_URL is not set." in texts(open_dashboard("drift"))
