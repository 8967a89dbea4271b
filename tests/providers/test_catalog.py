"""The catalog: lists of models that are read once a day, kept in a file, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from router.config.chains import ModelRef
from router.config.loading import load_config
from router.config.schema import Config
from router.core.capabilities import ModelInfo
from router.core.errors import ServerFailed
from router.core.messages import Usage
from router.core.pricing import Price
from router.providers.catalog import FRESH_FOR, TRY_AGAIN_AFTER, Catalog

LISTED = ModelInfo(context=1000, tools=True, images=False, price=Price(input=1, output=2))
DOWN = ServerFailed("It is down.", status=503)
TOKENS = Usage(prompt_tokens=1_000_000, completion_tokens=0)
FILE: Mapping[str, Any] = {
    "default_provider": "p",
    "providers": {
        "p": {"protocol": "openai", "base_url": "http://p.test/v1"},
        "q": {"protocol": "openai", "base_url": "http://q.test/v1"},
        "openai": {"protocol": "openai", "base_url": "https://api.openai.com/v1"},
        "embedded": {"protocol": "embedded"},
    },
    "chains": {"chat": ["m"]},
}


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """What lists its models; `error` is raised in their place.

    Attributes:
        asked: how often it was.
    """

    def __init__(self, **models: ModelInfo) -> None:
        self.models: Mapping[str, ModelInfo] = models or {"m": LISTED}
        self.error: BaseException | None = None
        self.asked = 0

    async def __call__(self) -> Mapping[str, ModelInfo]:
        self.asked += 1
        await asyncio.sleep(0)  # others get their turn
        if self.error is not None:
            raise self.error
        return self.models


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


Open = Callable[[], Catalog]


@pytest.fixture
def new(folder: Path, clock: Clock) -> Open:
    """Opens a catalog, as another start of the Lab would."""
    return lambda: Catalog(folder, {"small": ModelInfo(context=8192)}, clock)


@pytest.fixture
def catalog(new: Open) -> Catalog:
    return new()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return config_with(tmp_path)


def config_with(folder: Path, **models: Any) -> Config:
    path = folder / "models.yaml"
    path.write_text(json.dumps({**FILE, "models": models}), encoding="utf-8")
    return load_config(path)


def ref(model: str = "m", provider: str = "p") -> ModelRef:
    return ModelRef(provider=provider, model=model, text=model)


# --- Once a day ------------------------------------------------------------------------------------


async def test_a_list_that_was_never_read_is_due(catalog: Catalog, config: Config) -> None:
    assert catalog.is_due(config, "p")


async def test_a_list_that_was_never_read_is_none(catalog: Catalog, config: Config) -> None:
    assert catalog.models(config, "p") is None


async def test_a_list_that_was_read_is_told(catalog: Catalog, config: Config, server: Server) -> None:
    await catalog.read(config, "p", server)
    assert catalog.models(config, "p") == {"m": LISTED}


@pytest.mark.parametrize(("later", "due"), [(0.0, False), (FRESH_FOR - 1, False), (FRESH_FOR, True)])
async def test_a_list_is_due_again_after_a_day(
    new: Open, config: Config, clock: Clock, later: float, due: bool
) -> None:
    catalog = new()
    await catalog.read(config, "p", Server())
    clock.now += later
    assert catalog.is_due(config, "p") == due


async def test_a_list_that_is_not_due_is_not_read(catalog: Catalog, config: Config, server: Server) -> None:
    await catalog.read(config, "p", server)
    await catalog.read(config, "p", server)
    assert server.asked == 1


async def test_a_list_is_read_anyway_where_somebody_asks_for_it(
    catalog: Catalog, config: Config, server: Server
) -> None:
    await fails(catalog, config, server)
    server.error = None
    await catalog.read(config, "p", server, force=True)
    assert catalog.models(config, "p") == {"m": LISTED}


async def test_what_a_later_list_says_counts(catalog: Catalog, config: Config, server: Server, clock: Clock) -> None:
    await catalog.read(config, "p", server)
    assert catalog.known(config, ref()).info.context == 1000
    clock.now += FRESH_FOR
    server.models = {"m": ModelInfo(context=2000)}
    await catalog.read(config, "p", server)
    assert catalog.known(config, ref()).info.context == 2000


async def test_two_readers_at_once_ask_once(catalog: Catalog, config: Config, server: Server) -> None:
    await asyncio.gather(*(catalog.read(config, "p", server) for _ in range(5)))
    assert server.asked == 1


async def test_each_provider_has_a_list_of_its_own(catalog: Catalog, config: Config, server: Server) -> None:
    await catalog.read(config, "p", server)
    assert catalog.models(config, "q") is None


async def test_a_clock_that_jumps_back_does_not_keep_a_list_for_ever(
    catalog: Catalog, config: Config, server: Server, clock: Clock
) -> None:
    await catalog.read(config, "p", server)
    clock.now -= 10 * FRESH_FOR
    assert catalog.is_due(config, "p")


async def test_the_embedded_model_s_list_is_built_in(catalog: Catalog, config: Config) -> None:
    assert catalog.models(config, "embedded") == {"small": ModelInfo(context=8192)}


async def test_the_embedded_model_is_never_asked_for_a_list(catalog: Catalog, config: Config, server: Server) -> None:
    await catalog.read(config, "embedded", server)
    assert (catalog.is_due(config, "embedded"), server.asked) == (False, 0)


# --- Lists that cannot be read ---------------------------------------------------------------------


async def fails(catalog: Catalog, config: Config, server: Server) -> None:
    server.error = DOWN
    with pytest.raises(ServerFailed):
        await catalog.read(config, "p", server)


async def test_a_list_that_cannot_be_read_leaves_the_older_one(
    catalog: Catalog, config: Config, server: Server, clock: Clock
) -> None:
    await catalog.read(config, "p", server)
    clock.now += FRESH_FOR
    await fails(catalog, config, server)
    assert catalog.models(config, "p") == {"m": LISTED}


@pytest.mark.parametrize(("later", "due"), [(0, False), (TRY_AGAIN_AFTER - 1, False), (TRY_AGAIN_AFTER, True)])
async def test_a_list_that_cannot_be_read_is_tried_again_after_ten_minutes(
    new: Open, config: Config, clock: Clock, later: float, due: bool
) -> None:
    catalog = new()
    await fails(catalog, config, Server())
    clock.now += later
    assert catalog.is_due(config, "p") == due


async def test_until_then_nobody_is_asked(catalog: Catalog, config: Config, server: Server) -> None:
    await fails(catalog, config, server)
    await catalog.read(config, "p", server)
    assert server.asked == 1


async def test_a_clock_that_jumps_back_does_not_put_the_next_try_off_for_ever(
    catalog: Catalog, config: Config, server: Server, clock: Clock
) -> None:
    await fails(catalog, config, server)
    clock.now -= 3600
    assert catalog.is_due(config, "p")


async def test_a_reader_that_is_stopped_leaves_the_list_to_others(
    catalog: Catalog, config: Config, server: Server
) -> None:
    server.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await catalog.read(config, "p", server)
    server.error = None
    await catalog.read(config, "p", server)
    assert catalog.models(config, "p") == {"m": LISTED}


# --- In a file -------------------------------------------------------------------------------------


def kept(folder: Path) -> Path:
    """The one file."""
    (file,) = folder.iterdir()
    return file


async def test_another_start_has_the_list_without_asking(new: Open, config: Config, server: Server) -> None:
    await new().read(config, "p", server)
    again = new()
    assert (again.is_due(config, "p"), again.models(config, "p")) == (False, {"m": LISTED})


async def test_another_start_reads_a_list_of_yesterday_again(
    new: Open, config: Config, server: Server, clock: Clock
) -> None:
    await new().read(config, "p", server)
    clock.now += FRESH_FOR
    assert new().is_due(config, "p")


async def test_a_list_of_yesterday_serves_until_it_is_read_again(
    new: Open, config: Config, server: Server, clock: Clock
) -> None:
    await new().read(config, "p", server)
    clock.now += FRESH_FOR
    assert new().models(config, "p") == {"m": LISTED}


async def test_one_file_a_list_is_all_that_is_left(
    catalog: Catalog, config: Config, server: Server, folder: Path
) -> None:
    await catalog.read(config, "p", server)
    assert kept(folder).suffix == ".json"


CORRUPT = {
    "empty": b"",
    "cut": b'{"read_at": 1700000000, "mod',
    "no JSON": b"\x00" * 100,
    "no UTF-8": b'{"read_at": 1, "models": {"\xff\xfe": {}}}',
    "another shape": b'{"models": []}',
    "another type": b'{"read_at": "today", "models": {}}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("data", CORRUPT.values(), ids=CORRUPT)
async def test_a_file_that_cannot_be_read_is_as_good_as_none(
    new: Open, config: Config, server: Server, folder: Path, data: bytes
) -> None:
    await new().read(config, "p", server)
    kept(folder).write_bytes(data)
    again = new()
    assert (again.models(config, "p"), again.is_due(config, "p")) == (None, True)


async def test_a_folder_in_the_file_s_place_is_as_good_as_none(
    new: Open, config: Config, server: Server, folder: Path
) -> None:
    await new().read(config, "p", server)
    file = kept(folder)
    file.unlink()
    file.mkdir()
    assert new().models(config, "p") is None


@pytest.fixture
def no_folder(folder: Path) -> None:
    """Nothing can be kept: root may write to any folder, but a file in its place stops everybody."""
    folder.write_text("in the way", encoding="utf-8")


@pytest.mark.usefixtures("no_folder")
async def test_a_list_that_cannot_be_kept_serves_from_memory(catalog: Catalog, config: Config, server: Server) -> None:
    await catalog.read(config, "p", server)
    assert catalog.models(config, "p") == {"m": LISTED}


# --- Whose word counts -----------------------------------------------------------------------------


async def test_models_yaml_wins_over_the_list(catalog: Catalog, server: Server, tmp_path: Path) -> None:
    config = config_with(tmp_path, m={"context": 50, "tools": False})
    await catalog.read(config, "p", server)
    info = catalog.known(config, ref()).info
    assert (info.context, info.tools, info.images) == (50, False, False)


async def test_models_yaml_s_price_wins_over_the_list_s(catalog: Catalog, server: Server, tmp_path: Path) -> None:
    config = config_with(tmp_path, m={"price": {"input": 7, "output": 0}})
    await catalog.read(config, "p", server)
    cost_of = catalog.known(config, ref()).cost_of
    assert cost_of is not None and cost_of(TOKENS) == 7


async def test_the_list_s_price_is_the_bill(catalog: Catalog, config: Config, server: Server) -> None:
    await catalog.read(config, "p", server)
    cost_of = catalog.known(config, ref()).cost_of
    assert cost_of is not None and cost_of(TOKENS) == 1


async def test_where_neither_knows_a_price_the_published_ones_count(catalog: Catalog, config: Config) -> None:
    cost_of = catalog.known(config, ref("gpt-4o-mini", "openai")).cost_of
    assert cost_of is not None and cost_of(TOKENS) == pytest.approx(0.15)


async def test_where_nobody_knows_a_price_it_is_unknown(catalog: Catalog, config: Config) -> None:
    cost_of = catalog.known(config, ref()).cost_of
    assert cost_of is None or cost_of(TOKENS) is None


@pytest.mark.parametrize("loaded", [True, False])
async def test_a_published_context_is_known_once_it_is_loaded(catalog: Catalog, config: Config, loaded: bool) -> None:
    if loaded:
        await catalog.load_prices()
    assert catalog.known(config, ref("gpt-4o-mini", "openai")).info.context == (128_000 if loaded else None)


async def test_a_model_that_nobody_knows_has_no_facts(catalog: Catalog, config: Config, server: Server) -> None:
    await catalog.read(config, "p", server)
    assert catalog.known(config, ref("other")).info == ModelInfo()


async def test_another_models_yaml_is_heeded_at_once(catalog: Catalog, config: Config, tmp_path: Path) -> None:
    assert catalog.known(config, ref()).info.context is None
    edited = config_with(tmp_path, m={"context": 50})
    assert catalog.known(edited, ref()).info.context == 50
