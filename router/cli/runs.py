"""fallback-lab runs, suites, and import of a suite: what can be evaluated, and what was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click
import msgspec

from router.cli.evaluate import out_option, print_summary, say_left, write_answers
from router.cli.tables import Column, print_table
from router.cli.terminal import Console, json_text
from router.core.errors import InvalidRequest
from router.core.formatting import dollars, moment
from router.evaluate.graders import GRADERS
from router.evaluate.library import Library
from router.evaluate.results import ENDED
from router.evaluate.suites import suite_schema
from router.evaluate.verdicts import against_first
from router.lab import Lab


@click.command()
@click.option("--delete", metavar="RUN", help="Delete a run with its answers.")
@out_option
@click.argument("run", required=False)
@click.pass_obj
def runs(config_path: Path, run: str | None, delete: str | None, out: Path | None) -> None:
    """List the evaluation runs, or show RUN again."""
    if out is not None and run is None:
        raise click.UsageError("Name the run whose answers --out writes.")
    with closing(Lab(config_path)) as lab:
        if delete is not None:
            lab.evaluations.delete(delete)
        elif run is not None:
            results = lab.evaluations.results(run)
            print_summary(results, results.planned)
            for each in against_first(results, results.planned):
                Console().say(each.sentence)
            if out is not None:
                write_answers(results, results.planned, out)
        else:
            _list(lab)


def _list(lab: Lab) -> None:
    rows = []
    for run in lab.evaluations.all():
        results = lab.evaluations.results(run)
        if (plan := results.plan) is None:
            continue
        lanes = ", ".join(lane.name for lane in plan.lanes)
        ended = ENDED[results.ended]
        begun = moment(results.began)
        answers = f"{results.over:,} of {plan.cells:,}"
        rows.append((run, begun, plan.suite.name, lanes, answers, ended, dollars(results.spent)))
    columns = ("run", "begun", "suite", "lanes", "answers", "ended", "cost")
    print_table([Column(name, is_prose=name == "lanes") for name in columns], rows, title="Runs")


@click.command()
@click.option("--schema", is_flag=True, help="Print the JSON schema of a suite, for editors.")
@click.pass_obj
def suites(config_path: Path, schema: bool) -> None:
    """List the suites that can be named."""
    if schema:
        click.echo(json_text(suite_schema(GRADERS)))
        return
    library = _library(config_path)
    found = [(name, library.find(name).suite) for name in library.names()]
    rows = [(name, f"{len(suite.cases):,}", " ".join(suite.description.split())) for name, suite in found]
    print_table(
        [Column("suite"), Column("cases", is_number=True), Column("about", is_prose=True)], rows, title="Suites"
    )


def import_suite(config_path: Path, file: Path, name: str | None, force: bool) -> None:
    """Take in a suite of cases from another format; see `router.cli.import_logs`."""
    library = _library(config_path)
    imported = library.find(str(file))
    say_left(imported)
    suite = msgspec.structs.replace(imported.suite, name=name or imported.suite.name)
    if library.is_own(suite.name) and not force:
        raise InvalidRequest(f"There is already a suite called {suite.name}. Use --force to replace it, or --name.")
    path = library.keep(suite, replace=force)
    click.echo(f"{path}: run it with fallback-lab eval {suite.name}")


def _library(config_path: Path) -> Library:
    return Library(config_path.absolute().parent / ".lab" / "suites")
