"""The database: what a row holds, that nothing is lost, and what opens it."""

from __future__ import annotations

import itertools
import sqlite3
import stat
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, insert, text

import router.store.database
from router.chat.attachments import read_attachment
from router.core.attempts import Attempt, Routing, UpstreamAttempt
from router.core.conversations import Settings, ToolResult, Turn
from router.core.errors import StoreError
from router.core.messages import Answer, ToolCall, Usage
from router.core.records import Observation
from router.core.tools import Tool
from router.store import SavedView, Store
from router.store.database import Database
from router.store.opening import HEAD
from router.store.tables import metadata, observations
from router.store.writer import Writer

USAGE = Usage(
    prompt_tokens=11, completion_tokens=12, cached_tokens=13, cache_write_tokens=15, reasoning_tokens=14, cost=0.5
)
FULL = Attempt(
    model="p:m", provider="p", place=2, number=3, outcome="failed", started=100.5, offset=1.5, reason="server_failed",
    detail="It said: secret prompt.", wait=2.5, queued=3.5, latency=4.5, ttft=5.5, status=503, served_model="m-1",
    served_by="host", generation_id="gen-1",
    routing=Routing(upstream=(UpstreamAttempt("One", "m", 429), UpstreamAttempt("Two")), endpoints=3),
    usage=USAGE, cost=0.5, cost_source="provider", cached=True, shared=True, injected=True,
    validation="invalid_json", mismatch="It is not JSON: secret prompt.",
)  # fmt: skip


def seen(attempt: Attempt = FULL, request_id: str = "r") -> Observation:
    return Observation(
        request_id=request_id,
        prompt_hash="hash",
        category="tools",
        chain="c0ffee",
        source="cli",
        sample=4,
        attempt=attempt,
    )


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.store.writer.LINGER", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lab.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


def ids(store: Store) -> list[str]:
    return [row["request_id"] for row in store.observations.last(100_000)]


# --- Rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [FULL, Attempt(model="m", provider="p", place=0, number=0, outcome="skipped",
                                                   started=0, offset=0)], ids=["full", "bare"])  # fmt: skip
def test_an_observation_comes_back_as_it_was_but_for_its_words(store: Store, attempt: Attempt) -> None:
    store.observations.add(seen(attempt))
    assert store.writer.flush()
    usage = msgspec.structs.replace(USAGE, cost=None) if attempt.usage else None
    assert store.observations.of_request("r") == [
        seen(msgspec.structs.replace(attempt, detail=None, mismatch=None, usage=usage))
    ]


def test_observations_come_in_the_order_asked_for_and_without_those_that_are_gone(store: Store) -> None:
    for number in range(1, 4):
        store.observations.add(seen(request_id=str(number)))
    assert store.writer.flush()
    assert [each.request_id for each in store.observations.get([3, 99, 1])] == ["3", "1"]


def test_every_field_lands_in_its_column(store: Store) -> None:
    store.observations.add(seen())
    assert store.writer.flush()
    assert dict(store.observations.last(1)[0]) == {
        "id": 1, "request_id": "r", "prompt_hash": "hash", "category": "tools", "chain": "c0ffee", "source": "cli",
        "sample": 4, "model": "p:m", "provider": "p", "place": 2, "number": 3, "outcome": "failed",
        "reason": "server_failed", "status": 503, "started": 100.5, "offset": 1.5, "wait": 2.5, "queued": 3.5,
        "latency": 4.5, "ttft": 5.5, "served_model": "m-1", "served_by": "host", "generation_id": "gen-1",
        "upstream": '[["One","m",429],["Two",null,null]]', "endpoints": 3,
        "prompt_tokens": 11, "completion_tokens": 12, "cached_tokens": 13,
        "cache_write_tokens": 15, "reasoning_tokens": 14, "cost": 0.5,
        "cost_source": "provider", "cached": True, "shared": True, "injected": True, "validation": "invalid_json",
        "caller": None, "tags": "[]", "experiment": None, "arm": None,
    }  # fmt: skip


def test_what_is_unknown_is_null(store: Store) -> None:
    bare = Attempt(model="m", provider="p", place=0, number=0, outcome="skipped", started=0, offset=0)
    store.observations.add(seen(bare))
    assert store.writer.flush()
    row = store.observations.last(1)[0]
    unknown = ("reason", "status", "latency", "ttft", "prompt_tokens", "completion_tokens", "cost", "cost_source")
    assert [row[name] for name in unknown] == [None] * len(unknown)


NO_NAME = "my secret prompt"


