"""The answers of the bundled suite `reasoning`, by brute force or step by step."""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import combinations, count, permutations, product

from tests.evaluate import puzzles
from tests.evaluate.puzzles import WEEKDAYS, only

# --- Arithmetic ------------------------------------------------------------------------------------


def leaking_tank() -> int:
    liters = 0
    for minute in count(1):
        liters += (45 if minute <= 8 else 75) - 15
        if liters >= 900:
            assert liters == 900
            return minute
    raise AssertionError


def taxi_at_night() -> Fraction:
    ride = Fraction("3.20") + 4 * Fraction("1.50") + 6 * Fraction("1.20") + Fraction("3.5") * Fraction("0.90")
    return ride * Fraction("1.2") + 5 * Fraction("0.50")


def mother_and_son() -> object:
    return only([f for f in range(76) for i in [75 - f] if f == 3 * (i - (f - i)) and f >= i])


def village_festival() -> int:
    tickets = (180 - 14 + 420 + 510 - 90) * 800 + 90 * 400
    stalls = (22 - 1) * 3 * 6000 - 7 * 6000
    lottery = 640 * 200 - 38_500
    return tickets + stalls + lottery - 150_000 - (184_300 - 30_000) - 21_700 - 44_000 - 61_000


def smallest_number() -> int:
    return next(n for n in count(1001) if n % 7 == 3 and n % 11 == 5 and sum(map(int, str(n))) == 20)


# --- Calendar --------------------------------------------------------------------------------------


def weekday_in_april() -> object:
    years = (year for year in range(1900, 2100) if date(year, 3, 5).weekday() == 2)
    return only(WEEKDAYS[date(year, 4, 1).weekday()] for year in years)


def thirteenth_fridays() -> object:
    years = (year for year in range(1904, 2100, 4) if date(year, 1, 1).weekday() == 0)
    return only(sum(date(year, month, 13).weekday() == 4 for month in range(1, 13)) for year in years)


def across_the_pacific() -> str:
    utc = datetime(2027, 1, 2, 19, 55) - timedelta(hours=13)  # noqa: DTZ001  # a Saturday
    utc += timedelta(hours=11 + 3 + 3, minutes=10 + 50 + 55)
    lima = utc - timedelta(hours=5)
    return f"{WEEKDAYS[lima.weekday()]} {lima:%H:%M}"


def three_meetings() -> str:
    first = date(2026, 1, 6)
    days = (first + timedelta(weeks=6 * n) for n in count(1))
    return next(day for day in days if day.day <= 7).isoformat()


# --- Counting --------------------------------------------------------------------------------------


def committee_of_four() -> int:
    people = [("woman", n) for n in range(6)] + [("man", n) for n in range(5)]
    return sum(2 <= sum(kind == "woman" for kind, _ in four) <= 3 for four in combinations(people, 4))


def closed_crossing() -> int:
    ways = {(0, 0): 1}
    for x, y in product(range(6), range(5)):
        if (x, y) in ((2, 2), (4, 2)):
            ways[x, y] = 0
        elif (x, y) != (0, 0):
            ways[x, y] = ways.get((x - 1, y), 0) + ways.get((x, y - 1), 0)
    return ways[5, 4]


def six_in_a_row() -> int:
    rows = permutations("ABCDEF")
    return sum(row.index("C") in (0, 5) and abs(row.index("A") - row.index("B")) > 1 for row in rows)


def rising_digits() -> int:
    return sum(a < b < c and (a + b + c) % 5 == 0 for a, b, c in (map(int, str(n)) for n in range(100, 1000)))


# --- Units and sets --------------------------------------------------------------------------------


def slow_download() -> Fraction:
    return 2 + Fraction(4500 * 8 - 120 * 30, 60 * 60)


def fuel_abroad() -> Fraction:
    return 450 * Fraction("1.6") * Fraction("6.25") / 100 / Fraction("3.75") * Fraction("3.85")


