# The few commands people type; `just` lists them.

default:
    @just --list

# start the app on http://localhost:8501
run:
    uv run streamlit run app.py

# all tests; those in a browser are skipped where there is no Chromium
test *args:
    uv run pytest {{ args }}

# what CI checks besides the tests
check:
    uv run ruff check
    uv run ruff format --check
    uv run mypy

# mend what can be mended by a machine
format:
    uv run ruff check --fix
    uv run ruff format

# the figures in docs/benchmarks.md, a few minutes
bench:
    uv run python -m tests.benchmarks.transports
    uv run python -m tests.benchmarks.chain
    uv run python -m tests.benchmarks.parsing
    uv run python -m tests.benchmarks.observed
    uv run python -m tests.benchmarks.dashboard
    uv run --group bench python -m tests.benchmarks.litellm_router

# the pictures in docs/images, from the running app
screenshots:
    uv run python -m tests.screenshots
