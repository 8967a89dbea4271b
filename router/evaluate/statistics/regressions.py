"""What became better or worse since a baseline run, case by case."""

from __future__ import annotations

from typing import Literal, NamedTuple

from router.evaluate.statistics.sample import Scores, mean_score

Kind = Literal["worse", "better", "same", "unscored", "new", "gone"]

_ORDER: tuple[Kind, ...] = ("worse", "better", "unscored", "new", "gone", "same")


class Change(NamedTuple):
    """A case beside the baseline.

    Attributes:
        kind: `unscored` where all repeats of either run are errors.
        before, after: mean scores, 0 to 1; None where there is none.
        overlaps: whether some repeat now is as good as some repeat before: then the case may be flaky, not changed.
    """

    case: str
    kind: Kind
    before: float | None
    after: float | None
    overlaps: bool = False


def changes(baseline: Scores, now: Scores) -> list[Change]:
    """All cases, what became worse first; by the size of the change, then in the order of the run.

    One case that changed proves nothing about a lane: the verdict does that.

    Args:
        baseline, now: one lane's scores by what identifies a case; where its content counts, by `Case.key`.
    """
    found = [_change(case, baseline, now) for case in {**now, **baseline}]
    return sorted(found, key=lambda change: (_ORDER.index(change.kind), -_size(change)))


def _change(case: str, baseline: Scores, now: Scores) -> Change:
    before, after = (mean_score(scores.get(case, ())) for scores in (baseline, now))
    if case not in baseline or case not in now:
        return Change(case, "new" if case in now else "gone", before, after)
    if before is None or after is None:
        return Change(case, "unscored", before, after)
    if before == after:
        return Change(case, "same", before, after)
    old, new = ([score for score in scores[case] if score is not None] for scores in (baseline, now))
    overlaps = min(old) <= max(new) and min(new) <= max(old)
    return Change(case, "better" if after > before else "worse", before, after, overlaps)


def _size(change: Change) -> float:
    return 0.0 if change.before is None or change.after is None else abs(change.after - change.before)