def hot_drinks() -> int:
    """Everybody is counted as often as they like something."""
    one = 70 + 65 + 50 - 2 * 45 - 3 * 12
    return 120 - one - 45 - 12


# --- Probability -----------------------------------------------------------------------------------


def share(outcomes: Sequence[object], fits: Callable[..., bool]) -> Fraction:
    return Fraction(sum(map(fits, outcomes)), len(outcomes))


def faulty_lamp() -> Fraction:
    faulty = [Fraction(50 * 2), Fraction(30 * 3), Fraction(20 * 5)]
    return faulty[2] / sum(faulty)


def three_cards() -> Fraction:
    hands = list(combinations(range(1, 10), 3))
    return share(hands, lambda hand: math.prod(hand) % 2 == 0 and sum(hand) % 2 == 1)


def unequal_game() -> Fraction:
    """A round after which nobody has won is as if there had been none."""
    malia, both_miss = Fraction(1, 3), Fraction(2, 3) * Fraction(5, 6)
    return malia / (1 - both_miss)


# --- Space -----------------------------------------------------------------------------------------


def rolling_die() -> int:
    top, front, right = 1, 2, 3
    for way in ("right", "away", "away", "left", "toward"):
        if way == "right":
            top, right = 7 - right, top
        elif way == "left":
            top, right = right, 7 - top
        elif way == "away":
            top, front = front, 7 - top
        else:
            top, front = 7 - front, top
    return top


def painted_block() -> int:
    cubes = product(range(5), range(4), range(3))
    return sum((x in (0, 4)) + (y in (0, 3)) + (z == 2) == 2 for x, y, z in cubes)


COMPUTED: Mapping[str, Callable[[], object]] = {
    "mango-profit": lambda: (9 * 24 - 16) * 40 - 9 * 480,
    "rolls-left-over": lambda: (7 * 3 * 8 - 45 - 60) % 6,
    "leaking-tank": leaking_tank,
    "discounts-in-order": lambda: (1200 * Fraction(85, 100) - 100) * Fraction(125, 100) + 49,
    "taxi-at-night": taxi_at_night,
    "mother-and-son": mother_and_son,
    "village-festival": village_festival,
    "smallest-number": smallest_number,
    "three-pets": puzzles.three_pets,
    "four-houses": puzzles.four_houses,
    "talks-and-drinks": puzzles.talks_and_drinks,
    "three-islanders": puzzles.three_islanders,
    "five-witnesses": puzzles.five_witnesses,
    "four-drawers": puzzles.four_drawers,
    "round-table": puzzles.round_table,
    "broken-window": puzzles.broken_window,
    "weekday-in-april": weekday_in_april,
    "thirteenth-fridays": thirteenth_fridays,
    "visa-ninety-days": lambda: date(2027, 12, 17) + timedelta(days=89),
    "across-the-pacific": across_the_pacific,
    "days-between": lambda: (date(2028, 5, 5) - date(2028, 2, 20)).days,
    "three-meetings": three_meetings,
    "lunch-menus": lambda: 5 * (4 + 3),
    "committee-of-four": committee_of_four,
    "lock-codes": lambda: sum(code[0] < code[3] for code in permutations(range(1, 7), 4)),
    "closed-crossing": closed_crossing,
    "six-in-a-row": six_in_a_row,
    "rising-digits": rising_digits,
    "average-speed": lambda: Fraction(96, 45) * 60,
    "more-pancakes": lambda: Fraction(120, 6) * 15,
    "boxes-of-tiles": lambda: math.ceil(Fraction(420 * 350, 35 * 35) * Fraction(105, 100) / 12),
    "slow-download": slow_download,
    "fuel-abroad": fuel_abroad,
    "two-sports": lambda: 18 + 15 - (30 - 4),
    "divisible-numbers": lambda: sum((n % 4 == 0 or n % 6 == 0) and n % 9 != 0 for n in range(1, 301)),
    "hot-drinks": hot_drinks,
    "smallest-overlap": lambda: 80 - (80 - 65) - (80 - 60) - (80 - 55),
    "five-runners": puzzles.five_runners,
    "length-of-queue": lambda: 8 + 15 - 1 - 3 + 5,
    "sorted-backward": puzzles.sorted_backward,
    "stack-of-plates": puzzles.stack_of_plates,
    "seven-climbers": puzzles.seven_climbers,
    "two-red-beads": lambda: share(list(permutations("RRRRRBBB", 2)), lambda two: two == ("R", "R")),
    "high-sum": lambda: share(list(product(range(1, 7), repeat=2)), lambda two: sum(two) >= 10),
    "faulty-lamp": faulty_lamp,
    "three-cards": three_cards,
    "unequal-game": unequal_game,
    "walk-back": lambda: math.hypot(9 - 1, 5 - 11),
    "rolling-die": rolling_die,
    "clock-in-mirror": lambda: "{}:{:02}".format(*divmod(12 * 60 - (4 * 60 + 35), 60)),
    "painted-block": painted_block,
}
"""The answers that need no more than the numbers of their prompts."""


