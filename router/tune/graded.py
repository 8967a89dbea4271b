"""The grid of a category from its evaluation runs: what each model did on each prompt, and how good it was.

A cell speaks of the model that came first: of a lane that is a chain, only its primary's calls count, since its
fallbacks saw what it had left. Prompts are the same where their content is, whichever suite and run asked them. A
prompt counts where every model of the grid has a grade for it; the others are left out and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.errors import DECISIONS
from router.core.runs import CellKey, CellResult, Lane
from router.core.suites import Case
from router.evaluate.results import Results
from router.tune.evidence import ERRORS
from router.tune.grid import Floats, Grid, grid
from router.tune.joint import Failures

SEEN = 0.8
"""The share of the primary's prompts that another model must have a grade for to be asked first in its place."""

FEWEST = 30
"""Prompts that a model must have a grade for to be a fallback."""


class Graded(NamedTuple):
    """One answer of a model that came first, or its failure.

    Attributes:
        prompt: `Case.key`.
        suite: whose case it is.
        at: Unix time, seconds.
        fault: whether it is a failure that says nothing of the prompt.
        quality: 0 to 1; None for a failure.
        seconds, first_token: from sending, waits between retries included.
        cost: US dollars; None if unknown.
    """

    model: str
    provider: str
    prompt: str
    suite: str
    at: float
    fault: bool
    quality: float | None
    seconds: float
    first_token: float
    cost: float | None


def graded(runs: Iterable[Results], category: str) -> Iterator[Graded]:
    """The answers that runs have of a category's cases, one for each cell that is graded or has failed.

    Raises:
        StoreError: a journal cannot be read.
    """
    for results in runs:
        if (plan := results.plan) is None:
            continue
        cases = [case for case in plan.suite.cases if case.category == category]
        lanes = [lane for lane in plan.lanes if _is_plain(lane.settings)]
        for lane, case, repeat in product(lanes, cases, range(plan.repeats)):
            yield from _graded(results, case, lane, repeat)


def _is_plain(settings: Settings) -> bool:
    """Whether a lane is a model or a chain as models.yaml has it: with other parameters it is another model."""
    return Settings(category=settings.category, model=settings.model) == settings


def _graded(results: Results, case: Case, lane: Lane, repeat: int) -> Iterator[Graded]:
    cell = CellKey(case.key, lane.key, repeat)
    entry = results.answer(cell)
    if entry is None or entry.state == "cut" or not entry.attempts:
        return
    own = _of_first(entry)
    last = own[-1] if own else None
    if last is None or any(attempt.injected or attempt.shared for attempt in own):
        return  # a shared call is the one's that made it, with its time and its cost
    is_answered = entry.state == "answered" and len(own) == len(entry.attempts)
    person, scored = results.people.get((cell, case.id)), results.scored.get((cell, case.id))
    if is_answered and person is None and (scored is None or scored.score is None):
        return  # not graded yet, or the grader could not tell
    passed = person.passed if person is not None else scored is not None and scored.passed
    kind = ERRORS.get(last.reason or "")
    yield Graded(
        last.model,
        last.provider,
        case.key,
        results.planned.suite.name,
        entry.at,
        not is_answered and kind is not None and (DECISIONS[kind].fault or DECISIONS[kind].lasting),
        float(passed) if is_answered else None,
        sum((attempt.latency or 0.0) + attempt.wait for attempt in own),
        _first_token(own),
        _cost(own),
    )


def _of_first(entry: CellResult) -> list[Attempt]:
    """The calls of the model that was asked first, over all turns."""
    first = entry.attempts[0].model
    return [each for each in entry.attempts if each.model == first and each.place == 0 and each.outcome != "skipped"]


def _first_token(own: Sequence[Attempt]) -> float:
    """Of the last turn; where none came, the time that all of it took."""
    seconds = sum((attempt.latency or 0.0) + attempt.wait for attempt in own)
    last = own[-1]
    return seconds - (last.latency or 0.0) + last.ttft if last.ttft is not None else seconds


def _cost(own: Sequence[Attempt]) -> float | None:
    """Of all calls; one that failed at an unknown cost counts as free."""
    costs = [attempt.cost if attempt.cost is not None or attempt.outcome == "answered" else 0.0 for attempt in own]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


