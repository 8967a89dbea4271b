"""fallback-lab serve: the endpoint in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from router.cli import main
from router.server.serve import listening_on


def run(config: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--config", str(config), "serve", *arguments])
    return result.exit_code, result.output


def test_other_machines_are_let_in_only_with_keys(config: Path) -> None:
    code, output = run(config, "--host", "0.0.0.0")
    assert code == 2
    assert "Name keys for callers in" in output


def test_a_port_that_is_taken_is_one_sentence(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = run(config, "--port", str(port))
    assert code == 2
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in output


def test_a_broken_file_is_one_sentence(config: Path) -> None:
    config.write_text("chains: 5", encoding="utf-8")
    code, output = run(config)
    assert code == 2
    assert output.startswith(str(config))


def test_answers_do_not_wait_for_acknowledgments() -> None:
    """With protocol 0, asyncio does not turn Nagle's algorithm off, and each answer takes 40 ms."""
    with contextlib.closing(listening_on("127.0.0.1", 0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP


@contextlib.contextmanager
def served(config: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command's process once it answers, and where."""
    with contextlib.closing(listening_on("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["fallback-lab", "--config", str(config), "serve", "--port", str(port), "--workers", str(workers)]
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 60
        while not is_up(url):
            assert process.poll() is None
            assert time.monotonic() < until
        yield process, url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def is_up(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", trust_env=False).json() == {"status": "ok"}
    return False


@pytest.mark.process
@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_until_a_signal_ends_it(config: Path, workers: int) -> None:
    with served(config, workers) as (process, url):
        body = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}
        answers = [httpx.post(f"{url}/v1/chat/completions", json=body, trust_env=False) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
    _, errors = process.communicate(timeout=30)
    assert f"{url}/v1" in errors
    assert "Traceback" not in errors


@pytest.mark.process
def test_its_workers_end_with_it_however_it_ends(config: Path) -> None:
    with served(config, workers=2) as (process, url):
        process.kill()
        process.communicate(timeout=30)  # until no process holds its standard error
        assert not is_up(url)
