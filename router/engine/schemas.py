"""JSON schemas: whether one can be used, and whether answers fit, within a time limit.

A schema is foreign text: it comes with imported conversations, and can ask for work without end (expressions that
backtrack, references that double at every step). A child process checks it, and ends at the limit. That counts the
processor's time, so that an answer is checked on a busy machine too.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.core.errors import InvalidRequest
from router.core.messages import Frozen

BUDGET = 2
"""Seconds of the processor's time for one check, of an answer's texts together."""

PATIENCE = 10.0
"""Seconds until a check is given up on any machine: a very busy one, or one that cannot limit the processor's time."""

MAX_SCHEMA = 100_000
"""Bytes of a schema as JSON."""

MAX_ANSWER = 1_000_000
"""Characters of an answer that is checked."""

_KEPT = 256
"""Verdicts on schemas that are remembered: a page reads one many times, and it is checked once."""


class _Problem(Frozen, frozen=True, kw_only=True):
    at: str
    message: str

    def __str__(self) -> str:
        return f"{f' at `{self.at}`' if self.at else ''}: {self.message}."


class _Verdict(Frozen, frozen=True, kw_only=True):
    schema: _Problem | None = None
    answer: _Problem | None = None
    deep: bool = False
    unfinished: bool = False


def check_schema(schema: Any, what: str) -> None:
    """Check that something is a JSON schema that answers can be checked against.

    Args:
        what: its name at the beginning of a sentence.

    Raises:
        InvalidRequest: it is not, or checking it takes too long.
    """
    found = _judge_schema(_encoded(schema, what))
    if found.schema is not None:
        raise InvalidRequest(f"{what}: no usable JSON schema{found.schema}")
    if found.deep:
        raise InvalidRequest(f"{what}: nested too deeply. Make it flatter.")
    if found.unfinished:
        raise InvalidRequest(f"{what} cannot be checked within {BUDGET} seconds. Make it simpler.")


def check_size(schema: Any, what: str) -> None:
    """Check that something can be a JSON schema by its type and size alone.

    Raises:
        InvalidRequest: it cannot, or is too large.
    """
    _encoded(schema, what)


def _encoded(schema: Any, what: str) -> bytes:
    if not isinstance(schema, Mapping):
        raise InvalidRequest(f"{what} must be a JSON object.")
    try:
        data = msgspec.json.encode(schema, order="sorted")
    except RecursionError:
        raise InvalidRequest(f"{what}: nested too deeply. Make it flatter.") from None
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} holds half a surrogate pair. Remove that character.") from None
    if len(data) > MAX_SCHEMA:
        raise InvalidRequest(f"{what}: {len(data) / 1e3:,.0f} kB; the limit is {MAX_SCHEMA / 1e3:,.0f} kB.")
    return data


class Json(NamedTuple):
    """A text that should be JSON.

    Attributes:
        what: its name at the beginning of a sentence.
        schema: what it should fit; None for any JSON.
    """

    what: str
    text: str
    schema: Mapping[str, Any] | None = None


class Mismatch(NamedTuple):
    """What does not fit, or why that is unknown, in one sentence.

    Attributes:
        checked: whether the text could be checked.
    """

    sentence: str
    checked: bool = True


def mismatch(*texts: Json) -> Mismatch | None:
    """The first text that does not fit its schema, or else the first that cannot be checked; None if all fit.

    It waits for a child process: never call it on the Lab's loop.
    """
    found: list[Mismatch] = []
    left: list[tuple[str, bytes, str]] = []
    for what, text, schema in texts:
        try:
            msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
            return Mismatch(f"{what} is not JSON: {error}.")
        if schema is not None:
            try:
                left.append((what, *_encoded_both(schema, text)))
            except InvalidRequest as error:
                found.append(Mismatch(f"{what} cannot be checked. {error}", checked=False))
    verdicts = _judge(*((schema, text) for _, schema, text in left)) if left else []
    found += [said for (what, *_), verdict in zip(left, verdicts, strict=True) if (said := _said(what, verdict))]
    return next((each for each in found if each.checked), found[0] if found else None)


def _encoded_both(schema: object, text: str) -> tuple[bytes, str]:
    if len(text) > MAX_ANSWER:
        raise InvalidRequest(f"It is longer than {MAX_ANSWER:,} characters.")
    return _encoded(schema, "The schema"), text


def _said(what: str, found: _Verdict) -> Mismatch | None:
    if found.answer is not None:
        return Mismatch(f"{what} does not fit the schema{found.answer}")
    if found.schema is not None:
        return Mismatch(f"{what} cannot be checked: no usable JSON schema{found.schema}", checked=False)
    if found.deep:
        return Mismatch(f"{what} cannot be checked: it or the schema is nested too deeply.", checked=False)
    if found.unfinished:
        sentence = f"{what} cannot be checked within {BUDGET} seconds. Make the schema simpler."
        return Mismatch(sentence, checked=False)
    return None


@functools.lru_cache(maxsize=_KEPT)
def _judge_schema(schema: bytes) -> _Verdict:
    [verdict] = _judge((schema, None))
    return verdict


def _judge(*checks: tuple[bytes, str | None]) -> list[_Verdict]:
    """The verdicts of one child process; incomplete if it was ended, by us or the system, or could not start."""
    asked = [{"schema": msgspec.Raw(schema), "answer": answer} for schema, answer in checks]
    given = msgspec.json.encode({"checks": asked, "seconds": BUDGET})
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and file; what is foreign goes through the pipe
            [sys.executable, "-I", str(Path(__file__).with_name("schema_child.py"))],
            input=given,
            capture_output=True,
            timeout=PATIENCE,
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ},
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError, OSError):
        return [_Verdict(unfinished=True)] * len(checks)
    return msgspec.json.decode(done.stdout, type=list[_Verdict])
