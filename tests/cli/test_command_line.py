"""The command line: what people type, what goes to stdout and to stderr, and the exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner, Result

from router.cli import main
from tests.command import KEY, Run, logged, with_key
from tests.upstream import Received, Upstream, answer, chain_yaml, cut_after, silent, stall_after, status

GOOD = "A whole answer."
BROKEN_OFF = "(This answer does not count. The next model starts over.)"
PROGRAM = Path(sys.executable).with_name("fallback-lab")


@pytest.fixture
def no_option(run: Run) -> Callable[..., Result]:
    """Runs `check` without --config."""
    return lambda *args, **env: CliRunner(catch_exceptions=False).invoke(main, [*args, "check"], env=env)


def environment() -> dict[str, str]:
    """The environment of a real process, without the keys of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}


def program(config: Path, *args: str | bytes, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [PROGRAM, "--config", config, *args],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )


def wait_until(ready: Callable[[], object], within: float = 20) -> None:
    """Look again and again until something is so."""
    end = time.monotonic() + within
    while not ready():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def is_one_line(text: str) -> bool:
    """One line that people can read: the end of a traceback is none."""
    return text.count("\n") == 1 and text.endswith((".\n", "?\n")) and "Traceback" not in text


@pytest.mark.parametrize("command", main.list_commands(click.Context(main)))
def test_the_help_names_each_command_which_has_help_of_its_own(run: Run, command: str) -> None:
    assert f"\n  {command} " in run("--help").stdout
    assert run(command, "--help").stdout.startswith(f"Usage: main {command} ")


# --- ask: stdout and stderr ------------------------------------------------------------------------


def test_the_answer_alone_is_on_stdout(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", answer(GOOD))
    assert run("ask", "Hello?").stdout == f"{GOOD}\n"


def test_an_answer_s_images_are_said(upstream: Upstream, run: Run) -> None:
    images = ("data:image/png;base64," + "A" * 4000, "https://host.example/b.png")
    upstream.script("primary", answer("Look:", images=images))
    assert run("ask", "Draw.").stdout == "Look:\n[image/png, 3.0 kB]\n[https://host.example/b.png]\n"


def test_an_answered_prompt_exits_with_0(run: Run) -> None:
    assert run("ask", "Hello?").exit_code == 0


def test_the_trace_begins_with_the_way_to_the_answer_in_one_line(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404, "No such model."))
    first = run("ask", "Hello?").stderr.splitlines()[0]
    assert re.fullmatch(r"primary ✕ 404 · .+ m?s → fallback ✓ .+ m?s · total .+ m?s · \$0\.00042", first)


def test_the_trace_on_stderr_has_one_line_an_attempt(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404, "No such model."))
    first, second = run("ask", "Hello?").stderr.splitlines()[1:]
    assert first == "✕ primary: failed: No such model."
    assert second.startswith("✓ fallback: answered in ")


def test_a_piped_trace_has_one_line_an_attempt_however_long_it_is(upstream: Upstream, run: Run) -> None:
    """Eighty columns are for people; what reads a pipe wants lines."""
    upstream.script("primary", status(404, "No such model. " * 20))
    assert len(run("ask", "Hello?", env={"COLUMNS": "80"}).stderr.splitlines()) == 3


def test_the_prompt_is_what_is_asked(upstream: Upstream, run: Run) -> None:
    run("ask", "Grüße, 你好 🎉")
    assert upstream.requests[0].body["messages"] == [{"role": "user", "content": "Grüße, 你好 🎉"}]


def test_a_dash_reads_the_prompt_from_standard_input(upstream: Upstream, run: Run) -> None:
    run("ask", "-", stdin="Grüße,\n你好 🎉\n".encode())
    assert upstream.requests[0].body["messages"] == [{"role": "user", "content": "Grüße,\n你好 🎉\n"}]


def test_a_system_prompt_goes_first(upstream: Upstream, run: Run) -> None:
    run("ask", "--system", "Be brief.", "Hello?")
    system, user = upstream.requests[0].body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user == {"role": "user", "content": "Hello?"}


