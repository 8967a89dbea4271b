"""fallback-lab check: validates models.yaml and checks whether its models can be reached."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import click
from rich.progress import Progress

from router.cli.tables import Cell, Column, Row, link_cell, print_table
from router.cli.terminal import Console
from router.config.chains import ModelRef
from router.config.lint import advice
from router.config.schema import Config
from router.core.attempts import Attempt, why
from router.core.formatting import cost, place, seconds
from router.core.requests import Request
from router.engine.handle import Handle
from router.engine.options import Options
from router.engine.validation import EMPTY
from router.lab import Lab

AT_ONCE = 8
"""Models that are called at the same time."""

POLL = 0.05
"""Seconds between checks of their progress."""

_PING = Request(messages=({"role": "user", "content": "Say OK."},), max_tokens=1)


@click.command()
@click.option("--ping", is_flag=True, help="Request one token from each model of each chain. Costs a little money.")
@click.option("--offline", is_flag=True, help="Do not load the providers' model lists.")
@click.pass_obj
@click.pass_context
def check(context: click.Context, config_path: Path, ping: bool, offline: bool) -> None:
    """Validate models.yaml and report keys, usable models, and likely mistakes."""
    if ping and offline:
        raise click.UsageError("Use either --ping or --offline, not both.")
    with closing(Lab(config_path)) as lab:
        config = lab.config()
        console = Console()
        print_table(
            [Column("provider"), Column("protocol"), Column("key", is_prose=True)],
            list(_providers(lab, config)),
            title="Providers",
        )
        click.echo()
        print_table(
            [Column("category"), Column("place"), Column("model"), Column("usable", is_prose=True)],
            list(_chains(lab, config)),
            title="Chains",
            grouped=True,
        )
        click.echo()
        if config.offline is not None:
            stand_in = lab.problem(config.offline.provider)
            state = (
                f"cannot be used: {stand_in.detail}" if stand_in else "answers when no provider of a chain has a key"
            )
            console.say(f"Offline: {config.offline.text} {state}.")
        reached = not ping or _ping_all(lab, config)
        unread = {} if offline else lab.read_lists(_listing(lab, config, all_of_them=ping))
        for name, reason in unread.items():
            console.say(f"The models of {name} are not checked because its model list cannot be loaded: {reason}")
        for sentence in [*lab.notices(), *advice(config, lab.models, lab.model_info)]:
            console.say(sentence, "yellow")
        console.say(f"{config.path} is valid.")
    context.exit(0 if reached else 1)


def _providers(lab: Lab, config: Config) -> Iterator[Row]:
    for name, provider in config.providers.items():
        problem = lab.problem(name)
        names = [str(lab.keys.name(*names)) for names in provider.variables]
        state = problem.detail if problem else (f"{', '.join(names)} is set" if names else "none needed")
        yield name, provider.protocol, Cell(state, "red" if problem else "green")


def _chains(lab: Lab, config: Config) -> Iterator[Row]:
    for name, chain in config.chains.items():
        for number, link in enumerate(chain.links):
            problem = lab.problem(link.ref.provider)
            usable = Cell(f"no: {problem.detail}", "red") if problem else Cell("yes", "green")
            yield name, place(number), link_cell(link), usable


def _listing(lab: Lab, config: Config, *, all_of_them: bool) -> Iterator[str]:
    """The providers whose lists are loaded: OpenRouter's is public; others only if their models are called too."""
    for ref in config.chain_models:
        provider = config.providers[ref.provider]
        if provider.is_openrouter or (all_of_them and lab.problem(ref.provider) is None):
            yield ref.provider


# --- Requesting one token --------------------------------------------------------------------------


def _ping_all(lab: Lab, config: Config) -> bool:
    """Call all models and print the results; True if all were reached."""
    pings = _ping(lab, config.chain_models)
    columns = [
        Column("model"),
        Column("reachable", is_prose=True),
        Column("latency", is_number=True),
        Column("served model"),
        Column("cost", is_number=True),
    ]
    print_table(columns, [_ping_row(ref, attempt) for ref, attempt in pings.items()], title="Ping")
    click.echo()
    return all(_was_reached(attempt) for attempt in pings.values())


def _ping_row(ref: ModelRef, attempt: Attempt) -> Row:
    good = _was_reached(attempt)
    served = attempt.served_model if attempt.served_model != ref.model else "the same"
    return (
        ref.text,
        Cell("yes", "green") if good else Cell(f"no: {why(attempt)}", "red"),
        seconds(attempt.latency if good else None),
        served or "–",
        cost(attempt) if attempt.outcome != "skipped" else "–",
    )


def _was_reached(attempt: Attempt) -> bool:
    # A reasoning model has no text after one token: that is an answer too.
    return attempt.outcome == "answered" or attempt.detail == EMPTY


def _ping(lab: Lab, models: Sequence[ModelRef]) -> dict[ModelRef, Attempt]:
    """The last attempt of each model, in the models' order."""
    waiting, running, ended = list(reversed(models)), dict[ModelRef, Handle](), dict[ModelRef, Attempt]()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Requesting one token from each model", total=len(models))
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                ref = waiting.pop()
                running[ref] = lab.start(_PING, model=ref.text, options=Options(source="check", cache="off"))
            for ref, snapshot in [(ref, handle.snapshot()) for ref, handle in running.items()]:
                if snapshot.state != "running":
                    handle = running.pop(ref)
                    if not snapshot.attempts:
                        handle.result()  # raises: an error of our own
                    ended[ref] = snapshot.attempts[-1]
                    progress.advance(bar)
            time.sleep(POLL)
    return {ref: ended[ref] for ref in models}
