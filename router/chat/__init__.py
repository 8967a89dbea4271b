"""Conversations: the service, transcripts, tools, attachments."""
