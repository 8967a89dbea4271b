"""What all tests share: no keys from outside, a Lab in a folder of its own, an upstream on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.lab import Lab
from tests.upstream import Upstream, running_upstream

MakeLab = Callable[..., Lab]


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "FALLBACK_LAB_CONFIG"):
        monkeypatch.delenv(name, raising=False)


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
