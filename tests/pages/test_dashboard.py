"""The Dashboard page without a browser, on generated traffic: what it says, and that its charts are what they count."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import jsonschema_rs
import pytest
from altair.vegalite.v6.schema.core import load_schema
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from router.lab import open_lab
from router.metrics import (
    FIGURES,
    Estimate,
    Filter,
    View,
)
from router.metrics.observed import Observed
from router.store.database import Database
from tests.pages.conftest import PAGES, field, look, press, strips, texts
from tests.traffic import DAY, UNTIL, write_traffic

if str(PAGES) not in sys.path:
    sys.path.append(str(PAGES))

from components.dashboard import cards, live
from components.dashboard.colors import model_colors
from components.dashboard.overview import TILES
from components.dashboard.table import table_of
from components.dashboard.view_model import Mark, ViewModel

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


def write(path: Path, attempts: int, changes: tuple[str, ...] = (), *, days: float = 30, until: float = UNTIL) -> Path:
    """A database with traffic, changed by statements."""
    path.parent.mkdir(exist_ok=True, mode=0o700)
    write_traffic(path, attempts, seed=7, days=days, until=until)
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
def shown(traffic: View) -> ViewModel:
    return ViewModel(traffic, Filter(since=UNTIL - 25 * DAY, until=UNTIL))


# --- What it says ----------------------------------------------------------------------------------


def test_without_any_row_the_page_says_what_to_do(open_dashboard: OpenDashboard) -> None:
    app = open_dashboard()
    assert "No requests yet. Statistics appear here after your first prompt." in texts(app)
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
        assert any("No requests match these filters." in text for text in texts(app))


@at_the_edges
def test_at_the_edges_a_card_without_a_value_says_so_and_any_other_has_its_chart(
    database: Path, open_dashboard: OpenDashboard, attempts: int, changes: tuple[str, ...]
) -> None:
    write(database, attempts, changes)
    app = open_dashboard(range="All")
    if not app.metric:
        return
    shown = ViewModel(read(database), Filter())
    assert charts_of(app) == [card.name for card in CARDS if len(card.marks(shown).frame)]
    assert texts(app).count(cards.NOTHING) == len(CARDS) - len(charts_of(app))


def test_where_nothing_can_be_stored_the_page_shows_what_was_asked_since_the_start(
    home: Path, open_dashboard: OpenDashboard
) -> None:
    (home / ".lab").write_text("a file where the folder should be", encoding="utf-8")
    assert "No requests yet. Statistics appear here after your first prompt." in texts(open_dashboard())


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


def test_the_verdict_stands_above_everything_and_opens_the_calls_behind_it(
    database: Path, open_dashboard: OpenDashboard
) -> None:
    now = time.time()
    write(database, 12_000, (WORSE.format(now - 36_000),), until=now - 60)
    app = open_dashboard(range="1 h")
    said = texts(app)
    [verdict] = [text for text in said if "conversation: the primary has failed" in text]
    assert said.index(verdict) < next(number for number, text in enumerate(said) if "in progress" in text)
    assert ":orange[" in verdict
    app.button(key="dashboard_verdict").click()
    where = "model = 'z-ai/glm-5' AND category = 'conversation' AND reason = 'server_failed' AND number = 1"
    failed = count(database, f"{where} AND NOT injected AND started > {now - 36_000}", "observations")
    opened = look(app).get("dialog")[0].proto.dialog.title
    assert 0.5 * failed < int(opened.split()[0]) <= 2 * failed


def test_each_saved_change_of_the_file_is_a_line_on_every_chart_over_time(
    database: Path, open_dashboard: OpenDashboard
) -> None:
    write(database, 400, until=time.time() + 60)
    app = open_dashboard(range="24 h")
    editor = open_lab().editor
    draft = editor.draft()
    editor.save(draft.with_text(draft.text.replace("[one, two]", "[two, one]")), "two is faster")
    look(app)
    specs = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
    drawn = [layer["data"]["values"] for spec in specs for layer in spec["layer"] if "data" in layer]
    lines = [values for values in drawn if "models.yaml" in values[0]]
    assert len(lines) == 2 * sum(card.over_time for card in CHARTS)
    for [line] in lines:
        assert line["models.yaml"] == "two is faster"
        assert (line["before"], line["after"]) == ("code: [one, two]", "code: [two, one]")


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
        if not then:
            continue
        if figure.unit == "share":
            words = f"{(now - then) * 100:+.1f} points"
        else:
            words = f"{now / then - 1:+.0%}"
        said = field(app.metric, each.title).delta
        assert said == (words if float(words.split(" ")[0].rstrip("%")) else "unchanged"), each.title


def rate(database: Path, answers: int) -> str:
    """Some answers of the busiest model are rated, the first one badly; returns its name."""
    with closing(sqlite3.connect(database)) as connection, connection:
        (model,) = connection.execute(
            "SELECT model FROM observations WHERE outcome = 'answered' GROUP BY model ORDER BY count(*) DESC"
        ).fetchone()
        connection.execute(
            "INSERT INTO feedback (request_id, score, at)"
            " SELECT request_id, row_number() OVER (ORDER BY id) > 1, 1e9 FROM observations"
            f" WHERE model = ? AND outcome = 'answered' AND {PLAIN} ORDER BY id LIMIT {answers}",
            (model,),
        )
    return str(model)


def test_liked_answers_are_counted_by_model(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 400)
    model = rate(database, 5)
    app = open_dashboard(range="All")
    (table,) = (each for each in app.dataframe if "liked" in each.value)
    assert table.value[["model", "liked"]].values.tolist() == [[model, "4 of 5"]]


def test_without_a_rated_answer_there_is_no_table_of_them(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 400)
    assert "Liked answers" not in "".join(texts(open_dashboard(range="All")))


def test_callers_are_listed_with_what_they_asked_and_spent(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 400)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE requests SET caller = CASE WHEN id <= 3 THEN 'team-b' WHEN id <= 8 THEN 'team-a' END"
        )
        connection.execute("UPDATE requests SET injected = 0, cost = CASE WHEN id = 1 THEN NULL ELSE 0.25 END")
    app = open_dashboard(range="All")
    (table,) = (each.value for each in app.dataframe if "Caller" in each.value)
    assert table[["Caller", "Requests", "Cost", "Unpriced"]].values.tolist() == [
        ["team-a", 5, 1.25, 0],
        ["team-b", 3, 0.5, 1],
    ]
    assert app.multiselect(key="callers").options == ["team-a", "team-b", "(without a key)"]


def test_without_callers_there_is_neither_a_table_nor_a_filter(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 400)
    app = open_dashboard(range="All")
    assert not any("Caller" in each.value for each in app.dataframe)
    assert "callers" not in [each.key for each in app.multiselect]


def test_a_request_says_whether_its_answer_was_liked(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 400)
    rate(database, 1)
    with closing(sqlite3.connect(database)) as connection:
        (request,) = connection.execute("SELECT request_id FROM feedback").fetchone()
    assert any("Not liked on 2001-09-09" in text for text in texts(open_dashboard(request=request)))


def test_much_more_than_before_is_said_in_times(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500, tuple(f"UPDATE {table} SET started = 1789992000 - id" for table in BOTH))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE requests SET started = 1789387100, injected = 0 WHERE id = 1")
        connection.execute(
            "UPDATE requests SET started = 1788000000 WHERE id = 2"
        )  # the whole period before is recorded
    app = open_dashboard(range="Exact", **{"from": "2026-09-14T12:00", "to": "2026-09-21T12:00"})
    assert count(database) > 101
    assert field(app.metric, "Requests").delta == "over 100 times"


def test_a_period_before_that_was_not_recorded_as_a_whole_is_compared_with_nothing(
    database: Path, open_dashboard: OpenDashboard
) -> None:
    write(database, 500, until=1_789_990_000)
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in BOTH:
            connection.execute(f"DELETE FROM {table} WHERE started < 1789380000")
    app = open_dashboard(range="Exact", **{"from": "2026-09-14T12:00", "to": "2026-09-21T12:00"})
    assert [metric.delta for metric in app.metric if metric.delta and "unpriced" not in metric.delta] == []
    assert any(text.startswith("No full period before: recording began on 2026-09-14") for text in texts(app))


def test_most_of_what_failed_otherwise_has_not_timed_out(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 3000)
    app = open_dashboard(range="All", outcomes=["failed"])
    assert tile(app, "Latency p50") == "–"


def test_a_filter_by_outcome_leaves_shares_as_they_are(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 3000)
    titles = [each.title for each in TILES if FIGURES[each.figure].unit == "share"]
    whole, failed = (
        [tile(open_dashboard(range="All", outcomes=outcomes), title) for title in titles]
        for outcomes in ([], ["failed"])
    )
    assert whole == failed


FIRST_ROWS: dict[str, tuple[cards.Card, str, bool]] = {
    "failures by how many": (cards.FAILURES, "Count", False),
    "availability from the lowest": (cards.AVAILABILITY, "Share", True),
    "cost from the highest": (cards.COST, "US dollars", False),
    "time from the newest": (cards.REQUESTS, "Time", False),
}


@pytest.mark.parametrize(("card", "column", "ascending"), FIRST_ROWS.values(), ids=FIRST_ROWS)
def test_a_table_begins_with_what_matters(shown: ViewModel, card: cards.Card, column: str, ascending: bool) -> None:
    values = table_of(card.marks(shown), lowest_first=card.lowest_first).frame[column].tolist()
    assert values == sorted(values, reverse=not ascending)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_table_has_only_readable_names(shown: ViewModel, card: cards.Card) -> None:
    columns = [*table_of(card.marks(shown)).frame]
    assert [name for name in columns if not name[0].isupper() and not name.startswith("95%")] == []


def test_a_row_of_a_table_is_its_mark(shown: ViewModel) -> None:
    marks = cards.FAILURES.marks(shown)
    table = table_of(marks)
    keys = zip(table.frame["Model"], table.frame["Reason"], strict=True)
    assert [(model, reason.replace(" ", "_").replace("-", "_")) for model, reason in keys] == [
        marks.marks[number].key for number in table.marks
    ]


def test_what_has_no_known_price_is_said_in_the_tile(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500)
    unknown = count(database, f"{PLAIN} AND cost IS NULL")
    assert field(open_dashboard(range="All").metric, "Cost").delta == f"{unknown:,} unpriced"


def test_the_table_of_a_chart_shows_its_values(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500)
    app = open_dashboard(range="All", outcomes=["failed"])
    app.session_state["icon_table_cost"] = True
    [table] = [each for each in look(app).dataframe if "Cost by category" in each.proto.alt]
    assert [*table.value.columns] == ["Category", "Model", "US dollars", "Sample", "Unknown"]
    assert not json.loads(table.proto.columns or "{}").get("US dollars", {}).get("hidden")


# --- Charts ----------------------------------------------------------------------------------------


def vega_lite() -> jsonschema_rs.Validator:
    """Vega-Lite's own schema, whose names of types are no addresses until they are quoted."""

    def quoted(node: dict[str, Any]) -> dict[str, Any]:
        return {name: quote(value, safe="#/") if name == "$ref" else value for name, value in node.items()}

    schema = json.loads(json.dumps(load_schema()), object_hook=quoted)
    return jsonschema_rs.validator_for({**schema, "$ref": "#/definitions/TopLevelLayerSpec"})


