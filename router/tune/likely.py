"""How likely each of several chains is the best of them.

Of several chains that are equal, one looks best by chance. So their values are taken to come from one distribution,
whose width is told by how far apart they look beside what chance explains: a hierarchical normal model, with a
half-Cauchy prior of the width (Gelman, 2006, "Prior distributions for variance parameters in hierarchical models").
"""

from __future__ import annotations

import numpy as np

from router.tune.grid import Floats

POINT = 0.01

RESAMPLES = 1_000

APART = 0.05
"""By how much chains that somebody chooses between differ in the median, before anything was measured; -1 to 1."""

_WIDTHS = np.geomspace(1e-4, 1, 60)


def likely(values: Floats, moved: Floats, seed: int) -> tuple[list[float], list[float]]:
    """How likely each chain is the best, and at most a point below the best.

    Args:
        values: (chains, prompts) what each is worth on prompts that had no say in choosing it, -1 to 1.
        moved: (draws, chains) by how much the rates of failures move their means.
    """
    rng = np.random.default_rng(seed)
    prompts = values.shape[1]
    weights = rng.multinomial(prompts, np.full(prompts, 1 / prompts), RESAMPLES) / prompts
    chance = weights @ values.T - values.mean(axis=1) + moved[np.arange(RESAMPLES) % len(moved)]
    drawn = _posterior(values.mean(axis=1), chance, rng)
    highest = drawn.max(axis=1, keepdims=True)
    at_top = drawn >= highest - 1e-12
    shares = (at_top / at_top.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares.tolist(), (drawn >= highest - POINT).mean(axis=0).tolist()


def _posterior(seen: Floats, chance: Floats, rng: np.random.Generator) -> Floats:
    """(draws, chains) true values that may be behind what was seen.

    Args:
        seen: (chains,) the values as they look.
        chance: (draws, chains) by how much chance may have moved them.
    """
    draws, count = chance.shape
    covariance = np.cov(chance.T)
    inverse = np.linalg.inv(covariance + _WIDTHS[:, None, None] ** 2 * np.eye(count))  # of each width
    precision = inverse.sum(axis=(1, 2))
    centers = (inverse @ seen).sum(axis=1) / precision
    apart = seen - centers[:, None]
    log_likelihood = (
        np.linalg.slogdet(inverse).logabsdet - np.log(precision) - np.einsum("wc,wcd,wd->w", apart, inverse, apart)
    ) / 2
    log_posterior = log_likelihood - np.log1p((_WIDTHS / APART) ** 2) + np.log(_WIDTHS)  # widths are spaced by ratio
    posterior = np.exp(log_posterior - log_posterior.max())
    at = rng.choice(len(_WIDTHS), draws, p=posterior / posterior.sum())
    # Matheron's rule: a draw of the prior is moved by what was seen beside what would have been seen of it.
    centers = centers[at] + rng.standard_normal(draws) / np.sqrt(precision[at])
    prior = centers[:, None] + _WIDTHS[at, None] * rng.standard_normal((draws, count))
    gain = _WIDTHS[at, None, None] ** 2 * inverse[at]
    drawn: Floats = prior + np.einsum("ncd,nd->nc", gain, seen - prior - chance)
    return drawn
