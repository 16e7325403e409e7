"""What is compared: groups of rows, and the ways of each. Nothing is run here. What they are: README.md, "The rows"."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build/bench"
GROUPS = {
    "memory": "memory to memory over TCP on ::1",
    "ipv4": "memory to memory over TCP on 127.0.0.1",
    "unix": "memory to memory through a Unix-domain socket",
    "file": "file to file over TCP on ::1",
    "program": "file to file by programs, from the receiver's start to the end of both",
    "small": "a complete exchange of 64 octets in one process",
    "calls": "system calls of such an exchange",
    "cost": "file to file over TCP on ::1: cost against size",
    "codec": "head and address alone",
}
SMALL = 64
LARGE = 1 << 20  # from here on memory is a matter


@dataclass(frozen=True)
class Way:
    """`command` takes the words of ends/common.hpp."""

    name: str
    command: tuple[str, ...]
    baseline: str
    groups: tuple[str, ...]
    needs: str = ""  # a module of Python
    is_pick: bool = False


@dataclass(frozen=True)
class Program:
    """Words of both sides, with {file}, {port} and {out} to fill in."""

    name: str
    sender: tuple[str, ...]
    receiver: tuple[str, ...]
    needs: str  # a program
    is_pick: bool = False


MEMORY = ("memory", "ipv4", "unix")
ENDS = (sys.executable, str(HERE / "ends/ends.py"))
RAW, OURS, GO = (str(BUILD / name) for name in ("cmake/bench_raw", "cmake/bench_ours", "bench_go"))
BEST, FRAMED, PLAIN, MINIMUM, BOUNDED = (f"C++ raw, {way}" for way in ("best", "framed", "plain", "minimum", "bounded"))
WAYS = (
    Way(BEST, (RAW, "best"), BEST, (*MEMORY, "file")),
    Way(FRAMED, (RAW, "framed"), BEST, ("memory",)),
    Way(MINIMUM, (RAW, "minimum"), MINIMUM, ("small", "calls")),
    Way(BOUNDED, (RAW, "bounded"), MINIMUM, ("small", "calls")),
    Way(PLAIN, (RAW, "plain"), BEST, ("memory",)),
    Way("C++", (OURS, "ours"), BEST, (*MEMORY, "file")),
    Way("C++", (OURS, "ours"), MINIMUM, ("small", "calls")),
    Way("Go raw", (GO, "raw"), "Go raw", (*MEMORY, "file", "small", "calls")),
    Way("Go", (GO, "ours"), "Go raw", (*MEMORY, "file", "small", "calls")),
    Way("Python raw", (*ENDS, "raw"), "Python raw", (*MEMORY, "file", "small", "calls")),
    Way("Python", (*ENDS, "ours"), "Python raw", (*MEMORY, "file", "small", "calls")),
    Way("ZeroMQ PAIR", (*ENDS, "zeromq"), "Python", (*MEMORY, "small", "calls"), "zmq", True),
    Way("NNG pair", (*ENDS, "nng"), "Python", (*MEMORY, "small", "calls"), "pynng", True),
    # It has no IPv6.
    Way(
        "multiprocessing",
        (*ENDS, "multiprocessing"),
        "Python",
        ("ipv4", "unix", "small", "calls"),
        "multiprocessing",
        True,
    ),
)
SEND = ("send", "{file}", "--port", "{port}")
RECEIVE = ("receive", "-o", "{out}", "--port", "{port}")
KCOM5 = {
    "C++": (str(BUILD / "cmake/kcom5/impl/cpp/kcom5"),),
    "Go": (str(BUILD / "kcom5"),),
    "Python": (sys.executable, "-m", "kcom5"),
}
PROGRAMS = (
    *(Program(name, (*words, *SEND), (*words, *RECEIVE), words[0]) for name, words in KCOM5.items()),
    Program(
        "socat",
        ("socat", "-u", "OPEN:{file}", "TCP6-LISTEN:{port},bind=[::1],reuseaddr"),
        ("socat", "-u", "TCP6:[::1]:{port}", "CREATE:{out}"),
        "socat",
        True,
    ),
    Program(
        "ncat",
        ("sh", "-c", 'exec ncat --send-only -l ::1 {port} < "$0"', "{file}"),
        ("sh", "-c", 'exec ncat --recv-only ::1 {port} > "$0"', "{out}"),
        "ncat",
        True,
    ),
    Program(
        "pipe + cat",
        ("sh", "-c", 'exec cat "$0" > "$1"', "{file}", "{out}.pipe"),
        ("sh", "-c", 'exec cat "$1" > "$0"', "{out}", "{out}.pipe"),
        "cat",
        True,
    ),
)
INSTALL = {
    "zmq": "pip install pyzmq",
    "pynng": "pip install pynng",
    "socat": "apt-get install socat",
    "ncat": "apt-get install ncat",
    "strace": "apt-get install strace",
}


def via_of(way: Way, group: str) -> str:
    if group in ("small", "calls") and way.needs == "multiprocessing":
        return "ipv4"
    return {"ipv4": "ipv4", "unix": "unix"}.get(group, "ipv6")


def is_there(needs: str) -> bool:
    if needs in ("", "cat") or "/" in needs:
        return True
    if needs in ("socat", "ncat"):
        return shutil.which(needs) is not None
    return importlib.util.find_spec(needs) is not None
