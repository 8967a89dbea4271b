"""What is known of models: from models.yaml first, then their provider's model list, then published prices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from router.config.chains import ModelRef
from router.core.capabilities import ModelInfo
from router.core.errors import ProviderError
from router.core.files import whole
from router.core.messages import Frozen, digest
from router.core.model_names import listed_as
from router.core.pricing import CostFunction, listed_context, listed_cost, price_of
from router.core.untrusted import NO_JSON

if TYPE_CHECKING:
    from router.config.schema import Config

FRESH_FOR = 86_400.0
"""Seconds; a list is then read again, and serves until that has worked."""

TRY_AGAIN_AFTER = 600.0
"""Seconds until a list that could not be read is asked for again."""

Fetch = Callable[[], Awaitable[Mapping[str, ModelInfo]]]


class Known(NamedTuple):
    """What is known of one model, and what its tokens cost if the provider does not say."""

    info: ModelInfo
    cost_of: CostFunction | None


class Catalog:
    """Looks up what is known of a model, from any thread; lists are read on the Lab's loop.

    Args:
        folder: where the providers' lists are kept.
        built_in: the embedded provider's list.
        now: Unix time, seconds.

    Attributes:
        has_prices: whether the published prices are loaded.
    """

    def __init__(self, folder: Path, built_in: Mapping[str, ModelInfo], now: Callable[[], float] = time.time) -> None:
        self._lists = _Lists(folder, now)
        self._built_in = built_in
        self._known: dict[ModelRef, Known] = {}
        self._of: tuple[Config | None, int] = (None, 0)
        self.has_prices = False

    def known(self, config: Config, ref: ModelRef) -> Known:
        """What is known of a model."""
        if self._of[0] is not config or self._of[1] != self._lists.version:
            self._known, self._of = {}, (config, self._lists.version)
        known = self._known
        if (found := known.get(ref)) is None:
            found = known[ref] = self._look_up(config, ref)
        return found

    def _look_up(self, config: Config, ref: ModelRef) -> Known:
        base_url = config.providers[ref.provider].base_url
        info = config.model_info(ref).over(_listed(ref.model, self.models(config, ref.provider) or {}))
        if base_url is not None and info.context is None and self.has_prices:
            info = info.over(ModelInfo(context=listed_context(base_url, ref.model)))
        if info.price is not None:
            return Known(info, info.price.cost_of)
        if base_url is None:
            return Known(info, None)
        cost_of = listed_cost(base_url, ref.model)
        return Known(info.over(ModelInfo(price=price_of(cost_of) if self.has_prices else None)), cost_of)

    def models(self, config: Config, provider: str) -> Mapping[str, ModelInfo] | None:
        """The models that a provider lists, as last read; None if its list never was."""
        base_url = config.providers[provider].base_url
        return self._built_in if base_url is None else self._lists.get(base_url)

    def is_due(self, config: Config, provider: str) -> bool:
        """Whether a provider's list should be read, for the first time or again."""
        base_url = config.providers[provider].base_url
        return base_url is not None and self._lists.is_due(base_url)

    async def read(self, config: Config, provider: str, fetch: Fetch, *, force: bool = False) -> None:
        """Read a provider's list if that is due, or if forced.

        Raises:
            ProviderError: it could not be read; the older one is kept.
        """
        if (base_url := config.providers[provider].base_url) is not None:
            await self._lists.read(base_url, fetch, force=force)

    async def load_prices(self) -> None:
        """Load the published prices in a thread, so that the first call that needs them does not wait."""
        if not self.has_prices:
            await asyncio.to_thread(listed_context, "", "")
            self.has_prices = True
            self._lists.version += 1


def _listed(model: str, models: Mapping[str, ModelInfo]) -> ModelInfo:
    """What a list says of a model; under a different name, its price may differ too."""
    name = listed_as(model, models)
    info = models[name] if name is not None else ModelInfo()
    return info if name == model else msgspec.structs.replace(info, price=None)


class _List(Frozen, frozen=True, kw_only=True):
    read_at: float
    models: Mapping[str, ModelInfo]


class _Lists:
    """Lists of models by base URL, each read once a day and kept in a file; `version` changes whenever one does."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._folder = folder
        self._now = now
        self._lists: dict[str, _List | None] = {}
        self._tried: dict[str, float] = {}
        self._reading: dict[str, asyncio.Lock] = {}
        self.version = 0

    def get(self, base_url: str) -> Mapping[str, ModelInfo] | None:
        if base_url not in self._lists:
            self._lists[base_url] = self._load(base_url)
        found = self._lists[base_url]
        return found.models if found is not None else None

    def is_due(self, base_url: str) -> bool:
        self.get(base_url)
        kept, now = self._lists[base_url], self._now()
        # A clock that jumped back makes neither last for ever.
        fresh = kept is not None and 0 <= now - kept.read_at < FRESH_FOR
        return not fresh and not 0 <= now - self._tried.get(base_url, -TRY_AGAIN_AFTER) < TRY_AGAIN_AFTER

    async def read(self, base_url: str, fetch: Fetch, *, force: bool) -> None:
        async with self._reading.setdefault(base_url, asyncio.Lock()):
            if not force and not self.is_due(base_url):
                return
            try:
                models = await fetch()
            except ProviderError:
                self._tried[base_url] = self._now()
                raise
            self._lists[base_url] = found = _List(read_at=self._now(), models=models)
            self.version += 1
            await asyncio.to_thread(self._keep, base_url, found)

    def _path(self, base_url: str) -> Path:
        return self._folder / f"{digest(base_url)[:16]}.json"

    def _load(self, base_url: str) -> _List | None:
        try:
            return msgspec.json.decode(self._path(base_url).read_bytes(), type=_List)
        except (OSError, *NO_JSON):
            return None

    def _keep(self, base_url: str, found: _List) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole(self._path(base_url)) as file:
                file.write(msgspec.json.encode(found))
        except OSError:
            return  # it serves from memory, and is read again at the next start
