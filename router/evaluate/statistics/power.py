"""How many prompts separate a difference, and which difference so many prompts separate.

By the normal approximation to McNemar's test at 5% (Connor, "Sample size for testing differences in proportions for
the paired-sample design", 1987). With 25% discordant prompts, 80% power needs 194 prompts for 10 points, 783 for 5.
"""

from __future__ import annotations

import math
from statistics import NormalDist

DISCORDANCE = 0.25
"""Share of prompts on which two lanes differ, where nothing is known of them."""

POWER = 0.8
SIZE = 0.05

MOST = 100_000
"""Prompts beyond which a number is no advice."""


def prompts_needed(difference: float, discordance: float, *, size: float = SIZE) -> int | None:
    """Prompts that show a difference with 80% power; None if it takes more than `MOST`.

    Args:
        difference: of the two lanes' means, -1 to 1.
        discordance: the share of prompts that one lane alone gets right; of graded scores, the mean squared difference.
        size: the chance of a false verdict that is allowed, both sides together.
    """
    beside = max(discordance - difference**2, 0.0)
    reach = _quantile(1 - size / 2) * math.sqrt(discordance) + _quantile(POWER) * math.sqrt(beside)
    if reach**2 > MOST * difference**2:
        return None
    return math.ceil(reach**2 / difference**2) if difference else None


def smallest_difference(prompts: int, discordance: float = DISCORDANCE) -> float | None:
    """The smallest difference that so many prompts show with 80% power; None if not even the largest possible one.

    Args:
        prompts: independent ones: cases of one group count as one.
    """
    # The root of prompts * d^2 = (a sqrt(D) + b sqrt(D - d^2))^2.
    size, power = _quantile(1 - SIZE / 2), _quantile(POWER)
    inside = size**2 * prompts - (prompts + power**2) * (size**2 - power**2)
    if inside < 0:
        return None
    found = math.sqrt(discordance) * (size * math.sqrt(prompts) + math.sqrt(inside)) / (prompts + power**2)
    return found if found < discordance else None


def rounded_up(prompts: int) -> int:
    """Two digits, or tens: 7 is 10, 234 is 240, 1,234 is 1,300."""
    step = int(10 ** max(1, len(str(prompts)) - 2))
    return -(-prompts // step) * step


def _quantile(share: float) -> float:
    return NormalDist().inv_cdf(share)
