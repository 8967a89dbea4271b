"""fallback-lab export: stored requests or attempts as a file for other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from router.cli import times
from router.cli.stored import stored
from router.cli.terminal import data_stream
from router.core.files import whole
from router.core.formatting import counted
from router.store.export import Format, What, export


@click.command(name="export")
@click.option(
    "--format", "form", required=True, type=click.Choice(["csv", "parquet", "jsonl", "otlp"]), help="File format."
)
@click.option(
    "--what",
    default="attempts",
    show_default=True,
    type=click.Choice(["requests", "attempts"]),
    help="Rows to export; otlp has both, as spans.",
)
@click.option("--since", metavar="TIME", callback=times.since, help="Only rows since then: 7d, 12h, or 2026-01-31.")
@click.option("--output", type=click.Path(path_type=Path, allow_dash=True), help="Output file (default: stdout).")
@click.pass_obj
def export_rows(config_path: Path, form: Format, what: What, since: float | None, output: Path | None) -> None:
    """Write the stored requests or attempts to a file, oldest first: no prompts, no answers, no keys."""
    to_stdout = output is None or str(output) == "-"
    if to_stdout and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is binary. Use --output FILE or pipe it to a program.")
    with stored(config_path) as store:
        if output is None or to_stdout:
            export(store.database, data_stream(), form, what, since)
            return
        with opened(output) as file:
            rows = export(store.database, file, form, what, since)
    click.echo(f"Wrote {counted(rows, 'span' if form == 'otlp' else what.removesuffix('s'))} to {output}.", err=True)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces the old one only when complete."""
    if path.is_dir():
        raise click.UsageError(f"{path} is a folder. Specify a file.")
    if path.exists() and not path.is_file():  # a device or a pipe, which cannot be replaced
        with path.open("wb") as file:
            yield file
        return
    target = path.resolve()
    if not target.parent.is_dir():
        raise click.UsageError(f"The folder {target.parent} does not exist. Create it first.")
    with whole(target) as file:
        yield file
