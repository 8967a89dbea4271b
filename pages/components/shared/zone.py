"""Times in the browser's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def when(unix: float) -> datetime:
    """A Unix time in the browser's time zone."""
    return datetime.fromtimestamp(unix, zone())


def zone() -> tzinfo:
    """The browser's time zone; UTC if it is missing or unknown here."""
    return zone_named(st.context.timezone or "UTC")


def zone_named(name: str) -> tzinfo:
    """A time zone by its name; UTC if it is unknown here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # Chrome's `Etc/Unknown`; what is no name; a folder of zones
        return UTC
