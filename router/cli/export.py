"""fallback-lab export: what is stored of requests or attempts, as a file for other programs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from router.cli import times
from router.errors import FallbackLabError
from router.lab import Lab
from router.store.export import Format, What, export


@click.command(name="export")
@click.option("--format", "form", required=True, type=click.Choice(["csv", "parquet", "jsonl"]), help="What to write.")
@click.option(
    "--what", default="attempts", show_default=True, type=click.Choice(["requests", "attempts"]), help="Which table."
)
@click.option("--since", callback=times.since, help="Only what began since then: 7d, 12h, or 2026-01-31.")
@click.option("--output", type=click.Path(path_type=Path, allow_dash=True), help="The file (default: standard output).")
@click.pass_obj
def export_rows(config_path: Path, form: Format, what: What, since: float | None, output: Path | None) -> None:
    """Write the stored requests or attempts to a file, oldest first: no prompts, no answers, no keys."""
    to_stdout = output is None or str(output) == "-"
    if to_stdout and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is no text. Give --output FILE, or send it into a pipe.")
    with closing(Lab(config_path)) as lab:
        if lab.store is None:
            raise FallbackLabError(" ".join(lab.notices()))
        if output is None or to_stdout:
            export(lab.store.database, sys.stdout.buffer, form, what, since)
            return
        with _whole(output) as file:
            rows = export(lab.store.database, file, form, what, since)
    click.echo(f"{rows:,} {what} written to {output}.", err=True)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place when it is whole, and leaves the old one there until then."""
    if path.is_dir():
        raise click.UsageError(f"{path} is a folder. Name a file in it.")
    if path.exists() and not path.is_file():  # a device or a pipe, which cannot be replaced
        with path.open("wb") as file:
            yield file
        return
    target = path.resolve()
    if not target.parent.is_dir():
        raise click.UsageError(f"The folder {target.parent} does not exist.")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