def test_a_broken_off_answer_is_said_on_stderr(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", cut_after(3))
    assert BROKEN_OFF in run("ask", "Hello?").stderr


def test_a_broken_off_answer_is_no_part_of_what_is_piped(upstream: Upstream, run: Run) -> None:
    """`fallback-lab ask … > answer.txt` must not hold the start of another answer."""
    upstream.script("primary", cut_after(3))
    upstream.script("fallback", answer(GOOD))
    assert run("ask", "Hello?").stdout == f"{GOOD}\n"


@pytest.mark.usefixtures("terminal")
def test_a_terminal_is_shown_the_answer_once_and_on_a_line_of_its_own(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", answer(GOOD))
    assert run("ask", "Hello?").stdout == f"{GOOD}\n"


@pytest.mark.usefixtures("terminal")
def test_a_terminal_is_told_where_one_answer_ends_and_the_next_begins(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", cut_after(2))
    upstream.script("fallback", answer(GOOD))
    lines = [line.strip() for line in run("ask", "Hello?").output.splitlines() if line.strip()]
    assert lines[:3] == ["word1 word2", BROKEN_OFF, GOOD]


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_is_shown_the_answer_as_it_comes(config: Path, upstream: Upstream) -> None:
    upstream.script("primary", stall_after(1))
    upstream.script("fallback", answer(GOOD))
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [PROGRAM, "--config", config, "ask", "Hello?"], env=environment(), stdout=theirs, stderr=subprocess.DEVNULL
        ) as process:
            try:
                assert select.select([ours], [], [], 20)[0]
                assert os.read(ours, 100).startswith(b"word1")
                assert process.poll() is None
            finally:
                process.kill()
    finally:
        os.close(ours)
        os.close(theirs)


# --- ask: who answers ------------------------------------------------------------------------------


@pytest.fixture
def two_chains(config: Path, upstream: Upstream) -> Callable[[str, str], None]:
    """Writes a models.yaml with two chains; each has one model, named after it."""

    def write(first: str, second: str) -> None:
        file = json.loads(chain_yaml(upstream, "unused"))
        config.write_text(json.dumps({**file, "chains": {first: [first], second: [second]}}), encoding="utf-8")

    return write


@pytest.mark.parametrize("option", ["--category", "-c"])
def test_the_category_that_is_named_answers(
    upstream: Upstream, run: Run, two_chains: Callable[[str, str], None], option: str
) -> None:
    two_chains("code", "conversation")
    run("ask", option, "code", "Hello?")
    assert [call.model for call in upstream.requests] == ["code"]


def test_without_a_category_conversation_answers(
    upstream: Upstream, run: Run, two_chains: Callable[[str, str], None]
) -> None:
    two_chains("code", "conversation")
    run("ask", "Hello?")
    assert [call.model for call in upstream.requests] == ["conversation"]


def test_without_a_category_and_without_conversation_the_first_chain_answers(
    upstream: Upstream, run: Run, two_chains: Callable[[str, str], None]
) -> None:
    two_chains("tools", "code")
    run("ask", "Hello?")
    assert [call.model for call in upstream.requests] == ["tools"]


@pytest.mark.parametrize("reference", ["other", "local:other"])
def test_the_model_that_is_named_is_asked(upstream: Upstream, run: Run, reference: str) -> None:
    run("ask", "--model", reference, "Hello?")
    assert [call.model for call in upstream.requests] == ["other"]


def test_a_model_that_is_named_has_no_fallback(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", then=status(404))
    run("ask", "--model", "primary", "Hello?")
    assert upstream.received("fallback") == []


# --- ask --json ------------------------------------------------------------------------------------


def ask_json(run: Run, *args: str) -> dict[str, Any]:
    return dict(json.loads(run("ask", "--json", *args, "Hello?").stdout))


def test_json_has_all_its_keys(run: Run) -> None:
    promised = "text model served_model provider category cached finish_reason usage cost latency_s ttft_s attempts"
    assert set(promised.split()) <= set(ask_json(run))


def test_json_is_one_object_on_one_line(run: Run) -> None:
    text = run("ask", "--json", "Hello?").stdout
    assert text.startswith("{") and text.endswith("}\n") and text.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("text", GOOD),
        ("model", "fallback"),
        ("served_model", "fallback-2026"),
        ("provider", "local"),
        ("category", "chat"),
        ("cached", False),
        ("finish_reason", "length"),
        ("cost", 0.00042),  # a call that was refused costs nothing
    ],
)
def test_json_says_what_answered(upstream: Upstream, run: Run, key: str, value: object) -> None:
    upstream.script("primary", status(404))
    upstream.script("fallback", answer(GOOD, model="fallback-2026", finish_reason="length"))
    assert ask_json(run)[key] == value


def test_json_says_what_the_answer_cost(run: Run) -> None:
    assert ask_json(run)["cost"] == 0.00042


def test_json_has_the_tokens(run: Run) -> None:
    usage = ask_json(run)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (11, 7)


def test_json_of_a_server_that_reports_no_usage_has_none(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", answer(usage=None))
    assert ask_json(run)["usage"] is None


def test_json_times_are_seconds(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", answer(delay=0.2))
    told = ask_json(run)
    assert 0.2 <= told["ttft_s"] <= told["latency_s"] < 20


def test_json_has_every_attempt_with_its_reason(upstream: Upstream, run: Run) -> None:
    upstream.script("primary", status(404))
    attempts = [(each["model"], each["outcome"], each["reason"]) for each in ask_json(run)["attempts"]]
    assert attempts == [("primary", "failed", "model_not_found"), ("fallback", "answered", None)]


def test_json_of_a_single_model_has_no_category(run: Run) -> None:
    assert ask_json(run, "--model", "primary")["category"] is None


def test_json_of_a_cached_answer_says_so(run: Run) -> None:
    ask_json(run)
    assert ask_json(run)["cached"] is True


# --- The cache -------------------------------------------------------------------------------------


def test_the_same_prompt_again_is_answered_from_the_cache(upstream: Upstream, run: Run) -> None:
    first = run("ask", "Hello?").stdout
    assert (run("ask", "Hello?").stdout, len(upstream.requests)) == (first, 1)


def test_no_cache_does_not_read_it(upstream: Upstream, run: Run) -> None:
    run("ask", "Hello?")
    run("ask", "--no-cache", "Hello?")
    assert len(upstream.requests) == 2


def test_no_cache_does_not_write_to_it(upstream: Upstream, run: Run) -> None:
    run("ask", "--no-cache", "Hello?")
    run("ask", "Hello?")
    assert len(upstream.requests) == 2


# --- Exit 1: all models failed ---------------------------------------------------------------------


@pytest.fixture
def failing(upstream: Upstream) -> None:
    upstream.script("primary", then=status(404, "No such model."))
    upstream.script("fallback", then=status(402, "No credits left."))


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["streamed", "json"])
class TestAllModelsFailed:
    def test_it_exits_with_1(self, run: Run, options: Sequence[str]) -> None:
        assert run("ask", *options, "Hello?").exit_code == 1

    def test_nothing_is_on_stdout(self, run: Run, options: Sequence[str]) -> None:
        assert run("ask", *options, "Hello?").stdout == ""

    def test_every_attempt_and_the_last_error_are_on_stderr(self, run: Run, options: Sequence[str]) -> None:
        assert run("ask", *options, "Hello?").stderr.splitlines()[1:] == [
            "✕ primary: failed: No such model.",
            "✕ fallback: failed: No credits left.",
            "All models failed. Last error: No credits left.",
        ]


WANTS_JSON = {"models": ["primary"], "params": {"response_format": {"type": "json_object"}}}


@pytest.fixture
def strict(config: Path, upstream: Upstream) -> None:
    """The one model's answers are no JSON, and only JSON is accepted."""
    text = json.loads(chain_yaml(upstream, "primary", on_invalid_json="next"))
    config.write_text(json.dumps({**text, "chains": {"chat": WANTS_JSON}}), encoding="utf-8")
    upstream.script("primary", then=answer(GOOD))


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["streamed", "json"])
def test_an_answer_that_is_not_accepted_is_on_stderr_alone(run: Run, options: Sequence[str]) -> None:
    done = run("ask", *options, "Hello?")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"The last answer, which was not accepted: {GOOD}" in done.stderr.splitlines()


@pytest.mark.process
def test_a_real_process_exits_with_1_where_all_models_failed(failing: None, config: Path) -> None:
    done = program(config, "ask", "Hello?")
    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.process
def test_a_real_process_puts_the_answer_on_stdout_and_exits_with_0(config: Path, upstream: Upstream) -> None:
    upstream.script("primary", answer(GOOD))
    done = program(config, "ask", "Hello?")
    assert (done.returncode, done.stdout) == (0, f"{GOOD}\n".encode())


# --- Exit 2: a bad file ----------------------------------------------------------------------------

BAD_FILES = {
    "empty": (b"", "empty"),
    "not YAML": (b"chains: [a\n", "not valid YAML"),
    "not UTF-8": (b"chains: {a: [\xff]}\n", "not UTF-8"),
    "a list": (b"- a\n", "must be a mapping"),
    "an unknown key": (b"chains: {a: [b]}\npolcy: {}\n", "line 2: unknown key `polcy`. Did you mean `policy`?"),
    "no chain": (b"chains: {}\n", "empty"),
    "an empty chain": (b"chains: {a: []}\n", "at least one model"),
    "an unknown default provider": (b"default_provider: openruter\nchains: {a: [b]}\n", "Did you mean `openrouter`?"),
}

each_command = pytest.mark.parametrize("command", [("ask", "Hello?"), ("check",), ("log",)], ids=lambda args: args[0])


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=BAD_FILES)
@each_command
def test_a_bad_file_is_one_line_and_exit_2(
    config: Path, run: Run, command: Sequence[str], content: bytes, words: str
) -> None:
    config.write_bytes(content)
    result = run(*command)
    assert words in result.stderr
    assert (result.exit_code, result.stdout, is_one_line(result.stderr)) == (2, "", True)


