"""fallback-lab import: a log of requests from another tool, or a suite of cases."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn

from router.cli.stored import stored
from router.cli.tables import Column, print_table
from router.cli.terminal import Console
from router.config.loading import load_config
from router.core.errors import InvalidRequest
from router.core.formatting import counted
from router.imports import FORMATS, Report, detect, import_log


@click.command("import")
@click.option("--format", "form", type=click.Choice([*FORMATS]), help="The log's format (default: detected).")
@click.option("--category", help="The category of a log's requests that have none.")
@click.option("--category-from", metavar="NAME", help="The tag, metadata key or column that names the category.")
@click.option("--dry-run", is_flag=True, help="Only report what a log would add; store nothing.")
@click.option("--name", help="The suite's name; by default the file's.")
@click.option("--force", is_flag=True, help="Replace a suite of that name.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_obj
def import_file(
    config_path: Path,
    file: Path,
    form: str | None,
    category: str | None,
    category_from: str | None,
    dry_run: bool,
    name: str | None,
    force: bool,
) -> None:
    """Import a log of requests, or a suite of cases.

    Logs: LiteLLM, OpenRouter, Langfuse, Helicone, OpenInference, OpenTelemetry, CSV; no prompt or answer is stored.
    Suites: promptfoo, Inspect, OpenAI evals, BFCL, HumanEval, GSM8K, IFEval, CSV, JSONL or Parquet.
    """
    found = form or detect(file)
    if found is None:
        if category or category_from or dry_run:
            raise InvalidRequest(f"The format of {file} cannot be detected. Name it with --format.")
        from router.cli.runs import import_suite  # noqa: PLC0415  # it loads all of the evaluation

        import_suite(config_path, file, name, force)
        return
    if name or force:
        raise click.UsageError(f"{file} is a log ({found}); --name and --force are for suites.")
    config = load_config(config_path)
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn()
    with (
        stored(config_path) as store,
        Progress(*columns, console=console, transient=True, disable=console.is_piped) as progress,
    ):
        bar = progress.add_task(f"Reading {found}", total=file.stat().st_size)
        report = import_log(
            file,
            found,
            store,
            config,
            category=category,
            category_from=category_from,
            dry_run=dry_run,
            progress=lambda seen: progress.update(bar, completed=seen),
        )
    _print(report, dry_run=dry_run)
    _check(report, file)


def _check(report: Report, file: Path) -> None:
    """End with an error where the log is of another format, or nothing in it can be read."""
    if report.requests or report.stored:
        return
    like = detect(file)
    if like not in (None, report.form):
        raise InvalidRequest(
            f"{file} is not a log of {report.form}: it looks like {like}. Import it with --format {like}."
        )
    if not report.others:
        raise InvalidRequest(f"No row of {file} can be read as {report.form}.")


def _print(report: Report, *, dry_run: bool) -> None:
    if dry_run and report.by_day:
        rows = [
            (model, day, f"{count:,}", f"{report.failed[model, day]:,}")
            for (model, day), count in sorted(report.by_day.items())
        ]
        columns = [Column("model"), Column("day"), Column("attempts", is_number=True), Column("failed", is_number=True)]
        print_table(columns, rows, title="Attempts")
    verb = "Would store" if dry_run else "Stored"
    requests, attempts = counted(report.requests, "request"), counted(report.attempts, "attempt")
    say = Console().say
    say(f"{verb} {requests} with {attempts} from {counted(report.rows, 'row')} ({report.form}).")
    if report.stored:
        say(f"{counted(report.stored, 'request')} stored before.")
    if report.repeated:
        say(f"{counted(report.repeated, 'call')} more than once in the file.")
    if report.others:
        say(f"Skipped, since not a call of a model: {report.others:,}.")
    if unknown := [f"{name} {count:,}" for name, count in report.unknown.items() if count]:
        say(f"Unknown: {', '.join(unknown)}.")
    for why, count in report.refused.most_common():
        lines = report.lines.get(why)
        at = f" (line {', '.join(map(str, lines))}{', …' if count > len(lines) else ''})" if lines else ""
        say(f"Refused {count:,}: {why}{at}.")
