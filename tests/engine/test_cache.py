"""The response cache: what one key stands for, what is kept, and what cannot harm."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import diskcache
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import router.engine.cache
from router.config.chains import ModelRef
from router.config.policy import CachePolicy
from router.core.attempts import Attempt
from router.core.messages import (
    Answer,
    ToolCall,
    Usage,
    digest,
)
from router.core.requests import Request
from router.engine.cache import (
    CachedAnswer,
    ResponseCache,
    _BytesDisk,
    cache_key,
)

REF = ModelRef(provider="p", model="m", text="m")
TOOL = {"type": "function", "function": {"name": "add"}}
ENTRY = CachedAnswer(
    answer=Answer(
        text="Hello",
        reasoning="Hmm.",
        tool_calls=(ToolCall(id="c", name="add", arguments='{"x": 1}'),),
        finish_reason="tool_calls",
    ),
    attempt=Attempt(
        model="m", provider="p", place=0, number=1, outcome="answered", started=1.0, offset=0.0,
        latency=2.5, ttft=0.5, served_model="m-1", usage=Usage(prompt_tokens=3), cost=0.25, cost_source="provider",
    ),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Iterator[ResponseCache]:
    cache = ResponseCache(folder, CachePolicy())
    yield cache
    cache.close()


def kept(folder: Path, *keys: str, entry: CachedAnswer = ENTRY, policy: CachePolicy = CachePolicy()) -> None:
    """Keep an answer under each key, and close the cache."""
    cache = ResponseCache(folder, policy)
    for key in keys:
        cache.put(key, entry)
    cache.close()


def written(cache: ResponseCache) -> None:
    assert cache._write_pending()


# --- The key ---------------------------------------------------------------------------------------


def key(ref: ModelRef = REF, extra: bytes = b"{}", sample: int = 0, **fields: Any) -> str:
    messages = fields.pop("messages", ({"role": "user", "content": "Hello"},))
    return cache_key(ref, digest(Request(messages=messages, **fields).canonical()), extra, sample)


VARIANTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "provider": {"ref": ModelRef(provider="q", model="m", text="m")},
    "model": {"ref": ModelRef(provider="p", model="n", text="m")},
    "the provider's own fields": {"extra": b'{"top_k":1}'},
    "sample": {"sample": 1},
    "content": {"messages": ({"role": "user", "content": "Hello!"},)},
    "role": {"messages": ({"role": "assistant", "content": "Hello"},)},
    "order": {"messages": ({"role": "user", "content": "Hello"}, {"role": "user", "content": "again"})},
    "other order": {"messages": ({"role": "user", "content": "again"}, {"role": "user", "content": "Hello"})},
    "tools": {"tools": (TOOL,)},
    "tool_choice": {"tools": (TOOL,), "tool_choice": "required"},
    "response_format": {"response_format": {"type": "json_object"}},
    "temperature": {"temperature": 0.0},
    "max_tokens": {"max_tokens": 5},
    "params": {"params": {"seed": 5}},
    "other params": {"params": {"seed": 6}},
}


def test_each_parameter_makes_a_key_of_its_own() -> None:
    assert len({key(**variant) for variant in VARIANTS.values()}) == len(VARIANTS)


names = st.sampled_from(["seed", "top_p", "stop", "user", "n"])
params = st.dictionaries(names, st.integers(0, 2) | st.text("01é", max_size=2) | st.lists(st.booleans(), max_size=2))


@given(params, params)
def test_two_requests_share_a_key_only_where_they_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key(params=one) == key(params=other)) == (one == other)


@given(st.data(), params)
def test_the_order_of_keys_does_not_matter(data: st.DataObject, fields: dict[str, Any]) -> None:
    shuffled = {name: fields[name] for name in data.draw(st.permutations(list(fields)))}
    assert key(params={"logit_bias": shuffled}) == key(params={"logit_bias": fields})


def test_how_a_model_is_written_does_not_matter() -> None:
    assert key(ref=ModelRef(provider="p", model="m", text="p:m")) == key()


# --- What is kept ----------------------------------------------------------------------------------


def test_an_answer_comes_back_whole_with_the_attempt_that_gave_it(folder: Path, cache: ResponseCache) -> None:
    kept(folder, "k")
    assert cache.get("k") == ENTRY


def test_an_answer_can_be_read_before_it_is_written(cache: ResponseCache) -> None:
    cache.put("k", ENTRY)
    assert cache.get("k") == ENTRY


def test_a_long_answer_comes_back(folder: Path, cache: ResponseCache) -> None:
    long = CachedAnswer(answer=Answer(text="é" * 200_000), attempt=ENTRY.attempt)
    kept(folder, "k", entry=long)
    assert cache.get("k") == long


def test_what_was_never_kept_is_a_miss(cache: ResponseCache) -> None:
    assert cache.get("k") is None


@pytest.mark.parametrize(("later", "found"), [(9.9, True), (10.1, False)])
def test_an_answer_is_kept_for_its_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, later: float, found: bool
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    kept(folder, "k", policy=CachePolicy(ttl=10))
    monkeypatch.setattr("time.time", lambda: now + later)
    cache = ResponseCache(folder, CachePolicy())
    assert (cache.get("k") is not None) is found
    cache.close()


def test_the_oldest_answers_make_room_for_new_ones(folder: Path) -> None:
    limit = 500_000
    entry = CachedAnswer(answer=Answer(text="x" * 10_000), attempt=ENTRY.attempt)
    kept(folder, *(str(number) for number in range(100)), entry=entry, policy=CachePolicy(size_limit=limit))
    cache = ResponseCache(folder, CachePolicy(size_limit=limit))
    assert (cache.get("0"), cache.get("99"), (cache.size() or 0) < 1.2 * limit) == (None, entry, True)
    cache.close()


# --- Writing ---------------------------------------------------------------------------------------


def on_disk(folder: Path) -> set[str]:
    with diskcache.Cache(str(folder), disk=_BytesDisk) as disk:
        return set(disk)


def test_many_answers_are_written_at_once(folder: Path, cache: ResponseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    transactions = []
    transact = diskcache.Cache.transact
    monkeypatch.setattr(diskcache.Cache, "transact", lambda self: transactions.append(1) or transact(self))
    for number in range(500):
        cache.put(str(number), ENTRY)
    written(cache)
    assert (len(on_disk(folder)), len(transactions) <= 5) == (500, True)


def test_nobody_waits_for_a_slow_disk(folder: Path, cache: ResponseCache) -> None:
    with cache._writing:
        cache.put("k", ENTRY)
        assert (cache.get("k"), on_disk(folder)) == (ENTRY, set())


def test_what_waits_for_the_disk_is_bounded(cache: ResponseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router.engine.cache, "MAX_PENDING_BYTES", 2 * len(msgspec.json.encode(ENTRY)))
    with cache._writing:
        for key in ("one", "two", "three"):
            cache.put(key, ENTRY)
        assert (cache.get("two"), cache.get("three")) == (ENTRY, None)
    written(cache)
    cache.put("three", ENTRY)
    assert cache.get("three") == ENTRY


def test_an_answer_that_comes_while_an_older_one_is_written_is_not_lost(
    folder: Path, cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = CachedAnswer(answer=Answer(text="Newer"), attempt=ENTRY.attempt)
    write = cache._write

    def slow(batch: Mapping[str, bytes]) -> None:
        write(batch)
        monkeypatch.undo()
        cache.put("k", newer)

    monkeypatch.setattr(cache, "_write", slow)
    cache.put("k", ENTRY)
    written(cache)
    cache.close()
    assert msgspec.json.decode(diskcache.Cache(str(folder), disk=_BytesDisk)["k"], type=CachedAnswer) == newer


def test_what_another_process_keeps_from_being_written_is_written_later(folder: Path, cache: ResponseCache) -> None:
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache.put("k", ENTRY)
    assert (cache._write_pending(), cache.get("k"), cache.notice) == (False, ENTRY, None)
    other.execute("ROLLBACK")
    other.close()
    written(cache)
    assert on_disk(folder) == {"k"}


def test_what_was_forgotten_is_not_written_later(folder: Path, cache: ResponseCache) -> None:
    cache.put("k", ENTRY)
    cache.clear()
    written(cache)
    assert (cache.get("k"), on_disk(folder)) == (None, set())


# --- No pickles ------------------------------------------------------------------------------------


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture(params=["in the row", "in a file"])
def planted(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A cache whose answer under `k` was replaced by a pickle; unpickled, it makes the file returned."""
    kept(folder, "k")
    mark = folder.parent / "unpickled"
    data = pickle.dumps(Evil(mark))
    (folder / "evil.val").write_bytes(data)
    row = (None, data) if request.param == "in the row" else ("evil.val", None)
    database = sqlite3.connect(folder / "cache.db")
    with database:
        database.execute("UPDATE Cache SET mode = ?, filename = ?, value = ?", (diskcache.core.MODE_PICKLE, *row))
    database.close()
    return mark


