"""fallback-lab tune and simulate: better chains from what was observed and graded, and what a chain would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from router.cli.numbers import Number
from router.cli.tables import Cell, Column, Row, print_table
from router.cli.terminal import Console, json_text
from router.config.draft import Draft
from router.config.schema import Chain, Config, Link, parse_reference
from router.core.errors import FallbackLabError, InvalidRequest
from router.core.formatting import counted, dollars, place, seconds
from router.lab import Lab
from router.metrics.estimates import Estimate
from router.tune.baselines import Baseline
from router.tune.certificate import FaultLine
from router.tune.goals import Goals, Limits, Weights
from router.tune.proposals import Advice, Proposal
from router.tune.scenarios import Scenario
from router.tune.tuning import Evidence

_BETTER, _NONE, _NOT_ENOUGH = 0, 1, 3

_LIMITS: dict[str, click.ParamType[Any]] = {
    "cost": Number(0, 1e6),
    "latency": Number(0, 3600),
    "first_token": Number(0, 3600),
    "answered": Number(0, 100),
    "links": click.IntRange(1, 5),
}
_WEIGHTS: dict[str, click.ParamType[Any]] = {"cost": Number(0, 1000), "seconds": Number(0, 1000)}

_COLUMNS = (
    Column("chain", is_prose=True),
    Column("answered", is_number=True),
    Column("quality", is_number=True),
    Column("cost per\n1,000", is_number=True),
    Column("p50", is_number=True),
    Column("p95", is_number=True, optional=True),
    Column("best", is_number=True, optional=True),
)


def _limits(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> Limits:
    found = _numbers(context, parameter, given, _LIMITS, "is no limit")
    if "answered" in found:
        found["answered"] /= 100
    return Limits(**found)


def _weights(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> Weights:
    return Weights(**_numbers(context, parameter, given, _WEIGHTS, "has no weight"))


def _numbers(
    context: click.Context,
    parameter: click.Parameter,
    given: Sequence[str],
    kinds: Mapping[str, click.ParamType[Any]],
    unknown: str,
) -> dict[str, Any]:
    """What was given as `name=value`.

    Args:
        unknown: what to say of a name that is not among the kinds.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise click.BadParameter(f"{name} {unknown}. Use one of {', '.join(kinds)}.")
        number = value.removesuffix("%") if name == "answered" else value
        try:
            found[name] = kinds[name].convert(number, parameter, context)
        except click.BadParameter as error:
            raise click.BadParameter(f"{text}: {error.message} Write a number, such as {name}=1.") from None
    return found


@click.command("tune")
@click.option("--category", metavar="NAME", help="Only this chain (default: all).")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    callback=_limits,
    metavar="NAME=VALUE",
    help="cost=USD per 1,000, latency=SECONDS or first_token=SECONDS (p95), answered=PERCENT, links=COUNT.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    callback=_weights,
    metavar="NAME=POINTS",
    help="Points of quality that a dollar per 1,000 (cost) or a second (seconds) is worth.",
)
@click.option(
    "--margin",
    type=Number(0, 100, min_open=True),
    default=2.0,
    show_default=True,
    metavar="POINTS",
    help="The loss of quality up to which a chain counts as no worse.",
)
@click.option("--must", multiple=True, metavar="MODEL", help="A model that has to be in the chain.")
@click.option("--never", multiple=True, metavar="MODEL", help="A model that must not be in it.")
@click.option("--apart", is_flag=True, help="Not two models of one provider in a row.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, one line for each chain.")
@click.option("--diff", is_flag=True, help="Print the proposed change of models.yaml.")
@click.option("--apply", "applied", type=click.IntRange(1), metavar="N", help="Save the Nth proposal in models.yaml.")
@click.option("--certify", is_flag=True, help="Run the fault matrix on the proposed chain before it is saved.")
@click.pass_obj
@click.pass_context
def tune(context: click.Context, config_path: Path, /, category: str | None, **options: Any) -> None:
    """Propose better chains from what was observed and graded.

    Exits with 0 if there is a better chain, 1 if there is none, 2 if it cannot be said or saved, 3 if the evidence is
    not enough.
    """
    if (options["applied"] or options["diff"]) and category is None:
        raise click.UsageError("Use --diff and --apply with --category.")
    if options["certify"] and not options["applied"]:
        raise click.UsageError("Use --certify with --apply: it checks a chain that is about to be saved.")
    if options["as_json"] and options["diff"]:
        raise click.UsageError("Use --json or --diff, not both.")
    limits = msgspec.structs.replace(
        options["limits"], must=tuple(options["must"]), never=tuple(options["never"]), apart=options["apart"]
    )
    goals = Goals(limits=limits, weights=options["weights"], margin=options["margin"] / 100)
    with closing(Lab(config_path)) as lab:
        config = lab.config()
        names = list(config.chains) if category is None else [config.chain(category).name or ""]
        tune_one = _one_of if category is None else _tune
        try:
            codes = [tune_one(lab, name, goals, options) for name in names]
        except FallbackLabError as error:
            raise InvalidRequest(str(error)) from None  # whose exit code is not the one of "no better chain"
        for held in lab.tuning.predictions():
            if held.certificate.category in names:
                Console(stderr=True).say(held.sentence(), "dim")
        for notice in lab.notices():
            click.echo(notice, err=True)
    context.exit(min(codes, key=(_BETTER, _NOT_ENOUGH, _NONE).index))


