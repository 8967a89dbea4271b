"""What all tests share: no keys from outside, a Lab in a folder of its own, an upstream on a real socket."""

from __future__ import annotations

import functools
import io
import ipaddress
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from router.cli import main
from router.lab import Lab
from router.providers.environment import trusted_certificates
from tests.command import Run
from tests.upstream import Upstream, chain_yaml, running_upstream

MakeLab = Callable[..., Lab]

MEMORY, ROOM = Path("/dev/shm"), 4e9  # bytes; a whole run takes 0.6 GB
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    # Databases wait for the disk at each commit, which tests a disk and not us: a fifth of the time of those with one.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# A busy machine is slow, which says nothing about what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI, what drives browsers or processes has more than one try."""
    reruns = int(os.environ.get("FALLBACK_LAB_RERUNS", "0"))
    for item in items:
        if reruns and (item.get_closest_marker("browser") or item.get_closest_marker("process")):
            item.add_marker(pytest.mark.flaky(reruns=reruns))


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "FALLBACK_LAB_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("FALLBACK_LAB_READONLY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FALLBACK_LAB_KEYS", "LOCAL_KEY,OTHER_KEY,CANARY_KEY")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A shell starts background jobs with SIGINT ignored, and every process that a test starts inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def files_are_private() -> None:
    """As in every process once it has opened a Lab; else it would depend on the order of tests."""
    os.umask(0o077)


@pytest.fixture(scope="session", autouse=True)
def nothing_beyond_loopback() -> Iterator[None]:
    """A test that would ask a real provider fails, and says where it went."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_all_but_loopback(address[0])
        connect(self, address)

    def guarded_look_up(host: Any, *args: Any, **rest: Any) -> Any:
        if host is not None:
            _refuse_all_but_loopback(host)
        return look_up(host, *args, **rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket.socket, "connect", guarded_connect)
        patched.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(scope="session", autouse=True)
def certificates_are_read_once() -> Iterator[None]:
    """The system's certificates take longer to read than a Lab to open, and stay what they are."""
    read = functools.cache(lambda *variables: trusted_certificates())
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("router.providers.http.trusted_certificates", lambda: read(*map(os.environ.get, names)))
        yield


def _refuse_all_but_loopback(host: str | bytes) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    try:
        allowed = ipaddress.ip_address(name).is_loopback or name == "0.0.0.0"
    except ValueError:
        allowed = name in ("", "localhost") or name.endswith(".invalid")  # by its rule, no name ends so
    if not allowed:
        raise RuntimeError(f"Tests reach nothing beyond loopback, and this one went for {name}.")


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[Upstream]:
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(upstream_server: Upstream) -> Upstream:
    """The misbehaving server, with nothing scripted and nothing received yet."""
    upstream_server.reset()
    return upstream_server


@pytest.fixture
def make_lab(tmp_path: Path) -> Iterator[MakeLab]:
    """Opens Labs on a models.yaml given as text; they are closed after the test."""
    labs: list[Lab] = []

    def make(text: str, environ: dict[str, str] | None = None) -> Lab:
        path = tmp_path / "models.yaml"
        path.write_text(text, encoding="utf-8")
        lab = Lab(path, environ=environ or {})
        labs.append(lab)
        return lab

    yield make
    for lab in labs:
        lab.close()


# --- The command line ------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, upstream: Upstream) -> Path:
    """A models.yaml with the chain `chat`: primary, then fallback."""
    path = tmp_path / "models.yaml"
    path.write_text(chain_yaml(upstream, "primary", "fallback", retries=0), encoding="utf-8")
    return path


@pytest.fixture
def run(config: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, on the file of `config`; an error that escapes it fails the test."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("router.store.writer.LINGER", 0)  # the end of each command would wait for it

    def invoke(
        *args: str, stdin: bytes | io.BytesIO | None = None, env: Mapping[str, str] = {}, charset: str = "utf-8"
    ) -> Result:
        runner = CliRunner(charset=charset, catch_exceptions=False)
        return runner.invoke(main, ["--config", str(config), *args], input=stdin, env=env)

    return invoke