@each_command
def test_a_missing_file_is_one_line_and_exit_2(config: Path, run: Run, command: Sequence[str]) -> None:
    config.unlink()
    result = run(*command)
    assert str(config) in result.stderr
    assert (result.exit_code, result.stdout, is_one_line(result.stderr)) == (2, "", True)


def test_a_folder_in_place_of_the_file_is_one_line_and_exit_2(config: Path, run: Run) -> None:
    config.unlink()
    config.mkdir()
    result = run("check")
    assert (result.exit_code, is_one_line(result.stderr)) == (2, True)


def test_a_path_that_is_no_text_is_exit_2(no_option: Callable[..., Result]) -> None:
    result = no_option("--config", "\udcff.yaml")
    assert (result.exit_code, is_one_line(result.stderr)) == (2, True)


def test_a_key_in_the_file_itself_is_not_repeated(config: Path, run: Run) -> None:
    provider = {"protocol": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": KEY}
    config.write_text(json.dumps({"providers": {"local": provider}, "chains": {"a": ["b"]}}), encoding="utf-8")
    result = run("check")
    assert (result.exit_code, KEY in result.output) == (2, False)


# --- Exit 2: wrong usage ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("ask",), id="no prompt"),
        pytest.param(("ask", "Hello,", "world"), id="a prompt without quotes"),
        pytest.param(("ask", "--categroy", "chat", "Hello?"), id="an unknown option"),
        pytest.param(("ask", "--category", "caht", "Hello?"), id="an unknown category"),
        pytest.param(("ask", "--category", "", "Hello?"), id="an empty category"),
        pytest.param(("ask", "--category", "\udc80", "Hello?"), id="a category that is no text"),
        pytest.param(("ask", "--model", "", "Hello?"), id="an empty model"),
        pytest.param(("ask", "--model", " ", "Hello?"), id="a blank model"),
        pytest.param(("ask", "--model", "\udc80", "Hello?"), id="a model that is no text"),
        pytest.param(("ask", "--category", "chat", "--model", "primary", "Hello?"), id="a category and a model"),
        pytest.param(("aks", "Hello?"), id="an unknown command"),
        pytest.param(("log", "--last", "0"), id="none of the last"),
        pytest.param(("log", "--since", "yesterday-ish"), id="a time that is none"),
        pytest.param(("log", "--category", "\udc80"), id="a filter by a category that is no text"),
        pytest.param(("log", "--model", "\udc80"), id="a filter by a model that is no text"),
        pytest.param(("log", "--last", "many"), id="a number that is none"),
    ],
)
class TestWrongUsage:
    def test_it_exits_with_2(self, run: Run, args: Sequence[str]) -> None:
        assert run(*args).exit_code == 2

    def test_nothing_goes_on_the_wire(self, upstream: Upstream, run: Run, args: Sequence[str]) -> None:
        run(*args)
        assert upstream.requests == []


