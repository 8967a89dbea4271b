"""What people think of models."""

from __future__ import annotations

from router.core.comparisons import Vote, Winner
from router.tune.people import preferred


def vote(left: str, right: str, winner: Winner, category: str | None = "code") -> Vote:
    return Vote(
        id=f"{left}{right}",
        created=0.0,
        comparison="c",
        prompt=0,
        category=category,
        left=left,
        right=right,
        winner=winner,
    )


def test_each_side_has_its_share_of_the_votes() -> None:
    found = preferred([vote("a", "b", "left"), vote("b", "a", "right"), vote("a", "c", "right")], "code")
    assert {lane: (each.value, each.rows) for lane, each in found.items()} == {
        "a": (2 / 3, 3), "b": (0.0, 2), "c": (1.0, 1),
    }  # fmt: skip


def test_ties_and_other_categories_are_left_out() -> None:
    assert preferred([vote("a", "b", "tie"), vote("a", "b", "both bad"), vote("a", "b", "left", "tools")], "code") == {}
