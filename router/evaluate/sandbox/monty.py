"""Monty: an interpreter of a part of Python that has no files, no network and no processes to give.

It runs pure functions. What it does not know is no fault of the code: such a program is refused, and not failed.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from router.evaluate.sandbox.program import Limits, Outcome, Program, Ran

if TYPE_CHECKING:
    from pydantic_monty import CollectString, MontyError, MontySession

_SHOWN = 2_000


def is_installed() -> bool:
    """Whether pydantic-monty is."""
    return importlib.util.find_spec("pydantic_monty") is not None


def run(program: Program, limits: Limits) -> Ran:
    """Run a program to its end or its limits; the number of processes is none of them."""
    from pydantic_monty import CollectString, Monty, MontyError, ResourceLimits  # noqa: PLC0415  # optional

    began = time.monotonic()
    output = CollectString(limits.output)
    own = ResourceLimits(max_feed_duration_secs=limits.cpu, max_memory=limits.memory, max_total_sleep_secs=limits.cpu)
    try:
        with Monty(max_processes=1, request_timeout=limits.wall) as pool, pool.checkout(limits=own) as session:
            outcome, reason = next(_failures(session, program, output, limits), ("passed", ""))
    except (MontyError, OSError) as error:
        outcome, reason = "refused", f"Monty could not run it: {error}."
    return Ran(outcome, reason, output.output[:_SHOWN], time.monotonic() - began)


def _failures(
    session: MontySession, program: Program, output: CollectString, limits: Limits
) -> Iterator[tuple[Outcome, str]]:
    from pydantic_monty import MontyError  # noqa: PLC0415  # an optional library

    for source, who in ((program.code, "The code"), (program.tests, "A test")):
        try:
            session.feed_run(source, print_callback=output)
        except MontyError as error:
            yield _failure(error, who, source, limits)


def _failure(error: MontyError, who: str, source: str, limits: Limits) -> tuple[Outcome, str]:
    from pydantic_monty import MontyCrashedError, MontyRuntimeError  # noqa: PLC0415  # an optional library

    if isinstance(error, MontyCrashedError):
        reason = f"It did not end within {limits.wall:g} seconds." if error.timed_out else "It ended its interpreter."
        return ("timed out" if error.timed_out else "failed"), reason
    text = str(error).split("\n")[0][:300]
    inner = error.exception()
    unknown = isinstance(inner, ImportError | AttributeError | SyntaxError) or "monty" in text
    if unknown or not isinstance(error, MontyRuntimeError):
        return "refused", f"Monty, which knows a part of Python, cannot run it: {text}."
    if isinstance(inner, TimeoutError):
        return "timed out", f"It took too long: {text}."
    if isinstance(inner, MemoryError):
        return "out of memory", f"It needs too much memory: {text}."
    frames, lines = error.traceback(), source.splitlines()
    line = frames[0].line if frames else 0
    where = f" on line {line} (`{lines[line - 1].strip()[:300]}`)" if 0 < line <= len(lines) else ""
    return "failed", f"{who} failed: {text}{where}."