# --- Answers that stand in the prompt --------------------------------------------------------------


def rows(prompt: str) -> list[list[str]]:
    """The cells of all table rows of a prompt."""
    lines = [line.strip("| ").split("|") for line in prompt.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines if "---" not in line[0]]


def ferry_timetable(prompt: str) -> str:
    stops = {row[0]: row[-4:] for row in rows(prompt)}
    ways = zip(stops["Little Holm"], stops["Port Adam"], strict=True)
    return max(leaves for leaves, arrives in ways if leaves != "–" and arrives <= "15:00")


def fastest_growth(prompt: str) -> str:
    sales = {row[0]: Fraction(row[3]) / Fraction(row[1]) for row in rows(prompt)[1:]}
    return max(sales, key=sales.__getitem__)


def museum_visitors(prompt: str) -> int:
    def paid(visitors: str) -> int:
        number = int(visitors.replace("–", "0"))
        return min(number, 250) if number >= 100 else 0

    days = [(row[1], sum(map(paid, row[2:]))) for row in rows(prompt)[1:]]
    return 3 * sum(sum_ for weather, sum_ in days if weather == "rain") - 2 * sum(sum_ for _, sum_ in days)


def medal_count(prompt: str) -> str:
    medals = {row[0]: list(map(int, row[1:])) for row in rows(prompt)[1:]}
    medals["7b"][0] -= 1
    medals["7a"][0] += 1
    medals["7a"][1] -= 1
    medals["7b"][1] += 1
    return sorted(medals, key=medals.__getitem__)[-3]


def trains_with_change(prompt: str) -> int:
    def minutes(clock: str) -> int:
        return int(clock[:2]) * 60 + int(clock[3:])

    trains = {row[0]: (minutes(row[1]), minutes(row[2])) for row in rows(prompt) if row[0].isdigit()}
    trains["101"] = (trains["101"][0], trains["101"][1] + 3)
    return min(
        trains[second][1] - trains[first][0]
        for first, second in product(trains, trains)
        if first < "200" < second and (trains[second][0] - trains[first][1] >= 8 or (first, second) == ("105", "206"))
    )


def printed(prompt: str) -> str:
    """What the program in a prompt prints."""
    [program] = re.findall(r"```python\n(.*?)```", prompt, re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    return output.getvalue().strip()


READ: Mapping[str, Callable[[str], object]] = {
    "ferry-timetable": ferry_timetable,
    "fastest-growth": fastest_growth,
    "museum-visitors": museum_visitors,
    "medal-count": medal_count,
    "trains-with-change": trains_with_change,
    "trace-loop": printed,
    "trace-lists": printed,
    "trace-closures": printed,
    "trace-strings": printed,
}
"""The answers that are read from tables and programs in the prompts themselves."""
