"""fallback-lab ask: one prompt, through a chain or to one model."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from router.cli.tables import STYLES
from router.cli.terminal import Console, json_text
from router.core.attempts import Attempt, Completion
from router.core.errors import AllModelsFailed
from router.core.events import Restarted, TextDelta
from router.core.formatting import attempt_sentence, image_words
from router.core.messages import Answer
from router.core.requests import Request
from router.core.strip import MARKS, strip_of
from router.engine.handle import Handle
from router.engine.options import Options
from router.lab import Lab

POLL = 0.03
"""Seconds between updates of an answer in progress."""


@click.command()
@click.option(
    "--category",
    "-c",
    metavar="NAME",
    help="The category whose chain answers (default: conversation, or the first chain).",
)
@click.option(
    "--model",
    "-m",
    metavar="MODEL",
    help="Use a single model instead: `provider:model`, or `model` at the default provider.",
)
@click.option("--system", "-s", help="A system prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--no-cache", is_flag=True, help="Do not use the response cache.")
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
    """Send a prompt (`-` reads it from standard input). The answer goes to stdout, the trace to stderr."""
    if category and model:
        raise click.UsageError("Use either --category or --model, not both.")
    messages = [{"role": "user", "content": _read_prompt(prompt)}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    with closing(Lab(config_path)) as lab:
        if model is None and category is None:
            category = lab.config().default_category
        options = Options(source="cli", cache="off" if no_cache else "use", stream=not as_json)
        handle = lab.start(Request(messages=tuple(messages)), category=category, model=model, options=options)
        try:
            if not as_json:
                _print_answer(handle)
            completion = handle.result()
        except AllModelsFailed as error:
            _print_trace(error.attempts)
            if error.answer is not None:
                click.echo(f"The last answer, which was not accepted: {_in_a_line(error.answer)}", err=True)
            raise
        if as_json:
            click.echo(json_text(_as_json(completion)))
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
    """Print the answer: streamed in a terminal; elsewhere when complete, so that no abandoned part is in it."""
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
                click.echo("(This answer does not count. The next model starts over.)", err=True)
        sys.stdout.flush()
        if running:
            time.sleep(POLL)
    answer = handle.result().answer
    click.echo("" if live else answer.text)
    for url in answer.images:
        click.echo(f"[{image_words(url)}]")


def _in_a_line(answer: Answer) -> str:
    return " ".join([answer.text, *(f"{call.name}({call.arguments})" for call in answer.tool_calls)]).strip()


def _as_json(completion: Completion) -> dict[str, Any]:
    attempt = completion.attempts[-1]
    return {
        "text": completion.answer.text,
        "reasoning": completion.answer.reasoning or None,
        "tool_calls": completion.answer.tool_calls,
        "images": completion.answer.images,
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
    """The request's way in one line, then what happened in each attempt."""
    console = Console(stderr=True)
    console.say(strip_of(attempts).text, "bold")
    for attempt in attempts:
        console.say(f"{MARKS[attempt.outcome]} {attempt.model}: {attempt_sentence(attempt)}", STYLES[attempt.outcome])
