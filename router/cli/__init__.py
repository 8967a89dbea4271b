"""The command line: fallback-lab ask, check, chains, log, export, prune."""

from __future__ import annotations

import contextlib
import errno
import io
import sys
from pathlib import Path
from typing import Any

import click

from router.cli import ask, chains, check, export, log, prune
from router.errors import ConfigError, FallbackLabError, InvalidRequest
from router.lab import default_config_path


class _Group(click.Group):
    """Turns every error of ours into one sentence and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that cannot show a character shows that
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            context.exit(130)
        except (InvalidRequest, ConfigError) as error:
            click.echo(str(error), err=True)
            context.exit(2)
        except FallbackLabError as error:
            click.echo(str(error), err=True)
            context.exit(1)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click's own: whoever read us has had enough
            with contextlib.suppress(OSError):
                click.echo(f"The output cannot be written: {error.strerror}.", err=True)
            sys.stdout = io.TextIOWrapper(io.BytesIO())  # what could not be written is not tried again at exit
            context.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fallback-lab")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The models.yaml to use (default: $FALLBACK_LAB_CONFIG, or ./models.yaml).",
)
@click.pass_context
def main(context: click.Context, config_path: Path | None) -> None:
    """Send prompts through fallback chains of language models."""
    context.obj = config_path or default_config_path()


for command in (ask.ask, check.check, chains.show_chains, log.show_log, export.export_rows, prune.prune):
    main.add_command(command)
