"""fallback-lab check: what models.yaml says, and whether its models can be reached."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from router.call import EMPTY
from router.chain import Options
from router.config import Config, ModelRef
from router.handle import Handle
from router.lab import Lab
from router.lint import advice
from router.messages import Attempt, Request
from router.words import cost, place, seconds

AT_ONCE = 8
"""Models that are asked at the same time."""

POLL = 0.05
"""Seconds between two looks at them."""

_PING = Request(messages=({"role": "user", "content": "Say OK."},), max_tokens=1)


@click.command()
@click.option("--ping", is_flag=True, help="Ask each model of each chain for one token. This costs a little money.")
@click.option("--offline", is_flag=True, help="Read no provider's list of models.")
@click.pass_obj
@click.pass_context
def check(context: click.Context, config_path: Path, ping: bool, offline: bool) -> None:
    """Validate models.yaml; say which keys are set, which models can be used, and what is probably not meant."""
    if ping and offline:
        raise click.UsageError("Give --ping or --offline, not both.")
    with closing(Lab(config_path)) as lab:
        config = lab.config()
        console = Console(highlight=False)
        console.print(_providers(lab, config))
        console.print(_chains(lab, config))
        if config.offline is not None:
            stand_in = lab.problem(config.offline)
            state = (
                f"cannot be used: {stand_in.detail}" if stand_in else "answers where no provider of a chain has a key"
            )
            console.print(Text(f"Offline: {config.offline.text} {state}."))
        reached = not ping or _ping_all(lab, config, console)
        unread = {} if offline else lab.read_lists(_listing(lab, config, all_of_them=ping))
        for name, reason in unread.items():
            console.print(Text(f"The models of {name} are not checked, for its list cannot be read: {reason}"))
        for sentence in [*lab.notices(), *advice(config, lab.models, lab.facts)]:
            console.print(Text(sentence, style="yellow"))
        console.print(Text(f"{config.path} is valid."))
    context.exit(0 if reached else 1)


def _providers(lab: Lab, config: Config) -> Table:
    table = Table("provider", "protocol", "key", title="Providers", title_justify="left")
    for name, provider in config.providers.items():
        problem = lab.keys.problem(*provider.api_key)
        state = problem or (f"{lab.keys.name(*provider.api_key)} is set" if provider.api_key else "none needed")
        table.add_row(Text(name), provider.protocol, Text(state, style="red" if problem else "green"))
    return table


def _chains(lab: Lab, config: Config) -> Table:
    table = Table("category", "place", "model", "usable", title="Chains", title_justify="left")
    for name, chain in config.chains.items():
        for number, ref in enumerate(chain.models):
            problem = lab.problem(ref)
            usable = Text(f"no: {problem.detail}", style="red") if problem else Text("yes", style="green")
            table.add_row(Text("" if number else name), place(number), Text(ref.text), usable)
    return table


def _listing(lab: Lab, config: Config, *, all_of_them: bool) -> Iterator[str]:
    """The providers whose lists are read: OpenRouter's is public; others are asked where their models are, too."""
    for ref in _models(config):
        provider = config.providers[ref.provider]
        if provider.is_openrouter or (all_of_them and lab.problem(ref) is None):
            yield ref.provider


def _models(config: Config) -> dict[ModelRef, list[str]]:
    """All models of all chains, each with its categories."""
    found: dict[ModelRef, list[str]] = {}
    for name, chain in config.chains.items():
        for ref in chain.models:
            found.setdefault(ref, []).append(name)
    return found


# --- Asking for one token --------------------------------------------------------------------------


def _ping_all(lab: Lab, config: Config, console: Console) -> bool:
    """Ask all models and print what came of it; True where all were reached."""
    pings = _ping(lab, list(_models(config)))
    table = Table(title="Ping", title_justify="left")
    for heading in ("model", "reachable", "latency", "served model", "cost"):
        table.add_column(heading, overflow="fold")
    for ref, attempt in pings.items():
        good = _was_reached(attempt)
        reachable = Text("yes", style="green") if good else Text(f"no: {attempt.detail or attempt.reason}", style="red")
        served = attempt.served_model if attempt.served_model != ref.model else "the same"
        table.add_row(
            Text(ref.text),
            reachable,
            seconds(attempt.latency if good else None),
            Text(served or "–"),
            cost(attempt) if attempt.outcome != "skipped" else "–",
        )
    console.print(table)
    return all(_was_reached(attempt) for attempt in pings.values())


def _was_reached(attempt: Attempt) -> bool:
    # A model that thinks first has said nothing after one token: that is an answer, too.
    return attempt.outcome == "answered" or attempt.detail == EMPTY


def _ping(lab: Lab, models: list[ModelRef]) -> dict[ModelRef, Attempt]:
    """The last attempt of each model, in the models' order."""
    waiting, running, ended = models[::-1], dict[ModelRef, Handle](), dict[ModelRef, Attempt]()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Asking each model for one token", total=len(models))
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
