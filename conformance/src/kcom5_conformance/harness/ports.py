"""The transports and their addresses."""

from __future__ import annotations

import socket
from functools import cache

TRANSPORTS = ("tcp6", "tcp4", "unix")
HOSTS = {"tcp6": (socket.AF_INET6, "::1"), "tcp4": (socket.AF_INET, "127.0.0.1")}


@cache
def why_not(via: str) -> str:
    """Returns why this machine lacks the transport, or an empty string. Cases of addresses have no transport."""
    if via == "unix":
        return "" if hasattr(socket, "AF_UNIX") else "this system has no Unix-domain sockets"
    if not via:
        return ""
    family, host = HOSTS[via]
    try:
        with socket.socket(family) as probe:
            probe.bind((host, 0))
    except OSError as error:
        return f"this machine has no loopback address {host} ({error.strerror})"
    return ""
