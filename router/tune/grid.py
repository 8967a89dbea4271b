"""What models did on the same prompts: the evidence that can compare chains without guessing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from router.core.messages import Frozen
from router.tune.joint import Failures

Floats: TypeAlias = NDArray[np.floating]


class Grid(Frozen, frozen=True, kw_only=True, dict=True):
    """Models on prompts. What may be asked first has seen every prompt, so it is not judged by what others left to it.
    What has not can be a fallback, which few prompts reach: it does there what it does on average.

    Attributes:
        models: references, as models.yaml names them.
        providers: (models,) who serves each.
        prompts: keys of what was asked.
        kinds: (prompts,) numbers of the strata that prompts belong to, such as suites.
        answered: (prompts, models) share of samples that the model answered, 0 to 1.
        quality: (prompts, models) mean score of its answers, 0 to 1; 0 where it answered none. All ones where nothing
            was graded.
        seconds: (prompts, models) until it answered or failed.
        first_token: (prompts, models) seconds to its first token, or until it failed.
        cost: (prompts, models) US dollars, failed calls included.
        primary: (models,) whether a model has seen every prompt.
        graded: whether `quality` comes from grades.
        down: (models,) share of requests that the provider fails, whatever they ask, 0 to 1; these failures are not in
            `answered`.
        down_together: (models, models) share of requests that two of them would fail so.
        failures: what these two rest on; None where they are the truth.
    """

    models: tuple[str, ...]
    providers: tuple[str, ...]
    prompts: tuple[str, ...]
    kinds: NDArray[np.int64]
    answered: Floats
    quality: Floats
    seconds: Floats
    first_token: Floats
    cost: Floats
    primary: NDArray[np.bool_]
    graded: bool
    down: Floats
    down_together: Floats
    failures: Failures | None

    @property
    def up(self) -> Floats:
        """(prompts, models) the chance that a call is answered."""
        return self.answered * (1 - self.down)

    @property
    def failing(self) -> Floats:
        """(prompts, models) the chance that a call fails."""
        return 1 - self.up

    def of(self, prompts: NDArray[np.intp]) -> Grid:
        """The same on some of the prompts, one after another; a prompt may come twice."""
        return replace(
            self,
            prompts=tuple(self.prompts[prompt] for prompt in prompts),
            kinds=self.kinds[prompts],
            **{name: getattr(self, name)[prompts] for name in _CELLS},
        )

    def only(self, models: Sequence[str]) -> Grid:
        """The same for some of the models, in this order."""
        at = [self.models.index(model) for model in models]
        return replace(
            self,
            models=tuple(models),
            providers=tuple(self.providers[model] for model in at),
            primary=self.primary[at],
            down=self.down[at],
            down_together=self.down_together[np.ix_(at, at)],
            **{name: getattr(self, name)[:, at] for name in _CELLS},
        )

    def within(self, first_token: float) -> Grid:
        """The same where a model that takes longer to its first token fails at this limit, seconds."""
        late = self.first_token > first_token
        return replace(
            self,
            answered=np.where(late, 0.0, self.answered),
            quality=np.where(late, 0.0, self.quality),
            seconds=np.where(late, first_token, self.seconds),
            first_token=np.where(late, first_token, self.first_token),
        )

    def numbered(self, models: Sequence[str]) -> tuple[int, ...]:
        """A chain of names as positions in `models`."""
        return tuple(self.models.index(model) for model in models)


_CELLS = ("answered", "quality", "seconds", "first_token", "cost")


def grid(
    *,
    models: Sequence[str],
    providers: Sequence[str],
    prompts: Sequence[str],
    answered: Floats,
    quality: Floats | None,
    seconds: Floats,
    cost: Floats,
    first_token: Floats | None = None,
    kinds: NDArray[np.int64] | None = None,
    known: NDArray[np.bool_] | None = None,
    down: Floats | None = None,
    down_together: Floats | None = None,
    failures: Failures | None = None,
) -> Grid:
    """A grid of arrays (prompts, models); see `Grid`.

    Args:
        quality: None if nothing was graded.
        known: (prompts, models) which cells are; the others are filled with the models' means. None for all.
        down: None for never.
        down_together: None where models are down independently of each other.
    """
    down = np.zeros(len(models)) if down is None else down
    known = np.ones(answered.shape, bool) if known is None else known
    first_token = seconds if first_token is None else first_token
    score = np.where(answered > 0, 1.0 if quality is None else quality, np.nan)
    answered, seconds, first_token, cost = (_filled(cells, known) for cells in (answered, seconds, first_token, cost))
    return Grid(
        models=tuple(models),
        providers=tuple(providers),
        prompts=tuple(prompts),
        kinds=np.zeros(len(prompts), np.int64) if kinds is None else kinds,
        answered=answered,
        quality=np.nan_to_num(_filled(score, known)),
        seconds=seconds,
        first_token=first_token,
        cost=cost,
        primary=np.asarray(known.all(axis=0)),
        graded=quality is not None,
        down=down,
        down_together=np.multiply.outer(down, down) if down_together is None else down_together,
        failures=failures,
    )


def _filled(cells: Floats, known: NDArray[np.bool_]) -> Floats:
    """The cells, with each model's mean where nothing is known of it; of a model without a number they stay."""
    if known.all():
        return cells
    seen = known & ~np.isnan(cells)
    means = np.where(seen, cells, 0.0).sum(axis=0) / np.where(seen.any(axis=0), seen.sum(axis=0), np.nan)
    return np.where(known | ~seen.any(axis=0), cells, means)
