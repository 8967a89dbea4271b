"""Presets: parameters of a prompt under a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.store import Store

CAREFUL = Settings(temperature=0.0, params={"seed": 7, "stop": ["END"]})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "lab.sqlite")
    yield store
    store.close()


def test_a_preset_holds_the_parameters_alone(store: Store) -> None:
    store.presets.save(" careful ", Settings(category="code", model="m", temperature=0.0))
    assert store.presets.all() == {"careful": Settings(temperature=0.0)}


def test_presets_are_in_the_order_of_their_names(store: Store) -> None:
    for name in ("wild", "careful"):
        store.presets.save(name, CAREFUL)
    assert list(store.presets.all()) == ["careful", "wild"]


def test_a_preset_of_the_same_name_is_replaced(store: Store) -> None:
    store.presets.save("careful", Settings(temperature=1.0))
    store.presets.save("careful", CAREFUL)
    assert store.presets.all() == {"careful": CAREFUL}


def test_a_preset_outlives_a_restart(store: Store, tmp_path: Path) -> None:
    store.presets.save("careful", CAREFUL)
    again = Store(tmp_path / "lab.sqlite")
    assert again.presets.all() == {"careful": CAREFUL}
    again.close()


def test_a_renamed_preset_has_its_new_name_alone(store: Store) -> None:
    store.presets.save("careful", CAREFUL)
    store.presets.rename("careful", "exact")
    assert store.presets.all() == {"exact": CAREFUL}


def test_a_preset_is_not_renamed_over_another(store: Store) -> None:
    store.presets.save("careful", CAREFUL)
    store.presets.save("wild", Settings(temperature=2.0))
    with pytest.raises(InvalidRequest, match="already a preset called wild"):
        store.presets.rename("careful", "wild")
    assert list(store.presets.all()) == ["careful", "wild"]


@pytest.mark.parametrize("name", ["", "  "])
def test_a_preset_has_a_name(store: Store, name: str) -> None:
    with pytest.raises(InvalidRequest, match="Enter a name"):
        store.presets.save(name, CAREFUL)


def test_a_deleted_preset_is_gone(store: Store) -> None:
    store.presets.save("careful", CAREFUL)
    store.presets.delete("careful")
    assert store.presets.all() == {}