@pytest.mark.parametrize(
    "odd",
    [
        *({name: NO_NAME} for name in ("served_model", "served_by", "generation_id")),
        {"routing": Routing(upstream=(UpstreamAttempt(NO_NAME, NO_NAME),))},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_no_row_holds_text_that_a_server_sent_in_a_name_s_place(
    store: Store, path: Path, odd: dict[str, object]
) -> None:
    store.observations.add(seen(msgspec.structs.replace(FULL, **odd)))
    store.close()
    assert b"secret prompt" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_an_imported_older_row_is_not_the_newest(store: Store) -> None:
    for number, started in enumerate((200.0, 100.0)):
        store.observations.add(seen(msgspec.structs.replace(FULL, started=started), request_id=str(number)))
    assert store.writer.flush()
    assert [row["request_id"] for row in store.observations.last(1)] == ["0"]


def test_rows_are_read_back_oldest_first(store: Store) -> None:
    for number in range(5):
        store.observations.add(seen(request_id=str(number)))
    assert store.writer.flush()
    assert [row["request_id"] for row in store.observations.last(3)] == ["2", "3", "4"]


def test_a_turn_comes_back_as_it_was_saved_last(store: Store) -> None:
    turn = Turn(id="t", conversation="c", parent=None, created=1.0, prompt="Hi", settings=Settings(category="chat"))
    done = msgspec.structs.replace(turn, state="answered", answer=Answer(text="Ho"))
    store.conversations.save(turn)
    store.conversations.save(done)
    assert store.writer.flush()
    assert store.conversations.load("c") == [done]


def test_what_was_accepted_is_there_after_a_restart(path: Path) -> None:
    store = Store(path)
    for number in range(5000):
        store.observations.add(seen(request_id=str(number)))
    store.close()
    store = Store(path)
    assert ids(store) == [str(number) for number in range(5000)]
    store.close()


# --- The list of conversations ---------------------------------------------------------------------


def said(
    store: Store, conversation: str, prompt: str = "Hi", answer: str = "", *, id_: str | None = None, **fields: Any
) -> Turn:
    """A turn, accepted and written."""
    turn = Turn(
        id=id_ or uuid.uuid4().hex, conversation=conversation, parent=None, created=1.0, prompt=prompt,
        settings=Settings(), state="answered", answer=Answer(text=answer), **fields,
    )  # fmt: skip
    store.conversations.save(turn)
    assert store.writer.flush()
    return turn


def found(store: Store, search: str = "") -> list[str]:
    return [entry.id for entry in store.conversations.entries(search)]


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(1.0)
    monkeypatch.setattr("time.time", lambda: next(ticks))


@pytest.mark.usefixtures("ticking")
def test_the_conversation_used_last_is_listed_first(store: Store) -> None:
    for conversation in ("a", "b", "c", "a"):
        said(store, conversation)
    entries = store.conversations.entries()
    assert [entry.id for entry in entries] == ["a", "c", "b"]
    assert entries[0].updated > entries[1].updated > entries[2].updated


@pytest.mark.usefixtures("ticking")
def test_the_list_ends_somewhere(store: Store) -> None:
    for conversation in "abc":
        said(store, conversation)
    assert [entry.id for entry in store.conversations.entries(limit=2)] == ["c", "b"]


@pytest.mark.usefixtures("ticking")
def test_pinned_conversations_are_listed_first_until_they_are_unpinned(store: Store) -> None:
    for conversation in "abc":
        said(store, conversation)
    store.conversations.pin("a", True)
    said(store, "a")
    said(store, "c")
    assert [(entry.id, entry.pinned) for entry in store.conversations.entries(limit=2)] == [("a", True), ("c", False)]
    store.conversations.pin("a", False)
    assert found(store) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Hi", "Hi"),
        (" Why\n is the  sky blue? ", "Why is the sky blue?"),
        ("word " * 20, "word word word word word word word word word word word word …"),
        ("x" * 100, "x" * 60 + " …"),
        ("x" * 60, "x" * 60),
        ("", "Untitled"),
        (" \n", "Untitled"),
    ],
)
def test_the_first_prompt_is_the_title(store: Store, prompt: str, title: str) -> None:
    said(store, "c", prompt)
    said(store, "c", "Later")
    assert (store.conversations.title("c"), store.conversations.entries()[0].title) == (title, title)


def test_what_is_not_stored_has_no_title(store: Store) -> None:
    assert store.conversations.title("nowhere") is None


def test_a_title_that_somebody_gave_survives_later_turns(store: Store) -> None:
    turn = said(store, "c", id_="t")
    store.conversations.rename("c", "My talk")
    store.conversations.save(turn)
    said(store, "c", "Later")
    assert store.conversations.title("c") == "My talk"


