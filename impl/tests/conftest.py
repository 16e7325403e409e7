"""Options and fixtures for the tests that compare the implementations.

Run `pytest impl/tests`, or `pytest -n 2 impl/tests`, after the programs are built (see `peers.py` for where they are
looked for). `--whole` adds the transfers over 1 GiB, every fault, and all rounds of the races and attacks.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from peers import NAMES
from world import World


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="with what takes hours")
    parser.addoption("--fault", help="CALL ERROR N: only this fault, and print all that is known of it")


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts background jobs with SIGINT ignored, and the programs would inherit this.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path.name == "test_large.py" and not config.getoption("--whole") else None


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


@pytest.fixture(params=NAMES)
def world(request: pytest.FixtureRequest, directory: Path) -> Iterator[World]:
    """Yields a world with the command-line program of each implementation."""
    with closing(World(request.param, directory)) as world:
        yield world


CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1


@pytest.fixture(scope="module")
def own_network() -> Iterator[str]:
    """Moves this process to its own network namespace, where nobody else dials its ports. Yields why not, or "".

    The kernel may reuse the port of a sender that has just ended. A late receiver would then be the client of another.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        yield "this system has no network namespaces"
        return
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if libc.unshare(CLONE_NEWNET):
        yield f"`unshare --net`: {os.strerror(ctypes.get_errno())}"
    else:
        with socket.socket() as any_socket:  # brings `lo` up, as `ip link` does where it is installed
            request = b"lo".ljust(16, b"\0") + bytes(ctypes.c_short(IFF_UP)) + bytes(22)
            libc.ioctl(any_socket.fileno(), SIOCSIFFLAGS, request)
        yield ""
    libc.setns(before, CLONE_NEWNET)
    os.close(before)
