"""What scores prove, and what they do not: verdicts, intervals, tiers, rates, agreement, screening.

Pure functions on plain data. Importing them loads scipy, so nothing that a start imports may import them.
"""

from router.evaluate.statistics.agreement import Agreement, Choice, Judgments, both_orders, kappa
from router.evaluate.statistics.means import lane_score
from router.evaluate.statistics.plan import LaneScores, Look, Plan
from router.evaluate.statistics.power import prompts_needed, smallest_difference
from router.evaluate.statistics.quantiles import quantile
from router.evaluate.statistics.rates import mean_pass, pass_at_k, pass_hat_k
from router.evaluate.statistics.regressions import Change, changes
from router.evaluate.statistics.sample import Pair, Scores, Unit, mean_score
from router.evaluate.statistics.screening import Screening, screening
from router.evaluate.statistics.sentences import separates_sentence, verdict_sentence
from router.evaluate.statistics.stability import Flaky, Gradings, Stability, stability
from router.evaluate.statistics.tiers import tiers
from router.evaluate.statistics.verdicts import Verdict, verdict, verdicts

__all__ = [
    "Agreement",
    "Change",
    "Choice",
    "Flaky",
    "Gradings",
    "Judgments",
    "LaneScores",
    "Look",
    "Pair",
    "Plan",
    "Scores",
    "Screening",
    "Stability",
    "Unit",
    "Verdict",
    "both_orders",
    "changes",
    "kappa",
    "lane_score",
    "mean_pass",
    "mean_score",
    "pass_at_k",
    "pass_hat_k",
    "prompts_needed",
    "quantile",
    "screening",
    "separates_sentence",
    "smallest_difference",
    "stability",
    "tiers",
    "verdict",
    "verdict_sentence",
    "verdicts",
]