def test_an_unknown_category_is_told_with_the_nearest_one(run: Run) -> None:
    assert run("ask", "--category", "caht", "Hello?").stderr.endswith("has no chain `caht`. Did you mean `chat`?\n")


def test_more_of_the_log_than_a_database_can_count_is_no_crash(run: Run) -> None:
    assert run("log", "--last", "99999999999999999999").exit_code in (0, 2)


# --- Exit 2: prompts that cannot be sent -----------------------------------------------------------

BAD_PROMPTS = {
    "empty": "",
    "white space": " \n\t",
    "5 MB": "a" * 5_000_000,
    "NUL": "a\0b",
    "half a surrogate pair": "a\ud83d",
    "a byte that is no UTF-8": "a\udc80",
}

each_bad_prompt = pytest.mark.parametrize("prompt", BAD_PROMPTS.values(), ids=BAD_PROMPTS)


@each_bad_prompt
def test_a_bad_prompt_exits_with_2(run: Run, prompt: str) -> None:
    assert run("ask", prompt).exit_code == 2


@each_bad_prompt
def test_a_bad_prompt_is_told_in_one_line(run: Run, prompt: str) -> None:
    assert is_one_line(run("ask", prompt).stderr)


@each_bad_prompt
def test_a_bad_prompt_does_not_go_on_the_wire(upstream: Upstream, run: Run, prompt: str) -> None:
    run("ask", prompt)
    assert upstream.requests == []


