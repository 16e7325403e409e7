"""Runs the parts of a run in several processes at once, because one process uses only one processor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from .errors import leaves
from .harness import children
from .harness.adapter import SuiteBroken

Tell = Callable[[str, Any], None]
"""Passes on something that was found: its kind, and the thing itself."""


def processes(wanted: int | None) -> int:
    """Returns how many processes to use: as many as wanted, or as fit the idle processors; one if none can fork."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    if wanted:
        return wanted
    idle = _idle_processors()
    # Each part waits at its end, so one more than there are processors leaves none of them idle.
    return idle + 1 if idle > 1 else 1


def _idle_processors() -> int:
    """Returns how many processors this process can use, at least one: its own, and those idle since it started.

    Where the system does not tell, these are all processors.
    """
    idle, now = _idle_seconds(), time.monotonic()
    if not idle or now == _START[1]:
        return os.cpu_count() or 1
    own = sum(os.times()[:4]) - _START[2]
    return max(1, round((idle - _START[0] + own) / (now - _START[1])))


def _idle_seconds() -> float:
    """Returns how long the processors have been idle since the system started; 0 if the system does not tell."""
    try:
        return float(Path("/proc/uptime").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0


_START = _idle_seconds(), time.monotonic(), sum(os.times()[:4])


def spread(parts: int, processes: int, play: Callable[[int, Tell], None]) -> Generator[tuple[str, Any], None, None]:
    """Calls `play` for each number below `parts` and yields all that it tells. Raises the first error of a part.

    The processes end when the caller closes the iterator.
    """
    fork = multiprocessing.get_context("fork")  # a part needs the state of this process
    todo = fork.SimpleQueue()
    for part in [*range(parts), *[None] * processes]:
        todo.put(part)
    workers: dict[Any, Any] = {}
    try:
        for _ in range(processes):
            told, tell = fork.Pipe(duplex=False)
            workers[told] = fork.Process(target=_work, args=(todo.get, tell, play))
            workers[told].start()
            tell.close()
        while workers:
            for ready in wait(list(workers)):
                connection: Any = ready
                try:
                    kind, value = connection.recv()
                except EOFError:
                    worker = workers.pop(connection)
                    worker.join()
                    if worker.exitcode:
                        raise SuiteBroken(f"one of its processes ended with {worker.exitcode}") from None
                    continue
                if kind == "error":
                    raise value
                yield kind, value
    finally:
        for worker in workers.values():
            if worker.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGINT)
        for worker in workers.values():
            worker.join()


def _work(next_part: Callable[[], int | None], connection: Connection, play: Callable[[int, Tell], None]) -> None:
    children.adopt()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while (part := next_part()) is not None:
            play(part, lambda kind, value: connection.send((kind, value)))
    except BaseException as error:
        if not any(isinstance(one, KeyboardInterrupt) for one in leaves(error)):  # the first process tells of that
            connection.send(("error", portable(error)))
    finally:
        children.end_orphans()


def portable(error: BaseException) -> BaseException:
    """Returns an error that another process can raise. The traceback of a defect is printed here."""
    if isinstance(error, SuiteBroken):
        return error
    traceback.print_exception(error)
    return SuiteBroken(f"{type(error).__name__}: {error}")
