"""What if: the measured world, changed."""

from __future__ import annotations

from router.core.messages import Frozen
from router.tune.behavior import ALWAYS, Behavior, Measured


class Scenario(Frozen, frozen=True, kw_only=True):
    """What is otherwise than measured.

    Attributes:
        down: models and providers that do not answer at all, as in the hour of an outage.
        prices: what all calls cost, as a multiple.
        traffic: how many requests come, as a multiple.
    """

    down: tuple[str, ...] = ()
    prices: float = 1.0
    traffic: float = 1.0

    def of(self, world: Measured) -> Measured:
        """The world in this scenario."""
        models = {name: self._model(name, each) for name, each in world.models.items()}
        providers = {**world.providers, **{name: ALWAYS for name in self.down if name not in world.models}}
        return Measured(models, providers, world.rate * self.traffic)

    def _model(self, name: str, behavior: Behavior) -> Behavior:
        calls = behavior.calls._replace(cost=behavior.calls.cost * self.prices)
        outages = ALWAYS if name in self.down else behavior.outages
        return behavior._replace(calls=calls, outages=outages)

    def sentence(self) -> str:
        """The same in words; empty where nothing is otherwise."""
        said = [f"{name} is down" for name in self.down]
        said += [f"prices are {self.prices:g} times as high"] if self.prices != 1 else []
        said += [f"traffic is {self.traffic:g} times as high"] if self.traffic != 1 else []
        return ", ".join(said)


AS_MEASURED = Scenario()