VEGA_LITE = vega_lite()


def assert_valid(card: cards.Card, shown: ViewModel) -> None:
    marks = card.marks(shown)
    if len(marks.frame):
        spec = cards.drawn(shown, card, marks.frame).spec
        sent = json.loads(json.dumps(spec, allow_nan=False))
        VEGA_LITE.validate({**sent, "data": {"values": []}})


@pytest.mark.parametrize("card", CHARTS, ids=lambda card: card.name)
def test_every_chart_is_valid_vega_lite(shown: ViewModel, card: cards.Card) -> None:
    assert len(card.marks(shown).frame)
    assert_valid(card, shown)


@at_the_edges
def test_at_the_edges_every_chart_is_valid_vega_lite(tmp_path: Path, attempts: int, changes: tuple[str, ...]) -> None:
    shown = ViewModel(read(write(tmp_path / "lab.sqlite", attempts, changes)), Filter(injected=True))
    for card in CHARTS:
        assert_valid(card, shown)


@pytest.mark.parametrize("card", CHARTS, ids=lambda card: card.name)
def test_a_click_on_what_is_drawn_leads_to_the_mark_that_is_shown(shown: ViewModel, card: cards.Card) -> None:
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
def test_the_legend_names_what_is_drawn_each_in_another_colour(shown: ViewModel, card: cards.Card, field: str) -> None:
    picture = card.draw(shown, card.marks(shown).frame)
    assert set(picture.legend) == set(picture.frame[field].dropna())
    assert len(set(picture.legend.values())) == len(picture.legend)


