"""Views of the dashboard that somebody named: a period and filters."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import select, text

from router.core.messages import Frozen
from router.store.database import Database
from router.store.tables import views
from router.store.writer import Writer


class SavedView(Frozen, frozen=True, kw_only=True):
    """What the dashboard's controls were set to, under a name."""

    name: str
    settings: Mapping[str, Any]


_SAVE = text("INSERT OR REPLACE INTO views (name, settings, updated) VALUES (:name, :settings, :updated)")
_DELETE = text("DELETE FROM views WHERE name = :name")


class ViewLog:
    """Stores views, and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def save(self, view: SavedView) -> None:
        """Save a view and wait until the list shows it; replaces one with the same name."""
        settings = msgspec.json.encode(view.settings).decode()
        self._writer.put(_SAVE, {"name": view.name, "settings": settings, "updated": time.time()})
        self._writer.flush(timeout=1)

    def all(self) -> list[SavedView]:
        """All views by their names."""
        rows = select(views.c.name, views.c.settings).order_by(views.c.name)
        with self._database.reading() as connection:
            return [
                SavedView(name=name, settings=msgspec.json.decode(settings))
                for name, settings in connection.execute(rows)
            ]

    def delete(self, name: str) -> None:
        """Delete a view, and wait until the list shows it."""
        self._writer.put(_DELETE, {"name": name})
        self._writer.flush(timeout=1)