def test_a_title_is_another_only_where_it_was_given(store: Store) -> None:
    said(store, "a", "one")
    said(store, "b", "two")
    store.conversations.rename("a", "'; DROP TABLE turns; --")
    assert [store.conversations.title(each) for each in "ab"] == ["'; DROP TABLE turns; --", "two"]


@pytest.mark.parametrize(
    ("search", "conversations"),
    [
        ("", "abcd"), (" \n", "abcd"), ("sky", "a"), ("SKY", "a"), ("rayleigh", "a"), ("rayleigh sky", "a"),
        ("sky nowhere", ""), ("sky äpfel", ""), ("nicknamed", "a"), ("ÄPFEL", "b"), ("äpfel", "b"), ("жук", "b"),
        ("STRASSE", "b"), ("%", "c"), ("_", "c"), ("50%_of", "c"), ("5_%", ""), ("it's", "c"), ('"quoted"', "c"),
        ("\\", "c"), ("'", "c"), ("*", ""), ("category", ""), ("prompt", ""), ("\0", ""), ("\ud800", ""), ("𝄞", "d"),
        ("<script>", "d"), ("two lines", "d"), ("x" * 60_000, ""), ("sky " * 10_000, "a"), ("sky\u2003blue", "a"),
    ],
    ids=lambda value: ascii(value[:20]),
)  # fmt: skip
def test_a_search_looks_at_titles_prompts_and_answers(store: Store, search: str, conversations: str) -> None:
    said(store, "a", "Why is the sky blue?", "Rayleigh scattering.")
    store.conversations.rename("a", "Nicknamed")
    said(store, "b", "Äpfel", "ЖУК, Straße")
    said(store, "c", '50%_of it\'s "quoted" \\ text')
    said(store, "d", "two\nlines <script>", "𝄞")
    assert sorted(found(store, search)) == sorted(conversations)


def test_a_search_finds_words_of_one_conversation_in_any_of_its_turns(store: Store) -> None:
    said(store, "a", "apples")
    said(store, "a", "pears", "plums")
    said(store, "b", "apples")
    assert found(store, "plums APPLES") == ["a"]


def test_a_search_does_not_look_into_other_fields(store: Store) -> None:
    said(store, "a", error="Overloaded.", attempts=(FULL,))
    assert [found(store, word) for word in ("overloaded", "host", "m-1")] == [[], [], []]


# --- Files and deletion ----------------------------------------------------------------------------

ATTACHED = read_attachment("a.txt", b"abc")


@pytest.mark.parametrize("data", [b"abc", bytes(range(256)), b"\0" * 5_000_000], ids=["text", "bytes", "large"])
def test_a_file_is_read_back_as_it_was(store: Store, data: bytes) -> None:
    store.conversations.save_file("c", ATTACHED, data)
    assert store.writer.flush()
    assert store.conversations.load_file("c", ATTACHED.id) == data


def test_a_file_that_comes_twice_is_kept_once(store: Store) -> None:
    for _ in range(2):
        store.conversations.save_file("c", ATTACHED, b"abc")
    assert store.writer.flush()
    assert rows(store) == {"turns": 0, "files": 1, "conversations": 0}


def test_a_file_belongs_to_its_conversation(store: Store) -> None:
    store.conversations.save_file("c", ATTACHED, b"abc")
    assert store.writer.flush()
    assert store.conversations.load_file("d", ATTACHED.id) is None


def rows(store: Store) -> dict[str, int]:
    with store.database.reading() as connection:
        return {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in ("turns", "files", "conversations")
        }


def test_deleting_removes_turns_files_and_title(store: Store) -> None:
    said(store, "c")
    said(store, "c")
    store.conversations.save_file("c", ATTACHED, b"abc")
    store.conversations.delete("c")
    assert rows(store) == {"turns": 0, "files": 0, "conversations": 0}


def test_deleting_leaves_other_conversations_alone(store: Store) -> None:
    turn = said(store, "d", "stays")
    store.conversations.save_file("d", ATTACHED, b"abc")
    said(store, "c")
    store.conversations.delete("c")
    assert (found(store), store.conversations.load("d")) == (["d"], [turn])
    assert store.conversations.load_file("d", ATTACHED.id) == b"abc"


@pytest.mark.parametrize("name", ["nowhere", "' OR 1=1 --", "%", ""])
def test_deleting_what_is_not_there_deletes_nothing(store: Store, name: str) -> None:
    said(store, "c")
    store.conversations.delete(name)
    assert found(store) == ["c"]


