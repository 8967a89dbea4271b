"""The child process of the embedded provider: llama.cpp's server, for its parent alone.

Run as `python -I embedded_server.py MODEL_FILE ALIAS`. Reads the key that every request must carry from the first line
of its standard input: arguments and environment can be seen by others. Prints its address on a line of its own, then
serves until its standard input ends, and so ends with its parent, however that ends.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import xllamacpp

SLOTS = 8
"""Requests answered at once: with one, a second lane waits past its first-token limit."""

CONTEXT = 16_384
"""Tokens shared by all slots; one request gets at most the model's own 8,192. About 0.4 GB of memory."""


THREADS = max(1, min(4, (os.cpu_count() or 1) - 1))
"""One core is left to the app and the browser that show the answer. Threads wait for each other after every step, so
that one without a core holds up all: beside two busy processes on two cores, two gave 4 to 28 tokens a second, and
one 40."""


def main(model_file: str, alias: str) -> None:
    """Serve the model until standard input ends."""
    params = xllamacpp.CommonParams()
    params.model.path = model_file
    params.model_alias = {alias}
    params.api_keys = [sys.stdin.readline().strip()]
    folder = Path(tempfile.mkdtemp(prefix="fallback-lab-"))  # nobody else may enter it
    # No web page and no other user can connect to the socket; a port stands open to both, and only the key protects it.
    params.hostnames = [str(folder / "llama.sock") if hasattr(socket, "AF_UNIX") else "127.0.0.1"]
    params.port = 0
    params.cors_origins = ""
    params.cors_credentials = False
    params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = params.ui = False
    params.n_parallel = SLOTS
    params.n_ctx = CONTEXT
    params.kv_unified = True
    params.cpuparams.n_threads = THREADS
    server = xllamacpp.Server(params)
    # llama.cpp logs to standard output too: the mark tells the address apart.
    print(f"\nLISTENING {server.listening_address}", flush=True)  # noqa: T201  # how the parent learns it
    # Nobody reads on: whatever is printed from here must not fill the pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    # Not a normal exit: the server's threads would be waited for, and an answer in progress may take a minute.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
