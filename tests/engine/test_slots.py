"""A provider's slots: how many, and in which order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.providers.slots import Slots, Turn
from router.tune.virtual_time import VirtualLoop


class AnyCalls(RuleBasedStateMachine):
    """Calls come, go, and leave the queue in any order, while the limit changes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.limit = 2
        self.slots = Slots(lambda: self.limit)
        self.asked: list[Turn] = []

    def teardown(self) -> None:
        self.loop.close()

    async def _ask(self) -> Turn:
        return self.slots.ask()

    @rule()
    def a_call_comes(self) -> None:
        self.asked.append(self.loop.run_until_complete(self._ask()))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def a_call_ends_or_leaves_the_queue(self, data: st.DataObject) -> None:
        self.slots.give_back(self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1))))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def a_call_is_cancelled(self, data: st.DataObject) -> None:
        turn = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        turn.cancel()
        self.slots.give_back(turn)

    @rule(limit=st.integers(1, 5))
    def the_limit_changes(self, limit: int) -> None:
        self.limit = limit

    @invariant()
    def those_who_came_first_have_their_turns_first(self) -> None:
        given = [turn.done() for turn in self.asked]
        assert given == sorted(given, reverse=True)

    @rule()
    def as_many_as_may_have_a_turn(self) -> None:
        before = sum(turn.done() for turn in self.asked)
        self.a_call_comes()
        given = sum(turn.done() for turn in self.asked)
        assert given == max(before, min(self.limit, len(self.asked)))


class TestAnyCalls(AnyCalls.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes that class when it is asked for
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
