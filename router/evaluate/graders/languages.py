"""Which language a text is in."""

from __future__ import annotations


def language_of(text: str) -> str:
    """The ISO 639-1 code of a text's most likely language, such as `en`; capital letters make no difference."""
    import py3langid  # noqa: PLC0415  # it takes a second to load

    code: str = py3langid.classify(text.lower())[0]
    return code
