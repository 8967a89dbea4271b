"""Take the pictures of the README and of the tour from the running app: `just screenshots`.

In the first ones everything is real: the models.yaml of the repository without a key; then a primary that refuses
connections, and the embedded model as its fallback. The dashboard's are of generated traffic.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from playwright.sync_api import FloatRect, Page, ViewportSize, sync_playwright

from router.evaluate.library import Library, joined
from tests.evaluated import Skill, plain_suite, write_run
from tests.traffic import write_traffic

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
SCHEMES: tuple[tuple[Literal["light", "dark"], str], ...] = (("light", "dashboard"), ("dark", "dashboard-dark"))
MODELS_YAML = """
default_provider: workstation
providers:
  workstation: {protocol: openai, base_url: "http://127.0.0.1:9/v1"}
  embedded: {protocol: embedded}
policy: {retries: 0}
chains:
  tools: [qwen3-coder, embedded:smollm2-135m-instruct]
  code: [qwen3-coder, embedded:smollm2-135m-instruct]
  reasoning: [glm-5, embedded:smollm2-135m-instruct]
  conversation: [glm-5, embedded:smollm2-135m-instruct]
"""

TRAFFIC_YAML = """# The chains of the generated traffic
providers:
  openrouter: {protocol: openai, base_url: "https://openrouter.ai/api/v1"}
  openai: {protocol: openai, base_url: "https://api.openai.com/v1"}
  anthropic: {protocol: anthropic, base_url: "https://api.anthropic.com/v1"}
default_provider: openrouter
chains:
  tools:
    - openrouter/aurora-alpha
    - moonshotai/kimi-k2.5
    - openai:gpt-4o-mini
  code:
    - anthropic:claude-sonnet
    - openrouter/aurora-alpha
    - z-ai/glm-5
"""

EXPERIMENT = """
experiments:
  kimi-first:
    category: code
    candidate: [moonshotai/kimi-k2.5, z-ai/glm-5]
    share: 0.2
    latency: 8
    guardrails: {answered: 10 points, latency_p95: 3x}
"""

LANES = {
    "z-ai/glm-5": Skill(0.78, 2.6, 0.0012),
    "moonshotai/kimi-k2.5": Skill(0.72, 1.4, 0.0009),
    "openrouter/aurora-alpha": Skill(0.58, 0.6, 0.0),
    "openai:gpt-4o-mini": Skill(0.46, 0.9, 0.0004),
}


GRADED = {
    "anthropic:claude-sonnet": Skill(0.70, 2.6, 0.009),
    "openrouter/aurora-alpha": Skill(0.66, 1.0, 0.002),
    "z-ai/glm-5": Skill(0.74, 1.4, 0.0012),
    "moonshotai/kimi-k2.5": Skill(0.79, 1.2, 0.0015),
    "openai:gpt-4o-mini": Skill(0.55, 0.7, 0.0004),
}
"""What the Tune page's evidence says of models."""


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        with tempfile.TemporaryDirectory() as folder, _app(Path(folder), (ROOT / "models.yaml").read_text()) as url:
            page = browser.new_page(viewport={"width": 1100, "height": 760})
            page.goto(url)
            _first_minute(page)
        with tempfile.TemporaryDirectory() as folder, _app(Path(folder), MODELS_YAML) as url:
            page = browser.new_page(viewport={"width": 1100, "height": 1000})
            page.goto(url)
            _chat(page)
            page.goto(f"{url}/compare")
            _compare(page)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / ".lab").mkdir(mode=0o700)
            write_traffic(Path(folder) / ".lab" / "lab.sqlite", 60_000, until=time.time() - 60)
            with _app(Path(folder), TRAFFIC_YAML) as url:
                for scheme, name in SCHEMES:
                    size: ViewportSize = {"width": 1300, "height": 1500}
                    page = browser.new_context(viewport=size, color_scheme=scheme, timezone_id="UTC").new_page()
                    page.goto(f"{url}/dashboard")
                    _dashboard(page, name)
                _chains(browser.new_page(viewport={"width": 1300, "height": 1000}), f"{url}/chains")
                runs = Path(folder) / ".lab" / "runs"
                suites = Library(runs)
                suite = joined([suites.find(name).suite for name in ("reasoning", "code")])
                run = write_run(runs / "20260101-000000-0000.jsonl", suite, LANES, repeats=2, at=time.time() - 3600)
                _evaluate(browser.new_page(viewport={"width": 1300, "height": 1180}), f"{url}/evaluate?run={run}")
                graded = runs / "20260102-000000-0000.jsonl"
                write_run(graded, plain_suite("code", 240), GRADED, at=time.time() - 3600)
                (runs / f"{run}.jsonl").unlink()
                _tune(browser.new_page(viewport={"width": 1300, "height": 1480}), f"{url}/tune?category=code")
                (Path(folder) / "models.yaml").write_text(TRAFFIC_YAML + EXPERIMENT, encoding="utf-8")
                _write_experiment(Path(folder) / ".lab" / "lab.sqlite")
                _experiment(browser.new_page(viewport={"width": 1300, "height": 1400}), f"{url}/tune?category=code")


