"""What is firing and what was sent: a small file that all processes of one folder share, so that nobody tells twice."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from router.config.alerts import Condition
from router.core.files import Stamp, stamp, whole
from router.core.messages import Frozen

log = logging.getLogger(__name__)

T = TypeVar("T")

REMIND = 86_400.0
"""Seconds after which somebody is told again of what is still so."""

HOLD = 3_600.0
"""Seconds without a drift after which it is over; what has a window is over after that."""

LOCK_WAIT = 5.0
"""Seconds to wait for another process."""


class State(Frozen, frozen=True):
    """What became of a rule; times are Unix times in seconds.

    Attributes:
        since: when it began to hold; None while it does not fire.
        cleared: since when it has not held, though it still fires; None while it holds.
        told: when the newest message was made.
        unsent: a message that is to be sent.
        busy: until when nobody else takes that message.
        sent, sent_at: the newest message that was sent.
        problem: why the message could not be sent.
    """

    since: float | None = None
    cleared: float | None = None
    told: float = 0.0
    unsent: str | None = None
    busy: float = 0.0
    sent: str | None = None
    sent_at: float | None = None
    problem: str | None = None


def moved(state: State, condition: Condition, said: str, now: float, *, holds: bool) -> State:
    """The state after a look: a message when it begins, one a day while it goes on, and one when it is over.

    It is over once it has not held for a whole window, so a figure that flutters about its threshold is told of once.

    Args:
        said: the figure in words.
        holds: whether the condition does.
    """
    since = state.since
    if since is None:
        return _tell(replace(state, since=now), f"Alert: {condition.text}. Now {said}.", now) if holds else state
    began = f"since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    if holds:
        state = replace(state, cleared=None)
        is_due = now - state.told >= REMIND
        return _tell(state, f"Still: {condition.text}, {began}. Now {said}.", now) if is_due else state
    cleared = now if state.cleared is None else state.cleared
    if now - cleared < (condition.window or HOLD):
        return replace(state, cleared=cleared)
    return _tell(replace(state, since=None, cleared=None), f"Over: {condition.text}, {began}. Now {said}.", now)


def _tell(state: State, message: str, now: float) -> State:
    return replace(state, told=now, unsent=message, busy=0.0, problem=None)


class States:
    """The states by their rules' keys; where the file cannot be written, as long as the process lasts.

    May be used from any thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.Lock()
        self._stamp: Stamp | None = None
        self._kept: dict[str, State] = {}
        self._unwritten: dict[str, State] | None = None

    def all(self) -> dict[str, State]:
        """All states as they are now."""
        with self._reading:
            if self._unwritten is not None:
                return dict(self._unwritten)
            try:
                found = stamp(self._path)
                if found != self._stamp:
                    self._kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, State])
                    self._stamp = found
            except (FileNotFoundError, NotADirectoryError):
                self._stamp, self._kept = None, {}
            except (OSError, msgspec.MsgspecError, UnicodeError) as error:
                log.warning("%s cannot be read (%s); alerts start over", self._path, type(error).__name__)
                self._stamp, self._kept = None, {}
            return dict(self._kept)

    def change(self, work: Callable[[dict[str, State]], T]) -> T:
        """Let `work` change the states, while no other process does. Returns what it returns.

        Raises:
            OSError: another process takes too long.
        """
        with self._alone():
            states = self.all()
            before = dict(states)
            found = work(states)
            if states != before:
                self._write(states)
            return found

    def forget(self) -> None:
        """Drop all of them."""
        self.change(dict.clear)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        from filelock import FileLock, Timeout  # noqa: PLC0415  # as in router/config/origins.py

        with contextlib.ExitStack() as held:
            try:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                held.enter_context(FileLock(self._path.with_suffix(".lock"), timeout=LOCK_WAIT, mode=0o600))
            except Timeout:
                raise
            except OSError:  # nobody can write here, so there is nobody to wait for
                log.debug("%s cannot be locked", self._path)
            yield

    def _write(self, states: dict[str, State]) -> None:
        try:
            with whole(self._path) as file:
                file.write(msgspec.json.format(msgspec.json.encode(states, order="sorted")))
            self._unwritten = None
        except OSError:
            self._unwritten = states
