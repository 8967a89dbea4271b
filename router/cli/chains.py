"""fallback-lab chains: the chains with what was observed of their models, and the way back after a change."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.lab import Lab
from router.observed.chains import DAYS, UNSEEN, ModelLine, chain_lines


@click.command(name="chains")
@click.option("--rollback", is_flag=True, help="Put the version of models.yaml before the last change in force again.")
@click.pass_obj
def show_chains(config_path: Path, rollback: bool) -> None:
    """Show each category's chain with what was observed of its models in the last days."""
    with closing(Lab(config_path)) as lab:
        if rollback:
            version = lab.editor.roll_back()
            click.echo(f"Taken back: {version.why}. {lab.path} is as it was before.")
        table = Table(
            title=f"Chains, as seen in the last {DAYS} days; times are p50, p95",
            title_justify="left",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            collapse_padding=True,
            pad_edge=False,
        )
        for heading in ("model", "answered", "rescued", "first\ntoken", "answer", "cost of\na call"):
            table.add_column(heading, overflow="fold")
        chains = lab.config().chains
        lines = chain_lines(lab.observed, chains, time.time())
        for name, chain in chains.items():
            table.add_section()
            table.add_row(Text(name, style="bold"))
            for ref in chain.models:
                table.add_row(Text(ref.text), *_figures(lines[name].get(ref.text, UNSEEN)))
        Console(highlight=False).print(table)
        for notice in lab.notices():
            click.echo(notice, err=True)


def _figures(line: ModelLine) -> list[str]:
    answered, rescued, first_p50, first_p95, p50, p95, cost = line.cells()
    shares = [f"{cell.value}\n{cell.of}".strip() for cell in (answered, rescued)]
    times = ["\n".join(dict.fromkeys((low.value, high.value))) for low, high in ((first_p50, first_p95), (p50, p95))]
    return [*shares, *times, cost.value]
