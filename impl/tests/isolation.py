"""A network of its own for each thread that runs hand-overs, so that nobody else dials its ports.

The kernel chooses the ports, and may choose the one of a sender that has just ended. A receiver that is late would
then be the first client of another hand-over: that one's sender is confirmed, and its own receiver is refused.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

CLONE_NEWNET = 0x40000000


def own_network() -> str:
    """Moves this thread, and so what it starts, into a new network namespace with a loopback; returns why not."""
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
    """Threads that have a network each, if `own_network` can give them one."""
    return ThreadPoolExecutor(jobs, initializer=own_network)
