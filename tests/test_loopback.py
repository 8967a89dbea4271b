"""The guard of conftest.py: what a test that leaves this machine is told."""

from __future__ import annotations

import socket

import pytest


def test_no_address_beyond_loopback_is_reached() -> None:
    with pytest.raises(RuntimeError, match=r"this one went for 192\.0\.2\.1"), socket.socket() as asking:
        asking.connect(("192.0.2.1", 443))


def test_no_name_beyond_loopback_is_looked_up() -> None:
    with pytest.raises(RuntimeError, match=r"this one went for openrouter\.ai"):
        socket.getaddrinfo("openrouter.ai", 443)