def test_a_turn_comes_back_with_all_that_it_holds(store: Store) -> None:
    call = ToolCall(id="1", name="clock", arguments="{}")
    turn = Turn(
        id="t", conversation="c", parent="p", created=1.5, prompt="Hi \0 𝄞 \u202e </script>", state="failed",
        settings=Settings(
            model="p:m", system="s", temperature=0.5, max_tokens=9, schema={"type": "object"}, params={"seed": 10**30},
            tools=(Tool(name="a", description="d", reply="mock", mock="m"),),
        ),
        attachments=(ATTACHED,), results=(ToolResult(call="0", content="noon"),), attempts=(FULL,), error="It broke.",
        answer=Answer(text="a", reasoning="r", reasoning_details=({"signature": "s"},), tool_calls=(call,)),
    )  # fmt: skip
    store.conversations.save(turn)
    assert store.writer.flush()
    assert store.conversations.load("c") == [turn]


# --- Trouble while writing -------------------------------------------------------------------------


class Room:
    """How many pages the database may have: the disk's size."""

    def __init__(self, database: Database) -> None:
        self.pages = 1_000_000
        event.listen(
            database._engine, "begin", lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {self.pages}"), insert=True
        )


@pytest.fixture
def opened(path: Path) -> Iterator[Database]:
    database = Database(path)
    yield database
    database.close()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds before two seconds are over: the writer is a thread."""
    pause = threading.Event()
    return any(holds() or pause.wait(0.005) for _ in range(400))


def put(writer: Writer, *request_ids: str, **fields: Any) -> None:
    for request_id in request_ids:
        row = {column.name: 0 for column in observations.columns if not column.nullable and column.name != "id"}
        writer.put(_INSERT, {**row, "request_id": request_id, **fields})


_INSERT = insert(observations)
BIG = "x" * 100_000


def stored(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(text("SELECT request_id FROM observations ORDER BY id")).scalars())


def test_a_full_disk_loses_nothing_once_there_is_room_again(opened: Database) -> None:
    room = Room(opened)
    writer = Writer(opened, retry_after=0.01)
    room.pages = 1
    put(writer, *(str(number) for number in range(50)), chain=BIG)
    assert eventually(lambda: writer.state().problem is not None)
    before = stored(opened)
    room.pages = 1_000_000
    assert writer.flush()
    assert (before, stored(opened), writer.state().problem) == ([], [str(number) for number in range(50)], None)
    writer.close()


def test_a_full_disk_is_said_with_the_rows_that_wait(store: Store) -> None:
    store.writer._retry_after = 0.01
    room = Room(store.database)
    room.pages = 1
    put(store.writer, *"abc", chain=BIG)
    assert eventually(lambda: bool(store.notices()))
    notice = store.notices()
    room.pages = 1_000_000
    assert notice == [
        "Observations cannot be stored: the disk is full. 3 rows in memory will be written as soon as possible."
    ]


def test_a_full_disk_does_not_block_who_observes(opened: Database) -> None:
    room = Room(opened)
    room.pages = 1
    writer = Writer(opened, retry_after=0.01, capacity=10)
    put(writer, *(str(number) for number in range(25)), chain=BIG)
    assert eventually(lambda: writer.state().problem is not None)
    assert writer.state().waiting + writer.state().dropped == 25
    room.pages = 1_000_000
    writer.close()


def test_what_overflows_is_dropped_and_counted(opened: Database) -> None:
    writer = Writer(opened, capacity=10)
    with opened.writing():  # the writer waits for this lock
        put(writer, *(str(number) for number in range(25)))
        state = writer.state()
    assert writer.flush()
    assert (state.waiting, state.dropped, stored(opened)) == (10, 15, [str(number) for number in range(10)])
    writer.close()


def test_rows_that_were_lost_are_said(store: Store) -> None:
    store.writer._capacity = 0
    put(store.writer, "a")
    assert store.notices() == ["The write queue was full: 1 row lost."]


@pytest.mark.parametrize(
    "poison",
    [{"status": 2**70}, {"usage": Usage(prompt_tokens=10**30)}, {"started": None}],
    ids=["a huge status", "many tokens", "no start"],
)
def test_a_row_that_cannot_be_stored_does_not_keep_others_out(store: Store, poison: dict[str, Any]) -> None:
    store.observations.add(seen(msgspec.structs.replace(FULL, **poison), request_id="bad"))
    store.observations.add(seen(request_id="good"))
    assert eventually(lambda: "good" in ids(store))


def test_a_row_that_cannot_be_stored_costs_no_others_on_a_full_disk(opened: Database) -> None:
    room = Room(opened)
    writer = Writer(opened, retry_after=0.01)
    room.pages = 1
    put(writer, "bad", status=2**70, chain=BIG)
    put(writer, "good", status=None, chain=BIG)
    assert eventually(lambda: writer.state().problem is not None or writer.state().dropped > 0)
    room.pages = 1_000_000
    assert (writer.flush(), stored(opened)) == (True, ["good"])
    writer.close()


# --- Opening ---------------------------------------------------------------------------------------


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(router.store.database.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_give_the_tables_that_the_code_expects(opened: Database) -> None:
    with opened.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_nobody_else_may_read_the_database(store: Store, path: Path) -> None:
    store.observations.add(seen())
    assert store.writer.flush()
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_rows_written_by_one_process_are_seen_by_another_at_once(store: Store, path: Path) -> None:
    other = Store(path)
    store.observations.add(seen())
    assert store.writer.flush()
    assert ids(other) == ["r"]
    other.close()


@pytest.mark.parametrize(
    "content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xa5" * 5000], ids=["text", "torn"]
)
def test_a_file_that_is_no_database_is_set_aside_and_said(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    store = Store(path)
    [aside] = path.parent.glob("lab-broken-*.sqlite")
    assert (aside.read_bytes(), ids(store)) == (content, [])
    (told,) = store.notices()
    assert told.startswith(f"A database could not be read. It was moved to {aside}, and a new one was created.")
    store.close()


def test_a_file_that_was_set_aside_is_named_at_every_start_until_it_is_gone(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    Store(path).close()
    store = Store(path)
    [aside] = path.parent.glob("lab-broken-*.sqlite")
    (told,) = store.notices()
    aside.unlink()
    assert (str(aside) in told, store.notices()) == (True, [])
    store.close()


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    store = Store(path)
    assert (store.notices(), ids(store)) == ([], [])
    store.close()


def test_a_newer_database_is_refused_and_left_alone(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match=rf"^The database {path} was written by a newer Fallback Lab .*Update this version\.$"
    ):
        Database(path)
    assert path.read_bytes() == before


def test_a_database_in_no_folder_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: No such file or directory"):
        Database(tmp_path / "no" / "where" / "lab.sqlite")


def test_a_folder_in_the_database_s_place_is_refused_in_words(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be opened: unable to open database file"):
        Database(path)


def test_a_database_that_is_up_to_date_needs_no_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(path).close()
    monkeypatch.setattr("alembic.command.upgrade", lambda *_: pytest.fail("migrated"))
    Store(path).close()


# --- Forgetting ------------------------------------------------------------------------------------


def test_what_would_be_forgotten_is_counted(store: Store) -> None:
    store.templates.add("a name", "a text")
    store.views.save(SavedView(name="a view", settings={}))
    for name in ("c", "d"):
        store.conversations.save(
            Turn(id=name, conversation=name, parent=None, created=1.0, prompt="Hello", settings=Settings())
        )
    assert store.contents() == {"conversation": 2, "comparison": 0, "vote": 0, "template": 1, "preset": 0, "view": 1}


def test_what_is_forgotten_is_no_longer_in_the_files(store: Store, path: Path) -> None:
    store.templates.add("a name", "a secret text")
    store.conversations.save(
        Turn(id="t", conversation="c", parent=None, created=1.0, prompt="a secret text", settings=Settings())
    )
    assert store.writer.flush()
    assert any(b"a secret text" in file.read_bytes() for file in path.parent.iterdir())
    store.forget()
    assert not any(b"a secret text" in file.read_bytes() for file in path.parent.iterdir())


def test_a_template_of_the_same_name_is_replaced(store: Store) -> None:
    for template in ("one", "two"):
        store.templates.add("greeting", template)
    assert [(template.name, template.text) for template in store.templates.all()] == [("greeting", "two")]


def test_a_view_of_the_same_name_is_replaced_and_can_be_deleted(store: Store) -> None:
    for settings in ({"range": "7 d"}, {"categories": [None, "code"], "places": [0]}):
        store.views.save(SavedView(name="mine", settings=settings))
    assert store.views.all() == [SavedView(name="mine", settings={"categories": [None, "code"], "places": [0]})]
    store.views.delete("mine")
    assert store.views.all() == []


def test_a_template_can_be_deleted(store: Store) -> None:
    store.templates.add("greeting", "one")
    [template] = store.templates.all()
    store.templates.delete(template.id)
    assert store.templates.all() == []
