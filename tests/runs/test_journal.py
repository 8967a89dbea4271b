"""A run's journal: what was written is read back, whatever happened to the process that wrote it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from router.core.errors import InvalidRequest, StoreError
from router.runs.journal import Journal, Reader, append

Entry = dict[str, int]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "a.jsonl"


def written(path: Path, *numbers: int) -> None:
    journal = Journal(path)
    for number in numbers:
        journal.add({"n": number})
    journal.close()


def read(reader: Reader[Entry]) -> list[int]:
    return [line.entry["n"] for line in reader.new()]


def test_entries_are_read_in_the_order_in_which_they_were_written(path: Path) -> None:
    written(path, 1, 2, 3)
    assert read(Reader(path, Entry)) == [1, 2, 3]


def test_a_second_look_reads_only_what_is_new(path: Path) -> None:
    written(path, 1)
    reader = Reader(path, Entry)
    assert read(reader) == [1]
    written(path, 2)
    assert read(reader) == [2]


def test_an_entry_is_read_again_by_its_offset(path: Path) -> None:
    written(path, 1, 2, 3)
    reader = Reader(path, Entry)
    offsets = [line.offset for line in reader.new()]
    assert [reader.at(offset)["n"] for offset in reversed(offsets)] == [3, 2, 1]


def test_a_line_that_is_still_being_written_is_left_for_the_next_look(path: Path) -> None:
    written(path, 1)
    reader = Reader(path, Entry)
    with path.open("ab") as file:
        file.write(b'{"n": ')
        file.flush()
        assert read(reader) == [1]
        file.write(b"2}\n")
    assert read(reader) == [2]


def test_after_a_kill_in_the_middle_of_a_line_the_others_are_whole(path: Path) -> None:
    written(path, 1)
    with path.open("ab") as file:
        file.write(b'{"n": ')
    written(path, 2)
    reader = Reader(path, Entry)
    assert (read(reader), reader.torn) == ([1, 2], 1)


def test_many_threads_mix_no_lines(path: Path) -> None:
    journal = Journal(path)
    threads = [
        threading.Thread(target=lambda: [journal.add({"n": 1, "long" * 999: 0}) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    reader = Reader(path, Entry)
    assert (len(read(reader)), reader.torn) == (400, 0)


def test_two_do_not_write_one_run(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(InvalidRequest, match=r"^Another process is running a\. Wait for it, or stop it first\.$"):
        Journal(path)
    journal.close()
    Journal(path).close()


def test_only_its_owner_can_read_it(path: Path) -> None:
    written(path, 1)
    assert path.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError, match=r"a\.jsonl cannot be written: "):
        Journal(tmp_path / "runs" / "a.jsonl")


def test_a_journal_that_is_gone_is_told_in_one_sentence(path: Path) -> None:
    with pytest.raises(StoreError, match=r"a\.jsonl cannot be read: No such file or directory\."):
        read(Reader(path, Entry))


# --- Appending without being the one that writes ---------------------------------------------------


def test_what_is_appended_is_read_after_what_was_there(path: Path) -> None:
    written(path, 1)
    append(path, {"n": 2})
    assert read(Reader(path, Entry)) == [1, 2]


def test_an_entry_is_appended_while_a_process_writes(path: Path) -> None:
    journal = Journal(path)
    journal.add({"n": 1})
    append(path, {"n": 2})
    journal.add({"n": 3})
    journal.close()
    assert read(Reader(path, Entry)) == [1, 2, 3]


def test_after_a_kill_in_the_middle_of_a_line_an_appended_entry_is_whole(path: Path) -> None:
    written(path, 1)
    with path.open("ab") as file:
        file.write(b'{"n": ')
    append(path, {"n": 2})
    reader = Reader(path, Entry)
    assert (read(reader), reader.torn) == ([1, 2], 1)


def test_a_reader_that_waits_for_the_end_of_a_torn_line_reads_what_is_appended_after_it(path: Path) -> None:
    written(path, 1)
    reader = Reader(path, Entry)
    with path.open("ab") as file:
        file.write(b'{"n": ')
    assert read(reader) == [1]
    append(path, {"n": 2})
    assert (read(reader), reader.torn) == ([2], 1)


def test_threads_that_append_mix_no_lines_with_the_one_that_writes(path: Path) -> None:
    journal = Journal(path)
    long = {"n": 1, "long" * 999: 0}
    threads = [threading.Thread(target=lambda: [append(path, long) for _ in range(50)]) for _ in range(4)]
    threads.append(threading.Thread(target=lambda: [journal.add(long) for _ in range(50)]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    reader = Reader(path, Entry)
    assert (len(read(reader)), reader.torn) == (250, 0)


def test_nothing_is_appended_to_a_journal_that_does_not_exist(path: Path) -> None:
    path.parent.mkdir()
    with pytest.raises(StoreError, match=r"a\.jsonl cannot be written: No such file or directory\."):
        append(path, {"n": 1})
    assert not path.exists()
