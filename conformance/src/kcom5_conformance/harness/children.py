"""The processes that an adapter started, directly or indirectly. None of them outlives the adapter.

On Linux the suite is a "child subreaper": it becomes the parent of orphaned processes in any session. Elsewhere only
the process group of an adapter ends with it.
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
"""The environment variable that marks the processes of one adapter: every child inherits it."""
_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 100
_numbers = itertools.count(1)


def adopt() -> None:
    """Makes the suite the parent of orphaned descendants (a child subreaper). Linux only."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def new_mark() -> str:
    """Returns a value of `MARK` that is in use by no other process."""
    return f"{os.getpid()}-{next(_numbers)}"


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # a process or a thread that has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def of(pid: int) -> list[int]:
    """Returns the process and its descendants that were not orphaned (Linux; elsewhere the process alone)."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += _children(found[-1])
    return found


def end(pids: list[int]) -> None:
    """Kills these processes in any session."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def end_orphans(mark: str = "") -> None:
    """Kills the suite's children with this mark and their children; without a mark, all of them."""
    for _ in range(_ROUNDS):  # killing a process makes its children the suite's own
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