def test_a_planted_pickle_is_not_loaded(folder: Path, planted: Path, cache: ResponseCache) -> None:
    assert (cache.get("k"), planted.exists()) == (None, False)


def test_the_planted_pickle_is_a_real_one(folder: Path, planted: Path) -> None:
    with diskcache.Cache(str(folder)) as unsafe:
        unsafe.get("k")
    assert planted.exists()


def test_a_planted_pickle_is_replaced_by_the_next_answer(folder: Path, planted: Path, cache: ResponseCache) -> None:
    cache.put("k", ENTRY)
    written(cache)
    assert (cache.get("k"), planted.exists()) == (ENTRY, False)


@pytest.mark.parametrize("value", [{"a": 1}, "text", 5, None], ids=repr)
def test_nothing_but_bytes_is_written(folder: Path, value: object) -> None:
    with diskcache.Cache(str(folder), disk=_BytesDisk) as disk, pytest.raises(TypeError, match="bytes alone"):
        disk.set("k", value)


# --- Broken caches ---------------------------------------------------------------------------------

GARBAGE = b"this is no database" * 1000


def aside(folder: Path) -> list[bytes]:
    return [(broken / "cache.db").read_bytes() for broken in folder.parent.glob("cache-broken-*")]


def test_a_broken_cache_is_set_aside_and_replaced(folder: Path) -> None:
    kept(folder, "k")
    (folder / "cache.db").write_bytes(GARBAGE)
    cache = ResponseCache(folder, CachePolicy())
    cache.put("k", ENTRY)
    written(cache)
    assert (cache.get("k"), aside(folder)) == (ENTRY, [GARBAGE])
    cache.close()


