"""fallback-lab experiments: candidates that get a share of real requests, and what came of them."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click

from router.cli.tables import Cell, Column, Row, print_table
from router.cli.terminal import json_text
from router.experiments.analysis import Analysis, Compared
from router.experiments.words import difference_of, left_out_of_cost, state_of, value_of, verdict_of
from router.lab import Lab

_COLUMNS = (
    Column("experiment"),
    Column("figure"),
    Column("chain", is_number=True),
    Column("candidate", is_number=True),
    Column("n", is_number=True),
    Column("difference, 95%", is_number=True),
    Column("verdict"),
)
_STYLES = {
    "better": "green",
    "worse": "red",
    "no worse": "green",
    "not separable yet": "dim",
    "nothing to compare yet": "dim",
}


@click.command(name="experiments")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, one line for each experiment.")
@click.pass_obj
def show_experiments(config_path: Path, as_json: bool) -> None:
    """List the experiments of models.yaml: each figure of both chains, and a verdict that may be looked at any time."""
    with closing(Lab(config_path)) as lab:
        found = lab.experiment_results()
        if as_json:
            for each in found:
                click.echo(json_text(_plain(each)))
        elif found:
            rows = [_row(each.experiment.name, figure) for each in found for figure in each.compared]
            print_table(_COLUMNS, rows, title="Experiments")
            for each in found:
                click.echo(f"{each.experiment.name}: {state_of(each, time.time())}.", err=True)
                if left_out := left_out_of_cost(each):
                    click.echo(left_out, err=True)
        else:
            click.echo("models.yaml has no experiments; docs/experiments.md says how to run one.", err=True)
        for notice in lab.notices():
            click.echo(notice, err=True)


def _row(experiment: str, figure: Compared) -> Row:
    return (
        experiment,
        figure.name,
        value_of(figure, figure.current),
        value_of(figure, figure.candidate),
        f"{figure.units[0]:,} and {figure.units[1]:,}",
        difference_of(figure),
        Cell(verdict_of(figure), _STYLES[figure.verdict]),
    )


def _plain(each: Analysis) -> dict[str, object]:
    experiment = each.experiment
    return {
        "experiment": experiment.name,
        "category": experiment.category,
        "candidate": [link.ref.text for link in experiment.chain.links],
        "share": experiment.share,
        "stopped": experiment.stopped,
        "requests": dict(zip(("current", "candidate"), each.requests, strict=True)),
        "figures": [
            {
                "figure": figure.name,
                "current": figure.current,
                "candidate": figure.candidate,
                "units": figure.units,
                "unknown": figure.unknown,
                "difference": dict(zip(("low", "high"), figure.bounds, strict=True)),
                "verdict": figure.verdict,
            }
            for figure in each.compared
        ],
    }
