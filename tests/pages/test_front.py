"""The picture of quality beside cost or latency: its names can be read."""

from __future__ import annotations

import itertools

from components.shared.front import LINE, NAMED, Name, Point, names_of


def point(name: str, x: float, quality: float, *, is_best: bool = False) -> Point:
    return Point(name, x, quality, quality - 0.04, quality + 0.04, is_best)


def apart(names: list[Name]) -> float:
    """The smallest distance between two names on one side."""
    return min(abs(one.y - other.y) for one, other in itertools.combinations(names, 2) if one.is_left == other.is_left)


def test_names_of_points_that_lie_together_are_a_line_apart() -> None:
    names = names_of([point("Best", 1.63, 0.850), point("Fastest", 1.53, 0.849), point("Cheapest", 1.2, 0.848)])
    assert apart(names) > LINE * 0.08


def test_no_dot_lies_in_the_name_of_another() -> None:
    placed = {"Fastest": (1.53, 0.846), "Best": (1.50, 0.850), "Now": (0.1, 0.5), "Low": (0.2, 0.505)}
    for name in names_of([point(each, *place) for each, place in placed.items()]):
        for x, quality in placed.values():
            is_across = 0 < (name.x - x if name.is_left else x - name.x) < 0.2
            assert not is_across or abs(name.y - quality) > LINE * 0.7 / 2


def test_a_name_in_the_right_half_stands_to_the_left_of_its_point() -> None:
    names = names_of([point("cheap", 1.0, 0.7), point("dear", 9.0, 0.7)])
    assert {each.name: each.is_left for each in names} == {"cheap": False, "dear": True}


def test_of_many_points_those_on_the_front_are_named() -> None:
    points = [point(f"model {number}", number, number / 20, is_best=number == 3) for number in range(NAMED + 1)]
    assert [each.name for each in names_of(points)] == ["model 3"]
