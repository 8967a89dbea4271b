"""What people think of models' answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from router.metrics.columns import AttemptLabels
from router.metrics.estimates import Estimate, share
from router.metrics.view import Slice


def liked(calls: Slice[AttemptLabels], answers: Mapping[int, bool]) -> dict[str, Estimate]:
    """The share of each model's rated answers that was liked, most rated first; `rows` are the rated ones.

    Few answers are rated, and not by chance: the interval is that of the people who rated them.

    Args:
        answers: whether an answer was liked, by the primary keys of the calls that gave them.
    """
    ids = calls.id
    at = np.flatnonzero(np.isin(ids, np.fromiter(answers, np.int64, len(answers))))
    rated: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for number, index in zip(ids[at].tolist(), calls.label_index[at].tolist(), strict=True):
        model = calls.rows.labels[index].model
        rated[model] += 1
        good[model] += answers[number]
    return {model: share(good[model], count) for model, count in rated.most_common()}
