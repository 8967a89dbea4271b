"""How advice on a chain is printed: as a table, and as JSON."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from router.cli.tables import Cell, Column, Row, print_table
from router.cli.terminal import json_text
from router.core.formatting import counted, dollars, seconds
from router.metrics.estimates import Estimate
from router.tune.baselines import Baseline
from router.tune.gathering import Evidence
from router.tune.proposals import Advice, Proposal

_COLUMNS = (
    Column("chain", is_prose=True),
    Column("answered", is_number=True),
    Column("quality", is_number=True),
    Column("cost per\n1,000", is_number=True),
    Column("p50", is_number=True),
    Column("p95", is_number=True, optional=True),
    Column("best", is_number=True, optional=True),
)


def print_advice(found: Advice, evidence: Evidence) -> None:
    """Print the current chain, the proposals and the baselines."""
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
        duration(figures.latency[0]),
        duration(figures.latency[1]),
        "–" if np.isnan(best) else f"{best:.0%}",
    )


def _baseline(each: Baseline) -> Row:
    quality = "unknown" if np.isnan(each.quality) else f"{each.quality:.1%}"
    return Cell(each.name, "dim"), "", quality, _money(each.cost), "", "", ""


def _money(value: float) -> str:
    return dollars(None if np.isnan(value) else value)


def duration(value: float) -> str:
    """Seconds in words; infinite ones never end."""
    return seconds(value) if np.isfinite(value) else "never"


def gap_line(evidence: Evidence, said: str) -> dict[str, Any]:
    """The line of a chain that cannot be compared; it has all that `print_json` has of the current one."""
    grid = evidence.evaluated.grid
    return {
        "category": evidence.category,
        "number": 0,
        "models": evidence.chain,
        "verdict": "not_enough",
        "sentence": said,
        "prompts": len(grid.prompts) if grid is not None else 0,
        **dict.fromkeys(("figures", "evidence", "p_best", "p_within_a_point", "experiment")),
        "independent": plain_interval(evidence.worth),
        "baselines": [],
    }


def print_json(found: Advice, evidence: Evidence) -> None:
    """Print a line for each chain, the current one first."""
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
                "independent": plain_interval(evidence.worth),
                "baselines": [
                    {"name": way.name, "quality": _plain(way.quality), "cost": _plain(way.cost)}
                    for way in found.baselines
                ],
            }
        else:
            gains = {name: plain_interval(value) for name, value in own.gains._asdict().items()}
            shown |= {"rule": own.rule, "gains": gains}
        click.echo(json_text(shown))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if np.isfinite(value) else None


def plain_interval(value: Estimate) -> list[Any]:
    """The value and its 95% interval, as JSON can hold them."""
    return [None if each is None else _plain(each) for each in (value.value, value.low, value.high)]