@contextlib.contextmanager
def _app(folder: Path, models_yaml: str) -> Iterator[str]:
    """The app on a models.yaml in that folder; yields its address."""
    config = folder / "models.yaml"
    config.write_text(models_yaml)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=ROOT,
        env={**_without_keys(os.environ), "FALLBACK_LAB_CONFIG": str(config)},
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.wait(timeout=20)


def _without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.endswith("_KEY")}


def _first_minute(page: Page) -> None:
    """What somebody without a key sees first; then a fallback that they have asked for, rated and open."""
    page.get_by_role("button", name="See a fallback happen").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / "tour-welcome.png")
    page.get_by_role("button", name="See a fallback happen").click()
    page.get_by_role("button", name="Regenerate").wait_for(timeout=60_000)
    page.get_by_role("radio", name="Thumbs up").click()
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / "tour-fallback.png")


def _chat(page: Page) -> None:
    prompt = page.get_by_placeholder("Type a prompt")
    prompt.fill("Name three uses of a circuit breaker, in one sentence each.")
    prompt.press("Enter")
    page.get_by_role("button", name="Regenerate").wait_for(timeout=60_000)
    page.get_by_text("Trace", exact=True).click()
    page.locator("[data-testid='stVegaLiteChart'] canvas, [data-testid='stVegaLiteChart'] svg").first.wait_for()
    page.wait_for_timeout(1000)
    page.screenshot(path=IMAGES / "chat.png")


def _evaluate(page: Page, url: str) -> None:
    """The verdict of a run, then its cases with one answer open."""
    page.goto(url)
    page.locator("[data-testid='stVegaLiteChart'] canvas, [data-testid='stVegaLiteChart'] svg").first.wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / "evaluate.png")
    page.get_by_role("radio", name="Cases").click()
    page.get_by_text("Click a lane's cell").wait_for()
    page.wait_for_timeout(1000)
    table = page.get_by_test_id("stDataFrame").bounding_box()
    assert table is not None
    page.mouse.click(table["x"] + 700, table["y"] + 125)
    page.get_by_text("Your grade").wait_for()
    page.wait_for_timeout(1000)
    page.set_viewport_size({"width": 1300, "height": 1500})
    page.wait_for_timeout(1000)
    page.screenshot(path=IMAGES / "evaluate-cases.png")


def _tune(page: Page, url: str) -> None:
    """A better chain, and what would become of requests while a provider is down."""
    page.goto(url)
    page.get_by_role("button", name="Review and save").wait_for(timeout=60_000)
    page.get_by_text("Simulated: the engine itself").wait_for(timeout=60_000)
    page.get_by_label("Primary", exact=True).click()
    page.get_by_role("option", name="moonshotai/kimi-k2.5").click()
    page.get_by_text("Review this chain").wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(3000)
    page.screenshot(path=IMAGES / "tune.png")