@pytest.mark.parametrize(
    "stdin", [b"", b"a" * 5_000_000, b"a\0b", b"a\xff\xfe"], ids=["empty", "5 MB", "NUL", "invalid UTF-8"]
)
def test_a_bad_prompt_on_standard_input_is_refused_like_any_other(upstream: Upstream, run: Run, stdin: bytes) -> None:
    result = run("ask", "-", stdin=stdin)
    assert (result.exit_code, is_one_line(result.stderr.splitlines(keepends=True)[-1])) == (2, True)
    assert upstream.requests == []


@pytest.mark.parametrize("system", ["a\0b", "a\udc80"], ids=["NUL", "a byte that is no UTF-8"])
def test_a_bad_system_prompt_is_refused_like_any_other(upstream: Upstream, run: Run, system: str) -> None:
    result = run("ask", "--system", system, "Hello?")
    assert (result.exit_code, is_one_line(result.stderr)) == (2, True)
    assert upstream.requests == []


@pytest.mark.process
def test_bytes_that_are_no_text_are_refused_by_a_real_process(config: Path, upstream: Upstream) -> None:
    done = program(config, "ask", b"a\x80b")
    assert (done.returncode, done.stdout, is_one_line(done.stderr.decode())) == (2, b"", True)
    assert upstream.requests == []


# --- Keys ------------------------------------------------------------------------------------------


