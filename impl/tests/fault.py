"""Makes every system call of a transfer fail once.

A *scene* is a transfer with one end under `strace`. A first run counts the calls of each kind in each thread. Each
later run makes one of them fail, by `-e inject=CALL:error=…:when=n`. A call counts if its line in the trace names a
socket, a pipe, or a file below the directory of the scene. This leaves out the calls of the dynamic loader and of the
language's runtime. `strace` counts by thread. If goroutines move between threads, another call than the counted one
may fail, or none, so the trace of the run tells which call failed.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import wire
from peers import NAMES, ROOT
from world import Argument, NotListening, NotRun, Result, World, at, refused

GRACE = 2.0
"""Seconds that a run may take in addition to T and the duration of a run without a fault."""

DATA, MESSAGE = wire.counter(300_000), b"m" * 20_000

CALLS_BY_ERRORS = {
    # the errors of the calls behind them; retval=0 is the end of a file or stream
    "ENOSPC EIO EINTR EMFILE ENOMEM EACCES": "openat openat2",
    "EIO EINTR retval=0 ECONNRESET": "read",
    "EIO EINTR ECONNRESET": "readv",
    "EIO EINTR retval=0": "pread64",
    "ENOSPC EIO EINTR EPIPE": "write",
    "ENOSPC EIO EINTR": "writev pwrite64",
    "ECONNRESET EPIPE EINTR ENOMEM EIO EINVAL": "sendfile",
    "ECONNRESET EPIPE EINTR ENOMEM EIO EINVAL ENOSPC": "splice",
    "EIO ENOSPC EINVAL EXDEV": "copy_file_range",
    "ECONNRESET EPIPE EINTR ENOMEM": "sendto sendmsg",
    "ECONNRESET EINTR ENOMEM ETIMEDOUT retval=0": "recvfrom recvmsg",
    "EMFILE ENOMEM": "socket",
    "ENOMEM EACCES": "bind",
    "ENOMEM EADDRINUSE": "listen",
    "EMFILE ENOMEM ECONNABORTED EINTR EPROTO": "accept accept4",
    "ECONNRESET ETIMEDOUT EPIPE ENOMEM": "connect",
    "ENOMEM": "getsockopt setsockopt",
    "ENOBUFS": "getsockname",
    "ENOTCONN ENOMEM": "shutdown",
    "EINTR ENOMEM": "poll ppoll pselect6 flock",
    "EINTR": "epoll_wait epoll_pwait",
    "ENOMEM ENOSPC": "epoll_ctl",
    "EIO ENOMEM": "fstat newfstatat statx",
    "EIO": "lseek unlink unlinkat fchmod ioctl faccessat faccessat2",
    "EIO ENOSPC": "ftruncate",
    "ENOSPC EOPNOTSUPP": "fallocate",
    "ENOSPC EIO EACCES EMFILE": "linkat",
    "ENOSPC EIO": "rename renameat",
    "ENOSPC EIO EINVAL": "renameat2",
    "EIO EINTR ENOSPC": "close",
    "EMFILE": "dup fcntl",
}
CALLS = {call: errors for errors, calls in CALLS_BY_ERRORS.items() for call in calls.split()}
KILL = "KILL"
FAST = "--seccomp-bpf"
"""Stops the program only at the traced calls."""


@dataclass(frozen=True)
class Scene:
    """A transfer: the program at each end, the transport, the source and the destination."""

    name: str
    role: str
    """The end that runs under strace: "send" or "receive"."""
    via: str
    source: str
    """ "file" or "pipe"; with a pipe the receiver writes to standard output."""
    t: int = 2
    """The timeout T of both ends, in seconds."""

    def __str__(self) -> str:
        return f"{self.name} {self.role} {self.via} {self.source}"


@dataclass(frozen=True)
class Fault:
    """An injected fault: the n-th call of this kind in its thread fails with `error`."""

    call: str
    error: str
    when: int

    def __str__(self) -> str:
        return f"{self.call} {self.error} {self.when}"

    @property
    def arguments(self) -> list[str]:
        """The arguments of strace. With `--seccomp-bpf`, strace 6.1 does not deliver the signal of an injection."""
        how = "signal=KILL" if self.error == KILL else self.error if "=" in self.error else f"error={self.error}"
        fast = [] if self.error == KILL else [FAST]
        return [*fast, "-e", f"trace={self.call}", "-e", f"inject={self.call}:{how}:when={self.when}"]


@dataclass
class Run:
    """The outcome of a scene."""

    sent: Result
    received: Result
    out: bytes | None
    message: bytes | None
    left: list[str]
    seconds: float
    trace: str


@cache
def missing() -> str:
    """Returns why this machine cannot inject faults; empty if it can."""
    try:
        refused("strace", "-f", "-qq", FAST, "-o", os.devnull, "true")
    except NotRun as reason:
        return str(reason)
    return ""


SCENES = [
    Scene(name, role, via, source)
    for name in NAMES
    for role in ("send", "receive")
    for via in ("tcp6", "unix")
    for source in ("file", "pipe")
]


def play(scene: Scene, trace: list[str]) -> Run:
    """Runs the scene. `trace` are the arguments of strace for the traced end."""
    with tempfile.TemporaryDirectory(prefix="kcom5-fault-") as name:
        # The trace is outside of the folder, and the programs do not run in it, so that no other call names it.
        folder, log = Path(name) / "scene", Path(name) / "trace"
        folder.mkdir()
        with closing(World(scene.name, folder)) as own, closing(World("cpp", folder)) as peer:
            run = perform(scene, own, peer, ["strace", "-f", "-y", "-qq", "-o", str(log), *trace])
        run.left = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if not path.is_dir()]
        run.trace = log.read_text(errors="replace")
        return run


def perform(scene: Scene, own: World, peer: World, strace: list[str]) -> Run:
    folder = own.directory
    own.file("in", DATA)
    own.file("msg", MESSAGE)
    for name in ("spool", "place", "got"):
        (folder / name).mkdir()
    out = folder / "got/out"
    is_pipe, is_sender = scene.source == "pipe", scene.role == "send"
    bounds: dict[str, Any] = {"bound": scene.t, "cwd": ROOT}
    source: list[Argument] = [] if is_pipe else [folder / "in"]
    target: list[Argument] = [] if is_pipe else ["-o", out]
    start = time.monotonic()
    sending = own if is_sender else peer
    # No child of strace, which would wait for it, and keep the pipe open.
    feeder = subprocess.Popen(["cat", folder / "in"], stdout=subprocess.PIPE) if is_pipe else None
    if feeder:
        sending.undo.enter_context(feeder)
    sender = sending.start(
        "send",
        *source,
        *(["--unix", f"{folder}/place/s"] if scene.via == "unix" else ["--port", "0"]),
        *["--message-file", f"{folder}/msg"],
        launcher=strace if is_sender else [],
        env={"TMPDIR": f"{folder}/spool"},
        stdin=feeder.stdout if feeder else subprocess.DEVNULL,
        **bounds,
    )
    if feeder and feeder.stdout:
        feeder.stdout.close()
    try:
        place = sender.place()
    except NotListening as failure:
        sent, received = failure.args[0], Result(3, b"", b"kcom5: error: refused: not started\n")
    else:
        receiver = (peer if is_sender else own).start(
            "receive",
            *at(place),
            *target,
            *["--message-file", f"{folder}/got/m"],
            launcher=[] if is_sender else strace,
            **bounds,
        )
        received, sent = receiver.end(), sender.end()
    data = received.out if is_pipe else read(out)
    return Run(sent, received, data, read(folder / "got/m"), [], time.monotonic() - start, "")


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


# ---- what to inject


def is_relevant(line: str) -> bool:
    """Returns whether a line of a trace is about the transfer, and not a runtime's check of its standard streams."""
    if is_of_runtime(line) or re.search(r"F_GETFD|^\d+ +(fstat|newfstatat|fcntl|ioctl)\([012]<", line):
        return False
    return bool(
        re.search(
            r"kcom5-fault-|<(socket|pipe|TCP|UNIX)[^>]*[:>]|<\(?(TCP|UNIX)|AF_(INET6?|UNIX)|st_mode=S_IFSOCK", line
        )
    )


