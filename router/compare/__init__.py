"""Comparisons: chains and models side by side on the same prompts."""

from router.compare.comparisons import Comparisons
from router.compare.handover import can_be_asked, plan_of, turns_of
from router.compare.plan import (
    MAX_LANES,
    MAX_REPEATS,
    MIN_LANES,
    calls,
    expand,
    files_of,
    lane_name,
    prompts_of,
    request_of,
    settings_of,
    unanswered,
)
from router.compare.run import Run

__all__ = [
    "MAX_LANES",
    "MAX_REPEATS",
    "MIN_LANES",
    "Comparisons",
    "Run",
    "calls",
    "can_be_asked",
    "expand",
    "files_of",
    "lane_name",
    "plan_of",
    "prompts_of",
    "request_of",
    "settings_of",
    "turns_of",
    "unanswered",
]
