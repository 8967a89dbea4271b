"""fallback-lab ask: one prompt, through a chain or to one model."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.text import Text

from router.chain import Options
from router.errors import AllModelsFailed
from router.events import Restarted, TextDelta
from router.handle import Handle
from router.lab import Lab
from router.messages import Attempt, Completion, Request
from router.words import attempt_sentence

POLL = 0.03
"""Seconds between two looks at an answer under way."""


@click.command()
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
    with closing(Lab(config_path)) as lab:
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