def test_who_answers_stands_in_the_order_of_the_chain(tmp_path: Path) -> None:
    long = ("UPDATE requests SET category = 'one', place = id % 12 WHERE model IS NOT NULL",)
    shown = ViewModel(read(write(tmp_path / "lab.sqlite", 400, long)), Filter())
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
        named["reason"] = named["reason"].replace("first_token", "first-token").replace("_", " ")
    if mark.start is not None:
        assert values["time"].timestamp() == mark.start
    assert {name: values[name] for name in named if name in values} == {
        name: value for name, value in named.items() if name in values
    }


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_behind_every_mark_are_as_many_rows_as_it_counts(shown: ViewModel, card: cards.Card) -> None:
    views: dict[Any, View] = {None: shown.view, **shown.view.over_time(shown.edges)}
    for mark in card.marks(shown).marks:
        estimate = FIGURES[mark.figure].of(views[mark.start])[mark.key]
        assert len(shown.drilldown(mark)) == counted(mark.figure, estimate), mark


def test_nothing_is_behind_a_mark_whose_bucket_has_left_the_view(shown: ViewModel) -> None:
    assert len(shown.drilldown(Mark("endings", -1.0, ("primary",)))) == 0


def test_a_row_behind_a_mark_that_turns_out_damaged_is_one_sentence(
    database: Path, open_dashboard: OpenDashboard
) -> None:
    write(database, 4000)
    app = open_dashboard(range="All")
    lab = open_lab()
    row = lab.store.observations.last(20)[0]["request_id"].encode()
    lab.store.database._engine.dispose()  # which would know its pages
    whole = database.read_bytes()
    pages = [whole[start : start + 4096] for start in range(0, len(whole), 4096)]
    table = b"\x0d"  # what the leaves of tables begin with
    database.write_bytes(b"".join(bytes(4096) if row in page and page.startswith(table) else page for page in pages))
    app.session_state[cards.MARK] = Mark("tokens_per_second", None, ())
    [said] = [error.value for error in look(app).error]
    assert said.endswith("was damaged, and a new one was created.")
    assert app.metric, "the page itself could be drawn"


