"""fallback-lab tune: better chains from what was observed and graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from router.cli.advice import gap_line, print_advice, print_json
from router.cli.numbers import Number
from router.cli.tables import Column, Row, print_table
from router.cli.terminal import Console, json_text
from router.config.chains import Chain
from router.config.draft import Draft
from router.core.errors import FallbackLabError, InvalidRequest
from router.core.formatting import counted, seconds
from router.lab import Lab
from router.tune.certificate import FaultLine
from router.tune.gathering import Evidence
from router.tune.goals import Goals, Limits, Weights
from router.tune.proposals import Advice

_BETTER, _NONE, _CANNOT_SAY, _NOT_ENOUGH = 0, 1, 2, 3

_LIMITS: dict[str, click.ParamType[Any]] = {
    "cost": Number(0, 1e6),
    "latency": Number(0, 3600),
    "first_token": Number(0, 3600),
    "answered": Number(0, 100),
    "links": click.IntRange(1, 5),
}
_WEIGHTS: dict[str, click.ParamType[Any]] = {"cost": Number(0, 1000), "seconds": Number(0, 1000)}


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
    not enough; of several chains, the first of 0, 2, 3 and 1 that is true of one.
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
    context.exit(min(codes, key=(_BETTER, _CANNOT_SAY, _NOT_ENOUGH, _NONE).index))


def _one_of(lab: Lab, category: str, goals: Goals, options: dict[str, Any]) -> int:
    """The same for one of all categories: what cannot be there is said, and the others are looked at."""
    try:
        return _tune(lab, category, goals, options)
    except InvalidRequest as error:
        Console(stderr=True).say(f"{category}: {error}", "yellow")
        return _CANNOT_SAY


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
            click.echo(json_text(gap_line(evidence, said)))
        return _NOT_ENOUGH
    found = lab.tuning.advise(category, goals)
    if options["as_json"]:
        print_json(found, evidence)
    else:
        print_advice(found, evidence)
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
