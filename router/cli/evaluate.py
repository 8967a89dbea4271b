"""fallback-lab eval: suites of cases through chains and models, graded, with a verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from router.cli.lanes import lanes_of
from router.cli.numbers import Number
from router.cli.tables import Cell, Column, Row, print_table
from router.cli.terminal import Console
from router.core.errors import StoreError
from router.core.formatting import counted, dollars, expense, interval, seconds
from router.core.runs import LEAST_SCREENED, Planned
from router.core.suites import Suite
from router.evaluate.eval_log import to_logs
from router.evaluate.evaluation import Evaluation
from router.evaluate.export import to_csv, to_jsonl, to_junit
from router.evaluate.gates import Gate, gates
from router.evaluate.importers import Imported
from router.evaluate.leaderboard import Standing, notes, standings
from router.evaluate.library import Library, joined
from router.evaluate.markdown import to_markdown
from router.evaluate.results import Results
from router.evaluate.sandbox import UNCONFINED
from router.evaluate.summary import categories
from router.evaluate.verdicts import Compared, against_first, since_baseline
from router.lab import Lab

POLL = 0.2
"""Seconds between looks at a run in progress."""

_COLUMNS = (
    Column("category"),
    Column("lane"),
    Column("passed", is_number=True),
    Column("95% interval", is_number=True),
    Column("cases", is_number=True),
    Column("failed calls", is_number=True, optional=True),
    Column("not graded", is_number=True, optional=True),
    Column("cost a case", is_number=True, optional=True),
    Column("median", is_number=True, optional=True),
    Column("tier", is_number=True, optional=True),
    Column("pass^k", is_number=True, optional=True),
)


def follow(evaluation: Evaluation, plan: Planned) -> None:
    """Draw a bar until the run has ended; Ctrl-C stops it, and keeps what has arrived."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=console.is_piped) as progress:
        task = progress.add_task(plan.suite.name, total=plan.cells)
        try:
            while not evaluation.wait(POLL):
                progress.update(
                    task, completed=evaluation.results.refresh().over, description=_so_far(evaluation.results)
                )
        except KeyboardInterrupt:
            evaluation.stop()
            evaluation.wait()
            raise


def _so_far(results: Results) -> str:
    unpriced = f" + {counted(results.unpriced, 'call')} of unknown cost" if results.unpriced else ""
    return f"{dollars(results.spent)}{unpriced}"


def print_summary(results: Results, plan: Planned) -> None:
    """Each lane's figures by category, and over all where there are several."""
    groups: list[str | None] = [*categories(plan.suite)]
    if len(groups) != 1:
        groups.append(None)
    boards = {category: standings(results, plan, category) for category in groups}
    rows = [_row(category or "all", each) for category, board in boards.items() for each in board]
    print_table(_COLUMNS, rows, title=plan.suite.name, grouped=True)


def _row(category: str, each: Standing) -> Row:
    lane = each.summary
    return (
        category,
        lane.name,
        f"{lane.passed:.1%}" if lane.passed is not None else "–",
        interval(lane.low, lane.high, digits=1) or "–",
        str(lane.cases),
        Cell(str(lane.failed), "red" if lane.failed else ""),
        Cell(str(lane.errors), "red" if lane.errors else ""),
        expense(lane.cost),
        seconds(lane.latency),
        str(each.tier or "–"),
        f"{each.every.value:.1%}" if each.every is not None and each.every.value is not None else "–",
    )


def _named_well(_: click.Context, __: click.Parameter, out: Path | None) -> Path | None:
    """Before a run costs anything."""
    if out is not None and out.suffix not in (".jsonl", ".csv", ".eval"):
        raise click.BadParameter(f"{out} does not say which format to write. End it in .jsonl, .csv or .eval.")
    if out is not None and not out.parent.is_dir():
        raise click.BadParameter(f"There is no folder {out.parent}. Create it first.")
    return out


out_option = click.option(
    "--out", type=click.Path(path_type=Path), callback=_named_well, metavar="FILE",
    help="Write all answers as .jsonl, .csv or .eval.",
)  # fmt: skip


