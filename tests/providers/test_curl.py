"""A request as people look at it: what the shell makes of it is what would be sent."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.providers import Sent
from router.providers.curl import as_curl, as_json

URL = "http://127.0.0.1:1/v1/chat/completions"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}


def arguments(command: str, **environ: str) -> list[str]:
    """What curl would be called with."""
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    run = subprocess.run(["sh", "-c", script], capture_output=True, env={**os.environ, **environ}, check=True)
    return run.stdout.decode().split("\0")[:-1]


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=30)
def test_any_text_comes_through_the_shell(text: str) -> None:
    assert json.loads(arguments(as_curl(Sent(URL, {}, {"prompt": text})))[-1]) == {"prompt": text}


@pytest.mark.parametrize("header", [("Authorization", "Bearer ${A_KEY}"), ("x-api-key", "${A_KEY}")])
def test_the_shell_fills_the_key_in(header: tuple[str, str]) -> None:
    given = arguments(as_curl(Sent(URL, dict([header]), {})), A_KEY="sk-1")
    assert f"{header[0]}: {header[1]}".replace("${A_KEY}", "sk-1") in given


@pytest.mark.parametrize("text", ["$HOME", "`id`", "$(id)$HOME", "it's"])
def test_no_other_header_is_touched_by_the_shell(text: str) -> None:
    assert f"X-Team: {text}" in arguments(as_curl(Sent(URL, {"X-Team": text}, {})))


@pytest.mark.parametrize("show", [as_json, as_curl])
def test_a_file_is_cut_short(show: object) -> None:
    assert callable(show)
    shown = show(Sent(URL, {}, {"messages": ({"content": [IMAGE]},)}))
    assert "data:image/png;base64,…" in shown
    assert len(shown) < 1_000


def test_the_body_is_shown_as_json() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Grüße"}]}
    assert json.loads(as_json(Sent(URL, {}, body))) == body
