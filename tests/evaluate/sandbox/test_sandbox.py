"""Code that nobody trusts is contained, and what it did is told, for root and for everybody else."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from router.evaluate import sandbox
from router.evaluate.sandbox import UNCONFINED, Limits, Program, bubblewrap, find_way, run
from router.evaluate.sandbox.system_calls import system_call_filter
from tests.evaluate.sandbox.attacks import ATTACKS, GOOD, LIMITS, TESTS, attempt

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]

confined = pytest.mark.skipif(find_way().name != "bubblewrap", reason=find_way().why)


def processes() -> set[str]:
    """The numbers of all processes of this machine that run a harness."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if b"harness.py" in (entry / "cmdline").read_bytes():
                    found.add(entry.name)
            except OSError:
                continue
    return found


@confined
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_contained_and_told(name: str) -> None:
    attack = ATTACKS[name]
    ran = attempt(attack)
    assert (ran.outcome, attack.says in ran.reason + ran.output) == (attack.outcome, True), ran


@confined
def test_nothing_is_left_running() -> None:
    before = processes()
    attempt(ATTACKS["a process left behind"])
    assert processes() <= before


@confined
def test_what_waits_is_ended_at_its_wall() -> None:
    ran = run(Program("import time\ntime.sleep(600)", TESTS), Limits(wall=0.5))
    assert (ran.outcome, ran.reason) == ("timed out", "It did not end within 0.5 seconds.")


@confined
def test_a_server_on_loopback_is_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = run(Program(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))", TESTS), LIMITS)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "ConnectionRefusedError" in ran.reason


@confined
def test_a_file_of_the_outside_stays_unread(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    ran = run(Program(f"print(open({str(secret)!r}).read())", TESTS), LIMITS)
    assert (ran.output, ran.outcome) == ("", "failed")


@confined
def test_a_variable_of_the_environment_stays_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", "a-secret")
    ran = run(Program("import os\nprint(dict(os.environ))\n" + GOOD, TESTS), LIMITS)
    assert "a-secret" not in ran.output


@confined
def test_a_failure_names_the_line_of_the_tests() -> None:
    ran = run(
        Program("def double(x):\n    return x", "assert double(0) == 0\nassert double(2) == 4, 'not doubled'"), LIMITS
    )
    assert ran.reason == (
        "A test failed: AssertionError: not doubled on line 2 (`assert double(2) == 4, 'not doubled'`)."
    )


@confined
def test_a_failure_names_the_line_of_the_code() -> None:
    ran = run(Program("def double(x)\n    return x", TESTS), LIMITS)
    assert ran.reason.startswith("The code failed: SyntaxError: expected ':'")
    assert ran.reason.endswith("on line 1 (`def double(x)`).")


@confined
def test_a_function_that_is_called_like_a_builtin_is_tested_where_it_is_the_entry_point() -> None:
    code = "def sum(values):\n    return 'ours'"
    assert run(Program(code, "assert sum([1]) == 'ours'", "sum"), LIMITS).outcome == "passed"


@confined
def test_threads_are_not_held_against_it() -> None:
    code = "import threading\nthread = threading.Thread(target=lambda: None)\nthread.start()\nthread.join()\n" + GOOD
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: run(Program(code, TESTS), LIMITS).outcome, range(8))) == {"passed"}


@confined
def test_code_that_is_too_long_is_refused() -> None:
    assert run(Program("#" * 1_000_001, TESTS)).reason == "The code must not be longer than 1,000,000 characters."


# --- An ordinary user ------------------------------------------------------------------------------