def _one_of(lab: Lab, category: str, goals: Goals, options: dict[str, Any]) -> int:
    """The same for one of all categories: what cannot be there is said, and the others are looked at."""
    try:
        return _tune(lab, category, goals, options)
    except InvalidRequest as error:
        Console(stderr=True).say(f"{category}: {error}", "yellow")
        return _NOT_ENOUGH


def _tune(lab: Lab, category: str, goals: Goals, options: dict[str, Any]) -> int:
    console = Console(stderr=True)
    draft = lab.editor.draft()  # what is proposed is said of this file, and no other is saved over
    evidence = lab.tuning.evidence(category)
    if left_out := evidence.left_out():
        console.say(f"{category}: {left_out}", "dim")
    if (gap := evidence.gap()) is not None:
        said = f"{gap} {_first_step(lab, category, evidence)}"
        console.say(f"{category}: {said}", "yellow")
        if options["as_json"]:
            click.echo(json_text(_gap(evidence, said)))
        return _NOT_ENOUGH
    found = lab.tuning.advise(category, goals)
    if options["as_json"]:
        _print_json(found, evidence)
    else:
        _print(found, evidence)
    style = {"keep": "", "not_enough": "yellow"}.get(found.choice.kind, "green")
    console.say(found.verdict, style)
    if found.experiment is not None:
        console.say(found.experiment_sentence, "dim")
    if options["applied"] or (options["diff"] and found.proposed is not None):
        _change(lab, draft, found, options)
    if found.proposed is not None:
        return _BETTER
    return _NONE if found.choice.kind == "keep" else _NOT_ENOUGH


def _first_step(lab: Lab, category: str, evidence: Evidence) -> str:
    """The evaluation that would fill the gap, and its price."""
    try:
        plan = lab.tuning.plan(category, evidence.chain, 60)
    except InvalidRequest as error:
        return str(error)
    lanes = ",".join(evidence.chain)
    cases = counted(len(plan.suite.cases), "case")
    estimate = lab.evaluations.estimate(plan).sentence()
    return f"Next step: fallback-lab eval {category} --lanes {lanes} ({cases}). {estimate}"


def _print(found: Advice, evidence: Evidence) -> None:
    shown = [("current", found.current), *((str(number), each) for number, each in enumerate(found.proposals, 1))]
    rows = [_row(number, each, found) for number, each in shown] + [_baseline(each) for each in found.baselines]
    worth = evidence.worth
    title = f"{found.category}, {counted(found.prompts, 'prompt')}"
    if worth.value is not None and len(evidence.chain) > 1:
        models = counted(len(evidence.chain), "model")
        title += f"; {models} worth {worth.value:.1f} independent ones ({worth.low:.1f} to {worth.high:.1f})"
    print_table(_COLUMNS, rows, title=title)


def _row(number: str, proposal: Proposal, found: Advice) -> Row:
    figures, own = proposal.figures, proposal.candidate
    best = found.choice.best if own is None else own.best
    quality = figures.quality if own is None or own.expected.value is None else own.expected.value
    return (
        Cell(f"{number}: {', '.join(proposal.models)}", short="\n".join([f"{number}:", *proposal.models])),
        f"{figures.answered:.1%}",
        f"{quality:.1%}",
        _money(figures.cost),
        _time(figures.latency[0]),
        _time(figures.latency[1]),
        "–" if np.isnan(best) else f"{best:.0%}",
    )


