"""The contract of the command-line programs and common scenes, shared by the tests of the programs."""

from __future__ import annotations

import os
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "spec"))

from errors import read

import wire
from peers import DEADLINE, Argument, Program, Result, Running
from wire import Via

MIB = 1 << 20
T = ("--timeout", "15")
"""A timeout that must not expire, even on a busy machine."""

HINTS = read().advice
CUT_IN_PLACE, NO_IPV6, SPOOL, CLOBBER = (HINTS[name] for name in ("truncated-in-place", "no-ipv6", "spool", "exists"))
CODES = {
    "usage": 2,
    **{error.name: {"usage": 2, "transport": 3, "protocol": 4}[error.family] for error in read().errors},
}


def check_ok(result: Result, *words: str) -> None:
    """Checks that it succeeded, and wrote only `words` to standard error."""
    assert (result.words, result.code) == (list(words), 0)


def check_error(result: Result, name: str, hint: str | None = None) -> None:
    """Checks that it failed with exactly the two lines of the contract, without a stack trace."""
    *before, error, shown_hint = ["", "", *result.words]
    assert error.startswith(f"kcom5: error: {name}: "), result
    assert len(error) > len(f"kcom5: error: {name}: "), "the detail is missing"
    assert shown_hint == f"kcom5: hint: {hint or HINTS[name]}", result
    assert all(line.startswith("kcom5: listening on ") for line in before if line), result
    assert result.code == CODES[name]


def wait_until(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Polls until the condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        select.select([], [], [], 0.005)


def place_arguments(via: Via, place: object) -> list[str]:
    if via == "unix":
        return ["--unix", str(place)]
    return ["--port", str(place), *(["--ipv4"] if via == "tcp4" else [])]


def send(program: Program, *arguments: Argument, stdin: bytes | None = None, via: Via = "tcp6") -> tuple[Running, str]:
    """Starts a sender on a port that the kernel chooses. Returns it with its listening place."""
    if stdin is None:
        running = program.start("send", *place_arguments(via, 0), *T, *arguments)
    else:
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            running = program.start("send", *place_arguments(via, 0), *T, *arguments, stdin=source)
    return running, running.listening().rpartition(":")[2]


@contextmanager
def raw_client(program: Program, *arguments: Argument) -> Iterator[tuple[socket.socket, Running]]:
    """Yields a sender with a connected raw client."""
    running, port = send(program, *arguments)
    with wire.connect("tcp6", port) as client:
        yield client, running


@contextmanager
def raw_server(
    program: Program, *arguments: Argument, timeout: str = "3"
) -> Iterator[tuple[socket.socket, bytes, Running]]:
    """Yields a receiver that is connected to a raw server, with its hello."""
    with wire.listen("tcp6", Path()) as server:
        port = str(server.getsockname()[1])
        running = program.start("receive", "--port", port, "--timeout", timeout, *arguments)
        with wire.accept(server) as connection:
            yield connection, wire.read(connection, 8), running


def receive_from(program: Program, octets: bytes, *arguments: Argument) -> Result:
    """Receives from a raw server that sends these bytes after the echo, and closes."""
    with raw_server(program, *arguments) as (connection, hello, running):
        with suppress(ConnectionError):
            connection.sendall(hello + octets)
        connection.close()
        return running.end()


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def write_to_fifo(fifo: Path, octets: bytes) -> None:
    """Writes as soon as the FIFO has a reader."""
    descriptors: list[int] = []

    def is_open() -> bool:
        with suppress(OSError):
            descriptors.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(descriptors)

    wait_until(is_open)
    os.write(descriptors[0], octets)
    os.close(descriptors[0])
