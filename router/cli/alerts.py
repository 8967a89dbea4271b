"""fallback-lab alerts: the rules of models.yaml, each with its figure now and what was sent."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click
from msgspec.structs import asdict

from router.alerts.watcher import Watching
from router.cli.tables import Cell, Column, Row, print_table
from router.cli.terminal import json_text
from router.core.formatting import moment
from router.lab import Lab

_COLUMNS = (
    Column("rule", is_prose=True),
    Column("to"),
    Column("now", is_prose=True),
    Column("state"),
    Column("since"),
    Column("last message", is_prose=True, optional=True),
)
_STYLES = {"fires": "red", "recovers": "yellow", "holds": "yellow", "quiet": "green", "cannot tell": "dim"}


@click.command(name="alerts")
@click.option("--test", "is_test", is_flag=True, help="Send a test message to where the rules send theirs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, one line for each rule.")
@click.pass_context
def show_alerts(context: click.Context, is_test: bool, as_json: bool) -> None:
    """List the alerts of models.yaml: each rule's figure now, whether it fires, since when, and what was sent."""
    path: Path = context.obj
    with closing(Lab(path)) as lab:
        if is_test:
            tested = lab.test_alerts()
            click.echo(tested.sentence, err=not tested.is_sent)
            context.exit(0 if tested.is_sent else 1)
        watched = lab.alerts.status()
        if as_json:
            for each in watched:
                click.echo(json_text(_plain(each)))
        elif watched:
            print_table(_COLUMNS, [_row(each) for each in watched], title="Alerts")
        else:
            click.echo("models.yaml has no alerts; docs/alerts.md says how to add one.", err=True)
        for notice in lab.notices():
            click.echo(notice, err=True)


def _row(each: Watching) -> Row:
    rule, reading, state = each
    sent = f"{_when(state.sent_at)}: {state.sent}" if state.sent_at is not None else "–"
    return rule.when.text, rule.to, reading.said, Cell(each.word, _STYLES.get(each.word, "")), _when(state.since), sent


def _plain(each: Watching) -> dict[str, object]:
    rule, reading, state = each
    return {
        "when": rule.when.text,
        "to": rule.to,
        "now": reading.said,
        "holds": reading.holds,
        **reading.estimate._asdict(),
        "state": each.word,
        **{name: value for name, value in asdict(state).items() if name in ("since", "sent", "sent_at", "problem")},
    }


def _when(at: float | None) -> str:
    return "–" if at is None else moment(at)
