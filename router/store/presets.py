"""The user's own presets: parameters of a prompt under a name."""

from __future__ import annotations

import msgspec
from sqlalchemy import insert, select, text

from router.core.conversations import Settings
from router.core.errors import InvalidRequest
from router.store.database import Database
from router.store.tables import presets
from router.store.writer import Writer

_INSERT = insert(presets)
_RENAME = text("UPDATE presets SET name = :new WHERE name = :name")
_DELETE = text("DELETE FROM presets WHERE name = :name")


class PresetLog:
    """Stores presets, and reads them back; each change waits until the list shows it."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def all(self) -> dict[str, Settings]:
        """All presets by their names, which are in order; their settings say neither category nor model."""
        rows = select(presets.c.name, presets.c.settings).order_by(presets.c.name)
        with self._database.reading() as connection:
            return {name: msgspec.json.decode(kept, type=Settings) for name, kept in connection.execute(rows)}

    def save(self, name: str, settings: Settings) -> None:
        """Keep the parameters of these settings; replaces a preset of the same name.

        Raises:
            InvalidRequest: there is no name.
        """
        name = _named(name)
        kept = msgspec.json.encode(msgspec.structs.replace(settings, category=None, model=None)).decode()
        self._writer.put(_DELETE, {"name": name})
        self._writer.put(_INSERT, {"name": name, "settings": kept})
        self._writer.flush(timeout=1)

    def rename(self, name: str, new: str) -> None:
        """Give a preset another name.

        Raises:
            InvalidRequest: there is no name, or another preset has it.
        """
        if (new := _named(new)) == name:
            return
        if new in self.all():
            raise InvalidRequest(
                f"There is already a preset called {new}. Choose another name, or delete that one first."
            )
        self._writer.put(_RENAME, {"name": name, "new": new})
        self._writer.flush(timeout=1)

    def delete(self, name: str) -> None:
        """Delete a preset."""
        self._writer.put(_DELETE, {"name": name})
        self._writer.flush(timeout=1)


def _named(name: str) -> str:
    if not (stripped := name.strip()):
        raise InvalidRequest("Enter a name for the preset.")
    return stripped
