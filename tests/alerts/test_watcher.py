"""Rules on stored rows, looked at by a clock that is set: what is sent, once, whoever looks and whatever restarts."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from router.alerts.watcher import AGAIN, LEASE, Alerts
from router.config.keys import Keys
from router.core.errors import StoreError
from router.lab import Lab
from tests.alerts.conftest import CHAINS, SECRET, Hook, World, silent, status
from tests.conftest import MakeLab

RULE = "answered < 99% over 15m in code → webhook"


async def look(world: World, alerts: Alerts, seconds: float = 30) -> None:
    """Look once, some seconds later."""
    world.now += seconds
    await alerts.look()


async def test_a_rule_that_begins_to_hold_is_sent_once_and_its_end_too(world: World, hook: Hook) -> None:
    alerts = world.watch(RULE)
    world.requests(40)
    await look(world, alerts)
    assert hook.messages == []
    world.requests(0, 2)
    for _ in range(5):
        await look(world, alerts)
    assert hook.messages == [
        "Alert: answered &lt; 99% over 15m in code. Now 95.2% (n = 42, 84.2–98.7%)."
    ]  # fmt: skip
    world.now += 900
    world.requests(30)
    for _ in range(32):
        world.requests(1)
        await look(world, alerts)
    assert len(hook.messages) == 2
    assert hook.messages[1].startswith("Over: answered &lt; 99% over 15m in code, since 2026-09-21 14:14 UTC. Now 100%")


async def test_a_flapping_figure_sends_one_message(world: World, hook: Hook) -> None:
    alerts = world.watch("answered < 90% over 1m → webhook")
    seen = []
    for number in range(120):
        is_bad = number // 6 % 2 == 0
        world.requests(0 if is_bad else 30, 6 if is_bad else 0)
        await look(world, alerts, 10)
        seen.append(alerts.status()[0].word)
    assert sum(before != after for before, after in pairwise(seen)) > 15
    assert [words[:6] for words in hook.messages] == ["Alert:"]


async def test_too_few_requests_tell_nothing(world: World, hook: Hook) -> None:
    alerts = world.watch(RULE)
    world.requests(10, 9)
    await look(world, alerts)
    assert hook.messages == []
    [watching] = alerts.status()
    assert (watching.word, watching.reading.holds) == ("cannot tell", None)


async def test_an_alert_whose_requests_cease_ends_and_says_that_nothing_is_known(world: World, hook: Hook) -> None:
    alerts = world.watch(RULE)
    world.requests(10, 30)
    for _ in range(70):
        await look(world, alerts)
    [end] = hook.messages[1:]
    assert end.startswith(
        "Over: answered &lt; 99% over 15m in code, since 2026-09-21 14:13 UTC. Now unknown (n = 0, too"
    )


async def test_it_fires_in_the_log_without_a_webhook(
    world: World, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    alerts = world.watch("requests < 1 over 15m → log")
    await look(world, alerts)
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        ("router.alerts", "WARNING", "Alert: requests < 1 over 15m. Now 0 requests.")
    ]
    assert hook.messages == []


async def test_alerts_of_one_look_are_one_message_of_several_lines(world: World, hook: Hook) -> None:
    alerts = world.watch(RULE, "failed calls > 5% over 1h of one → webhook")
    world.requests(10, 30)
    await look(world, alerts)
    assert len(hook.received) == 1
    assert len(hook.messages) == 2


# --- What outlives a process -----------------------------------------------------------------------


async def test_after_a_restart_nothing_is_said_twice_and_the_end_is_said(world: World, hook: Hook) -> None:
    world.requests(10, 30)
    await look(world, world.watch(RULE))
    again = world.watch(RULE)
    await look(world, again)
    assert again.status()[0].word == "fires"
    assert len(hook.messages) == 1
    for _ in range(62):
        await look(world, again)
    assert [words[:5] for words in hook.messages] == ["Alert", "Over:"]


async def test_two_that_look_at_once_send_once(world: World, hook: Hook) -> None:
    world.requests(10, 30)
    await asyncio.gather(*(look(world, world.watch(RULE), 0) for _ in range(8)))
    assert len(hook.messages) == 1


async def test_a_message_of_a_process_that_ended_while_sending_is_sent_by_another_one(world: World, hook: Hook) -> None:
    world.requests(10, 30)
    lost = world.watch(RULE)
    assert len(lost._due()) == 1  # and it is gone before it could send
    other = world.watch(RULE)
    await look(world, other, LEASE - 1)
    assert hook.messages == []
    await look(world, other, 1)
    assert len(hook.messages) == 1


LOOKS = """
import logging, sys
from pathlib import Path
from router.lab import Lab