BY_WHOLE = ("availability", "failing_together")
"""Shares whose mark opens all that they are a share of."""


def counted(name: str, estimate: Estimate) -> int:
    """The rows that a value counts: of a share, its part."""
    if FIGURES[name].unit == "share" and name not in BY_WHOLE:
        return round((estimate.value or 0) * estimate.rows)
    return estimate.rows + estimate.unknown


def test_days_begin_at_midnight_in_the_browser(traffic: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContextProxy, "timezone", "America/Los_Angeles")
    shown = ViewModel(traffic, Filter(since=UNTIL - 25 * DAY, until=UNTIL))
    starts = {mark.start for mark in shown.marks("endings", over_time=True).marks if mark.start is not None}
    assert {time.gmtime(start - 7 * 3600)[3:6] for start in starts} == {(0, 0, 0)}
    assert len(starts) == 26


def test_a_line_breaks_over_days_without_a_call(tmp_path: Path) -> None:
    gap = f"started > {UNTIL - 12 * DAY} AND started < {UNTIL - 6 * DAY}"
    path = write(tmp_path / "lab.sqlite", 4000, (f"DELETE FROM observations WHERE {gap}",))
    shown = ViewModel(read(path), Filter(since=UNTIL - 25 * DAY, until=UNTIL))
    marks = cards.LATENCY_OVER_TIME.marks(shown).frame
    frame = marks[(marks["quantile"] == 0.5) & (marks["model"] == "z-ai/glm-5")]
    drawn = cards.LATENCY_OVER_TIME.draw(shown, frame).frame
    assert drawn.groupby("piece")["time"].count().tolist() in ([13, 7], [14, 7], [13, 6], [14, 6])