@click.command("eval")
@click.argument("suites", nargs=-1)
@click.option(
    "--lanes",
    metavar="A,B,…",
    help="Chains and models, with parameters as JSON; the others are compared with the first.",
)
@click.option("--repeats", type=click.IntRange(1), default=1, help="How often each case is asked in each lane.")
@click.option("--max-cost", type=Number(0, min_open=True), metavar="USD", help="Stop at this cost.")
@click.option("--judge", metavar="NAME", help="The chain or model that judges where a check names none.")
@click.option("--baseline", metavar="RUN", help="Compare each lane with the same lane of an earlier run.")
@click.option(
    "--margin",
    type=Number(0, 100, min_open=True, max_open=True),
    metavar="POINTS",
    help="The loss up to which a lane counts as no worse.",
)
@click.option("--min-score", type=Number(0, 100), metavar="PERCENT", help="Fail if a lane passes less.")
@click.option("--strict", is_flag=True, help="Exit with 3 where a gate is not separable from its limit.")
@click.option(
    "--screen",
    type=click.IntRange(LEAST_SCREENED),
    metavar="CASES",
    help="Ask the lanes after the first only so many cases, and estimate their scores on the whole suite.",
)
@click.option("--resume", metavar="RUN", help="Go on with a run that ended early; what is answered is not asked again.")
@click.option("--retry-failed", is_flag=True, help="With --resume, ask again what no model answered.")
@click.option("--grade-again", is_flag=True, help="With --resume, grade all answers again, without asking again.")
@click.option(
    "--in-flight", type=click.IntRange(1, 256), metavar="N", help="Answers in progress at once (16 by default)."
)
@click.option(
    "--unconfined",
    is_flag=True,
    help=f"Run code without a sandbox where there is none. {UNCONFINED}=yes must be set, too.",
)
@click.option("--no-cache", is_flag=True, help="Do not use the response cache.")
@out_option
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write a JUnit report.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a comment for a pull request.")
@click.pass_obj
@click.pass_context
def evaluate(
    context: click.Context, config_path: Path, /, suites: tuple[str, ...], resume: str | None, **options: Any
) -> None:
    """Run SUITES, files or names, through chains and models, and grade the answers."""
    if not suites and not resume:
        raise click.UsageError("Name at least one suite, or a run with --resume.")
    with closing(Lab(config_path)) as lab:
        run = _resumed(lab, resume, suites, options) if resume else _begun(lab, suites, options)
        evaluation, results = lab.evaluations.running(run), lab.evaluations.results(run)
        plan = results.planned
        if evaluation is not None:
            follow(evaluation, plan)
            if evaluation.problem is not None:
                raise StoreError(evaluation.problem)
        print_summary(results.refresh(), plan)
        before = lab.evaluations.results(options["baseline"]) if options["baseline"] else None
        compared = against_first(results, plan)
        since = since_baseline(results, plan, before, before.planned) if before is not None else []
        _say_verdicts(run, results, [*compared, *since])
        found = gates(results, plan, since, min_score=options["min_score"])
        _write(results, plan, [*compared, *since], found, options)
        console = Console(stderr=True)
        for gate in found:
            console.say(gate.sentence, {"failed": "red", "open": "yellow", "passed": "green"}[gate.outcome])
    context.exit(exit_code(results, found, [*compared, *since], strict=options["strict"]))


def _begun(lab: Lab, suites: Sequence[str], options: dict[str, Any]) -> str:
    suite = _suite(lab, suites)
    lanes = lanes_of(lab, options["lanes"], sorted({case.category for case in suite.cases if case.category}))
    plan = Planned(
        at=time.time(),
        suite=suite,
        lanes=lanes,
        repeats=options["repeats"],
        margin=options["margin"] and options["margin"] / 100,
        max_cost=options["max_cost"],
        judge=options["judge"],
        unconfined=options["unconfined"],
        cache=not options["no_cache"],
        screen=options["screen"],
    )
    console = Console(stderr=True)
    console.say(f"{suite.name}: {counted(len(suite.cases), 'case')}. {lab.evaluations.estimate(plan).sentence()}")
    run = lab.evaluations.begin(plan, in_flight=options["in_flight"])
    console.say(f"Run {run}. If it is interrupted: fallback-lab eval --resume {run}", "dim")
    return run


