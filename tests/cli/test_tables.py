"""Tables of the command line on a terminal and in a pipe, and NO_COLOR."""

from __future__ import annotations

import pytest

from tests.command import Run, rows

COMMANDS = [("check", "--offline"), ("chains",), ("keys",), ("log",)]

each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])


@pytest.fixture(autouse=True)
def asked(run: Run) -> None:
    run("ask", "Hello?")


@each_command
def test_a_pipe_gets_no_color_and_as_many_cells_as_headings(run: Run, command: tuple[str, ...]) -> None:
    stdout = run(*command, env={"FORCE_COLOR": "1"}).stdout
    tables = [[line.split("\t") for line in table.splitlines() if "\t" in line] for table in stdout.split("\n\n")]
    assert "\x1b" not in stdout
    assert all(len({len(cells) for cells in table}) <= 1 for table in tables)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("command", [("check", "--offline"), ("log",)], ids=lambda command: command[0])
def test_a_terminal_gets_colors(run: Run, command: tuple[str, ...]) -> None:
    assert "\x1b[32m" in run(*command).stdout


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("command", [*COMMANDS, ("ask", "Hello?")], ids=lambda command: command[0])
def test_no_color_turns_off_every_style(run: Run, command: tuple[str, ...]) -> None:
    assert "\x1b" not in run(*command, env={"NO_COLOR": "1"}).output


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("command", [("chains",), ("keys",)], ids=lambda command: command[0])
def test_a_narrow_terminal_is_shown_every_character(run: Run, command: tuple[str, ...]) -> None:
    wide, narrow = (run(*command, env={"NO_COLOR": "1", "COLUMNS": width}).stdout for width in ("200", "20"))
    assert sorted("".join(narrow.replace("─", "").split())) == sorted("".join(wide.replace("─", "").split()))
    assert max(map(len, narrow.splitlines())) <= 20


def test_every_row_of_a_pipe_names_its_group(run: Run) -> None:
    assert [cells[0] for cells in rows(run("chains"))] == ["category", "chat", "chat"]
