"""Gives each thread that runs transfers its own network namespace, so that no other process dials its ports.

The kernel chooses the ports, and may reuse the port of a sender that has just ended. A late receiver would then be the
first client of another transfer. The sender of that transfer would be confirmed, and its own receiver refused.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

CLONE_NEWNET = 0x40000000


def own_network() -> str:
    """Moves this thread and its children into a new network namespace with a loopback. Returns why not, or empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        return "this system has no network namespaces"
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET):
            return f"`unshare --net`: {os.strerror(ctypes.get_errno())}"
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            libc.setns(before, CLONE_NEWNET)
            return f"`ip link set lo up`: {error}"
    finally:
        os.close(before)
    return ""


def isolated_threads(jobs: int) -> ThreadPoolExecutor:
    """Returns threads with their own network namespaces, if `own_network` succeeds."""
    return ThreadPoolExecutor(jobs, initializer=own_network)
