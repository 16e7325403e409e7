"""A process seen from outside: memory, descriptors, threads, whether it is stopped. Linux only; elsewhere `NotRun`."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from .case import NotRun

CLOSE_ON_EXEC = 0o2000000


@dataclass(frozen=True)
class Usage:
    """The total resources of some processes."""

    resident: int
    """Bytes of resident memory."""
    peak: int
    """Maximum of `resident` since `forget_peak`."""
    committed: int
    """Bytes of writable memory, also if it was allocated and never touched."""
    descriptors: int
    threads: int
    mapped: int
    """Bytes of `resident` that map a file, which the kernel can reclaim."""


def usage(pids: list[int]) -> Usage:
    """Returns the total usage of these processes."""
    found = [_status(pid) for pid in pids]

    def total(field: str, unit: int = 1024) -> int:
        return sum(int(status.get(field, "0").split()[0]) * unit for status in found)

    descriptors = sum(len(_descriptors(pid)) for pid in pids)
    mapped = total("RssFile") + total("RssShmem")
    return Usage(total("VmRSS"), total("VmHWM"), total("VmData"), descriptors, total("Threads", 1), mapped)


def _descriptors(pid: int) -> list[Path]:
    """Returns the open descriptors; empty for a process that has ended."""
    try:
        return list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        _require_proc()
        return []


def _require_proc() -> None:
    if not Path("/proc/self/status").exists():
        raise NotRun("this system does not tell about processes in /proc")


def waited(pids: list[int]) -> float:
    """Returns the seconds in which their threads were runnable without a processor; 0 if the kernel does not tell."""
    total = 0
    for pid in pids:
        with suppress(OSError):  # a process or a thread that has ended
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    total += int((thread / "schedstat").read_text().split()[1])
    return total / 1e9


def forget_peak(pids: list[int]) -> None:
    """Resets the peak to the current usage."""
    for pid in pids:
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int) -> dict[str, str]:
    """Returns the fields of `status`; empty for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        _require_proc()
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def sockets(pids: list[int]) -> dict[str, bool]:
    """Returns the sockets of these processes by name, and whether a child would inherit them."""
    _status(pids[0])
    found = {}
    for pid in pids:
        for link in _descriptors(pid):
            with suppress(OSError):
                name = str(link.readlink())
                if name.startswith("socket:"):
                    info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().splitlines()
                    flags = next(int(line.split()[1], 8) for line in info if line.startswith("flags:"))
                    found[name] = not flags & CLOSE_ON_EXEC
    return found


def free_memory() -> int:
    """Returns the bytes of free memory of the machine and its container, if any."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        raise NotRun("this system does not tell in /proc how much memory is free") from None
    free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    with suppress(OSError, ValueError):  # without a limit the file contains `max`
        limit, taken = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
        free = min(free, limit - taken)
    return free


def most_descriptors() -> int:
    """Returns the suite's limit on open files."""
    try:
        import resource
    except ImportError:
        return 1 << 20
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limit if limit != resource.RLIM_INFINITY else 1 << 20


async def freeze(pids: list[int]) -> None:
    """Stops the processes, and waits until they have stopped."""
    _status(pids[0])
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        while _status(pid)["State"][0] not in "TtZX":
            await trio.sleep(0.001)


def thaw(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def listening_addresses(port: int, pids: list[int] | None = None) -> set[str]:
    """Returns the addresses on which these or all processes listen at this port, as the kernel writes them."""
    owned = None if pids is None else {name.strip("socket:[]") for name in sockets(pids)}
    found = set()
    try:
        for fields in _listeners(port):
            if owned is None or fields[9] in owned:
                found.add(_readable(bytes.fromhex(fields[1].partition(":")[0])))
    except OSError:
        raise NotRun("this system does not tell who listens in /proc/net") from None
    return found


def queued(port: int) -> int:
    """Returns the number of connections that wait for accept() at this port; 0 if the kernel does not tell."""
    with suppress(OSError):
        return sum(int(fields[4].partition(":")[2], 16) for fields in _listeners(port))
    return 0


def _listeners(port: int) -> Iterator[list[str]]:
    """Yields the fields of each socket that listens at this port."""
    for path in (Path("/proc/net/tcp"), *Path("/proc/net").glob("tcp6")):
        with path.open(encoding="ascii") as table:
            next(table)
            for fields in map(str.split, table):
                if fields[3] != "0A":
                    break  # the listening sockets come first, and the others can be very many
                if int(fields[1].partition(":")[2], 16) == port:
                    yield fields


def _readable(octets: bytes) -> str:
    """Converts an address of the kernel's table, which has words of four bytes in the machine's byte order."""
    if sys.byteorder == "little":
        octets = b"".join(octets[i : i + 4][::-1] for i in range(0, len(octets), 4))
    return str(ipaddress.ip_address(octets))
