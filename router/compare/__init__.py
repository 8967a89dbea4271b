"""Comparisons: chains and models side by side on the same prompts."""

from router.compare.comparisons import Comparisons
from router.compare.estimate import AskedFirst, Estimate
from router.compare.plan import MAX_LANES, MAX_REPEATS, MIN_LANES, calls, expand, lane_name, request_of, variables
from router.compare.run import Run

__all__ = [
    "MAX_LANES",
    "MAX_REPEATS",
    "MIN_LANES",
    "AskedFirst",
    "Comparisons",
    "Estimate",
    "Run",
    "calls",
    "expand",
    "lane_name",
    "request_of",
    "variables",
]
