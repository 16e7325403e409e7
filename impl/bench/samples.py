"""Takes samples: one hand-over by one way, and what it cost.

A sample is a dictionary from a measure's name to a number: see report.py. How often and in which order they are taken
is in `run`.
"""

from __future__ import annotations

import errno
import filecmp
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report
from process import BrokenError, NotRunError, end, finish, progress, running, start
from ways import BUILD, HERE, INSTALL, LARGE, Program, Way

MEMORY_FILES = Path("/dev/shm")
PREFIX = "kcom5-bench-"  # of a run's folder; its process and something random follow
LEFT_FREE = 1 << 30  # that is left to others
EXCHANGES = 150  # of 64 octets in one process, in a turn
REMEMBERED = 6000  # closed connections, above which exchanges are not measured: `few_closed_connections`
STARTS = 15  # of programs that hand over 64 octets, in a turn


def medians(samples: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}


class Store:
    """A folder in memory if there is one, with a file of each size that is asked for."""

    def __init__(self) -> None:
        is_memory = MEMORY_FILES.is_dir()
        place = MEMORY_FILES if is_memory else Path(tempfile.gettempdir())
        for left in place.glob(f"{PREFIX}*-*"):  # by a run that was killed: gigabytes of memory
            if not is_running(int(left.name.removeprefix(PREFIX).partition("-")[0])):
                shutil.rmtree(left, ignore_errors=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
        self.where = "files in memory (/dev/shm)" if is_memory else "files in the folder for temporary files"
        self.file = self.folder / "file"
        self.out = self.folder / "out"
        self.size = -1

    def source(self, size: int) -> Path:
        """A file of this size; the one of another size is gone. Raises NotRunError if there is no room for two."""
        if size != self.size:
            self.file.unlink(missing_ok=True)
            free = shutil.disk_usage(self.folder).free
            memory = available_memory()
            if self.folder.parent == MEMORY_FILES and memory is not None:
                free = min(free, memory - LEFT_FREE)  # what is written there is memory that others lack
            if free < 2 * size + (64 << 20):
                raise NotRunError(f"no room for two files of {report.size_name(size)} in {self.folder.parent}")
            block = bytes(range(256)) * 4096
            with self.file.open("wb") as file:
                for left in range(size, 0, -len(block)):
                    file.write(block[:left])
            self.size = size
        return self.file

    def check(self, size: int) -> None:
        """The copy is as it has to be; it is removed."""
        right = self.out.stat().st_size == size and (size > 1 << 26 or filecmp.cmp(self.file, self.out, shallow=False))
        if right and size > 1 << 26:
            with self.file.open("rb") as one, self.out.open("rb") as other:
                for at in range(0, size, size // 64):
                    one.seek(at)
                    other.seek(at)
                    right = right and one.read(4096) == other.read(4096)
        self.out.unlink()
        if not right:
            raise BrokenError(f"something else arrived than a file of {size} octets")

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def available_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return None


def free_port() -> int:
    """For programs that cannot tell which one they got. Not of the range from which systems take ports for clients."""
    while True:
        port = random.randrange(20000, 32000)
        try:
            with socket.socket(socket.AF_INET6) as one:
                one.bind(("::1", port))
                return port
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise NotRunError(f"there is no ::1 here: {error.strerror}") from error


def wait_for_listener(port: int, sender: subprocess.Popen[str]) -> None:
    """Looks at the system's table: a connection would be the one client."""
    table, place, listens = Path("/proc/net/tcp6"), f":{port:04X} ", " 0A "
    if not table.exists():
        raise NotRunError("this system has no /proc/net/tcp6, which tells when a program listens")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if any(place in line[:50] and listens in line for line in table.read_text().splitlines()):
            return
        if sender.poll() is not None:
            finish(sender)
            raise BrokenError(f"it ended before it listened: {sender.args!r}")
        time.sleep(0.001)
    raise BrokenError(f"it does not listen: {sender.args!r}")


class Bench:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.costs = [store.folder / name for name in ("sender.json", "receiver.json")]

    def measured(self, side: int, words: tuple[str, ...]) -> tuple[str, ...]:
        return (str(BUILD / "cmake/bench_measure"), str(self.costs[side]), *words)

    def cost(self, side: int) -> dict[str, float]:
        result: dict[str, float] = json.loads(self.costs[side].read_text())
        return result

    def fault(self, size: int) -> None:
        """Makes the host of a virtual machine give memory, before it is measured how it is used."""
        if size >= LARGE:
            # Of once the size, some goes to others.
            octets = min(2 * size, (available_memory() or 2 * size + LEFT_FREE) - LEFT_FREE)
            finish(start((str(BUILD / "cmake/bench_fault"), str(octets))))

    def transfer(self, way: Way, kind: str, via: str, size: int) -> dict[str, float]:
        """One hand-over between two processes, which tell themselves how long it took."""
        file, out = "-", "-"
        if kind == "file":
            file, out = str(self.store.source(size)), str(self.store.out)
        else:
            memory = available_memory()
            if memory is not None and memory < 4 * size:
                raise NotRunError(f"{report.size_name(memory)} of memory are free, less than four times the data")
        if via == "unix":
            via = str(self.store.folder / "socket")
        sender = start(self.measured(0, (*way.command, "send", kind, via, str(size), file)))
        try:
            assert sender.stdout
            port = sender.stdout.readline().strip()
            if not port.isdigit():
                finish(sender)
                raise BrokenError(f"{way.name} did not tell its port")
            self.fault(size)
            receiver = start(self.measured(1, (*way.command, "receive", kind, via, port, str(size), out)))
            try:
                received = json.loads(finish(receiver))
            finally:
                end(receiver)
            sent = json.loads(finish(sender))
        finally:
            end(sender)
            Path(via).unlink(missing_ok=True)
        if kind == "file":
            self.store.check(size)
        return {
            "seconds": received["seconds"],
            "cpu": received["cpu"] + sent["cpu"],
            "sender_peak": self.cost(0)["peak"],
            "receiver_peak": self.cost(1)["peak"],
        }

    def programs(self, program: Program, size: int) -> dict[str, float]:
        """One hand-over by two programs: from the receiver's start until both have ended."""
        port, pipe = free_port(), Path(f"{self.store.out}.pipe")
        fill = {"file": str(self.store.source(size)), "out": str(self.store.out), "port": str(port)}

        def filled(words: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(word.format(**fill) for word in words)

        try:
            if program.needs == "cat":
                os.mkfifo(pipe)
            sender = start(self.measured(0, filled(program.sender)))
            if program.needs != "cat":
                wait_for_listener(port, sender)
            self.fault(size)
            receiver = start(self.measured(1, filled(program.receiver)))
            finish(receiver)
            finish(sender)
        finally:
            for process in list(running):
                end(process)
            pipe.unlink(missing_ok=True)
        self.store.check(size)
        sent, received = self.cost(0), self.cost(1)
        return {
            "seconds": max(sent["end"], received["end"]) - (received["end"] - received["seconds"]),
            "cpu": sent["cpu"] + received["cpu"],
            "sender_peak": sent["peak"],
            "receiver_peak": received["peak"],
        }

    def small_programs(self, program: Program, size: int) -> dict[str, float]:
        samples = [self.programs(program, size) for _ in range(STARTS)]
        seconds = [sample["seconds"] for sample in samples]
        return {**medians(samples), "p50": report.percentile(seconds, 0.5), "p99": report.percentile(seconds, 0.99)}

    def small(self, way: Way, via: str) -> dict[str, float]:
        """The first tenth, in which everything is still cold, does not count."""
        few_closed_connections()
        seconds = [
            value * 1e-6
            for value in json.loads(finish(start((*way.command, "small", via, str(EXCHANGES)))))["microseconds"]
        ]
        warm = seconds[len(seconds) // 10 :]
        p50 = report.percentile(warm, 0.5)
        return {"seconds": p50, "p50": p50, "p99": report.percentile(warm, 0.99)}

    def calls(self, way: Way, via: str) -> dict[str, float]:
        """System calls by name of one exchange: what 60 make more than 20, by 40. Without those of the locks with which
        the two threads of the measuring program wait for each other."""
        if not shutil.which("strace"):
            raise NotRunError(f"not installed: {INSTALL['strace']}")
        few, many = 20, 60
        counts = []
        for exchanges in (few, many):
            file = self.store.folder / "strace"
            count = ("strace", "-f", "-c", "-U", "calls,name", "-o", str(file))
            finish(start((*count, *way.command, "small", via, str(exchanges))))
            found = {}
            for line in file.read_text().splitlines():
                words = line.split()
                if len(words) == 2 and words[0].isdigit() and words[1] not in ("total", "futex"):
                    found[words[1]] = int(words[0])
            counts.append(found)
        each = {name: (count - counts[0].get(name, 0)) / (many - few) for name, count in counts[1].items()}
        each = {name: round(count, 2) for name, count in each.items() if count >= 0.05}
        return {"calls": sum(each.values()), **{f"calls.{name}": count for name, count in each.items()}}

    def idle(self, way: Way) -> float:
        finish(start(self.measured(0, (*way.command, "idle"))))
        return self.cost(0)["peak"]


def closed_connections() -> int:
    """How many the system remembers, each for a minute, so that nothing that is late is taken for a new one's."""
    try:
        words = Path("/proc/net/sockstat").read_text().split()
    except FileNotFoundError:  # not Linux
        return 0
    return int(words[words.index("tw") + 1])


def few_closed_connections() -> None:
    """Waits until a free port is found soon. With some 11,000 closed connections the system looks through thousands of
    ports for each that it gives, and an exchange of 0.1 ms takes 2.5 to 5."""
    while (count := closed_connections()) > REMEMBERED:
        progress(f"waiting: the system remembers {count:,} closed connections")
        time.sleep(0.5)


def codec() -> dict[str, dict[str, dict[str, float]]]:
    """Nanoseconds, and allocations where they are counted: by language and work."""
    progress("codec: C++")
    flags = ("--benchmark_format=json", "--benchmark_repetitions=5", "--benchmark_report_aggregates_only=true")
    out = finish(start((str(BUILD / "cmake/bench_codec"), *flags)))
    result: dict[str, dict[str, dict[str, float]]] = {"C++": {}, "Go": {}, "Python": {}}
    for entry in json.loads(out)["benchmarks"]:
        if entry["aggregate_name"] == "median":
            result["C++"][entry["run_name"]] = {"ns": entry["cpu_time"], "allocations": entry["allocations"]}
    progress("codec: Go")
    done = subprocess.run(
        ("go", "test", "-run", "-", "-bench", ".", "-benchtime", "0.3s", "."),
        cwd=HERE / "go",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BrokenError(done.stdout + done.stderr)
    names = {"HeadEncode": "head_encode", "HeadDecode": "head_decode", "Pack": "pack", "Unpack": "unpack"}
    for line in done.stdout.splitlines():
        words = line.split()
        if words and words[0].startswith("Benchmark"):
            name = names[words[0].removeprefix("Benchmark").split("-")[0]]
            result["Go"][name] = {"ns": float(words[2]), "allocations": float(words[6])}
    progress("codec: Python")
    for name, nanoseconds in json.loads(finish(start((sys.executable, str(HERE / "codec/codec.py"))))).items():
        result["Python"][name] = {"ns": nanoseconds}
    return result
