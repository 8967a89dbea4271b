"""The puzzles of the bundled suite `reasoning` about logic and order, by looking at all that could be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations, product

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def only(found: Iterator[object] | Sequence[object]) -> object:
    """The one result of a search; two different ones make a bad puzzle."""
    results = set(found)
    assert len(results) == 1, results
    return results.pop()


# --- Logic -----------------------------------------------------------------------------------------


def three_pets() -> object:
    people = ("Bilal", "Chiara", "Dara")
    return only(
        parrot
        for cat, parrot, tortoise in permutations(people)
        if cat not in ("Bilal", "Chiara") and tortoise != "Chiara"
    )


def four_houses() -> object:
    return only(
        green
        for white, yellow, green, red in permutations(range(1, 5))
        if yellow == white + 1 and green in (2, 3) and abs(red - white) != 1 and red > green
    )


def talks_and_drinks() -> object:
    people = ("Anahit", "Bruno", "Chen", "Dalia", "Emeka")

    def fits(day: Mapping[str, int], drinker: Mapping[str, str]) -> bool:
        on = {drink: day[person] for drink, person in drinker.items()}
        return (
            day["Bruno"] < day["Chen"]
            and day["Dalia"] not in (0, 4)
            and abs(day["Anahit"] - day["Emeka"]) == 1
            and day["Emeka"] != 4
            and "Emeka" not in (drinker["tea"], drinker["milk"])
            and on["coffee"] == day["Chen"] + 1
            and on["tea"] == 2
            and on["water"] > day["Dalia"]
            and on["juice"] < day["Anahit"]
            and drinker["milk"] != "Bruno"
        )

    return only(
        f"{drinker['milk']}, {WEEKDAYS[day[drinker['milk']]]}"
        for days in permutations(range(5))
        for drinkers in permutations(people)
        for day in [dict(zip(people, days, strict=True))]
        for drinker in [dict(zip(("tea", "coffee", "water", "juice", "milk"), drinkers, strict=True))]
        if fits(day, drinker)
    )


def honest(names: Sequence[str], claims: Sequence[Callable[..., bool]]) -> object:
    """Who tells the truth, where each claim is about all of them."""
    return only(
        ", ".join(name for name, truth in zip(names, truths, strict=True) if truth)
        for truths in product((True, False), repeat=len(names))
        if all(claim(*truths) == truth for claim, truth in zip(claims, truths, strict=True))
    )


def three_islanders() -> object:
    return honest(
        ("Aka", "Bui", "Coro"), (lambda a, b, c: a + b + c == 1, lambda a, b, c: a == c, lambda a, b, c: not a and b)
    )


def five_witnesses() -> object:
    return honest(
        ("Alma", "Boris", "Carla", "Dev", "Elif"),
        (
            lambda *all_: sum(all_) == 3,
            lambda a, *_: not a,
            lambda a, b, c, d, e: b != d,
            lambda a, b, c, d, e: e and not c,
            lambda a, b, c, d, e: a == c,
        ),
    )


def four_drawers() -> object:
    return only([key for key in range(1, 5) if [key in (3, 4), key != 1, key in (2, 4), key == 2].count(True) == 2])


def round_table() -> object:
    names = ("Goran", "Hana", "Ivo", "Jelena", "Kemal", "Lucia")

    def fits(seat: Mapping[str, int]) -> bool:
        def near(one: str, other: str) -> bool:
            return (seat[one] - seat[other]) % 6 in (1, 5)

        return (
            (seat["Kemal"] - seat["Jelena"]) % 6 == 1
            and not near("Hana", "Ivo")
            and not near("Goran", "Lucia")
            and not near("Goran", "Kemal")
            and near("Lucia", "Hana")
            and near("Ivo", "Jelena")
        )

    return only(
        order[(order.index("Hana") + 3) % 6]
        for order in permutations(names)
        if fits({name: at for at, name in enumerate(order)})
    )


def broken_window() -> object:
    def truths(who: str) -> int:
        noor, oskar = who in ("Pia", "Rafa"), who not in ("Noor", "Rafa")
        return [noor, oskar, who != "Pia" and oskar, who != "Oskar" and noor].count(True)

    return only([who for who in ("Noor", "Oskar", "Pia", "Rafa") if truths(who) == 3])


# --- Ordering --------------------------------------------------------------------------------------


def five_runners() -> object:
    names = ("Nia", "Omid", "Pilar", "Quentin", "Rosa")
    return only(
        order[2]
        for order in permutations(names)
        for place in [{name: at for at, name in enumerate(order)}]
        if place["Rosa"] == place["Pilar"] - 1
        and place["Pilar"] < place["Omid"] < place["Quentin"]
        and place["Nia"] == 4
    )


def sorted_backward() -> str:
    return sorted(("melon", "ribbon", "salmon", "button", "pardon", "cotton"), key=lambda word: word[::-1])[3]


def stack_of_plates() -> str:
    plates = deque(("amber", "blue", "coral", "denim", "ebony", "fern"))
    plates.rotate(-2)
    plates.rotate(1)
    stack = list(plates)
    stack = stack[2::-1] + stack[3:]
    stack = [stack[3], *stack[:3], *stack[4:]]
    return ", ".join((stack[-1], *stack[1:-1], stack[0]))


def seven_climbers() -> object:
    names = ("Sanna", "Tariq", "Uma", "Viggo", "Wanda", "Xavi", "Yusuf")
    return only(
        order[5]
        for order in permutations(names)
        for at in [{name: place for place, name in enumerate(order)}]
        if at["Yusuf"] < at["Tariq"] < at["Uma"] == at["Sanna"] - 1 < at["Wanda"] == at["Xavi"] - 2
        and at["Viggo"] > at["Uma"]
    )
