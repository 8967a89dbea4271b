"""Runs code that a model wrote, and the tests that it is to pass, so that it can harm nothing.

In bubblewrap where that is installed and works; else in pydantic-monty, which knows a part of Python; else nowhere,
unless somebody said twice that it may run unconfined: with an option, and with a variable of the environment.

What is kept out: the network, all files but an interpreter's, the environment, other processes, and more than the
limits of time, memory, processes and output. What is not: faults of the kernel; and code that looks for the harness in
its own interpreter (through frames, the collector or ctypes), which could find the tests while they run and claim to
have passed them. Code that exits early, prints what it likes, changes Python's builtins, or writes what a harness would
write has not passed. `processes` times `memory` is the most that one program can hold.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import Literal, NamedTuple

from router.evaluate.sandbox import bubblewrap, child, monty
from router.evaluate.sandbox.program import MAX_SOURCE, Limits, Outcome, Program, Ran

__all__ = ["UNCONFINED", "Limits", "Outcome", "Program", "Ran", "Way", "find_way", "run"]

UNCONFINED = "FALLBACK_LAB_RUN_CODE_UNCONFINED"
"""The variable that has to be `yes`, beside the option, for code to run unconfined."""

_AT_ONCE = threading.BoundedSemaphore(os.cpu_count() or 1)
"""Programs at once: more of them than processors would only take longer, and reach their limits of time."""


class Way(NamedTuple):
    """How code runs here.

    Attributes:
        name: None where it is refused.
        why: why bubblewrap is not used, a sentence with the remedy; empty if it is.
    """

    name: Literal["bubblewrap", "monty", "unconfined"] | None
    why: str = ""


def find_way(*, unconfined: bool = False) -> Way:
    """How code runs here; bubblewrap is tried once a process.

    Args:
        unconfined: whether code may run without a sandbox where there is none, if the environment says so, too.
    """
    if not (missing := _why_no_bubblewrap()):
        return Way("bubblewrap")
    if monty.is_installed():
        return Way("monty", missing)
    return Way("unconfined" if _is_told_twice(unconfined) else None, missing)


def run(program: Program, limits: Limits = Limits(), *, unconfined: bool = False) -> Ran:
    """Run a program and its tests; in bubblewrap it takes 0.04 seconds at least.

    Args:
        unconfined: see `find_way`; also where Monty does not suffice.
    """
    for source, what in ((program.code, "code"), (program.tests, "tests")):
        if len(source) > MAX_SOURCE:
            return Ran("refused", f"The {what} must not be longer than {MAX_SOURCE:,} characters.")
    with _AT_ONCE:
        way = find_way(unconfined=unconfined)
        if way.name == "monty":
            ran = monty.run(program, limits)
            if ran.outcome != "refused":
                return ran
            way = Way("unconfined" if _is_told_twice(unconfined) else None, f"{ran.reason} {way.why}")
        if way.name is None:
            return Ran("refused", way.why)
        try:
            return child.run(_command(way), program, limits)
        except OSError as error:
            return Ran("refused", f"The sandbox could not be started: {error}.")


def _is_told_twice(unconfined: bool) -> bool:
    return unconfined and os.environ.get(UNCONFINED) == "yes" and os.name == "posix"


def _command(way: Way) -> child.Command:
    found = bubblewrap.find()
    if way.name == "bubblewrap" and found is not None:
        return bubblewrap.command(found)
    return child.Command(sys.executable, ["-I", "-S", "-B", "-u", str(child.HARNESS)])


@functools.cache
def _why_no_bubblewrap() -> str:
    """Why bubblewrap cannot be used, a sentence; empty if it can."""
    found = bubblewrap.find()
    if found is None:
        return "Bubblewrap, which runs all of Python, is not installed: install the package `bubblewrap`."
    try:
        ran = child.run(bubblewrap.command(found), Program("answer = 6 * 7", "assert answer == 42"), Limits())
        said = ran.reason
    except OSError as error:
        said = str(error)[:300]
    return f"Bubblewrap, which runs all of Python, does not work here: {said}" if said else ""