def test_the_previous_period_is_drawn_behind_bucket_by_bucket(traffic: View) -> None:
    chosen = Filter(since=UNTIL - 10 * DAY, until=UNTIL)
    before = chosen.before()
    assert before is not None
    shown = ViewModel(traffic, chosen)
    then = shown.previous("requests")
    assert then["value"].sum() == len(traffic.where(before).requests)
    assert set((then["time"] - then["was"]).dt.total_seconds()) == {10 * DAY}
    for card in (cards.REQUESTS, cards.FAILURES_OVER_TIME, cards.COST_OVER_TIME, cards.LATENCY_OVER_TIME):
        assert card.draw(shown, card.marks(shown).frame).behind, card.name


def test_nothing_is_drawn_behind_where_the_previous_period_was_partly_recorded(shown: ViewModel) -> None:
    for card in (card for card in CHARTS if card.over_time):
        assert not card.draw(shown, card.marks(shown).frame).behind, card.name


def test_a_model_keeps_its_color_whatever_is_filtered_and_counted(traffic: View, tmp_path: Path) -> None:
    fewer = read(
        write(tmp_path / "lab.sqlite", 4000, ("DELETE FROM observations WHERE model LIKE 'z-ai%' AND id > 99",))
    )
    whole, few = (model_colors(ViewModel(view, Filter(models=("lan:qwen3",)))) for view in (traffic, fewer))
    assert whole == few == model_colors(ViewModel(traffic, Filter()))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_table_of_a_card_holds_every_value_of_its_figures(shown: ViewModel, card: cards.Card) -> None:
    marks = card.marks(shown)
    views = shown.view.over_time(shown.edges) if card.over_time else {None: shown.view}
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


def test_a_time_out_is_no_number_in_any_chart(shown: ViewModel) -> None:
    for card in CHARTS:
        frame = card.marks(shown).frame
        numbers = card.draw(shown, frame).frame.select_dtypes("number")
        assert not numbers.isin([math.inf, -math.inf]).any().any(), card.name


def test_a_time_out_is_told_in_the_table(tmp_path: Path) -> None:
    shown = ViewModel(read(write(tmp_path / "lab.sqlite", *EDGES["all timed out"])), Filter())
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
    "places": ({"places": ["fallback 2"]}, "EXISTS (SELECT 1 FROM json_each(requests.path) WHERE value ->> 2 = 2)"),
    "reasons": ({"reasons": ["first-token timeout"]}, "path LIKE '%first_token_timeout%'"),
    "outcomes": ({"outcomes": ["failed"]}, "outcome = 'failed'"),
    "an HTTP status": ({"statuses": ["429"]}, "path LIKE '%,429]%'"),
    "a stop": ({"outcomes": ["stopped"]}, "outcome = 'cancelled'"),
    "sources": ({"sources": ["cli"]}, "source = 'cli'"),
    "several": ({"sources": ["chat"], "categories": ["code"]}, "source = 'chat' AND category = 'code'"),
    "a range": ({"range": "24 h"}, "started >= strftime('%s', 'now') - 86400"),
    "yesterday": ({"range": "Yesterday"}, "date(started, 'unixepoch') = date('now', '-1 day')"),
}  # fmt: skip


@pytest.mark.parametrize(("query", "where"), LINKS.values(), ids=LINKS)
def test_a_filter_in_the_link_takes_effect(
    database: Path, open_dashboard: OpenDashboard, query: dict[str, Any], where: str
) -> None:
    write(database, 2000, until=time.time() - 60)
    app = open_dashboard(**{"range": "All", **query})
    assert tile(app, "Requests") == f"{count(database, f'{PLAIN} AND {where}'):,}"


def test_today_begins_at_midnight(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 2000, days=1, until=time.time())  # dense: there is a request soon after midnight
    today = "started >= strftime('%s', 'now', 'start of day')"
    assert tile(open_dashboard(range="Today"), "Requests") == f"{count(database, f'{PLAIN} AND {today}'):,}"


