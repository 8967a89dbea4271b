"""A comparison's likely cost and duration, from known prices and stored calls."""

from __future__ import annotations

from collections.abc import Callable

from router.chat.transcripts import LoadFile
from router.compare.plan import files_of, keys_of, lane_name, request_of
from router.compare.run import share_of
from router.core.comparisons import Plan, Usual
from router.core.conversations import Settings
from router.runs.estimate import AskedFirst, Estimate, lane_estimate, together


def estimate(
    plan: Plan,
    asked_first: Callable[[Settings], AskedFirst],
    usual: Callable[[str, str], Usual | None],
    load: LoadFile,
) -> Estimate:
    """A plan's likely cost and duration if every first model answers and nothing comes from the cache.

    Args:
        usual: the newest calls of a provider's model; None if there are none.
        load: returns the bytes of the plan's files.
    """
    load = _texts_alone(plan, load)
    lanes = []
    for number, lane in enumerate(plan.lanes):
        first = asked_first(lane)
        requests = (request_of(plan, key, load) for key in keys_of(plan, number))
        calls, seen = len(plan.prompts) * plan.repeats, usual(first.provider, first.model)
        lanes.append(lane_estimate(lane_name(lane), requests, calls, first, seen, at_once=share_of(plan)))
    return together(lanes)


def _texts_alone(plan: Plan, load: LoadFile) -> LoadFile:
    """Nothing counts tokens of images and PDFs, which take long to encode."""
    texts = {file.id for file in files_of(plan) if file.media_type == "text/plain"}
    return lambda file: load(file) if file in texts else b""
