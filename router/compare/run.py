"""A running comparison: all lanes at once, each with its prompts in order."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Collection

from router.chat.transcripts import LoadFile
from router.compare.plan import MAX_REPEATS, keys_of, request_of
from router.core.comparisons import Cell, Key, Plan
from router.core.errors import FallbackLabError
from router.core.snapshots import Snapshot
from router.engine.faults import Faults
from router.engine.handle import Handle
from router.engine.options import Options
from router.engine.viewers import Later, Timer, Viewers

IN_FLIGHT = 8
"""Requests of one comparison in progress at once, shared equally by its lanes: as many as a provider takes by default,
so that a long comparison holds up others by no more than one answer."""

KEEP_EVERY = 1.0
"""Seconds between saves of an answer in progress."""


def later(seconds: float, action: Callable[[], object]) -> Timer:
    """See `Later`: in a thread that holds up no exit."""
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer


class Run:
    """The cells that are still to be asked, and those being answered. Its methods may be called from any thread.

    Args:
        start: sends a request; `Lab.start`.
        keep: is told of every cell that begins, changes or ends.
        ended: is called once, after the last cell.
        load: returns the bytes of the plan's files.
        over: the cells that are not asked again.
    """

    def __init__(
        self,
        plan: Plan,
        start: Callable[..., Handle],
        keep: Callable[[Cell], None],
        ended: Callable[[], None],
        load: LoadFile,
        *,
        over: Collection[Key] = (),
        later: Later = later,
    ) -> None:
        self._plan = plan
        self._start = start
        self._load = load
        # Each lane has faults of its own: none is spared by another one's call.
        self._faults = [Faults(plan.faults) for _ in plan.lanes]
        self._keep = keep
        self._ended = ended
        self._lock = threading.RLock()
        self._share = share_of(plan)
        self._waiting = [
            deque(key for key in keys_of(plan, lane) if key not in over) for lane in range(len(plan.lanes))
        ]
        self._handles: dict[Key, Handle] = {}
        self._viewers = Viewers(self.stop, later)

    def begin(self) -> None:
        """Ask the first prompts of every lane; returns at once."""
        for lane in range(len(self._plan.lanes)):
            self._fill(lane)
        self._notice_end()

    def handles(self) -> dict[Key, Handle]:
        """The requests in progress."""
        with self._lock:
            return dict(self._handles)

    def stop(self, lane: int | None = None) -> None:
        """Stop one lane, or all: calls in progress are cut, and waiting ones are skipped."""
        with self._lock:
            for number, waiting in enumerate(self._waiting):
                if lane in (None, number):
                    waiting.clear()
            stopped = [handle for key, handle in self._handles.items() if lane in (None, key.lane)]
        for handle in stopped:
            handle.cancel()

    def attach(self, viewer: str) -> None:
        """Somebody looks at it: a browser session by its id."""
        self._viewers.attach(viewer)

    def detach(self, viewer: str) -> None:
        """Somebody is gone; where nobody is left, and nobody comes, it is stopped as a single answer would be."""
        self._viewers.detach(viewer)

    def _fill(self, lane: int) -> None:
        with self._lock:
            waiting = self._waiting[lane]
            while waiting and sum(key.lane == lane for key in self._handles) < self._share:
                self._ask(waiting.popleft())

    def _ask(self, key: Key) -> None:
        lane = self._plan.lanes[key.lane]
        # A sample of its own for every lane: no lane is given what another one paid and waited for.
        sample = key.lane * MAX_REPEATS + key.repeat
        options = Options(source="compare", cache="use" if self._plan.cache else "off", sample=sample)
        try:
            handle = self._start(
                request_of(self._plan, key, self._load),
                category=lane.category,
                model=lane.model,
                options=options,
                faults=self._faults[key.lane],
            )
        except FallbackLabError as error:
            self._keep(Cell(**key._asdict(), state="failed", error=str(error)))
            return
        self._handles[key] = handle
        self._keep(Cell(**key._asdict()))
        handle.watch(functools.partial(self._update, key), every=KEEP_EVERY)

    def _update(self, key: Key, now: Snapshot) -> None:
        with self._lock:
            if key not in self._handles:
                return
            error = str(now.error) if now.error is not None else None
            self._keep(Cell(**key._asdict(), state=now.state, answer=now.answer, attempts=now.attempts, error=error))
            if now.state == "running":
                return
            del self._handles[key]
            self._fill(key.lane)
        self._notice_end()

    def _notice_end(self) -> None:
        with self._lock:
            if self._handles or any(self._waiting):
                return
            self._viewers.close()
            ended, self._ended = self._ended, _nothing
        ended()


def share_of(plan: Plan) -> int:
    """Requests of one lane in progress at once."""
    return max(1, IN_FLIGHT // len(plan.lanes))


def _nothing() -> None:
    """The end was told already."""
