"""Confidence intervals."""

from __future__ import annotations

import math

Z = 1.959964
"""The normal distribution's 97.5% quantile."""


def wilson(share: float, count: float, z: float = Z) -> tuple[float, float]:
    """The 95% interval of a rate (Wilson, 1927): 17 of 20 gives 0.640 to 0.948.

    Args:
        count: observations, or as many independent ones as they are worth.
        z: the quantile of another level or distribution.
    """
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = (middle - spread) / (1 + z * z / count), (middle + spread) / (1 + z * z / count)
    return max(0.0, low), min(1.0, high)  # rounding leads a little beyond
