"""fallback-lab chains: the chains with their models' statistics, their exports, and earlier versions of models.yaml."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click

from router.cli.export import opened
from router.cli.tables import Column, Row, link_cell, print_table
from router.cli.terminal import Console, data_stream, json_text
from router.config.editing import Editor, Version, open_editor
from router.config.loading import load_config
from router.core.errors import InvalidEdit
from router.core.formatting import place
from router.gateways import TARGETS
from router.lab import Lab
from router.metrics import Estimate
from router.metrics.chains import DAYS, UNSEEN, ModelLine, chain_lines

_COLUMNS = (
    Column("category"),
    Column("model"),
    Column("answered", is_number=True),
    Column("rescued", is_number=True),
    Column("first\ntoken", is_number=True),
    Column("answer", is_number=True),
    Column("cost of\na call", is_number=True),
    Column("quality", is_number=True),
)


@click.command(name="chains")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, one line for each model.")
@click.option("--rollback", is_flag=True, help="Undo the last change of models.yaml.")
@click.option("--list", "list_", is_flag=True, help="With --rollback: list the earlier versions and change nothing.")
@click.option("--to", metavar="VERSION", help="With --rollback: restore this version from the list.")
@click.option(
    "--export", "target", type=click.Choice(list(TARGETS)), help="Print the chains in another gateway's format."
)
@click.option("--output", type=click.Path(path_type=Path), help="With --export: the file to write (default: stdout).")
@click.argument("category", required=False)
@click.pass_obj
def show_chains(
    config_path: Path,
    as_json: bool,
    rollback: bool,
    list_: bool,
    to: str | None,
    target: str | None,
    output: Path | None,
    category: str | None,
) -> None:
    """Show each category's chain with its models' recent statistics.

    With --export, CATEGORY's chain or all of them in another gateway's format; what that cannot express goes to stderr.
    """
    if target is not None:
        if as_json or rollback or list_ or to:
            raise click.UsageError("Use --export with --output alone.")
        _export(config_path, target, category, output)
        return
    if category or output:
        raise click.UsageError("Use --output and a category with --export.")
    if rollback:  # the file itself is not read: it may be broken
        if as_json:
            raise click.UsageError("Use either --json or --rollback, not both.")
        if list_ and to:
            raise click.UsageError("Use either --list or --to, not both.")
        _roll_back(open_editor(config_path), config_path, list_, to)
        return
    if list_ or to:
        raise click.UsageError("Use --list and --to with --rollback.")
    _show(config_path, as_json)


def _show(config_path: Path, as_json: bool) -> None:
    with closing(Lab(config_path)) as lab:
        chains = lab.config().chains
        lines = chain_lines(lab.observed, lab.store.scores, chains, time.time())
        links = [
            (name, number, link, lines[name].get(link.ref.text, UNSEEN))
            for name, chain in chains.items()
            for number, link in enumerate(chain.links)
        ]
        if as_json:
            for name, number, link, line in links:
                figures = {
                    figure: each._asdict() if isinstance(each, Estimate) else each
                    for figure, each in line._asdict().items()
                }
                shown = {"category": name, "place": place(number), "model": link.ref.text, "own": link.own}
                click.echo(json_text({**shown, **figures}))
        else:
            rows: list[Row] = [(name, link_cell(link), *_figures(line)) for name, _, link, line in links]
            print_table(_COLUMNS, rows, title=f"Chains, last {DAYS} days; times are p50 and p95", grouped=True)
        for notice in lab.notices():
            click.echo(notice, err=True)


def _export(config_path: Path, target: str, category: str | None, output: Path | None) -> None:
    config = load_config(config_path)
    chains = [config.chain(category)] if category is not None else list(config.chains.values())
    exported = TARGETS[target].export(config, chains)
    if output is None:
        data_stream().write(exported.text.encode())
    else:
        with opened(output) as file:
            file.write(exported.text.encode())
    console = Console(stderr=True)
    if exported.lost:
        console.say(f"What {TARGETS[target].name} cannot express:", "yellow")
    for lost in exported.lost:
        console.say(f"- {lost}", "yellow")


def _figures(line: ModelLine) -> list[str]:
    quality, answered, rescued, first_p50, first_p95, p50, p95, cost = line.cells()
    answered_of, rescued_of, passed_of = (f"{cell.value}\n{cell.of}".strip() for cell in (answered, rescued, quality))
    times = ["\n".join(dict.fromkeys((low.value, high.value))) for low, high in ((first_p50, first_p95), (p50, p95))]
    return [answered_of, rescued_of, *times, cost.value, passed_of]


def _roll_back(editor: Editor, path: Path, list_: bool, to: str | None) -> None:
    versions = editor.history()
    if list_:
        columns = [Column("version"), Column("replaced"), Column("by this change", is_prose=True)]
        if not versions:
            click.echo("There are no earlier versions: models.yaml has not been edited from here yet.", err=True)
        else:
            print_table(columns, [_version_row(version) for version in versions])
        return
    version = next((version for version in versions if to == version.name), None)
    if to is not None and version is None:
        raise InvalidEdit(
            f"There is no version `{to}`. To list the versions, run: fallback-lab chains --rollback --list"
        )
    restored = editor.roll_back(version)
    what = f"Undone: {restored.why}" if to is None else f"Restored version {restored.name}"
    click.echo(f"{what}. {path.absolute()} is as it was before {_when(restored)}.")


def _version_row(version: Version) -> Row:
    return version.name, _when(version), version.why


def _when(version: Version) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(version.until))
