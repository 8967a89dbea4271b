"""Conversations that leave as files, come back from them, or were begun elsewhere."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import msgspec

from router.chat.conversations import Conversations
from router.chat.transcripts import LoadFile, export_json, export_markdown, import_file, path
from router.core.conversations import Turn
from router.core.errors import InvalidRequest
from router.store import ConversationLog


class Transfer:
    """Takes conversations out and in. Its methods may be called from any thread.

    Args:
        log: knows their titles.
    """

    def __init__(self, conversations: Conversations, log: ConversationLog) -> None:
        self._conversations = conversations
        self._log = log

    def export(self, conversation: str) -> bytes:
        """The conversation as JSON, with all branches and files."""
        turns = list(self._conversations.turns(conversation).values())
        title = self._log.title(conversation) or ""
        return export_json(title, turns, lambda file: self._conversations.file(conversation, file))

    def export_text(self, conversation: str, through: str | None = None) -> str:
        """One branch of the conversation as Markdown."""
        turns = path(self._conversations.turns(conversation), through)
        return export_markdown(self._log.title(conversation) or "", turns)

    def import_(self, data: bytes) -> str:
        """Take in an exported conversation; returns the id it gets.

        Raises:
            InvalidRequest: it cannot be read, in one sentence.
        """
        conversation = new_conversation()
        title, turns, files = import_file(data, conversation)
        if not turns:
            raise InvalidRequest("The file contains no prompt and no answer.")
        for turn in turns:
            self._conversations.keep(turn, {})
        attachments = {attachment for turn in turns for attachment in turn.attachments}
        self._conversations.keep_files(conversation, {attachment: files[attachment.id] for attachment in attachments})
        if title.strip():
            self._log.rename(conversation, title_from(title))
        return conversation

    def begin(self, turns: Sequence[Turn], load: LoadFile) -> str:
        """Start a conversation with turns that were asked elsewhere; returns its id.

        Args:
            turns: from the first to the last, all over.
            load: returns the bytes of their files.

        Raises:
            InvalidRequest: a file is no longer there; nothing is kept then.
        """
        conversation = new_conversation()
        files = {attachment: load(attachment.id) for turn in turns for attachment in turn.attachments}
        parent = None
        for turn in turns:
            begun = msgspec.structs.replace(turn, id=uuid.uuid4().hex, conversation=conversation, parent=parent)
            self._conversations.keep(begun, {})
            parent = begun.id
        self._conversations.keep_files(conversation, files)
        return conversation


def new_conversation() -> str:
    """An id for a new conversation."""
    return uuid.uuid4().hex[:12]


def title_from(text: str) -> str:
    """A title as it is kept: on one line, not too long."""
    return " ".join(text.split())[:200]
