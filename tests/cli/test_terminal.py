"""A terminal obeys nothing that a server has written: on a real pseudo-terminal, and into a pipe."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.text import Text

from router.cli import main
from router.cli.terminal import Console, guard, json_text, stripped, visible
from tests.command import Run, row
from tests.upstream import Answer, Step, Upstream, answer, status

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")

PROGRAM = Path(sys.executable).with_name("fallback-lab")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.endswith("_KEY")},
    "COLUMNS": "900",
    "TERM": "dumb",  # no colors of our own
    "PYTHONUTF8": "1",
}

TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;ZXZpbA==\x1b\\"
CLEAR = "\x1b[2J\x1b[H"
C1 = "\x9b2J\x9d0;owned\x9c"
BIDI = "\u202egnp.exe\u2066\u200f"
UNSEEN = "\u200b\ufeff\U000e0041"
HOSTILE = TITLE + CLIPBOARD + CLEAR + C1 + BIDI + UNSEEN + "\r\x08\x7f[red]"

SHOWN = (
    r"\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x1b\\x1b[2J\x1b[H\x9b2J\x9d0;owned\x9c\u202egnp.exe\u2066\u200f"
    r"\u200b\ufeff\U000e0041\r\x08\x7f[red]"
)
STRIPPED = "]0;owned]52;c;ZXZpbA==\\[2J[H2J0;ownedgnp.exe[red]"


def process(config: Path, stdout: int, args: Sequence[str]) -> None:
    """Run a command in a process of its own."""
    command: list[str | Path] = [PROGRAM, "--config", config, *args]
    subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stdout, check=False)


def in_this_process(config: Path, stdout: int, args: Sequence[str]) -> None:
    """Run a command here, which takes a tenth of the time."""
    with (
        pytest.MonkeyPatch.context() as patched,
        open(stdout, "w", encoding="utf-8", closefd=False) as out,
        open(stdout, "w", encoding="utf-8", closefd=False) as err,
        Path(os.devnull).open(encoding="utf-8") as nothing,
    ):
        for name, value in ENVIRONMENT.items():
            patched.setenv(name, value)
        for name, stream in {"stdin": nothing, "stdout": out, "stderr": err}.items():
            patched.setattr(sys, name, stream)
        patched.setattr("router.store.writer.LINGER", 0)
        with contextlib.suppress(SystemExit):
            main(["--config", str(config), *args])


Runs = Callable[[Path, int, Sequence[str]], None]

BOTH = [in_this_process, pytest.param(process, marks=pytest.mark.process)]


def on_terminal(config: Path, *args: str, runs: Runs = in_this_process) -> str:
    """All that a command writes to a pseudo-terminal."""
    return written_to(pty.openpty(), config, args, runs).replace("\r\n", "\n")


def into_pipe(config: Path, *args: str, runs: Runs = in_this_process) -> str:
    return written_to(os.pipe(), config, args, runs)


def written_to(ends: tuple[int, int], config: Path, args: Sequence[str], runs: Runs) -> str:
    """All that a command writes; the second of the two ends is its standard output and error."""
    ours, its = ends
    with ThreadPoolExecutor(1) as reader:
        written = reader.submit(read_all, ours)
        try:
            runs(config, its, args)
        finally:
            os.close(its)
        return written.result(60).decode()


def read_all(end: int) -> bytes:
    written = b""
    with open(end, "rb", buffering=0) as source, contextlib.suppress(OSError):  # a terminal's end on Linux
        while part := source.read(65536):
            written += part
    return written


def obeyed(text: str) -> set[str]:
    return {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char not in "\n\t"}


class Hostile(NamedTuple):
    """A server, a database or a shell that says HOSTILE, and the command that prints it."""

    command: tuple[str, ...]
    step: Step = answer()
    stored: bool = False


WAYS = {
    "an answer": Hostile(("ask", "Hello?"), Answer([HOSTILE])),
    "an answer in pieces": Hostile(("ask", "Hello?"), Answer(list(HOSTILE))),
    "an error in a trace": Hostile(("ask", "Hello?"), status(400, HOSTILE)),
    "the last error": Hostile(("ask", "-m", "primary", "Hello?"), status(400, HOSTILE)),
    "who served": Hostile(("check", "--ping"), answer(model=f"m{HOSTILE}")),
    "an error in a table": Hostile(("check", "--ping"), status(400, HOSTILE)),
    "an argument that is wrong": Hostile((f"ask{HOSTILE}",)),
    "a path that is wrong": Hostile(("--config", f"no{HOSTILE}", "check")),
    "a model's reference in JSON": Hostile(("log", "--json"), stored=True),
    "a model's reference in a table": Hostile(("log",), stored=True),
    "an answer in JSON": Hostile(("ask", "--json", "Hello?"), Answer([HOSTILE])),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def hostile(request: pytest.FixtureRequest, upstream: Upstream, config: Path, run: Run) -> Hostile:
    way: Hostile = request.param
    upstream.script("primary", then=way.step)
    if way.stored:
        store_hostile(config, run)
    return way


def store_hostile(config: Path, run: Run) -> None:
    run("ask", "Hello?")
    with closing(sqlite3.connect(config.parent / ".lab" / "lab.sqlite")) as database, database:
        database.execute("UPDATE observations SET model = ?", [HOSTILE])


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_guarded_on_a_terminal_alone(config: Path, run: Run, form: str) -> None:
    store_hostile(config, run)
    command = ("export", "--format", form)
    assert obeyed(on_terminal(config, *command)) == set()
    assert BIDI in into_pipe(config, *command)


def test_what_reaches_the_console_another_way_is_guarded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    guard()
    Console().print(Text(HOSTILE), HOSTILE)
    Console(stderr=True).print(Text(HOSTILE), HOSTILE)
    assert obeyed(out.getvalue() + err.getvalue()) == set()
    assert out.getvalue().count("[red]") == 2


def test_on_a_terminal_what_it_would_obey_is_shown(hostile: Hostile, config: Path) -> None:
    printed = on_terminal(config, *hostile.command)
    assert obeyed(printed) == set()
    assert r"\x1b]" in printed or r"\u001b]" in printed


def test_in_a_pipe_nothing_that_is_obeyed_is_left(hostile: Hostile, config: Path) -> None:
    printed = into_pipe(config, *hostile.command)
    assert obeyed(printed) == set()
    assert "]0;owned" in printed
    assert "[red]" in printed


@pytest.mark.parametrize("runs", BOTH)
@pytest.mark.parametrize("tokens", [[HOSTILE], list(HOSTILE)], ids=["at once", "in pieces"])
def test_a_terminal_gets_the_whole_answer(upstream: Upstream, config: Path, tokens: Sequence[str], runs: Runs) -> None:
    upstream.script("primary", Answer(["a\n\tb", *tokens]))
    assert on_terminal(config, "ask", "Hello?", runs=runs).startswith(f"a\n\tb{SHOWN}\n")


@pytest.mark.parametrize("runs", BOTH)
def test_a_pipe_gets_the_rest_of_the_answer(upstream: Upstream, config: Path, runs: Runs) -> None:
    upstream.script("primary", Answer(["a\n\tb", HOSTILE]))
    assert into_pipe(config, "ask", "Hello?", runs=runs).startswith(f"a\n\tb{STRIPPED}\n")


def test_a_pipe_gets_all_of_the_answer_where_that_is_asked_for(upstream: Upstream, config: Path) -> None:
    upstream.script("primary", Answer([HOSTILE]))
    assert into_pipe(config, "ask", "--raw", "Hello?").startswith(f"{HOSTILE}\n")


def test_a_terminal_never_does(upstream: Upstream, config: Path) -> None:
    upstream.script("primary", Answer([HOSTILE]))
    assert on_terminal(config, "ask", "--raw", "Hello?").startswith(f"{SHOWN}\n")


def test_json_means_the_same(upstream: Upstream, config: Path) -> None:
    upstream.script("primary", Answer([HOSTILE]))
    assert json.loads(on_terminal(config, "ask", "--json", "Hello?"))["text"] == HOSTILE


def test_a_line_break_of_a_server_breaks_no_table(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", answer(model="one\n\ttwo"))
    assert row(run("check", "--ping"), "one two")


def test_what_people_write_is_as_it_was() -> None:
    text = "Grüße, 你好\u3000🎉\n\tمی\u200cخواهم 👩\u200d💻 e\u0301 \u00a0$"
    assert (visible(text), stripped(text), json.loads(json_text(text))) == (text, text, text)


def test_half_a_character_is_shown() -> None:
    assert visible("\udcff") == r"\udcff"
