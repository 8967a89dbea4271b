"""Evaluation runs as plain data: the plan, and the journal's entries, of which every figure is made."""

from __future__ import annotations

import functools
from typing import Literal, TypeAlias

import msgspec

from router.core.attempts import Attempt
from router.core.conversations import Settings
from router.core.messages import Answer, digest
from router.core.suites import Grade, Suite

End = Literal["complete", "stopped", "limit"]
"""Why a run has no more to ask: all is answered, somebody stopped it, or its spending limit is reached."""


LEAST_SCREENED = 20
"""Cases from which a lane's score on a whole suite can be estimated."""


class Lane(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """A column of a run: a chain or a model with its parameters.

    Attributes:
        name: unique in its run.
        chain: the fingerprint of its chain when the run was planned: another chain is another lane.
    """

    name: str
    settings: Settings
    chain: str

    @functools.cached_property
    def key(self) -> str:
        """What its cells are kept under."""
        return digest(msgspec.json.encode(self.settings, order="sorted"), self.chain)[:16]


class CellKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cell by its content: what is asked, of whom, and which sample of the answer.

    Attributes:
        question: `Case.key`.
        lane: `Lane.key`.
        repeat: from 0.
    """

    question: str
    lane: str
    repeat: int


class Planned(msgspec.Struct, frozen=True, tag="plan", omit_defaults=True):
    """What a run is to ask and to grade; in a run that was extended, the last one counts.

    Attributes:
        margin: the loss, 0 to 1, up to which a lane counts as no worse; None to ask only whether lanes differ.
        max_cost: US dollars after which nothing more is asked, judges included; None for no limit.
        judge: a model's reference or a chain's category that judges where a check names none.
        grade_again: whether the grades before it do not count.
        unconfined: whether code may run without a sandbox where there is none, if the environment says so, too.
        cache: whether answers may come from the response cache.
        screen: how many cases the lanes after the first are asked, taken at random; None for all. Their scores on the
            whole suite are estimated.
    """

    at: float
    suite: Suite
    lanes: tuple[Lane, ...]
    repeats: int = 1
    margin: float | None = None
    max_cost: float | None = None
    judge: str | None = None
    grade_again: bool = False
    unconfined: bool = False
    cache: bool = True
    screen: int | None = None

    @property
    def cells(self) -> int:
        """How many answers it takes: cases that ask the same share theirs."""
        questions = len({case.key for case in self.suite.cases})
        screened = questions if self.screen is None else min(self.screen, questions)
        return (questions + (len(self.lanes) - 1) * screened) * self.repeats


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """A cell is about to be asked. Without a `CellResult` after it, it may have been paid for."""

    at: float
    cell: CellKey


class CellResult(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True):
    """A cell's answer, or why there is none.

    Attributes:
        state: answered; failed: no model of the lane answered; cut: stopped, to be asked again.
        answers: one a turn, the graded one last.
        attempts: of all turns.
        error: one sentence.
    """

    at: float
    cell: CellKey
    state: Literal["answered", "failed", "cut"]
    answers: tuple[Answer, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    latency: float | None = None
    error: str | None = None


class Graded(msgspec.Struct, frozen=True, tag="grades", omit_defaults=True):
    """What a case's checks say of a cell's answer; the last one counts.

    Attributes:
        case: its id: cases that ask the same may be graded in different ways.
        grades: of a person one, or none to remove the one before.
        by: who graded; empty for the suite's checks, else a person's name.
    """

    at: float
    cell: CellKey
    case: str
    grades: tuple[Grade, ...]
    by: str = ""


class Ended(msgspec.Struct, frozen=True, tag="end"):
    """The run has no more to ask; it can be resumed."""

    at: float
    why: End


Entry: TypeAlias = Planned | Sent | CellResult | Graded | Ended