def is_of_runtime(line: str) -> bool:
    """Returns whether the line is Go's poller waking itself by a pipe (before eventfd). A failure ends the program."""
    return bool(re.search(r'epoll_ctl\(.*<pipe:.*\{events=EPOLLIN, |write\(\d+<pipe:[^>]*>, "\\0", 1\)', line))


def is_possible(error: str, line: str) -> bool:
    """Returns whether the call can fail so. The end of a pipe or of a file without a declared length is not a fault."""
    if error == "retval=0":
        return bool(re.search(r"/in>|<(socket|TCP|UNIX)", line))
    if error == "ECONNRESET" or error == "ETIMEDOUT":
        return bool(re.search(r"<(socket|TCP|UNIX)", line))
    return True


@cache
def baseline(scene: Scene) -> tuple[Run, dict[tuple[str, int], str]]:
    """Runs the scene without a fault. Returns the run, and its relevant calls by kind and number in the thread."""
    known = ",".join(f"?{call}" for call in CALLS)
    run = play(replace(scene, t=16 * scene.t), [FAST, "-e", f"trace={known}"])  # it never waits for T
    numbers: dict[tuple[str, str], int] = {}
    calls: dict[tuple[str, int], str] = {}
    for line in run.trace.splitlines():
        if found := re.match(r"(\d+) +(\w+)\(", line):
            thread, call = found[1], found[2]
            number = numbers[thread, call] = numbers.get((thread, call), 0) + 1
            if is_relevant(line):
                calls.setdefault((call, number), line)
    return run, calls


def faults(scene: Scene) -> Iterator[Fault]:
    """Yields all faults of a scene. EAGAIN is left out: edge-triggered pollers must not see it while data is ready."""
    for (call, number), line in sorted(baseline(scene)[1].items()):
        for error in [*CALLS[call].split(), KILL]:
            if is_possible(error, line):
                yield Fault(call, error, number)


def sample(scene: Scene, count: int) -> list[Fault]:
    """Returns some of the faults, with every kind of call if the count allows."""
    found = list(faults(scene))
    random.Random(f"1 {scene}").shuffle(found)
    seen = Counter[str]()
    ranked = []
    for fault in found:
        seen[fault.call] += 1
        ranked.append((seen[fault.call], fault))
    return [fault for _, fault in sorted(ranked, key=lambda pair: pair[0])[:count]]