@pytest.fixture
def readable_copy() -> Iterator[Path]:
    """The sandbox and its attacks in a folder that everybody can read."""
    folder = Path("/tmp") / f"sandbox-of-{os.getpid()}"
    for part in ("router/evaluate/sandbox", "tests/evaluate/sandbox"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@confined
@pytest.mark.skipif(os.geteuid() != 0, reason="whoever runs the tests is an ordinary user")
def test_attacks_of_an_ordinary_user_are_contained_too(readable_copy: Path) -> None:
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False).returncode:
        pytest.skip("the system's own Python, which others than root can read, is older than ours")
    names = [name for name in ATTACKS if "endless" not in name]
    done = subprocess.run(
        [python, "-m", "tests.evaluate.sandbox.attacks", *names],
        cwd=readable_copy, user=65534, group=65534, extra_groups=[], capture_output=True, check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    found = {name: (ran[0], ATTACKS[name].says in ran[1] + ran[2]) for name, ran in json.loads(done.stdout).items()}
    assert found == {name: (ATTACKS[name].outcome, True) for name in names}


# --- Without bubblewrap ----------------------------------------------------------------------------


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bubblewrap, "find", lambda: None)
    sandbox._why_no_bubblewrap.cache_clear()
    yield
    sandbox._why_no_bubblewrap.cache_clear()


@pytest.fixture
def no_sandbox(no_bubblewrap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.evaluate.sandbox.monty.is_installed", lambda: False)


def test_without_a_sandbox_code_is_refused(no_sandbox: None) -> None:
    ran = run(Program(GOOD, TESTS))
    assert (ran.outcome, "install the package `bubblewrap`" in ran.reason) == ("refused", True)


@pytest.mark.parametrize(("option", "variable"), [(True, ""), (False, "yes"), (True, "no")])
def test_to_be_told_once_is_not_enough(
    no_sandbox: None, monkeypatch: pytest.MonkeyPatch, option: bool, variable: str
) -> None:
    monkeypatch.setenv(UNCONFINED, variable)
    assert run(Program(GOOD, TESTS), unconfined=option).outcome == "refused"


def test_told_twice_code_runs_within_limits_alone(no_sandbox: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(UNCONFINED, "yes")
    assert run(Program(GOOD, TESTS), unconfined=True).outcome == "passed"
    assert run(Program("while True:\n    pass", TESTS), LIMITS, unconfined=True).outcome == "timed out"


def test_a_bubblewrap_that_does_not_work_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_sandbox: None
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "find", lambda: str(broken))
    assert run(Program(GOOD, TESTS)).reason == (
        "Bubblewrap, which runs all of Python, does not work here: bwrap: No permissions to create new namespace"
    )


MONTY = {
    "passed": (GOOD, TESTS),
    "failed": ("def double(x):\n    return x", TESTS),
    "timed out": ("while True:\n    pass", TESTS),
    "out of memory": ("hog = []\nwhile True:\n    hog.append('x' * 1000)", TESTS),
    "refused": ("import heapq\n" + GOOD, TESTS),
}


@pytest.mark.parametrize("outcome", MONTY)
def test_monty_runs_what_it_can(no_bubblewrap: None, outcome: str) -> None:
    pytest.importorskip("pydantic_monty")
    code, tests = MONTY[outcome]
    ran = run(Program(code, tests), Limits(cpu=1, memory=50_000_000))
    assert ran.outcome == outcome, ran


def test_monty_reads_no_file(no_bubblewrap: None) -> None:
    pytest.importorskip("pydantic_monty")
    assert "Permission denied" in run(Program("open('/etc/passwd').read()", TESTS)).reason


def test_monty_names_the_test_that_failed(no_bubblewrap: None) -> None:
    pytest.importorskip("pydantic_monty")
    ran = run(Program("def double(x):\n    return x", "assert double(0) == 0\nassert double(2) == 4"))
    assert ran.reason.endswith("on line 2 (`assert double(2) == 4`).")


# --- The filter ------------------------------------------------------------------------------------


def test_a_machine_whose_system_calls_are_unknown_has_no_filter() -> None:
    assert system_call_filter("sparc") is None


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_within_it(machine: str) -> None:
    data = system_call_filter(machine)
    assert data is not None
    steps = [data[at : at + 8] for at in range(0, len(data), 8)]
    jumps = [at + 1 + max(step[2], step[3]) for at, step in enumerate(steps) if step[0] & 7 == 5]
    assert all(target < len(steps) for target in jumps)


def test_the_sandbox_loads_nothing_of_the_rest() -> None:
    script = "import sys, router.evaluate.sandbox; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint({"msgspec", "pydantic_monty", "numpy"})