def _write_experiment(database: Path) -> None:
    """A part of the generated traffic as an experiment's: a candidate that answers 98.5% beside a chain's 95.5%."""
    draw = random.Random(4)
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        ids = connection.execute(
            "SELECT id FROM requests WHERE category = 'code' AND outcome = 'answered' AND model IS NOT NULL"
            " ORDER BY id DESC LIMIT 6000"
        ).fetchall()
        for (number,) in ids:
            is_candidate = draw.random() < 0.2
            answered = draw.random() < (0.985 if is_candidate else 0.955)
            connection.execute(
                "UPDATE requests SET source = 'endpoint', experiment = 'kimi-first', arm = ?, probability = ?,"
                " outcome = ?, latency = ?, cost = ?, cached = 0, shared = 0, stand_in = 0, keyless = 0, injected = 0"
                " WHERE id = ?",
                ("candidate" if is_candidate else "current", 0.2 if is_candidate else 0.8,
                 "answered" if answered else "failed", draw.lognormvariate(0.9 if is_candidate else 1.3, 0.5),
                 draw.lognormvariate(-6.6 if is_candidate else -5.1, 0.6), number),
            )  # fmt: skip


def _experiment(page: Page, url: str) -> None:
    """What an experiment has said so far."""
    page.goto(url)
    page.get_by_role("heading", name="Experiments").wait_for(timeout=60_000)
    card = page.locator("[class*='st-key-experiment_']").first
    card.locator("canvas, svg").last.wait_for(timeout=60_000)
    page.mouse.move(0, 0)
    page.wait_for_timeout(4000)
    card.screenshot(path=IMAGES / "experiment.png")


def _compare(page: Page) -> None:
    """Two chains and the embedded model itself, side by side."""
    page.set_viewport_size({"width": 1300, "height": 1000})
    page.get_by_role("button", name="Add a lane").click()
    page.get_by_label("Lane 3").wait_for()
    page.get_by_label("Prompt", exact=True).first.fill("Name three uses of a circuit breaker, in one sentence each.")
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("button", name="Stop all").wait_for()
    page.get_by_role("button", name="Stop all").wait_for(state="detached", timeout=90_000)
    page.mouse.move(0, 0)  # over a chart it would open that chart's toolbar
    page.wait_for_timeout(2000)
    page.screenshot(path=IMAGES / "compare.png")


def _dashboard(page: Page, name: str) -> None:
    """On generated traffic; then what is behind a mark."""
    page.get_by_text("Cost over time", exact=True).wait_for(timeout=60_000)
    page.wait_for_timeout(4000)
    page.screenshot(path=IMAGES / f"{name}.png")
    if name == "dashboard":
        page.locator("[class*='st-key-chart_chosen'] path[aria-label*='fallback 1']").first.click()
        row = page.get_by_role("dialog").get_by_test_id("stDataFrame")
        row.wait_for()
        page.get_by_role("dialog").get_by_text("Slowest").click()
        page.set_viewport_size({"width": 1300, "height": 800})
        page.wait_for_timeout(2500)
        box = row.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 15, box["y"] + 55)
        page.get_by_text("seconds since the request began").or_(page.get_by_text("Trace")).first.wait_for()
        page.wait_for_timeout(2500)
        page.screenshot(path=IMAGES / "trace.png")


def _chains(page: Page, url: str) -> None:
    """The order of two models is changed, and not saved yet."""
    page.goto(url)
    page.get_by_role("button", name="Move openai:gpt-4o-mini up").click()
    page.get_by_text("Save").first.wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)
    below_the_path: FloatRect = {"x": 0, "y": 170, "width": 1300, "height": 800}
    page.screenshot(path=IMAGES / "chains.png", clip=below_the_path)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("The app did not start.")


if __name__ == "__main__":
    main()