def test_a_broken_cache_is_said(folder: Path) -> None:
    kept(folder, "k")
    (folder / "cache.db").write_bytes(GARBAGE)
    cache = ResponseCache(folder, CachePolicy())
    assert "could not be read. It was moved to cache-broken-" in (cache.notice or "")
    cache.close()


def test_a_cache_that_breaks_while_it_is_open_is_replaced_too(folder: Path, cache: ResponseCache) -> None:
    cache.put("k", ENTRY)
    written(cache)
    for path in folder.glob("cache.db*"):
        with path.open("r+b") as file:
            file.write(b"\xa5" * path.stat().st_size)
    missed = cache.get("k")
    cache.put("k", ENTRY)
    written(cache)
    assert (missed, cache.get("k"), len(aside(folder))) == (None, ENTRY, 1)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"answer": 5}', b"\xff"])
def test_an_entry_that_is_no_answer_is_a_miss(folder: Path, cache: ResponseCache, value: bytes) -> None:
    with diskcache.Cache(str(folder), disk=_BytesDisk) as disk:
        disk.set("k", value)
    assert cache.get("k") is None


def test_a_cache_that_has_no_place_is_off_and_says_so(folder: Path) -> None:
    folder.write_text("a file stands in the way")
    cache = ResponseCache(folder, CachePolicy())
    cache.put("k", ENTRY)
    assert (cache.get("k"), cache.size(), "it is off" in (cache.notice or "")) == (None, None, True)
    cache.close()


def test_a_full_disk_breaks_nothing_and_is_said(cache: ResponseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(diskcache.Cache, "set", full)
    cache.put("k", ENTRY)
    written(cache)
    assert (cache.get("k"), "disk is full" in (cache.notice or "")) == (None, True)
