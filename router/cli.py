"""The command line: fallback-lab ask, check, log."""

from __future__ import annotations

import contextlib
import errno
import io
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.chain import Options
from router.config import Chain
from router.errors import AllModelsFailed, ConfigError, FallbackLabError, InvalidRequest
from router.events import Restarted, TextDelta
from router.handle import Handle
from router.lab import Lab, default_config_path
from router.messages import Attempt, Completion, Request
from router.words import attempt_sentence, seconds

POLL = 0.03
"""Seconds between two looks at an answer under way."""


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


@main.command()
@click.option("--category", "-c", help="The chain that answers (default: conversation, or the first chain).")
@click.option("--model", "-m", help="A single model instead: `provider:model`, or `model` at the default provider.")
@click.option("--system", "-s", help="A system prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--no-cache", is_flag=True, help="Neither read the response cache nor write to it.")
@click.argument("prompt")
@click.pass_obj
def ask(
    config_path: Path,
    category: str | None,
    model: str | None,
    system: str | None,
    as_json: bool,
    no_cache: bool,
    prompt: str,
) -> None:
    """Ask a prompt (`-`: read it from standard input). The answer goes to stdout, the trace to stderr."""
    if category and model:
        raise click.UsageError("Give --category or --model, not both.")
    messages = [{"role": "user", "content": _read_prompt(prompt)}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    with _lab(config_path) as lab:
        if model is None and category is None:
            chains = lab.config().chains
            category = "conversation" if "conversation" in chains else next(iter(chains))
        options = Options(source="cli", cache="off" if no_cache else "use", stream=not as_json)
        handle = lab.start(Request(messages=tuple(messages)), category=category, model=model, options=options)
        try:
            if not as_json:
                _print_answer(handle)
            completion = handle.result()
        except AllModelsFailed as error:
            _print_trace(error.attempts)
            raise
        if as_json:
            click.echo(msgspec.json.encode(_as_json(completion)))
        else:
            _print_trace(completion.attempts)
        for notice in lab.notices():
            click.echo(notice, err=True)


def _read_prompt(prompt: str) -> str:
    if prompt != "-":
        return prompt
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"Standard input is not UTF-8 text (byte {error.start}).") from None


def _print_answer(handle: Handle) -> None:
    """Print the answer: as it comes in a terminal; elsewhere whole, so that no piece of a void one is in it."""
    live = sys.stdout.isatty()
    seen = 0
    running = True
    while running:
        running = handle.snapshot().state == "running"
        for event in handle.events(seen):
            seen += 1
            if live and isinstance(event, TextDelta):
                click.echo(event.text, nl=False)
            elif isinstance(event, Restarted):
                click.echo("\n" if live else "", nl=False)
                click.echo("(That answer broke off. The next model starts afresh.)", err=True)
        sys.stdout.flush()
        if running:
            time.sleep(POLL)
    click.echo("" if live else handle.result().answer.text)


def _as_json(completion: Completion) -> dict[str, Any]:
    attempt = completion.attempts[-1]
    return {
        "text": completion.answer.text,
        "reasoning": completion.answer.reasoning or None,
        "tool_calls": completion.answer.tool_calls,
        "model": attempt.model,
        "served_model": attempt.served_model,
        "provider": attempt.provider,
        "category": completion.category,
        "cached": attempt.cached,
        "finish_reason": completion.answer.finish_reason,
        "usage": msgspec.structs.asdict(attempt.usage) if attempt.usage is not None else None,
        "cost": completion.cost,
        "latency_s": attempt.latency,
        "ttft_s": attempt.ttft,
        "attempts": [msgspec.structs.asdict(each) for each in completion.attempts],
    }


def _print_trace(attempts: tuple[Attempt, ...]) -> None:
    console = Console(stderr=True, highlight=False)
    for attempt in attempts:
        mark, style = {"answered": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "dim")}.get(
            attempt.outcome, ("■", "yellow")
        )
        # Text, not markup: a model's name or an error may hold square brackets.
        console.print(Text(f"{mark} {attempt.model}: {attempt_sentence(attempt)}", style=style), soft_wrap=True)


@main.command()
@click.pass_obj
def check(config_path: Path) -> None:
    """Validate models.yaml; say which keys are set and which models can be used."""
    with _lab(config_path) as lab:
        config = lab.config()
        console = Console(highlight=False)
        keys = Table("provider", "protocol", "key", title="Providers", title_justify="left")
        for name, provider in config.providers.items():
            problem = lab.keys.problem(*provider.api_key)
            state = problem or (f"{lab.keys.name(*provider.api_key)} is set" if provider.api_key else "none needed")
            keys.add_row(Text(name), provider.protocol, Text(state, style="red" if problem else "green"))
        console.print(keys)
        models = Table("category", "place", "model", "usable", title="Chains", title_justify="left")
        for name, chain in config.chains.items():
            _add_chain(models, lab, name, chain)
        console.print(models)
        if config.offline is not None:
            stand_in = lab.problem(config.offline)
            state = (
                f"cannot be used: {stand_in.detail}" if stand_in else "answers where no provider of a chain has a key"
            )
            console.print(Text(f"Offline: {config.offline.text} {state}."))
        for notice in lab.notices():
            console.print(Text(notice, style="yellow"))
        console.print(Text(f"{config.path} is valid."))


def _add_chain(table: Table, lab: Lab, name: str, chain: Chain) -> None:
    for place, ref in enumerate(chain.models):
        problem = lab.problem(ref)
        usable = Text(f"no: {problem.detail}", style="red") if problem else Text("yes", style="green")
        table.add_row(
            Text(name if place == 0 else ""), "primary" if place == 0 else f"fallback {place}", Text(ref.text), usable
        )


@main.command(name="log")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--last", default=20, show_default=True, type=click.IntRange(1, 1_000_000), help="How many calls.")
@click.pass_obj
def show_log(config_path: Path, as_json: bool, last: int) -> None:
    """Show the newest calls, the newest last."""
    with _lab(config_path) as lab:
        if lab.store is None:
            raise FallbackLabError(" ".join(lab.notices()))
        rows = [dict(row) for row in lab.store.observations.last(last)]
        if as_json:
            for row in rows:
                click.echo(msgspec.json.encode(row))
            return
        if not rows:
            click.echo("Nothing has been asked yet. Try: fallback-lab ask 'Hello'")
            return
        table = Table("time", "category", "model", "outcome", "reason", "latency", "first token", "tokens", "cost")
        for row in rows:
            table.add_row(*(Text(cell) for cell in _log_row(row)))
        Console(highlight=False).print(table)


def _log_row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        datetime.fromtimestamp(row["started"]).astimezone().strftime("%m-%d %H:%M:%S"),
        row["category"] or "–",
        row["model"],
        row["outcome"] + (" (cached)" if row["cached"] else ""),
        row["reason"] or "",
        seconds(row["latency"]),
        seconds(row["ttft"]),
        str(row["completion_tokens"] if row["completion_tokens"] is not None else "–"),
        f"${row['cost']:.6f}" if row["cost"] is not None else "unknown" if row["number"] else "–",
    )


@contextlib.contextmanager
def _lab(config_path: Path) -> Iterator[Lab]:
    lab = Lab(config_path)
    try:
        yield lab
    finally:
        lab.close()
