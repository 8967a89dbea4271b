"""The store, for commands that show what earlier ones have stored, whatever models.yaml says now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from router.config.loading import load_config
from router.core.errors import FallbackLabError
from router.core.files import claim
from router.store import Store


@contextmanager
def stored(config_path: Path) -> Iterator[Store]:
    """The store beside models.yaml; its notices go to standard error.

    Raises:
        ConfigError: nothing is stored there, and models.yaml cannot be used.
        FallbackLabError: it cannot be read.
    """
    path = config_path.absolute().parent / ".lab" / "lab.sqlite"
    if not path.exists():
        load_config(config_path)  # a folder that is none of ours stays as it is
    notices = claim(path.parent)
    with closing(Store(path)) as store:
        if not store.readable:
            raise FallbackLabError(store.unstored)
        for notice in [*notices, *store.notices()]:
            click.echo(notice, err=True)
        yield store
