"""What a fresh process loads: who uses the engine alone, or asks for help, waits for nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

DATABASE = {"sqlalchemy", "alembic"}
TABLES = {"numpy", "pandas", "pyarrow", "scipy"}
HTTP = {"httpx", "aiohttp"}
FILES = {"pydantic", "yaml"}
OTHERS = {"PIL", "jsonschema", "jsonschema_rs", "streamlit"}


def loaded_by(statement: str) -> set[str]:
    """The modules that a new process has loaded when it ends."""
    script = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {statement}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_engine_loads_no_database_no_tables_no_http_and_nothing_that_reads_models_yaml() -> None:
    assert loaded_by("import router.engine").isdisjoint(DATABASE | TABLES | HTTP | FILES | OTHERS)


def test_the_help_of_the_command_line_loads_no_engine() -> None:
    loaded = loaded_by("from router.cli import main; main(['--help'])")
    assert loaded.isdisjoint(
        DATABASE | TABLES | HTTP | OTHERS | {"router.lab", "router.engine", "router.config.schema"}
    )


def test_a_lab_loads_no_tables_and_no_images() -> None:
    assert loaded_by("import router.lab").isdisjoint(TABLES | {"PIL", "alembic"})
