"""The tests; what they and the processes that they start import is compiled once, also where Python may not keep that.

Containers often set PYTHONDONTWRITEBYTECODE. Each of some sixty processes would then compile all that it imports, which
takes twice as long as what it is started for.
"""

import os
import sys
from pathlib import Path

if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    del os.environ["PYTHONDONTWRITEBYTECODE"]
