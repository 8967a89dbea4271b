"""fallback-lab simulate: what a chain would do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from router.cli.advice import duration, plain_interval
from router.cli.numbers import Number
from router.cli.tables import Column, print_table
from router.cli.terminal import Console, json_text
from router.config.chains import Chain, Link, parse_reference
from router.config.schema import Config
from router.core.errors import InvalidRequest
from router.core.formatting import counted, dollars, place
from router.lab import Lab
from router.metrics.estimates import Estimate
from router.tune.scenarios import Scenario


@click.command("simulate")
@click.option("--category", metavar="NAME", help="Whose requests and limits (default: the default chain).")
@click.option("--models", metavar="A,B,…", help="The chain to simulate (default: the category's own).")
@click.option("--down", multiple=True, metavar="NAME", help="A model or provider that does not answer.")
@click.option("--prices", type=Number(0, 1000), default=1.0, metavar="TIMES", help="Prices as a multiple.")
@click.option("--traffic", type=Number(0.01, 1000), default=1.0, metavar="TIMES", help="Requests as a multiple.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def simulate_chain(
    config_path: Path, /, category: str | None, models: str | None, as_json: bool, **changed: Any
) -> None:
    """Simulate a chain: the engine itself, on models that behave as they were measured."""
    scenario = Scenario(down=changed["down"], prices=changed["prices"], traffic=changed["traffic"])
    with closing(Lab(config_path)) as lab:
        config = lab.config()
        name = config.default_category if category is None else category
        chain = config.chain(name)
        if models is not None:
            given = [each.strip() for each in models.split(",") if each.strip()]
            chain = of_models(config, chain, [lab.tuning.named(name, each) or each for each in given])
        world = lab.tuning.evidence(name).measured
        down = [each if each in config.providers else lab.tuning.named(name, each) or each for each in scenario.down]
        scenario = msgspec.structs.replace(scenario, down=tuple(down))
        if unknown := [each for each in scenario.down if each not in {*world.models, *config.providers}]:
            raise InvalidRequest(f"{unknown[0]} is neither a provider nor a model that was observed in {name}.")
        found = lab.tuning.simulate(name, chain, scenario)
        figures = found.figures()
        if as_json:
            shown = {"category": name, "models": [ref.text for ref in chain.models], "requests": found.requests}
            shown |= {key: plain_interval(each) for key, each in figures.items()}
            click.echo(json_text({**shown, "answered_by": found.places()}))
            return
        columns = (Column("figure"), Column("value", is_number=True), Column("95% interval", is_number=True))
        rows = [(key.replace("_", " "), *_in_words(key, each)) for key, each in figures.items()]
        said = scenario.sentence()
        print_table(columns, rows, title=f"{name}{', ' + said if said else ''}: {counted(found.requests, 'request')}")
        shares = ", ".join(f"{place(at)} {share:.1%}" for at, share in enumerate(found.places()))
        Console(stderr=True).say(f"Answered by: {shares or 'no model'}.", "dim")


def of_models(config: Config, chain: Chain, models: Sequence[str]) -> Chain:
    """The chain with other models; those that stay keep what is set for them alone.

    Raises:
        InvalidRequest: there is none, or one comes twice.
    """
    if not models:
        raise InvalidRequest("Name at least one model.")
    if twice := [model for number, model in enumerate(models) if model in models[:number]]:
        raise InvalidRequest(f"{twice[0]} is in the chain twice.")
    own = {link.ref.text: link for link in chain.links}
    links = [
        own.get(model, Link(ref=parse_reference(model, config.providers, config.default_provider))) for model in models
    ]
    return msgspec.structs.replace(chain, links=tuple(links))


def _in_words(name: str, value: Estimate) -> tuple[str, str]:
    shown = [_figure(name, each) for each in (value.value, value.low, value.high)]
    return shown[0], f"{shown[1]} to {shown[2]}"


def _figure(name: str, value: float | None) -> str:
    if value is None or np.isnan(value):
        return "unknown"
    if name in ("answered", "quality"):
        return f"{value:.1%}"
    return f"{dollars(value)} per 1,000" if name == "cost" else duration(value)
