"""What an adapter started, and what that started: none of it outlives its adapter.

On Linux the suite adopts what its adapters leave behind (a "child subreaper"), also what left their session; elsewhere
only the process group of an adapter ends with it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = "KCOM5_CONFORMANCE_ADAPTER"
"""The variable that tells whose a process is: what an adapter starts inherits it."""
_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 100
_numbers = itertools.count(1)


def adopt() -> None:
    """From now on orphans of the suite's processes become its own children. Linux only."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def new_mark() -> str:
    """A value of `MARK` that no other process has."""
    return f"{os.getpid()}-{next(_numbers)}"


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in children.read_text().split()]
    return found


def of(pid: int) -> list[int]:
    """The process and all that it started and did not orphan, where the system tells (Linux)."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += _children(found[-1])
    return found


def end(pids: list[int]) -> None:
    """Kills these processes, whatever session they are in."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def end_orphans(mark: str = "") -> None:
    """Ends the suite's own children that have this mark, and their children; without a mark all."""
    for _ in range(_ROUNDS):  # the children of what is killed come next
        orphans = [pid for pid in _children(os.getpid()) if not mark or _has_mark(pid, mark)]
        if not orphans:
            return
        end(orphans)
        for pid in orphans:
            _reap(pid)


def _has_mark(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _reap(pid: int) -> None:
    for _ in range(_ROUNDS):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        time.sleep(0.001)
