"""Comparisons as plain data: the plan, its cells, and votes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from router.core.attempts import Attempt, State
from router.core.conversations import Attachment, Settings, Turn
from router.core.faults import Fault
from router.core.messages import Answer, Frozen

Winner = Literal["left", "right", "tie", "both bad"]


class Prompt(Frozen, frozen=True, kw_only=True):
    """One row of a comparison: the prompt and its category of work.

    Attributes:
        variables: the values that its text was filled with, by the names of the variables.
    """

    text: str
    category: str | None = None
    variables: Mapping[str, str] = {}


class Plan(Frozen, frozen=True, kw_only=True):
    """What a comparison asks: every prompt of every lane, `repeats` times.

    Attributes:
        lanes: the columns; each a chain or a model with its own parameters.
        common: the parameters of all lanes, such as a system prompt, tools or a schema; a lane's own come first.
        before: the conversation that every prompt continues, oldest turn first.
        files: attached to every prompt.
        faults: injected into every lane's calls, by model reference.
        cache: whether answers may come from the response cache and be stored there.
    """

    lanes: tuple[Settings, ...]
    prompts: tuple[Prompt, ...]
    common: Settings = Settings()
    before: tuple[Turn, ...] = ()
    files: tuple[Attachment, ...] = ()
    faults: Mapping[str, Fault] = {}
    repeats: int = 1
    cache: bool = True


class Key(NamedTuple):
    """A cell's position; all three count from 0."""

    lane: int
    prompt: int
    repeat: int


class Cell(Frozen, frozen=True, kw_only=True):
    """One prompt's answer in one lane.

    Attributes:
        state: running, answered, failed, or cut if it was stopped or lost.
        error: why there is no answer, one sentence.
    """

    lane: int
    prompt: int
    repeat: int
    state: State = "running"
    answer: Answer = Answer()
    attempts: tuple[Attempt, ...] = ()
    error: str | None = None

    @property
    def key(self) -> Key:
        return Key(self.lane, self.prompt, self.repeat)


class Vote(Frozen, frozen=True, kw_only=True):
    """A blind preference between two answers; `left` and `right` are lane names."""

    id: str
    created: float
    comparison: str
    prompt: int
    category: str | None
    left: str
    right: str
    winner: Winner


class Comparison(Frozen, frozen=True, kw_only=True):
    """A comparison with its results; a missing cell was never called.

    Attributes:
        name: the name given by a user; empty until then.
        created: Unix time, seconds.
    """

    id: str
    name: str
    created: float
    plan: Plan
    cells: dict[Key, Cell]


class Usual(NamedTuple):
    """A model's newest answered calls: the median latency in seconds, the means of their length and cost.

    Attributes:
        completion_tokens, cost: None where no call's is known; tokens, US dollars.
        spread: the standard deviation of their length or else cost, as a share of its mean; None where it is not known.
    """

    calls: int
    latency: float
    completion_tokens: float | None = None
    cost: float | None = None
    spread: float | None = None
