"""The Dashboard page without a browser, on generated traffic: what it says, and that its charts are what they count."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import altair as alt
import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from router.lab import open_lab
from router.observed import FIGURES, Estimate, Filter, View
from router.observed.columns import Observed
from router.store.database import Database
from tests.pages.conftest import PAGES, field, look, press, texts
from tests.traffic import DAY, UNTIL, write_traffic

if str(PAGES) not in sys.path:
    sys.path.append(str(PAGES))

from components import cards
from components.overview import TILES
from components.shown import Mark, Shown

OpenDashboard: TypeAlias = Callable[..., AppTest]

MODELS_YAML = """
providers:
  openrouter: {protocol: openai, base_url: http://127.0.0.1:9, api_key: "${OPENROUTER_API_KEY}"}
offline: null
chains:
  code: [one, two]
"""
CARDS = tuple(card for card in vars(cards).values() if isinstance(card, cards.Card))
CHARTS = tuple(card for card in CARDS if card is not cards.FLOW)
BOTH = ("requests", "observations")
PLAIN = "injected = 0"
NOTHING_CHANGED: tuple[str, ...] = ()

EDGES: dict[str, tuple[int, tuple[str, ...]]] = {
    "one row": (1, NOTHING_CHANGED),
    "one category": (400, tuple(f"UPDATE {table} SET category = 'one'" for table in BOTH)),
    "all failures": (400, tuple(f"DELETE FROM {table} WHERE outcome != 'failed'" for table in BOTH)),
    "no failures": (400, tuple(f"DELETE FROM {table} WHERE outcome != 'answered'" for table in BOTH)),
    "all timed out": (400, (
        "DELETE FROM observations WHERE reason IS NOT 'first_token_timeout'", "DELETE FROM requests"),
    ),
    "all cached": (400, tuple(f"DELETE FROM {table} WHERE NOT cached" for table in BOTH)),
    "all injected": (400, tuple(f"UPDATE {table} SET injected = 1" for table in BOTH)),
    "rows in the future": (400, tuple(f"UPDATE {table} SET started = started + 4e7 WHERE id > 100" for table in BOTH)),
    "rows decades ago": (400, tuple(f"UPDATE {table} SET started = started - 1.7e9 WHERE id > 100" for table in BOTH)),
    "nothing known": (400, (
        "UPDATE requests SET cost = NULL, ttft = NULL",
        "UPDATE observations SET cost = NULL, completion_tokens = NULL, ttft = NULL",
    )),
    "no requests": (400, ("DELETE FROM requests",)),
    "no attempts": (400, ("DELETE FROM observations",)),
}  # fmt: skip

at_the_edges = pytest.mark.parametrize(("attempts", "changes"), EDGES.values(), ids=EDGES)


def write(path: Path, attempts: int, changes: tuple[str, ...] = (), until: float = UNTIL) -> Path:
    """A database with traffic, changed by statements."""
    path.parent.mkdir(exist_ok=True, mode=0o700)
    write_traffic(path, attempts, seed=7, until=until)
    with closing(sqlite3.connect(path)) as connection, connection:
        for change in changes:
            connection.execute(change)
    return path


def count(path: Path, where: str = PLAIN, table: str = "requests") -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])


@pytest.fixture
def database(home: Path) -> Path:
    """Where the app's database lies."""
    return home / ".lab" / "lab.sqlite"


@pytest.fixture
def open_dashboard(home: Path) -> OpenDashboard:
    """Opens the page, at a link's query."""

    def open_it(**query: str | list[str]) -> AppTest:
        (home / "models.yaml").write_text(MODELS_YAML, encoding="utf-8")
        app = AppTest.from_file(PAGES / "main.py", default_timeout=60)
        app.switch_page("dashboard.py")
        for name, value in query.items():
            app.query_params[name] = value
        return look(app)

    return open_it


def tile(app: AppTest, title: str) -> str:
    return str(field(app.metric, title).value)


def charts_of(app: AppTest) -> list[str]:
    """The cards whose chart is drawn."""
    drawn = {element.key for kind in ("vega_lite_chart", "echarts_chart") for element in app.get(kind)}
    return [card.name for card in CARDS if f"chart_{card.name}_0" in drawn]


def read(path: Path) -> View:
    """All that a database holds."""
    database = Database(path)
    rows = Observed(database, path.with_name("observed")).rows()
    database.close()
    return View.of(rows)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> View:
    return read(write(tmp_path_factory.mktemp("traffic") / "lab.sqlite", 4000))


@pytest.fixture(scope="module")
def shown(traffic: View) -> Shown:
    return Shown(traffic, Filter(since=UNTIL - 25 * DAY, until=UNTIL))


# --- What it says ----------------------------------------------------------------------------------


def test_without_any_row_the_page_says_what_to_do(open_dashboard: OpenDashboard) -> None:
    app = open_dashboard()
    assert "Nothing has been asked yet. What you ask is charted here." in texts(app)
    assert not app.metric


@at_the_edges
def test_at_the_edges_the_requests_are_those_in_the_database(
    database: Path, open_dashboard: OpenDashboard, attempts: int, changes: tuple[str, ...]
) -> None:
    write(database, attempts, changes)
    app = open_dashboard(range="All")
    if count(database) or count(database, PLAIN, "observations"):
        assert tile(app, "Requests") == f"{count(database):,}"
    else:
        assert any("Nothing was asked within these filters." in text for text in texts(app))


@at_the_edges
def test_at_the_edges_a_card_without_a_value_says_so_and_any_other_has_its_chart(
    database: Path, open_dashboard: OpenDashboard, attempts: int, changes: tuple[str, ...]
) -> None:
    write(database, attempts, changes)
    app = open_dashboard(range="All")
    if not app.metric:
        return
    shown = Shown(read(database), Filter())
    assert charts_of(app) == [card.name for card in CARDS if len(card.marks(shown).frame)]
    assert texts(app).count(cards.NOTHING) == len(CARDS) - len(charts_of(app))


def test_without_a_store_the_page_says_so(home: Path, open_dashboard: OpenDashboard) -> None:
    (home / ".lab").write_text("a file where the folder should be", encoding="utf-8")
    assert "Nothing is stored, so there is nothing to show." in texts(open_dashboard())


WORSE = (
    "UPDATE observations SET outcome = 'failed', reason = 'server_failed'"
    " WHERE number > 0 AND model = 'z-ai/glm-5' AND id % 2 AND started > {}"
)


@pytest.mark.parametrize("worse", [True, False])
def test_what_became_worse_is_told_whatever_is_filtered(
    database: Path, open_dashboard: OpenDashboard, worse: bool
) -> None:
    now = time.time()
    write(database, 12_000, (WORSE.format(now - 36_000),) if worse else (), until=now - 60)
    said = [
        text for text in texts(open_dashboard(models="lan:qwen3")) if "z-ai/glm-5" in text and "calls failed" in text
    ]
    assert bool(said) == worse


# --- Tiles -----------------------------------------------------------------------------------------


@pytest.fixture
def weeks(database: Path, open_dashboard: OpenDashboard) -> tuple[AppTest, View, Filter]:
    """The page on two weeks, an exact range of which is shown; with the same as a view and a filter."""
    write(database, 3000, until=1_790_000_000)
    zone = {"from": "2026-09-14T12:00", "to": "2026-09-21T12:00"}
    return open_dashboard(range="Exact", **zone), read(database), Filter(since=1_789_387_200, until=1_789_992_000)


def test_every_tile_is_its_figure(weeks: tuple[AppTest, View, Filter]) -> None:
    app, everything, chosen = weeks
    view = everything.where(chosen)
    assert len(view.requests) > 100
    for each in TILES:
        value = FIGURES[each.figure].of(view)[each.key].value
        assert value is not None
        assert number(tile(app, each.title)) == pytest.approx(value, rel=0.051, abs=0.006), each.title


def number(text: str) -> float:
    """What a tile says, in seconds, shares, dollars or pieces."""
    units = {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "k": 1e3, "M": 1e6, "": 1}
    value, _, unit = text.lstrip("$").replace(",", "").partition(" ")
    return float(value.rstrip("%")) / (100 if "%" in value else 1) * units[unit]


def test_every_tile_has_its_change_against_the_period_before(weeks: tuple[AppTest, View, Filter]) -> None:
    app, everything, chosen = weeks
    before = chosen.before()
    assert before is not None
    for each in TILES:
        figure = FIGURES[each.figure]
        now, then = (figure.of(everything.where(period))[each.key].value for period in (chosen, before))
        assert now is not None and then is not None
        if figure.unit == "share":
            words = f"{(now - then) * 100:+.1f} points"
        else:
            words = f"{now / then - 1:+.0%}"
        said = field(app.metric, each.title).delta
        assert said == (words if float(words.split(" ")[0].rstrip("%")) else "unchanged"), each.title


def test_much_more_than_before_is_said_in_times(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500, tuple(f"UPDATE {table} SET started = 1789992000 - id" for table in BOTH))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE requests SET started = 1789387100, injected = 0 WHERE id = 1")
    app = open_dashboard(range="Exact", **{"from": "2026-09-14T12:00", "to": "2026-09-21T12:00"})
    assert count(database) > 101
    assert field(app.metric, "Requests").delta == "over 100 times"


# --- Charts ----------------------------------------------------------------------------------------


def assert_valid(card: cards.Card, shown: Shown) -> None:
    marks = card.marks(shown)
    if len(marks.frame):
        spec = card.draw(shown, marks.frame).spec
        json.dumps(spec, allow_nan=False)
        alt.LayerChart.from_dict({**spec, "data": {"values": []}}, validate=True)


@pytest.mark.parametrize("card", CHARTS, ids=lambda card: card.name)
def test_every_chart_is_valid_vega_lite(shown: Shown, card: cards.Card) -> None:
    assert len(card.marks(shown).frame)
    assert_valid(card, shown)


@at_the_edges
def test_at_the_edges_every_chart_is_valid_vega_lite(tmp_path: Path, attempts: int, changes: tuple[str, ...]) -> None:
    shown = Shown(read(write(tmp_path / "lab.sqlite", attempts, changes)), Filter(injected=True))
    for card in CHARTS:
        assert_valid(card, shown)


@pytest.mark.parametrize("card", CHARTS, ids=lambda card: card.name)
def test_a_click_on_what_is_drawn_leads_to_the_mark_that_is_shown(shown: Shown, card: cards.Card) -> None:
    """By its `row`, whatever the picture did with the rows."""
    frame, marks = card.marks(shown)
    drawn = card.draw(shown, frame).frame
    for values in drawn.dropna(subset=["row"]).to_dict("records"):
        assert_names(values, marks[int(values["row"])])


@pytest.mark.parametrize(
    ("card", "field"),
    [
        (cards.REQUESTS, "ending"),
        (cards.CHOICES, "model"),
        (cards.LATENCY_OVER_TIME, "model"),
        (cards.FAILURES, "reason"),
        (cards.FAILURES_OVER_TIME, "reason"),
        (cards.AVAILABILITY, "figure"),
        (cards.COST, "model"),
    ],
    ids=lambda each: each.name if isinstance(each, cards.Card) else "",
)
def test_the_legend_names_what_is_drawn_each_in_another_colour(shown: Shown, card: cards.Card, field: str) -> None:
    picture = card.draw(shown, card.marks(shown).frame)
    assert set(picture.legend) == set(picture.frame[field].dropna())
    assert len(set(picture.legend.values())) == len(picture.legend)


def test_who_answers_stands_in_the_order_of_the_chain(tmp_path: Path) -> None:
    long = ("UPDATE requests SET category = 'one', place = id % 12 WHERE model IS NOT NULL",)
    shown = Shown(read(write(tmp_path / "lab.sqlite", 400, long)), Filter())
    bars = cards.CHOICES.draw(shown, cards.CHOICES.marks(shown).frame).spec["layer"][0]
    lines = ["one · primary", *(f"one · fallback {number}" for number in range(1, 12))]
    assert bars["encoding"]["y"]["sort"] == lines


def assert_names(values: dict[str, Any], mark: Mark) -> None:
    """A row's columns name the parts of a mark's key."""
    named: dict[str, Any] = dict(zip(FIGURES[mark.figure].by, mark.key, strict=True))
    for name in ("category", "source"):
        if name in named and named[name] is None:
            named[name] = "(single models)"
    if "place" in named:
        named["place"] = ("primary", "fallback 1", "fallback 2", "fallback 3")[named["place"]]
    if named.get("reason") is not None:
        named["reason"] = named["reason"].replace("_", " ")
    if mark.start is not None:
        assert values["time"].timestamp() == mark.start
    assert {name: values[name] for name in named if name in values} == {
        name: value for name, value in named.items() if name in values
    }


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_behind_every_mark_are_as_many_rows_as_it_counts(shown: Shown, card: cards.Card) -> None:
    views = {None: shown.view, **shown.view.over_time(shown.width)}
    for mark in card.marks(shown).marks:
        estimate = FIGURES[mark.figure].of(views[mark.start])[mark.key]
        assert len(shown.behind(mark)) == counted(mark.figure, estimate), mark


def test_nothing_is_behind_a_mark_whose_bucket_has_left_the_view(shown: Shown) -> None:
    assert len(shown.behind(Mark("endings", -1.0, ("primary",)))) == 0


def test_a_row_behind_a_mark_that_turns_out_damaged_is_one_sentence(
    database: Path, open_dashboard: OpenDashboard
) -> None:
    write(database, 4000)
    app = open_dashboard(range="All")
    lab = open_lab()
    assert lab.store is not None
    row = lab.store.observations.last(20)[0]["request_id"].encode()
    lab.store.database._engine.dispose()  # which would know its pages
    whole = database.read_bytes()
    pages = [whole[start : start + 4096] for start in range(0, len(whole), 4096)]
    table = b"\x0d"  # what the leaves of tables begin with
    database.write_bytes(b"".join(bytes(4096) if row in page and page.startswith(table) else page for page in pages))
    app.session_state[cards.MARK] = Mark("tokens_per_second", None, ())
    [said] = [error.value for error in look(app).error]
    assert said.startswith("The database could not be read. It was set aside as")
    assert app.metric, "the page itself could be drawn"


BY_WHOLE = ("availability", "failing_together")
"""Shares whose mark opens all that they are a share of."""


def counted(name: str, estimate: Estimate) -> int:
    """The rows that a value counts: of a share, its part."""
    if FIGURES[name].unit == "share" and name not in BY_WHOLE:
        return round((estimate.value or 0) * estimate.rows)
    return estimate.rows + estimate.unknown


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_table_of_a_card_holds_every_value_of_its_figures(shown: Shown, card: cards.Card) -> None:
    marks = card.marks(shown)
    views = shown.view.over_time(shown.width) if card.over_time else {None: shown.view}
    expected = [
        (name, start, key, estimate.value)
        for name in card.figures
        for start, view in views.items()
        for key, estimate in FIGURES[name].of(view).items()
        if estimate.value is not None
    ]
    values = marks.frame["value"].mask(marks.frame["timed_out"], math.inf).tolist()
    found = [(m.figure, m.start, m.key, value) for m, value in zip(marks.marks, values, strict=True)]
    assert found == expected


def test_a_time_out_is_no_number_in_any_chart(shown: Shown) -> None:
    for card in CHARTS:
        frame = card.marks(shown).frame
        numbers = card.draw(shown, frame).frame.select_dtypes("number")
        assert not numbers.isin([math.inf, -math.inf]).any().any(), card.name


def test_a_time_out_is_told_in_the_table(tmp_path: Path) -> None:
    shown = Shown(read(write(tmp_path / "lab.sqlite", *EDGES["all timed out"])), Filter())
    frame = cards.LATENCY.marks(shown).frame
    assert len(frame)
    assert frame["timed_out"].all()


def test_what_comes_after_all_was_deleted_is_shown_though_it_is_as_much(
    database: Path, open_dashboard: OpenDashboard
) -> None:
    write(database, 100, ("UPDATE requests SET cost = 1",))
    app = open_dashboard(range="All")
    requests = count(database)
    assert tile(app, "Cost") == f"${requests:.2f}"
    write(database, 0, tuple(f"DELETE FROM {table}" for table in BOTH))
    write(database, 100, ("UPDATE requests SET cost = 2, request_id = 'new' || id",))
    assert tile(look(app), "Cost") == f"${2 * requests:.2f}"


# --- Filters ---------------------------------------------------------------------------------------

LINKS: dict[str, tuple[dict[str, Any], str]] = {
    "models": ({"models": ["z-ai/glm-5"]}, "path LIKE '%z-ai/glm-5%'"),
    "providers": ({"providers": ["lan"]}, "path LIKE '%\"lan\"%'"),
    "categories": ({"categories": ["code", "tools"]}, "category IN ('code', 'tools')"),
    "single models": ({"categories": ["(single models)"]}, "category IS NULL"),
    "outcomes": ({"outcomes": ["failed"]}, "outcome = 'failed'"),
    "a stop": ({"outcomes": ["stopped"]}, "outcome = 'cancelled'"),
    "sources": ({"sources": ["cli"]}, "source = 'cli'"),
    "several": ({"sources": ["chat"], "categories": ["code"]}, "source = 'chat' AND category = 'code'"),
    "a range": ({"range": "24 h"}, "started >= strftime('%s', 'now') - 86400"),
}  # fmt: skip


@pytest.mark.parametrize(("query", "where"), LINKS.values(), ids=LINKS)
def test_a_filter_in_the_link_takes_effect(
    database: Path, open_dashboard: OpenDashboard, query: dict[str, Any], where: str
) -> None:
    write(database, 2000, until=time.time() - 60)
    app = open_dashboard(**{"range": "All", **query})
    assert tile(app, "Requests") == f"{count(database, f'{PLAIN} AND {where}'):,}"


def test_filters_stay_in_the_link(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500, until=time.time() - 60)
    query = {
        "range": "30 d", "models": ["z-ai/glm-5", "lan:qwen3"], "categories": ["(single models)", "code"],
        "outcomes": ["answered", "stopped"], "providers": ["openrouter"], "sources": ["chat", "cli"], "faults": "true",
    }  # fmt: skip
    app = press(open_dashboard(**query), "Refresh")
    assert {name: listed(app.query_params[name]) for name in query} == {
        name: listed(value) for name, value in query.items()
    }


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize(
    "query",
    [
        {"range": "a fortnight"}, {"outcomes": ["skipped"]}, {"sources": [""]}, {"faults": "perhaps"},
        {"from": "yesterday", "to": "2026-13-45", "range": "Exact"},
    ],
    ids=lambda query: next(iter(query)),
)  # fmt: skip
def test_what_a_link_says_and_nobody_knows_does_no_harm(
    database: Path, open_dashboard: OpenDashboard, query: dict[str, Any]
) -> None:
    # Now, for a range that nobody knows is today's, however early it is.
    write(database, 200, tuple(f"UPDATE {table} SET started = strftime('%s', 'now')" for table in BOTH))
    assert tile(open_dashboard(**query), "Requests") != "0"


@pytest.mark.parametrize("name", ["models", "categories", "providers", "sources"])
def test_a_link_to_what_is_no_longer_stored_shows_nothing_and_names_it(
    database: Path, open_dashboard: OpenDashboard, name: str
) -> None:
    write(database, 200)
    app = open_dashboard(**{name: ["<gone>"], "range": "All"})
    assert app.info[0].value.startswith("Nothing was asked within these filters.")
    assert app.button(key="dashboard_clear").label == r"\<gone\>"
    app.button(key="dashboard_clear").click()
    assert tile(look(app), "Requests") != "0"


def test_a_link_to_a_request_that_is_not_stored_says_so(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200)
    assert any(
        said.startswith("Nothing is stored of the request gone") for said in texts(open_dashboard(request="gone"))
    )


ZONES = {"Europe/Berlin": 2, "UTC": 0, None: 0, "Etc/Unknown": 0, "../UTC": 0, "Europe": 0}


@pytest.fixture
def server_in_tokyo() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("server_in_tokyo")
@pytest.mark.parametrize("linked", [False, True], ids=["typed here", "from a link"])
@pytest.mark.parametrize("zone", ZONES.items(), ids=lambda zone: str(zone[0]))
def test_an_exact_range_is_of_the_clock_of_the_browser_in_which_it_was_chosen(
    database: Path,
    open_dashboard: OpenDashboard,
    monkeypatch: pytest.MonkeyPatch,
    zone: tuple[str | None, int],
    linked: bool,
) -> None:
    name, hours = zone
    monkeypatch.setattr(ContextProxy, "timezone", "America/Los_Angeles" if linked else name)
    write(database, 2000)
    since = datetime(2026, 9, 14, 12, tzinfo=UTC).timestamp() - hours * 3600
    link = {"zone": str(name)} if linked else {}
    app = open_dashboard(range="Exact", **{"from": "2026-09-14T12:00", "to": "2026-09-16T12:00"}, **link)
    where = f"{PLAIN} AND started >= {since} AND started < {since + 2 * DAY}"
    assert tile(app, "Requests") == f"{count(database, where):,}"


def test_a_link_s_filters_are_named_at_once(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 2000)
    app = open_dashboard(range="All", categories=["tools", "code"], outcomes=["stopped"], faults="true")
    clear = app.button(key="dashboard_clear")
    assert clear.label == "tools, code, stopped, injected faults too"
    clear.click()
    assert tile(look(app), "Requests") == f"{count(database, PLAIN):,}"
    assert not [button for button in app.button if button.key == "dashboard_clear"]


def test_of_a_range_that_is_not_over_its_part_so_far_is_compared_with_as_long_a_part(
    database: Path, open_dashboard: OpenDashboard
) -> None:
    now = time.time()
    write(database, 400, (f"UPDATE requests SET injected = 0, started = {now} - 7200 + (id % 2) * 6600",))
    since, until = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M}" for at in (now - 1800, now + 86_400))
    app = open_dashboard(range="Exact", **{"from": since, "to": until}, zone="UTC")
    assert tile(app, "Requests") == f"{count(database, 'id % 2')}"
    assert any("Nothing was asked in the period before." in text for text in texts(app))


