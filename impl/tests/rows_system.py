"""Rows with strace: system calls that fail, and what the programs ask of the kernel for much data."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator, Sequence

import wire
from fault import FAST, missing
from peers import Json
from situation import Row, row
from wire import HELLO, counter, frame
from world import MIB, NotRun, World, at, brief, told

SIZE = 5 * MIB + 3
CONTENT = brief(counter(SIZE))
STORED = {"in": CONTENT, "out": CONTENT}
CALLS = "flock,unlinkat,bind,listen"


def strace(call: str, *words: str, trace: str = os.devnull) -> list[str]:
    return ["strace", "-f", "-qq", FAST, "-o", trace, "-e", f"trace={call}", *words]


def failing(call: str, how: str) -> list[str]:
    """Returns a launcher under which a system call fails, each time or as `how` says."""
    return strace(call, "-e", f"inject={call}:error={how}")


def prepare(world: World) -> None:
    if why := missing():
        raise NotRun(why)
    world.file("in", counter(SIZE))


def connection_rows() -> Iterator[Row]:
    left = {"error": "invalid-connection", "detail": "the server left after 0 of 8 bytes of the echo"}
    to_nobody = ("receive", "--unix", "none")
    for error in ("ECONNRESET", "EPIPE", "ENOTCONN", "ECONNABORTED"):
        launcher = failing("connect", error)
        yield row(f"connect() fails: {error}", left, World.ends, *to_nobody, launcher=launcher, before=prepare)
    for words in ("send --port 0", "receive --port 1"):
        io, launcher = {"error": "io"}, failing("socket", "EMFILE")
        yield row(f"{words}, socket() fails", io, World.ends, *words.split(), launcher=launcher, before=prepare)

    def gives_up(world: World) -> Json:
        """The kernel gives up before T has passed."""
        start = time.monotonic()
        launcher = failing("connect", "ETIMEDOUT")
        return {**world.ends(*to_nobody, bound=1, launcher=launcher), "is_late": time.monotonic() - start >= 1}

    yield row("connect() always fails: ETIMEDOUT", {"error": "timeout", "is_late": True}, gives_up, before=prepare)
    yield hand_over("connect() fails twice: ETIMEDOUT", receiver=failing("connect", "ETIMEDOUT:when=1..2"))
    for error in ("ECONNABORTED", "EPROTO"):
        yield hand_over(f"accept() fails once: {error}", sender=failing("accept,accept4", f"{error}:when=1"))


def hand_over(name: str, via: str = "tcp6", sender: Sequence[str] = (), receiver: Sequence[str] = ()) -> Row:
    """Returns a row of a file that arrives whole, with these launchers."""

    def act(world: World) -> Json:
        place = ["--unix", "socket"] if via == "unix" else ["--port", "0"]
        running = world.start("send", "in", *place, launcher=sender)
        received = world.ends("receive", *at(running.place()), "-o", "out", launcher=receiver)
        return {"sent": told(running.end()), "received": received}

    return row(f"{name}, {via}", {"sent": {"code": 0}, "received": {"code": 0}, "files": STORED}, act, before=prepare)


def file_rows() -> Iterator[Row]:
    for via in ("tcp6", "unix"):
        for error in ("EINVAL", "ENOSYS"):
            yield hand_over(f"sendfile() fails: {error}", via, sender=failing("sendfile", error))
            yield hand_over(f"splice() fails: {error}", via, receiver=failing("splice", error))

    def no_pipe(world: World) -> Json:
        # Python's first pipe is for signals.
        launcher = failing("pipe2", f"EMFILE:when={'2+' if world.name == 'python' else '1+'}")
        try:
            return world.give(frame(b"", counter(SIZE)), "-o", "out", launcher=launcher)
        except AssertionError as error:
            raise (NotRun("the runtime of Go 1.19 needs a pipe") if "runtime: pipe" in str(error) else error) from None

    yield row("pipe2() fails", {"code": 0, "server": "end", "files": STORED}, no_pipe, before=prepare)
    for error in ("ENOSYS", "EACCES"):
        lost = {"error": "io", "server": "reset", "files": {"in": CONTENT}}
        octets, launcher = frame(b"", counter(SIZE)), failing("linkat", error)
        yield row(f"linkat() fails: {error}", lost, World.give, octets, "-o", "out", launcher=launcher, before=prepare)


def request_rows() -> Iterator[Row]:
    def sendfile(world: World, act: str) -> Json:
        """A client that has ended cannot confirm that it took the file's pages, which may change."""
        world.sparse("in", 64 * MIB)
        sender = world.send("in", launcher=strace("sendfile", trace="trace"))
        with wire.connect(sender.place()) as client:
            client.sendall(HELLO)
            if act == "half-close":
                client.shutdown(socket.SHUT_WR)
            octets, _ = wire.read_to_end(client)
        came = told(sender.end())
        moved = sum(map(int, re.findall(r"sendfile.* = (\d+)$", (world / "trace").read_text(), re.MULTILINE)))
        return {**came, "is_whole": len(octets) == 8 + 12 + 64 * MIB, "is_moved": moved > 32 * MIB}

    for act, is_moved in (("read", True), ("half-close", False)):
        sent = {"code": 0, "words": ..., "is_whole": True, "is_moved": is_moved}
        yield row(f"sendfile() to a client that begins with {act}", sent, sendfile, act, before=prepare)

    def buffer(world: World, size: int) -> Json:
        world.sparse("in", size)
        sender = world.start("send", "in", "--unix", "socket", launcher=strace("setsockopt", trace="trace"))
        received = world.ends("receive", *at(sender.place()), "-o", "out")
        return {"sent": told(sender.end()), "received": received, "asks": "SO_SNDBUF" in (world / "trace").read_text()}

    for size, asks in ((64 << 10, False), ((64 << 10) + 1, True)):
        expected = {"sent": {"code": 0}, "received": {"code": 0}, "asks": asks}
        yield row(f"a large buffer for {size} bytes", expected, buffer, size, before=prepare)

    def stale_path(world: World) -> Json:
        """The folder is locked until the server listens. The removed files are in it, wherever its path leads meanwhile."""
        wire.dead_socket(world / "socket")
        came = world.ends("send", "--unix", "socket", bound=1, launcher=strace(CALLS, trace="trace"))
        found = re.findall(r"(\w+)\((\d+), (LOCK_EX|LOCK_UN|)", (world / "trace").read_text())
        folders = {descriptor for call, descriptor, _ in found if call in ("flock", "unlinkat")}
        return {**came, "calls": [lock or call for call, _, lock in found], "folders": len(folders)}

    calls = ["LOCK_EX", "unlinkat", "bind", "listen", "LOCK_UN", "unlinkat"]
    replaced = {"error": "timeout", "calls": calls, "folders": 1}
    yield row("the calls of a server at a stale path", replaced, stale_path, before=prepare)


ROWS = [*connection_rows(), *file_rows(), *request_rows()]
