"""What code that nobody trusts may try, and what is to come of each; run by tests as whoever runs them, and by others.

As a script, it runs all of them and prints what came of each as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import NamedTuple

from router.evaluate.sandbox import Limits, Outcome, Program, Ran, run

TESTS = "assert double(2) == 4"
GOOD = "def double(x):\n    return 2 * x\n"


class Attack(NamedTuple):
    """Attributes: outcome: what is to come of it. says: what its reason or its output contains."""

    code: str
    outcome: Outcome
    says: str = ""
    tests: str = TESTS


LIMITS = Limits(cpu=1, wall=60, memory=300_000_000, processes=6, output=200_000)

_BOMB = """
import os
children = 0
try:
    while children < 40:
        if os.fork() == 0:
            import time
            time.sleep(60)
        children += 1
except BlockingIOError:
    pass
print(children, "children")
"""

ATTACKS = {
    "none": Attack(GOOD, "passed"),
    "an endless loop": Attack("while True:\n    pass", "timed out"),
    "an endless loop that ignores the signal of its limit": Attack(
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True:\n    pass", "timed out"
    ),
    "more memory than there is": Attack("hog = []\nwhile True:\n    hog.append('x' * 1_000_000)", "out of memory"),
    "a small fork bomb": Attack(_BOMB + GOOD, "passed", " children"),
    "a flood of output": Attack("while True:\n    print('x' * 10_000)", "failed", "File too large"),
    "a flood of output that goes on when told to stop": Attack(
        "import os\ntry:\n    while True:\n        os.write(1, b'x' * 10_000)\nexcept OSError:\n    os._exit(0)",
        "failed",
        "It printed more than 200,000 bytes",
    ),
    "the system's users": Attack("open('/etc/passwd')", "failed", "FileNotFoundError"),
    "somebody's home": Attack("import os\nprint(os.listdir(os.path.expanduser('~')))\n" + GOOD, "passed", "[]"),
    "the environment": Attack(
        "import os\nprint(sorted(os.environ))\n" + GOOD, "passed", "['HOME', 'LANG', 'LD_LIBRARY"
    ),
    "other processes": Attack("import os\nos.listdir('/proc')", "failed", "FileNotFoundError"),
    "a file outside": Attack("open('/usr/lib/trace', 'w')", "failed", "Read-only file system"),
    "a file outside through a link": Attack(
        "import os\nos.symlink('/usr/lib/trace', '/tmp/link')\nopen('/tmp/link', 'w')",
        "failed",
        "Read-only file system",
    ),
    "a full folder": Attack(
        "for n in range(200):\n    open(f'/tmp/{n}', 'w').write('x' * 200_000)", "failed", "No space left"
    ),
    "a file system of its own": Attack(
        "import ctypes\nlibc = ctypes.CDLL(None)\nprint(libc.unshare(0x10000000), libc.shmget(0, 4096, 0o1600))\n"
        + GOOD,
        "passed",
        "-1 -1",
    ),
    "limits raised": Attack(
        "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (999, 999))", "failed", "not allowed to raise"
    ),
    "every process killed": Attack("import os\nos.kill(-1, 9)\n", "failed"),
    "the parent killed": Attack(
        "import os\ntry:\n    os.kill(os.getppid(), 9)\nexcept OSError:\n    pass\n" + GOOD, "passed"
    ),
    "itself killed": Attack("import os\nos.kill(os.getpid(), 9)", "failed", "signal 9"),
    "an exit that looks like success": Attack("import os\nos._exit(0)", "failed", "ended before its tests"),
    "an exit by exception": Attack("raise SystemExit(0)", "failed", "SystemExit"),
    "an exit in the tests": Attack("def double(x):\n    raise SystemExit(0)", "failed", "SystemExit"),
    "the word of success": Attack("print('passed')\ndef double(x):\n    return 5", "failed", "AssertionError"),
    "a message in the tests' name": Attack(
        "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'%010d' % 6 + b'passed')\n"
        "    except OSError:\n        pass\n",
        "failed",
        "in the name of its tests",
    ),
    "the tests, read from the disk": Attack(
        "import os\nfound = [name for folder, _, names in os.walk('/tmp') for name in names]\nprint(found)\n" + GOOD,
        "passed",
        "[]",
    ),
    "builtins that say yes": Attack(
        "import builtins\nbuiltins.abs = builtins.len = lambda x: 0\ndef abs(x):\n    return 0\n"
        "def double(x):\n    builtins.abs = abs\n    return 7",
        "failed",
        "AssertionError",
        "assert abs(double(2) - 4) < 1",
    ),
    "a process left behind": Attack(
        "import os, time\nif os.fork() == 0:\n    time.sleep(600)\n    os._exit(0)\n" + GOOD, "passed"
    ),
}


def attempt(attack: Attack) -> Ran:
    """One attack, within the limits of all."""
    return run(Program(attack.code, attack.tests), LIMITS)


if __name__ == "__main__":
    json.dump({name: attempt(ATTACKS[name]) for name in sys.argv[1:] or ATTACKS}, sys.stdout)
