"""What the kernel does to a connection, and what only some systems have."""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ends import DATA, exchange

import kcom5
from kcom5 import Server
from kcom5.deadline import Deadline
from kcom5.stream import Stream

SO_BUF_LOCK = 72


def test_the_wait_for_a_client_counts_from_open(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("kcom5.deadline.monotonic", lambda: now)
    with Server(port=0, timeout=4).open() as listening:
        now += 4
        with pytest.raises(kcom5.Timeout, match="no client connected"):
            listening.send(b"")


def test_a_deadline_may_be_endless_and_is_over_when_nothing_is_left() -> None:
    for seconds in (None, 1e300, 1 << 70, float("inf")):
        deadline = Deadline(seconds)
        assert (deadline.has_passed(), deadline.left(0.5)) == (False, 0.5)
        assert deadline.left() > 1e8
    assert (Deadline(-1).has_passed(), Deadline(-1).left()) == (True, 0)


def test_the_fin_of_the_half_close_is_no_byte_that_is_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a client that comes before its kernel acknowledged the FIN still confirms (`close.confirm`)."""
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        socket.create_connection(listener.getsockname()[:2]) as ours,
    ):
        stream = Stream(ours, is_local=False)
        monkeypatch.setattr("fcntl.ioctl", lambda *_: (1).to_bytes(4, sys.byteorder))
        assert stream.unacknowledged() == 1
        stream.half_close()
        assert stream.unacknowledged() == 0


def test_a_buffer_that_is_not_granted_goes_on_growing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, is_granted in ((1 << 15, True), (1 << 30, False)):
        monkeypatch.setattr("kcom5.stream._BUFFER", wanted)
        with socket.socket(socket.AF_INET6) as connection:
            try:
                connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
            except OSError:
                pytest.skip("NOT RUN: needs Linux 5.14")
            Stream(connection, is_local=False).enlarge_send_buffer()
            assert (connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 2 * wanted) == is_granted
            assert bool(connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)) == is_granted


@pytest.mark.parametrize("missing", ["os.sendfile", "os.splice", "mmap.MADV_HUGEPAGE", "Linux"])
def test_data_arrives_without_what_only_some_systems_have(
    pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    source, target = directory / "source", directory / "target"
    source.write_bytes(DATA)
    if missing == "Linux":
        monkeypatch.setattr(sys, "platform", "another")
    else:
        monkeypatch.delattr(missing)
    assert exchange(pool, lambda listening: listening.send(DATA)) == DATA
    exchange(pool, lambda listening: listening.send_file(source), lambda client: client.receive_file(target))
    assert target.read_bytes() == DATA