def test_a_range_that_ends_before_it_begins_is_one_sentence(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200)
    app = open_dashboard(range="Exact", **{"from": "2026-09-14T12:00", "to": "2026-09-13T12:00"})
    assert [error.value for error in app.error] == ["The time range ends before it begins. Choose a later end."]
    assert not app.metric


def test_nothing_within_the_filters_says_of_when_the_newest_is(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200, until=1_700_000_000)
    [said] = [info.value for info in open_dashboard(range="1 h").info]
    assert said.startswith("Nothing was asked within these filters. The newest request is of 1")
    assert "Nov 2023" in said


@pytest.mark.parametrize(("query", "where"), [({}, PLAIN), ({"faults": "true"}, "1")], ids=["left out", "asked for"])
def test_injected_faults_are_left_out_unless_asked_for(
    database: Path, open_dashboard: OpenDashboard, query: dict[str, str], where: str
) -> None:
    write(database, 2000)
    assert count(database) < count(database, "1")
    assert tile(open_dashboard(range="All", **query), "Requests") == f"{count(database, where):,}"


APART = {
    "cached": "from the cache",
    "shared": "shared with an identical one",
    "stand_in": "answered by the offline stand-in",
    "keyless": "without a key",
    "outcome = 'cancelled'": "stopped",
}


@pytest.mark.parametrize(("where", "words"), APART.items(), ids=APART.values())
def test_what_is_in_no_rate_is_counted_apart(
    database: Path, open_dashboard: OpenDashboard, where: str, words: str
) -> None:
    write(database, 3000)
    counted = count(database, f"{PLAIN} AND {where}")
    assert counted
    [said] = [caption.value for caption in open_dashboard(range="All").caption if "Counted apart" in caption.value]
    assert f" {counted:,} {words}" in said
