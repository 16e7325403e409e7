"""What the kernel does to a connection, and what only some systems have."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ends import DATA, T, exchange

import kcom5
from kcom5 import Client, Server
from kcom5.deadline import Deadline
from kcom5.socket_file import SocketFile
from kcom5.stream import Stream

SO_BUF_LOCK = 72


@pytest.mark.parametrize(
    ("number", "error", "detail"),
    [
        (errno.ECONNRESET, kcom5.InvalidConnection, "the server left after 0 of 8 bytes of the echo"),
        (errno.EPIPE, kcom5.InvalidConnection, "the server left after 0 of 8 bytes of the echo"),
        (errno.ENOTCONN, kcom5.InvalidConnection, "the server left after 0 of 8 bytes of the echo"),
        (errno.EAGAIN, kcom5.Timeout, "not connected to nowhere within 0.1 s"),
    ],
)
def test_a_connect_that_fails_has_its_name(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[kcom5.KcomError], detail: str
) -> None:
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: number)
    with pytest.raises(error) as caught:
        Client(path="nowhere", timeout=0.1).receive()
    assert caught.value.detail == detail


def test_a_connection_that_the_kernel_gives_up_is_tried_again(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, accept = socket.socket.connect_ex, socket.socket.accept
    of_connect = [errno.ETIMEDOUT, errno.EINTR, errno.ETIMEDOUT]
    of_accept = [errno.ECONNABORTED, errno.EPROTO]

    def connect_or_fail(connection: socket.socket, place: Any) -> int:
        return of_connect.pop() if of_connect else connect(connection, place)

    def accept_or_fail(listener: socket.socket) -> Any:
        if of_accept:
            raise OSError(of_accept.pop(), "aborted")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "connect_ex", connect_or_fail)
    monkeypatch.setattr(socket.socket, "accept", accept_or_fail)
    assert exchange(pool, lambda listening: listening.send(b"abc")) == b"abc"
    assert of_connect + of_accept == []


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
        stream = Stream(ours)
        monkeypatch.setattr("fcntl.ioctl", lambda *_: (1).to_bytes(4, sys.byteorder))
        assert stream.unacknowledged() == 1
        stream.half_close()
        assert stream.unacknowledged() == 0


@pytest.mark.parametrize(("size", "count"), [(1 << 16, 0), ((1 << 16) + 1, 1)])
def test_a_large_buffer_is_asked_for_where_data_is_much(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, size: int, count: int
) -> None:
    asked: list[Stream] = []
    monkeypatch.setattr(Stream, "enlarge_send_buffer", lambda stream: asked.append(stream))
    exchange(pool, lambda listening: listening.send(bytes(size)))
    assert len(asked) == count


def test_a_buffer_that_is_not_granted_goes_on_growing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, is_granted in ((1 << 15, True), (1 << 30, False)):
        monkeypatch.setattr("kcom5.stream._BUFFER", wanted)
        with socket.socket(socket.AF_INET6) as connection:
            try:
                connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
            except OSError:
                pytest.skip("NOT RUN: needs Linux 5.14")
            Stream(connection).enlarge_send_buffer()
            assert (connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 2 * wanted) == is_granted
            assert bool(connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)) == is_granted


MISSING = object()
NOT_EVERYWHERE: dict[str, tuple[Any, str, Any]] = {
    "no-sendfile": (os, "sendfile", MISSING),
    "sendfile-fails": (os, "sendfile", OSError(errno.EINVAL, "")),
    "no-splice": (os, "splice", MISSING),
    "pipe-fails": (os, "pipe", OSError(errno.EMFILE, "")),
    "no-huge-pages": (mmap, "MADV_HUGEPAGE", MISSING),
    "another-system": (sys, "platform", "another"),
}


@pytest.mark.parametrize(("module", "name", "value"), NOT_EVERYWHERE.values(), ids=NOT_EVERYWHERE)
def test_data_arrives_without_what_only_some_systems_have(
    pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: Any
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise value

    source, target = directory / "source", directory / "target"
    source.write_bytes(DATA)
    if value is MISSING:
        monkeypatch.delattr(module, name)
    else:
        monkeypatch.setattr(module, name, fail if isinstance(value, OSError) else value)
    assert exchange(pool, lambda listening: listening.send(DATA)) == DATA
    exchange(pool, lambda listening: listening.send_file(source), lambda client: client.receive_file(target))
    assert target.read_bytes() == DATA


def leave_a_stale_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def test_of_servers_at_one_stale_path_each_has_the_folder_for_itself_until_it_listens(
    pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, listen = directory / "socket", socket.socket.listen

    def listen_while_locked(server: socket.socket, backlog: int) -> None:
        with pytest.raises(BlockingIOError), locked(directory):
            pass
        listen(server, backlog)

    monkeypatch.setattr(socket.socket, "listen", listen_while_locked)
    leave_a_stale_socket(path)
    before = path.stat()
    with locked(directory):
        opened = pool.submit(Server(path=path, timeout=T).open)
        time.sleep(0.1)
        assert not opened.done()
        assert path.stat() == before
    opened.result(T).close()


def test_a_folder_that_is_swapped_leads_nowhere_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, link = (directory / name for name in ("one", "other", "link"))
    one.mkdir()
    other.mkdir()
    leave_a_stale_socket(one / "socket")
    (other / "socket").write_bytes(b"mine")
    link.symlink_to("one")
    ask = SocketFile._ask

    def swap(made: SocketFile) -> int:
        link.unlink()
        link.symlink_to("other")
        return ask(made)

    monkeypatch.setattr(SocketFile, "_ask", swap)
    with pytest.raises(kcom5.InUse):
        Server(path=link / "socket").open()
    assert (other / "socket").read_bytes() == b"mine"
