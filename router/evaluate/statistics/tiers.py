"""Tiers of lanes instead of ranks."""

from __future__ import annotations

from collections.abc import Mapping

from router.evaluate.statistics.verdicts import Verdict


def tiers(scores: Mapping[str, float], verdicts: Mapping[tuple[str, str], Verdict]) -> dict[str, int]:
    """Each lane's tier, from 1.

    The best lane that has no tier yet heads the next one; all others that it is not better than by verdict share it.
    The best is the one with the highest score among those that no other is better than.

    So, with the verdicts' 95%, every lane is truly worse than the head of each tier above its own. Nothing is said of
    lanes that share a tier: neither that they are equal, nor that all of them are better than the next tier's.

    Args:
        scores: the lanes' mean scores.
        verdicts: of pairs of lanes, in either order; what is missing counts as not separable.
    """
    beaten = {(loser, winner) for pair, verdict in verdicts.items() for loser, winner in _outcome(pair, verdict)}
    left, found, tier = sorted(scores, key=lambda lane: -scores[lane]), dict[str, int](), 0
    while left:
        tier += 1
        unbeaten = [lane for lane in left if not any((lane, other) in beaten for other in left)]
        head = (unbeaten or left)[0]
        found |= {lane: tier for lane in left if (lane, head) not in beaten}
        left = [lane for lane in left if lane not in found]
    return found


def _outcome(pair: tuple[str, str], verdict: Verdict) -> list[tuple[str, str]]:
    """The loser and the winner, if there are."""
    first, second = pair
    return {"better": [(second, first)], "worse": [(first, second)]}.get(verdict.kind, [])
