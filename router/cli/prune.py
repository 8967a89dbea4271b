"""fallback-lab prune: rolls up old rows into hourly summaries and frees disk space."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click
from sqlalchemy.exc import DatabaseError

from router.cli import times
from router.core.errors import FallbackLabError
from router.core.formatting import counted, moment, size
from router.lab import Lab
from router.store import Pruned


@click.command()
@click.option(
    "--older-than",
    metavar="AGE",
    callback=times.age,
    help="Roll up rows older than this: 30d (default: retention.ttl).",
)
@click.option("--dry-run", is_flag=True, help="Only report what would be rolled up.")
@click.pass_obj
def prune(config_path: Path, older_than: float | None, dry_run: bool) -> None:
    """Roll up old requests and attempts into hourly summaries, as models.yaml says under policy.retention."""
    with closing(Lab(config_path)) as lab:
        if lab.store.unstored is not None:
            raise FallbackLabError(lab.store.unstored)
        if dry_run:
            click.echo(_sentence(lab.retention.preview(older_than), "would be rolled up"))
            used, most = lab.store.database.room().used, lab.config().policy.retention.size_limit
            if used > most:
                click.echo(
                    f"The database uses {size(used)}, and policy.retention.size_limit is {size(most)}: the"
                    " oldest rows will follow, a tenth at a time, until it fits, unless conversations and comparisons"
                    " alone exceed the limit."
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
            raise FallbackLabError(f"Pruning failed: {error.orig}. Try again.") from None
        click.echo(_sentence(done, "were rolled up"))
        click.echo(f"Freed {size(max(0, done.freed))}; the database now takes {size(done.size)}.")
        for notice in lab.notices():
            click.echo(notice, err=True)


def _sentence(pruned: Pruned, verb: str) -> str:
    before = moment(pruned.before)
    if not pruned.requests + pruned.attempts + pruned.dropped:
        return f"No rows are older than {before}."
    dropped = f" Expired summaries: {pruned.dropped:,}." if pruned.dropped else ""
    rows = f"{counted(pruned.requests, 'request')} and {counted(pruned.attempts, 'attempt')}"
    return f"{rows} from before {before} {verb}.{dropped}"
