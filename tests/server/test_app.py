"""What the app's process holds while pages run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RUN_A_PAGE = """
import sys
from app import app
from streamlit.runtime.scriptrunner.exec_code import modified_sys_path

before = list(sys.path)
with modified_sys_path(app._script_path.as_posix()):
    assert sys.path == before, sys.path
"""


@pytest.mark.process
def test_a_run_of_a_page_leaves_the_import_path_alone_which_other_threads_read() -> None:
    subprocess.run([sys.executable, "-c", RUN_A_PAGE], check=True, cwd=ROOT, timeout=60)