lab = Lab(Path(sys.argv[1]))
lab.observed.rows()
print("ready", flush=True)
sys.stdin.readline()
lab._portal.call(lab.alerts.look)
lab.close()
"""


@pytest.mark.process
async def test_two_processes_on_one_store_do_not_send_twice(tmp_path: Path, world: World, hook: Hook) -> None:
    rules = [{"when": f"requests < {number} over {number}m", "to": "webhook"} for number in range(1, 9)]
    (tmp_path / "models.yaml").write_text(f"{CHAINS}alerts: {json.dumps(rules)}\n", encoding="utf-8")
    (tmp_path / ".env").write_text(f"LAB_ALERTS_URL={hook.url}\n", encoding="utf-8")
    looking = [
        subprocess.Popen(  # noqa: ASYNC220  # it is done before anything else runs
            [sys.executable, "-c", LOOKS, str(tmp_path / "models.yaml")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in looking:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    ends = await asyncio.gather(*(asyncio.to_thread(process.communicate, "go\n", 60) for process in looking))
    assert [(process.returncode, end[1]) for process, end in zip(looking, ends, strict=True)] == [(0, "")] * 2
    assert sorted(words.partition(".")[0] for words in hook.messages) == sorted(
        f"Alert: {rule['when'].replace('<', '&lt;')}" for rule in rules
    )


# --- When the webhook fails ------------------------------------------------------------------------


async def test_a_message_that_was_not_taken_is_noticed_and_sent_later(world: World, hook: Hook) -> None:
    alerts = world.watch(RULE)
    hook.answers = [status(500)] * 3
    world.requests(10, 30)
    await look(world, alerts)
    [notice] = alerts.notices()
    assert notice == (
        "An alert was not sent. The webhook of LAB_ALERTS_URL did not accept the message (HTTP 500)."
        " It is tried again every 10 minutes."
    )
    await look(world, alerts)
    assert len(hook.received) == 3
    await look(world, alerts, AGAIN)
    assert len(hook.received) == 4
    assert alerts.notices() == []
    assert alerts.status()[0].state.sent == "Alert: answered < 99% over 15m in code. Now 25% (n = 40, 14.2–40.2%)."


async def test_without_its_variable_the_notice_names_it(world: World) -> None:
    alerts = world.watch(RULE, keys=Keys(world.folder, {}))
    world.requests(10, 30)
    await look(world, alerts)
    assert alerts.notices() == ["Alerts cannot be sent: LAB_ALERTS_URL is not set."]
    assert world.watch("drift → log", keys=Keys(world.folder, {})).notices() == []


async def test_what_cannot_be_read_is_noticed_and_looked_at_again(
    world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alerts = world.watch(RULE)
    world.requests(10, 30)

    def damaged() -> None:
        raise StoreError("The database is damaged.")

    with monkeypatch.context() as patched:
        patched.setattr(world.observed, "rows", damaged)
        await look(world, alerts)
    assert alerts.notices() == ["Alerts cannot be evaluated (StoreError); the server's log says more."]
    assert "The database is damaged." in caplog.text
    await look(world, alerts)
    assert alerts.notices() == []
    assert len(hook.messages) == 1


# --- Rules that change -----------------------------------------------------------------------------


async def test_a_rule_that_is_removed_and_comes_back_begins_anew(world: World, hook: Hook) -> None:
    world.requests(10, 30)
    await look(world, world.watch(RULE))
    await look(world, world.watch())
    await look(world, world.watch(RULE))
    assert [words[:5] for words in hook.messages] == ["Alert", "Alert"]


async def test_without_rules_nothing_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = world.watch()
    monkeypatch.setattr(world.observed, "rows", lambda: pytest.fail("the store was read"))
    await look(world, alerts)
    assert (alerts.status(), alerts.notices()) == ([], [])


@pytest.mark.process
def test_without_rules_numpy_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(CHAINS, encoding="utf-8")
    looks = LOOKS.replace("lab.observed.rows()\n", "") + 'assert "router.alerts.readings" not in sys.modules\n'
    looks += 'assert "router.metrics.columns" not in sys.modules\n'
    command = [sys.executable, "-c", looks, str(tmp_path / "models.yaml")]
    subprocess.run(command, input="\n", text=True, check=True, timeout=60)


async def test_a_status_is_read_again_after_a_while_and_at_once_for_other_rules(world: World) -> None:
    alerts = world.watch("requests < 1 over 15m → log")
    assert alerts.status()[0].reading.holds
    world.requests(3)
    assert alerts.status()[0].reading.holds
    world.now += 30
    assert not alerts.status()[0].reading.holds


# --- In a Lab --------------------------------------------------------------------------------------


def test_a_lab_watches_by_itself_and_nothing_it_shows_or_keeps_has_the_address(
    tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("router.alerts.watcher.EVERY", 0.05)
    hook.answers = [status(404)] * 2
    environ = {"FALLBACK_LAB_KEYS": "LAB_ALERTS_URL", "LAB_ALERTS_URL": hook.url}
    (tmp_path / "models.yaml").write_text(f"{CHAINS}alerts: [{{when: requests < 1 over 15m, to: webhook}}]\n")
    lab = Lab(tmp_path / "models.yaml", environ=environ)
    deadline = time.monotonic() + 30
    while not lab.alerts.notices():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    tested = lab.test_alerts()
    assert not tested.is_sent
    shown = f"{tested} {lab.notices()} {lab.alerts.status()} {caplog.text}"
    lab.close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".lab").rglob("*") if path.is_file())
    assert "HTTP 404" in shown and b"HTTP 404" in kept
    assert SECRET not in shown and SECRET.encode() not in kept


def test_a_test_message_goes_where_the_rules_send_theirs(
    make_lab: MakeLab, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"FALLBACK_LAB_KEYS": "LAB_ALERTS_URL", "LAB_ALERTS_URL": hook.url}
    lab = make_lab(f"{CHAINS}alerts: [{{when: drift, to: webhook}}, {{when: drift, to: log}}]\n", environ)
    tested = lab.test_alerts()
    assert tested == (
        True, "The webhook of LAB_ALERTS_URL accepted the test message. The test message is in the server's log."
    )  # fmt: skip
    assert hook.messages == ["Test: alerts of Fallback Lab arrive here."]
    assert "Test: alerts of Fallback Lab arrive here." in caplog.text


def test_a_lab_that_closes_does_not_wait_for_a_webhook(
    tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.alerts.watcher.EVERY", 0.05)
    hook.answers = [silent] * 3
    environ = {"FALLBACK_LAB_KEYS": "LAB_ALERTS_URL", "LAB_ALERTS_URL": hook.url}
    (tmp_path / "models.yaml").write_text(f"{CHAINS}alerts: [{{when: requests < 1 over 15m, to: webhook}}]\n")
    lab = Lab(tmp_path / "models.yaml", environ=environ)
    deadline = time.monotonic() + 30
    while not hook.received:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    began = time.monotonic()
    lab.close()
    assert time.monotonic() - began < 5


def test_all_that_is_deleted_includes_what_was_sent(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(f"{CHAINS}alerts: [{{when: requests < 1 over 15m, to: log}}]\n")
    lab._portal.call(lab.alerts.look)
    assert b"requests" in (tmp_path / ".lab" / "alerts.json").read_bytes()
    lab.forget()
    assert b"requests" not in (tmp_path / ".lab" / "alerts.json").read_bytes()