def test_the_key_goes_to_the_provider(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    run("ask", "Hello?", env={"LOCAL_KEY": KEY})
    assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", [f"{KEY}\n", f"\r\n{KEY}"], ids=["at its end", "at its start"])
def test_a_line_break_around_a_key_is_dropped(config: Path, upstream: Upstream, run: Run, key: str) -> None:
    with_key(config, upstream)
    run("ask", "Hello?", env={"LOCAL_KEY": key})
    assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"


INNER_BREAK = KEY[:12] + "\n" + KEY[12:]


def test_a_key_with_a_line_break_in_it_is_never_sent(config: Path, upstream: Upstream, run: Run) -> None:
    with_key(config, upstream)
    result = run("ask", "Hello?", env={"LOCAL_KEY": INNER_BREAK})
    assert (result.exit_code, upstream.requests) == (1, [])


@pytest.mark.parametrize("command", [("ask", "Hello?"), ("check",)], ids=["ask", "check"])
def test_a_key_with_a_line_break_in_it_is_named_and_not_shown(
    config: Path, upstream: Upstream, run: Run, command: Sequence[str]
) -> None:
    with_key(config, upstream)
    text = run(*command, env={"LOCAL_KEY": INNER_BREAK}).output
    assert "LOCAL_KEY contains a line break" in text
    assert KEY[:12] not in text


@pytest.mark.parametrize("key", [KEY, f"{KEY}\n"], ids=["plain", "with a line break at its end"])
def test_a_key_that_the_server_echoes_is_not_shown(config: Path, upstream: Upstream, run: Run, key: str) -> None:
    with_key(config, upstream)
    for model in ("primary", "fallback"):
        upstream.script(model, status(401, f"Incorrect API key provided: {KEY}."))
    result = run("ask", "Hello?", env={"LOCAL_KEY": key})
    assert "Incorrect API key provided" in result.stderr
    assert KEY not in result.output


# --- Which file ------------------------------------------------------------------------------------


def test_the_file_in_the_current_folder_is_used(
    config: Path, no_option: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    assert f"{config} is valid." in no_option().stdout


def test_the_file_that_the_environment_names_is_used(config: Path, no_option: Callable[..., Result]) -> None:
    assert f"{config} is valid." in no_option(FALLBACK_LAB_CONFIG=str(config)).stdout


def test_the_option_wins_over_the_environment(config: Path, no_option: Callable[..., Result]) -> None:
    assert f"{config} is valid." in no_option("--config", str(config), FALLBACK_LAB_CONFIG="/nowhere.yaml").stdout


# --- Ctrl-C ----------------------------------------------------------------------------------------


class Interrupted(NamedTuple):
    code: int
    stdout: bytes
    stderr: bytes
    call: Received


@pytest.fixture(scope="module", params=[(), ("--json",)], ids=["streamed", "json"])
def interrupted(
    request: pytest.FixtureRequest, upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Interrupted:
    """Ctrl-C while a silent server is waited for."""
    upstream_server.reset()
    upstream_server.script("silent", then=silent)
    config = tmp_path_factory.mktemp("interrupted") / "models.yaml"
    config.write_text(chain_yaml(upstream_server, "silent", "fallback"), encoding="utf-8")
    command = [PROGRAM, "--config", config, "ask", *request.param, "Hello?"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: upstream_server.received("silent"))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    return Interrupted(process.returncode, out, err, upstream_server.wait_closed("silent"))


@pytest.mark.process
def test_ctrl_c_exits_with_130(interrupted: Interrupted) -> None:
    assert interrupted.code == 130


@pytest.mark.process
def test_ctrl_c_says_so_without_a_traceback(interrupted: Interrupted) -> None:
    assert (interrupted.stdout, interrupted.stderr) == (b"", b"Stopped.\n")


@pytest.mark.process
def test_ctrl_c_closes_the_connection_upstream(interrupted: Interrupted) -> None:
    assert interrupted.call.disconnected


class StopsWhileReading(io.BytesIO):
    """Ctrl-C comes while the prompt is read."""

    def read(self, size: int | None = -1) -> bytes:
        if size == 0:  # click's runner only looks what kind of file it is
            return b""
        raise KeyboardInterrupt


def test_ctrl_c_while_the_prompt_is_typed_exits_with_130(run: Run) -> None:
    assert run("ask", "-", stdin=StopsWhileReading()).exit_code == 130


def test_ctrl_c_while_the_lab_opens_exits_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("router.cli.ask.Lab", stopped)
    assert run("ask", "Hello?").exit_code == 130


def test_ctrl_c_is_logged_as_cancelled(config: Path, upstream: Upstream, run: Run) -> None:
    def stopped(seconds: float) -> None:
        wait_until(lambda: upstream.requests)
        raise KeyboardInterrupt

    upstream.script("primary", then=silent)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("router.cli.ask.time", type("Time", (), {"sleep": staticmethod(stopped)}))
        run("ask", "Hello?")
    assert [(call["model"], call["outcome"]) for call in logged(run)] == [("primary", "cancelled")]


# --- A stdout that takes nothing -------------------------------------------------------------------


@pytest.mark.process
def test_a_reader_that_went_away_is_no_traceback(config: Path, upstream: Upstream) -> None:
    """As in `fallback-lab ask … | head -1`."""
    upstream.script("primary", answer(tokens=20_000))
    read, write = os.pipe()
    os.close(read)
    try:
        done = program(config, "ask", "Hello?", stdout=write)
    finally:
        os.close(write)
    assert b"Traceback" not in done.stderr


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_under_stdout_is_no_traceback(config: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = program(config, "ask", "Hello?", stdout=full.fileno())
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--no-cache", "--json"])
def test_an_answer_that_stdout_s_encoding_does_not_have_is_printed(upstream: Upstream, run: Run, option: str) -> None:
    """A pipe on Windows has the encoding cp1252."""
    upstream.script("primary", answer("Grüße, 你好 🎉"))
    assert run("ask", option, "Hello?", charset="cp1252").exit_code == 0