def _suite(lab: Lab, names: Sequence[str]) -> Suite:
    library = Library(lab.folder / "suites")
    return joined([_read(name, library) for name in names])


def _read(name: str, library: Library) -> Suite:
    """A suite; what of a foreign file is left out goes to standard error."""
    imported = library.find(name)
    if imported.left:
        say_left(imported)
    return imported.suite


def say_left(imported: Imported) -> None:
    """What an import took, and what it left, each reason once."""
    console = Console(stderr=True)
    console.say(imported.sentence)
    for count, left in imported.reasons:
        more = f" and {counted(count - 1, 'other place')}" if count > 1 else ""
        console.say(f"{left.place}{more}: {left.what} {left.fix}", "yellow")


def _resumed(lab: Lab, run: str, suites: Sequence[str], options: dict[str, Any]) -> str:
    suite = _suite(lab, suites) if suites else None

    def changed(plan: Planned) -> Planned:
        lanes = lanes_of(lab, options["lanes"], ()) if options["lanes"] else plan.lanes
        return msgspec.structs.replace(
            plan,
            suite=suite or plan.suite,
            lanes=lanes,
            repeats=max(plan.repeats, options["repeats"]),
            max_cost=options["max_cost"] or plan.max_cost,
            judge=options["judge"] or plan.judge,
            grade_again=options["grade_again"],
            unconfined=options["unconfined"],
            screen=options["screen"] or plan.screen,
        )

    lab.evaluations.resume(run, changed, retry_failed=options["retry_failed"], in_flight=options["in_flight"])
    return run


def _say_verdicts(run: str, results: Results, compared: Sequence[Compared]) -> None:
    console = Console()
    for sentence in [*(each.sentence for each in compared), *notes(results, results.planned)]:
        console.say(sentence)
    if results.possibly_paid:
        console.say(f"{counted(len(results.possibly_paid), 'call')} may have been paid twice: the process was killed.")
    if results.ended != "complete":
        why = "its spending limit is reached" if results.ended == "limit" else "it was stopped"
        console.say(f"The run is not complete: {why}. Go on: fallback-lab eval --resume {run}", "yellow")


def _write(
    results: Results, plan: Planned, compared: Sequence[Compared], found: Sequence[Gate], options: dict[str, Any]
) -> None:
    if options["out"] is not None:
        write_answers(results, plan, options["out"])
    if options["junit"] is not None:
        options["junit"].write_bytes(to_junit(results, plan))
    if options["markdown"] is not None:
        options["markdown"].write_text(to_markdown(results, plan, compared, found), encoding="utf-8")


def write_answers(results: Results, plan: Planned, out: Path) -> None:
    """All answers in the format that the file's ending names; of Inspect's logs, one a lane."""
    if out.suffix == ".eval":
        for name, data in to_logs(results, plan):
            path = out if len(plan.lanes) == 1 else out.with_name(f"{out.stem}-{name}")
            path.write_bytes(data)
            click.echo(f"{path}: inspect view --log-dir {path.parent}", err=True)
    else:
        out.write_bytes(to_csv(results, plan).encode() if out.suffix == ".csv" else b"".join(to_jsonl(results, plan)))


def exit_code(results: Results, found: Sequence[Gate], compared: Sequence[Compared], *, strict: bool) -> int:
    """0; 1 if a gate failed; 3 if the run is not complete or allows no verdict, or with `strict` if a gate is open."""
    if any(gate.outcome == "failed" for gate in found):
        return 1
    is_open = strict and any(gate.outcome == "open" for gate in found)
    no_verdict = not results.scored or any(each.verdict.kind == "no_verdict" for each in compared)
    return 3 if is_open or no_verdict or results.ended != "complete" else 0
