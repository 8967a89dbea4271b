"""Observations as columns and figures."""

from router.metrics import figures, totals  # noqa: F401  # they register their figures
from router.metrics.columns import AttemptLabels, RequestLabels, Rows
from router.metrics.estimates import Estimate
from router.metrics.observed import Observed
from router.metrics.registry import FIGURES, Figure
from router.metrics.view import Filter, View

__all__ = ["FIGURES", "AttemptLabels", "Estimate", "Figure", "Filter", "Observed", "RequestLabels", "Rows", "View"]
