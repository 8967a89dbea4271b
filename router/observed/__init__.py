"""What was observed, as columns and as figures."""

from router.observed.columns import AttemptKind, Observed, RequestKind, Rows
from router.observed.estimates import Estimate
from router.observed.figures import FIGURES, Figure
from router.observed.view import Filter, View

__all__ = ["FIGURES", "AttemptKind", "Estimate", "Figure", "Filter", "Observed", "RequestKind", "Rows", "View"]
