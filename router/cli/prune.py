"""fallback-lab prune: what is too old becomes hourly summaries, and the room goes back to the disk."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click
from sqlalchemy.exc import DatabaseError

from router.cli import times
from router.errors import FallbackLabError
from router.lab import Lab
from router.store import Pruned


@click.command()
@click.option("--older-than", callback=times.age, help="Roll up what is older, such as 30d (default: retention.ttl).")
@click.option("--dry-run", is_flag=True, help="Only say what would be rolled up.")
@click.pass_obj
def prune(config_path: Path, older_than: float | None, dry_run: bool) -> None:
    """Roll up old requests and attempts into hourly summaries, as models.yaml says under policy.retention."""
    with closing(Lab(config_path)) as lab:
        if lab.store is None or lab.retention is None:
            raise FallbackLabError(" ".join(lab.notices()))
        if dry_run:
            click.echo(_sentence(lab.retention.preview(older_than), "would be rolled up"))
            used, most = lab.store.database.room().used, lab.config().policy.retention.size_limit
            if used > most:
                click.echo(
                    f"The database holds {_size(used)}, and policy.retention.size_limit is {_size(most)}: the"
                    " oldest rows follow, a tenth at a time, until it fits, unless conversations and comparisons alone"
                    " fill it."
                )
            return
        try:
            done = lab.retention.prune(older_than)
            if not lab.store.database.room().gives_back:
                before = done.size
                lab.store.database.compact()
                left = lab.store.database.room().file
                done = done._replace(freed=done.freed + before - left, size=left)
        except DatabaseError as error:
            raise FallbackLabError(f"What was observed could not be pruned: {error.orig}.") from None
        click.echo(_sentence(done, "rolled up"))
        click.echo(f"{_size(max(0, done.freed))} came back to the disk; the database has {_size(done.size)} now.")
        for notice in lab.notices():
            click.echo(notice, err=True)


def _sentence(pruned: Pruned, verb: str) -> str:
    before = time.strftime("%Y-%m-%d %H:%M", time.localtime(pruned.before))
    if not pruned.requests + pruned.attempts + pruned.dropped:
        return f"Nothing is older than {before}."
    dropped = f" Summaries too old themselves: {pruned.dropped:,}." if pruned.dropped else ""
    return f"{pruned.requests:,} requests and {pruned.attempts:,} attempts from before {before} {verb}.{dropped}"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"