def test_filters_stay_in_the_link(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500, until=time.time() - 60)
    query = {
        "range": "30 d", "models": ["z-ai/glm-5", "lan:qwen3"], "categories": ["(single models)", "code"],
        "outcomes": ["answered", "stopped"], "providers": ["openrouter"], "sources": ["chat", "cli"], "faults": "true",
        "statuses": ["429"], "refresh": "60 s",
    }  # fmt: skip
    app = press(open_dashboard(**query), "Refresh")
    assert {name: listed(app.query_params[name]) for name in query} == {
        name: listed(value) for name, value in query.items()
    }


def listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def save_view(app: AppTest, name: str) -> AppTest:
    app.text_input(key="dashboard_view_name").set_value(name)
    app.button(key="dashboard_view_save").click()
    return look(app)


def test_a_saved_view_brings_its_filters_and_its_period_back(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500)
    query = {
        "range": "Exact", "from": "2026-09-14T12:00", "to": "2026-09-16T12:00", "zone": "Europe/Berlin",
        "categories": ["(single models)", "code"], "places": ["primary"], "statuses": ["200"], "faults": "true",
    }  # fmt: skip
    app = save_view(open_dashboard(**query), "mine")
    app.button_group(key="range").set_value("24 h")
    app.button(key="dashboard_clear").click()
    assert set(query) & set(look(app).query_params) == {"range"}
    app.button(key="dashboard_view_0").click()
    look(app)
    assert {name: listed(app.query_params[name]) for name in query} == {
        name: listed(value) for name, value in query.items()
    }


def test_a_saved_view_outlives_what_it_names(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 500)
    app = save_view(open_dashboard(range="All", models=["lan:qwen3"]), "mine")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM observations WHERE model = 'lan:qwen3'")
    app = open_dashboard(range="All")
    app.button(key="dashboard_view_0").click()
    assert look(app).multiselect(key="models").value == ["lan:qwen3"]


def test_a_saved_view_can_be_deleted_and_needs_a_name(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200)
    app = save_view(open_dashboard(range="All"), "mine")
    app.button(key="dashboard_view_delete_0").click()
    look(app)
    assert [error.value for error in save_view(app, "  ").error] == ["Enter a name for the view."]
    assert open_lab().store.views.all() == []


@pytest.mark.parametrize(
    ("waited", "refresh", "due"),
    [(299, None, None), (300, None, "pause"), (8, 10, None), (10, 10, "refresh"), (400, 60, "refresh")],
)
def test_the_page_redraws_itself_when_asked_to_and_else_ends_its_updates(
    waited: float, refresh: int | None, due: str | None
) -> None:
    assert live.what_is_due(waited, refresh) == due