class Evaluated(NamedTuple):
    """A category's grid, and what is not in it.

    Attributes:
        grid: None where a model of the chain has too few grades.
        prompts: how many prompts any run has a grade for.
        missing: by model, prompts of the grid that it has no grade for: of those that are in it as fallbacks alone,
            and of those that have too few grades for that.
        faults: answers that a provider failed, which say nothing of the prompt: they count in the models' rates alone.
    """

    grid: Grid | None
    prompts: int
    missing: Mapping[str, int]
    faults: int


def evaluated(answers: Iterable[Graded], chain: Sequence[str], failures: Failures) -> Evaluated:
    """The grid of a chain's primary and of all others that saw most of the same prompts, with what else can be a
    fallback.

    Args:
        failures: how often providers fail, which holds for all prompts.
    """
    cells: defaultdict[str, dict[str, list[Graded]]] = defaultdict(dict)
    suites: dict[str, str] = {}
    faults = 0
    for each in answers:
        faults += each.fault
        if not each.fault:
            suites[each.prompt] = each.suite
            cells[each.model].setdefault(each.prompt, []).append(each)
    seen = cells.get(chain[0], {}).keys()
    first = [model for model in cells if model == chain[0] or len(seen & cells[model].keys()) >= SEEN * len(seen) > 0]
    prompts = [prompt for prompt in sorted(seen) if all(prompt in cells[model] for model in first)]
    models = [model for model in cells if model in first or len(cells[model]) >= FEWEST]
    missing = {
        model: len(prompts) - len(cells.get(model, {}).keys() & set(prompts)) for model in {*chain, *cells} - {*first}
    }
    complete = bool(prompts) and set(chain) <= set(models)
    found = _grid({model: cells[model] for model in models}, prompts, suites, failures) if complete else None
    return Evaluated(found, len(suites), {model: count for model, count in missing.items() if count}, faults)


def _grid(
    cells: Mapping[str, Mapping[str, Sequence[Graded]]],
    prompts: Sequence[str],
    suites: Mapping[str, str],
    failures: Failures,
) -> Grid:
    names = list(dict.fromkeys(suites[prompt] for prompt in prompts))
    columns = [_column(of_model, prompts) for of_model in cells.values()]
    answered, quality, seconds, first_token, cost = np.array(columns).transpose(2, 1, 0)
    models = list(cells)
    down = np.array([failures.alone(model) or 0.0 for model in models])
    together = np.array([[failures.given(first, then) or 0.0 for then in models] for first in models]) * down[:, None]
    np.fill_diagonal(together, down)
    return grid(
        models=models,
        providers=[next(iter(of_model.values()))[0].provider for of_model in cells.values()],
        prompts=prompts,
        kinds=np.array([names.index(suites[prompt]) for prompt in prompts]),
        answered=answered,
        quality=quality,
        seconds=seconds,
        first_token=first_token,
        cost=cost,
        known=np.array([[prompt in of_model for of_model in cells.values()] for prompt in prompts]),
        down=down,
        down_together=together,
        failures=failures,
    )


def _column(of_model: Mapping[str, Sequence[Graded]], prompts: Sequence[str]) -> list[tuple[float, ...]]:
    """What a model did on each prompt; where it was not asked, what it did on average."""
    seen = {prompt: _mean(samples) for prompt, samples in of_model.items()}
    values = np.array(list(seen.values())).T
    average = tuple(float(each[~np.isnan(each)].mean()) if not np.isnan(each).all() else np.nan for each in values)
    return [seen.get(prompt, average) for prompt in prompts]


def _mean(samples: Sequence[Graded]) -> tuple[float, ...]:
    """Of a prompt's samples: share answered, quality of the answers, seconds, first token, cost; NaN is unknown."""
    qualities = [each.quality for each in samples if each.quality is not None]
    measures: list[Floats] = [
        np.array([each.seconds for each in samples]),
        np.array([each.first_token for each in samples]),
        np.array([np.nan if each.cost is None else each.cost for each in samples]),
    ]
    return (
        len(qualities) / len(samples),
        float(np.mean(qualities)) if qualities else 0.0,
        *(float(each.mean()) for each in measures),
    )
