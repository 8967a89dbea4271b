"""A filter of system calls, as the kernel's classic BPF: what namespaces and limits leave open.

Without it, a program could make user namespaces of its own, mount a file system that is as large as the memory in
them, or hold memory that no limit of a process counts. Numbers are those of the kernel's tables for each architecture
(`asm/unistd.h`); structures those of `linux/filter.h` and `linux/seccomp.h`.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import NamedTuple

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NEW_USER = 0x10000000
_FOREIGN = 0x40000000
"""Numbers from here on are another table of the same architecture (x32)."""


class _Table(NamedTuple):
    """Attributes: audit: the kernel's number of the architecture. denied: the calls that fail."""

    audit: int
    clone: int
    clone3: int
    denied: tuple[int, ...]


# unshare, setns, mount, shmget, msgget, semget, add_key, request_key, keyctl, ptrace, process_vm_readv,
# process_vm_writev, bpf, perf_event_open, userfaultfd, io_uring_setup
_TABLES = {
    "x86_64": _Table(
        0xC000003E, 56, 435, (272, 308, 165, 29, 68, 64, 248, 249, 250, 101, 310, 311, 321, 298, 323, 425)
    ),
    "aarch64": _Table(
        0xC00000B7, 220, 435, (97, 268, 40, 194, 186, 190, 217, 218, 219, 117, 270, 271, 280, 241, 282, 425)
    ),
}


def system_call_filter(machine: str = "") -> bytes | None:
    """The filter for a kind of machine, by default this one; None where its table is not known here."""
    table = _TABLES.get(machine or platform.machine())
    if table is None:
        return None
    no, missing = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS  # the C library does without clone3
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, table.audit),
        (_RETURN, 0, 0, no),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _FOREIGN),
        (_RETURN, 0, 0, no),
        *(step for number in table.denied for step in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, no))),
        (_EQUAL, 0, 1, table.clone3),
        (_RETURN, 0, 0, missing),
        (_EQUAL, 0, 4, table.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_AND, 0, 0, _NEW_USER),
        (_EQUAL, 1, 0, 0),
        (_RETURN, 0, 0, no),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
