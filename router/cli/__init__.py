"""The command line: fallback-lab alerts, ask, check, chains, eval, import, keys, log, export, prune, runs,
simulate, suites, tune.
"""

from __future__ import annotations

import contextlib
import errno
import io
import pkgutil
import sys
from pathlib import Path
from typing import Any

import click

from router.cli import terminal
from router.core.errors import ConfigError, FallbackLabError, InvalidRequest

_COMMANDS = {
    "alerts": ("router.cli.alerts:show_alerts", "List the alerts of models.yaml, or send a test message."),
    "ask": ("router.cli.ask:ask", "Send a prompt through a chain or to one model."),
    "chains": ("router.cli.chains:show_chains", "Show each chain with its models' recent statistics."),
    "check": ("router.cli.check:check", "Validate models.yaml and show which models can be used."),
    "eval": ("router.cli.evaluate:evaluate", "Run suites of cases through chains and models, and grade the answers."),
    "experiments": ("router.cli.experiments:show_experiments", "Show the experiments and what came of them."),
    "export": ("router.cli.export:export_rows", "Write stored requests or attempts to a file."),
    "import": (
        "router.cli.import_logs:import_file",
        "Import a log of requests, or a suite of cases, from another tool.",
    ),
    "keys": ("router.cli.keys:show_keys", "Show the keys that models.yaml names, and the hosts each may be sent to."),
    "log": ("router.cli.log:show_log", "Show the most recent calls."),
    "prune": ("router.cli.prune:prune", "Roll up old requests and attempts into hourly summaries."),
    "runs": ("router.cli.runs:runs", "List the evaluation runs, or show one again."),
    "serve": ("router.cli.serve:serve", "Serve the chains over HTTP, without pages."),
    "simulate": ("router.cli.simulate:simulate_chain", "Simulate a chain on models that behave as they were measured."),
    "suites": ("router.cli.runs:suites", "List the suites that can be named."),
    "tune": ("router.cli.tune:tune", "Propose better chains from what was observed and graded."),
}
"""Where each command is, and its line in the help: a command is imported when it is run, which takes a second."""


class _Group(click.Group):
    """Imports a command when it is run, and turns every error of ours into one sentence and an exit code."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in _COMMANDS and name not in self.commands:
            command: click.Command = pkgutil.resolve_name(_COMMANDS[name][0])
            command.params.append(terminal.RAW)
            self.add_command(command)
        return super().get_command(context, name)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def main(self, *args: Any, **settings: Any) -> Any:
        terminal.guard()
        return super().main(*args, **settings)

    def invoke(self, context: click.Context) -> Any:
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
                raise  # click's own handling: the reader has closed the pipe
            what = "The output cannot be written" if error.filename is None else error.filename
            with contextlib.suppress(OSError):
                click.echo(f"{what}: {error.strerror}.", err=True)
            sys.stdout = io.TextIOWrapper(io.BytesIO())  # do not retry the failed write at exit
            context.exit(1)


# color: click would take sequences out that --raw lets through; what may pass is the guard's to say.
@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "color": True})
@click.version_option(package_name="fallback-lab")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Path to models.yaml (default: $FALLBACK_LAB_CONFIG or ./models.yaml).",
)
@click.pass_context
def main(context: click.Context, config_path: Path | None) -> None:
    """Send prompts through fallback chains of language models.

    Tables fit the terminal; in a pipe they are tab-separated, with a header line. NO_COLOR=1 turns colors off.
    """
    from router.config.file import default_config_path  # noqa: PLC0415  # the help needs none of what it imports

    context.obj = config_path or default_config_path()
