"""The user's own library of prompt templates."""

from __future__ import annotations

import time
import uuid

from sqlalchemy import insert, select, text

from router.core.messages import Frozen
from router.store.database import Database
from router.store.tables import templates
from router.store.writer import Writer


class Template(Frozen, frozen=True, kw_only=True):
    """A prompt with `{{variables}}`, under a name."""

    id: str
    name: str
    text: str


_INSERT = insert(templates)
_DELETE = text("DELETE FROM templates WHERE id = :id")


class TemplateLog:
    """Stores templates, and reads them back."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def add(self, name: str, text: str) -> None:
        """Save a template and wait until the list shows it; replaces one with the same name."""
        for old in self.all():
            if old.name == name:
                self.delete(old.id)
        self._writer.put(_INSERT, {"id": uuid.uuid4().hex, "name": name, "text": text, "updated": time.time()})
        self._writer.flush(timeout=1)

    def all(self) -> list[Template]:
        """All templates by their names."""
        rows = select(templates.c.id, templates.c.name, templates.c.text).order_by(templates.c.name)
        with self._database.reading() as connection:
            return [Template(id=key, name=name, text=said) for key, name, said in connection.execute(rows)]

    def delete(self, template: str) -> None:
        """Delete a template by its id, and wait until the list shows it."""
        self._writer.put(_DELETE, {"id": template})
        self._writer.flush(timeout=1)
