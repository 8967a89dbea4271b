"""What is kept of conversations, where the store loses what it had."""

from __future__ import annotations

import shutil
from pathlib import Path

from router.chat.conversations import Conversations
from router.chat.transcripts import path
from router.core.conversations import Settings, Turn
from router.core.messages import Answer
from router.store import Store


def turn(name: str, parent: str | None = None) -> Turn:
    return Turn(
        id=name,
        conversation="c",
        parent=parent,
        created=1.0,
        prompt=name,
        settings=Settings(),
        state="answered",
        answer=Answer(text="Yes."),
    )


def test_what_is_said_after_lab_was_deleted_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / ".lab"
    store = Store(folder / "lab.sqlite")
    conversations = Conversations(store.conversations)
    conversations.keep(turn("before"), {})
    assert store.writer.flush()
    shutil.rmtree(folder)
    conversations.keep(turn("after", "before"))
    conversations.keep(turn("later", "after"))
    store.close()
    again = Store(folder / "lab.sqlite")
    assert [each.id for each in path(Conversations(again.conversations).turns("c"))] == ["after", "later"]
    again.close()