def _baseline(each: Baseline) -> Row:
    quality = "unknown" if np.isnan(each.quality) else f"{each.quality:.1%}"
    return Cell(each.name, "dim"), "", quality, _money(each.cost), "", "", ""


def _money(value: float) -> str:
    return dollars(None if np.isnan(value) else value)


def _time(value: float) -> str:
    return seconds(value) if np.isfinite(value) else "never"


def _gap(evidence: Evidence, said: str) -> dict[str, Any]:
    """The line of a chain that cannot be compared; it has all that `_print_json` has of the current one."""
    grid = evidence.evaluated.grid
    return {
        "category": evidence.category,
        "number": 0,
        "models": evidence.chain,
        "verdict": "not_enough",
        "sentence": said,
        "prompts": len(grid.prompts) if grid is not None else 0,
        **dict.fromkeys(("figures", "evidence", "p_best", "p_within_a_point", "experiment")),
        "independent": _interval(evidence.worth),
        "baselines": [],
    }


def _print_json(found: Advice, evidence: Evidence) -> None:
    for number, each in enumerate((found.current, *found.proposals)):
        own = each.candidate
        shown = {
            "category": found.category,
            "number": number,
            "models": each.models,
            "verdict": found.choice.kind if each is (found.proposed or found.current) else None,
            "sentence": each.sentence or found.verdict,
            "prompts": found.prompts,
            "figures": {name: _plain(value) for name, value in each.figures._asdict().items()},
            "evidence": found.evidence,
            "p_best": _plain(found.choice.best if own is None else own.best),
            "p_within_a_point": _plain(found.choice.close if own is None else own.close),
        }
        if own is None:
            step = found.experiment
            shown |= {
                "experiment": None if step is None else step._asdict(),
                "independent": _interval(evidence.worth),
                "baselines": [
                    {"name": way.name, "quality": _plain(way.quality), "cost": _plain(way.cost)}
                    for way in found.baselines
                ],
            }
        else:
            gains = {name: _interval(value) for name, value in own.gains._asdict().items()}
            shown |= {"rule": own.rule, "gains": gains}
        click.echo(json_text(shown))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if np.isfinite(value) else None


def _interval(value: Estimate) -> list[Any]:
    return [None if each is None else _plain(each) for each in (value.value, value.low, value.high)]


def _change(lab: Lab, draft: Draft, found: Advice, options: dict[str, Any]) -> None:
    number = options["applied"] or 1
    if number > len(found.proposals):
        raise InvalidRequest(f"There is no proposal {number} for {found.category}; there are {len(found.proposals)}.")
    proposal = found.proposals[number - 1]
    draft = draft.with_models(found.category, proposal.models)
    if options["diff"]:
        click.echo(draft.diff())
    if not options["applied"]:
        return
    chain = lab.editor.check(draft).chain(found.category)
    if options["certify"]:
        _certify(lab, found, chain, options)
    lab.editor.save(draft, f"{proposal.sentence} [{found.evidence}]")
    Console(stderr=True).say(
        f"Saved proposal {number} in {lab.path}. To undo it: fallback-lab chains --rollback", "green"
    )


def _certify(lab: Lab, found: Advice, chain: Chain, options: dict[str, Any]) -> None:
    """The fault matrix and the prediction, kept beside the chain."""
    _, lines = lab.tuning.certify(found, chain)
    survived = sum(line.answered == 1 for line in lines)
    Console(stderr=True).say(f"Fault matrix: {survived} of {len(lines)} situations answered.", "green")
    lost = [line for line in lines if line.answered < 1]
    if lost and not options["as_json"]:
        columns = (Column("fault"), Column("of"), Column("answered", is_number=True), Column("p50", is_number=True))
        print_table(columns, [_fault_row(line) for line in lost])


def _fault_row(line: FaultLine) -> Row:
    return line.fault, ", ".join(line.failing), f"{line.answered:.0%}", seconds(line.latency)


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
            shown |= {key: _interval(each) for key, each in figures.items()}
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
    return chain.changed(links=tuple(links))


def _in_words(name: str, value: Estimate) -> tuple[str, str]:
    shown = [_figure(name, each) for each in (value.value, value.low, value.high)]
    return shown[0], f"{shown[1]} to {shown[2]}"


def _figure(name: str, value: float | None) -> str:
    if value is None or np.isnan(value):
        return "unknown"
    if name in ("answered", "quality"):
        return f"{value:.1%}"
    return f"{dollars(value)} per 1,000" if name == "cost" else _time(value)
