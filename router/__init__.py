"""Fallback Lab: fallback chains of language models, as a library. See docs/library.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from router.library.router import Router

__all__ = ["Router"]


def __getattr__(name: str) -> Any:
    """Load the library when it is first asked for: a command imports only what it needs."""
    if name in __all__:
        from router.library.router import Router  # noqa: PLC0415  # that is what this function is for

        return Router
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
