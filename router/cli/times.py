"""Durations and dates on the command line: callbacks of click's options."""

from __future__ import annotations

import time
from datetime import datetime

import click
from pydantic import ValidationError

from router.config.values import SECONDS


def age(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Seconds, from a duration as in models.yaml."""
    try:
        return None if value is None else SECONDS.validate_python(value)
    except ValidationError:
        raise click.BadParameter(f"`{value}` is not a duration. Write a number with a unit: 12h, 30d, 8w.") from None


def since(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Unix time in seconds, from a duration before now or a date."""
    if value is None:
        return None
    try:
        return time.time() - SECONDS.validate_python(value)
    except ValidationError:
        pass
    try:
        return datetime.fromisoformat(value).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        what = f"`{value}` is neither a duration such as 12h or 7d nor a date such as 2026-01-31."
        raise click.BadParameter(what) from None
