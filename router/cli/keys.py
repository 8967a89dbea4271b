"""fallback-lab keys: the keys that models.yaml names, and the hosts each may be sent to."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from router.cli.tables import Cell, Column, print_table
from router.cli.terminal import Console
from router.lab import Lab


@click.command(name="keys")
@click.option(
    "--allow", nargs=2, metavar="NAME HOST", help="Allow sending a key to a host that models.yaml names for it."
)
@click.pass_obj
def show_keys(config_path: Path, allow: tuple[str, str] | None) -> None:
    """Show the keys that models.yaml names, and the hosts each may be sent to."""
    with closing(Lab(config_path)) as lab:
        if allow is not None:
            name, host = allow
            click.echo(f"Allowed: {name} is now sent to {lab.destinations.allow(name, host)}.")
        rows = []
        for name, origin in sorted(lab.config().destinations):
            state, problem = lab.keys.problem(name), lab.keys.origins.problem(name, origin)
            rows.append(
                (
                    name,
                    Cell(state or "is set", "red" if state else "green"),
                    origin,
                    Cell("no" if problem else "yes", "red" if problem else "green"),
                )
            )
        print_table(
            [Column("key"), Column("state", is_prose=True), Column("sent to"), Column("allowed")], rows, title="Keys"
        )
        console = Console()
        for refused in lab.destinations.refused():
            console.say(refused.sentence, "yellow")
