# The few commands people type; `just` lists them.

default:
    @just --list

# start the app on http://localhost:8501
run:
    uv run streamlit run app.py

# all tests; browser tests are skipped without Chromium
test *args:
    uv run pytest {{ args }}

# before each commit: what CI checks, and the tests that start no process
quick: check
    uv run pytest -q -m "not browser and not process"

# what CI checks besides the tests: style, types, and which folder imports which
check:
    uv run ruff check
    uv run ruff format --check
    uv run mypy
    PYTHONPATH=pages uv run lint-imports

# fix what a machine can fix
format:
    uv run ruff check --fix
    uv run ruff format

# the figures in docs/benchmarks.md, a few minutes
bench:
    uv run python -m tests.benchmarks.transports
    uv run python -m tests.benchmarks.chain
    uv run python -m tests.benchmarks.parsing
    uv run python -m tests.benchmarks.graders
    uv run python -m tests.benchmarks.evaluations
    uv run python -m tests.benchmarks.killed
    uv run python -m tests.benchmarks.observed
    uv run python -m tests.benchmarks.dashboard
    uv run python -m tests.benchmarks.dashboard_browser
    uv run python -m tests.benchmarks.tabs
    uv run python -m tests.benchmarks.verdicts
    uv run python -m tests.benchmarks.tuning
    uv run python -m tests.benchmarks.simulation
    uv run python -m tests.benchmarks.searching
    uv run python -m tests.benchmarks.experiments
    uv run python -m tests.benchmarks.endpoint
    uv run python -m tests.benchmarks.streams
    uv run --group bench python -m tests.benchmarks.litellm_router

# the screenshots in docs/images, from the running app
screenshots:
    uv run python -m tests.screenshots
