"""Fallback Lab: fallback chains of language models, as a library. See docs/library.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from router.router import Router

__all__ = ["Router"]


def __getattr__(name: str) -> Any:
    """The library, loaded by whoever asks for it: a command needs no part of it but its own."""
    if name in __all__:
        from router.router import Router  # noqa: PLC0415  # see above

        return Router
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
