"""What is run in a sandbox, within which limits, and what came of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Outcome = Literal["passed", "failed", "timed out", "out of memory", "refused"]

MAX_SOURCE = 1_000_000
"""Bytes of code, and of tests."""


class Program(NamedTuple):
    """Python code that nobody trusts, and the tests that it is to pass.

    Attributes:
        code: what a model wrote.
        tests: run after it, with its names; they pass by not raising.
        entry_point: what the tests call, where it is called like a builtin; other such names stay Python's own.
    """

    code: str
    tests: str
    entry_point: str = ""


class Limits(NamedTuple):
    """What a program may take; what it goes beyond ends it.

    Attributes:
        cpu: whole seconds of the processor's time, of each process.
        wall: seconds in all, on any machine.
        memory: bytes of address space of each process.
        processes: of them, and threads, at once.
        output: bytes that it may print, or write to one file.
        files: open at once.
    """

    cpu: int = 5
    wall: float = 30.0
    memory: int = 512_000_000
    processes: int = 8
    output: int = 1_000_000
    files: int = 64


class Ran(NamedTuple):
    """What came of a program.

    Attributes:
        outcome: refused where it was not run.
        reason: why it did not pass, one sentence.
        output: the beginning of what it printed.
        seconds: of all.
    """

    outcome: Outcome
    reason: str = ""
    output: str = ""
    seconds: float = 0.0