def test_a_tab_left_alone_says_that_its_updates_are_paused_and_resumes(
    database: Path, open_dashboard: OpenDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(database, 200)
    monkeypatch.setattr(live, "IDLE", 0)
    app = open_dashboard(range="All")
    assert any(", paused · " in text for text in texts(app))
    monkeypatch.undo()
    press(app, "Resume")
    assert not any(", paused · " in text for text in texts(app))


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


@pytest.mark.parametrize("name", ["models", "categories", "providers", "sources", "statuses"])
def test_a_link_to_what_is_no_longer_stored_shows_nothing_and_names_it(
    database: Path, open_dashboard: OpenDashboard, name: str
) -> None:
    write(database, 200)
    app = open_dashboard(**{name: ["<gone>"], "range": "All"})
    assert app.info[0].value.startswith("No requests match these filters.")
    assert app.button(key="dashboard_clear").label.removeprefix("HTTP ") == r"\<gone\>"
    app.button(key="dashboard_clear").click()
    assert tile(look(app), "Requests") != "0"


def test_a_link_to_a_request_that_is_not_stored_says_so(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200)
    assert any(
        said.startswith("No details of request gone are stored.") for said in texts(open_dashboard(request="gone"))
    )


def test_a_request_is_found_by_its_id(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200)
    with closing(sqlite3.connect(database)) as connection:
        [[named]] = connection.execute("SELECT request_id FROM requests LIMIT 1")
    app = open_dashboard(range="All")
    app.text_input(key="dashboard_request_id").set_value(f" {named} ")
    assert any(f"request={named}" in text for text in texts(look(app)))


def test_a_request_is_found_by_how_its_id_begins(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200, tuple(f"UPDATE {table} SET request_id = 'r-' || request_id" for table in BOTH))
    with closing(sqlite3.connect(database)) as connection:
        [[named]] = connection.execute("SELECT request_id FROM requests LIMIT 1")
    assert any(f"request={named}" in text for text in texts(open_dashboard(request=named[:-20])))


def test_of_several_requests_that_begin_the_same_one_is_chosen(database: Path, open_dashboard: OpenDashboard) -> None:
    three = "UPDATE {} SET request_id = 'same-' || request_id WHERE request_id IN (SELECT request_id FROM three)"
    chosen = "CREATE TABLE three AS SELECT request_id FROM requests LIMIT 3"
    write(database, 200, (chosen, *(three.format(table) for table in BOTH)))
    app = open_dashboard(request="same")
    assert "3 requests begin with same." in texts(app)
    [table] = [each for each in app.dataframe if "request" in each.value.columns]
    assert table.value["request"].str.startswith("same-").sum() == len(table.value) == 3


def test_the_trace_of_a_request_begins_with_its_strip(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200)
    with closing(sqlite3.connect(database)) as connection:
        [[named, model]] = connection.execute(
            "SELECT request_id, model FROM requests WHERE place = 1 AND outcome = 'answered' LIMIT 1"
        )
    (strip,) = strips(open_dashboard(request=named))
    assert re.search(rf" → {re.escape(model.rpartition('/')[2])}( ×\d)? :green\[✓ .+ · :small\[total ", strip)


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
    assert clear.label == "tools, code, stopped, injected faults"
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
    assert any("No requests in the previous period." in text for text in texts(app))


def test_a_range_that_ends_before_it_begins_is_one_sentence(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200)
    app = open_dashboard(range="Exact", **{"from": "2026-09-14T12:00", "to": "2026-09-13T12:00"})
    assert [error.value for error in app.error] == ["The end is before the start. Choose a later end."]
    assert not app.metric


def test_nothing_within_the_filters_says_of_when_the_newest_is(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 200, until=1_700_000_000)
    [said] = [info.value for info in open_dashboard(range="1 h").info]
    assert said.startswith("No requests match these filters. The newest request is from 2023-11-14 ")


@pytest.mark.parametrize(("query", "where"), [({}, PLAIN), ({"faults": "true"}, "1")], ids=["left out", "asked for"])
def test_injected_faults_are_left_out_unless_asked_for(
    database: Path, open_dashboard: OpenDashboard, query: dict[str, str], where: str
) -> None:
    write(database, 2000)
    assert count(database) < count(database, "1")
    assert tile(open_dashboard(range="All", **query), "Requests") == f"{count(database, where):,}"


INVALID = "validation IN ('unknown_tool', 'invalid_arguments', 'invalid_json') AND number AND NOT cached AND NOT shared"


def test_answers_that_do_not_fit_what_was_asked_for_are_counted(database: Path, open_dashboard: OpenDashboard) -> None:
    write(database, 3000)
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(f"SELECT count(*) FROM observations WHERE {PLAIN} AND {INVALID}").fetchone()[0]
    said = " ".join(caption.value for caption in open_dashboard(range="All").caption)
    assert f"{rows:,} answers had invalid tool calls or invalid JSON." in said


APART = {
    "cached": "from the cache",
    "shared": "shared with an identical request",
    "stand_in": "answered by the offline model",
    "keyless": "skipped for a missing key",
    "outcome = 'cancelled'": "stopped",
}


@pytest.mark.parametrize(("where", "words"), APART.items(), ids=APART.values())
def test_what_is_in_no_rate_is_counted_apart(
    database: Path, open_dashboard: OpenDashboard, where: str, words: str
) -> None:
    write(database, 3000)
    counted = count(database, f"{PLAIN} AND {where}")
    assert counted
    [said] = [caption.value for caption in open_dashboard(range="All").caption if "Not counted in" in caption.value]
    assert f" {counted:,} {words}" in said
