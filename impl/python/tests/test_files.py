"""Files as sources and as sinks."""

from __future__ import annotations

import asyncio
import errno
import io
import mmap
import os
import select
import socket
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import raw
from ends import DATA, HELLO, MIB, T, end_of, exchange, files_in, frame, no_client_came, raw_server, reason

import kcom5
from kcom5 import Client, Limits, Sent, Server, aio


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3 * MIB + 1])
@pytest.mark.parametrize("via", ["tcp6", "unix"])
def test_a_file_goes_to_a_file(pool: ThreadPoolExecutor, directory: Path, size: int, via: str) -> None:
    source, target = directory / "source", directory / "target"
    source.write_bytes(DATA[:size])
    place: dict[str, Any] = {"path": directory / "socket"} if via == "unix" else {"port": 0}
    with Server(timeout=T, **place).open() as listening:
        sent = pool.submit(listening.send_file, source)
        place = place if via == "unix" else {"port": listening.port}
        assert Client(timeout=T, **place).receive_file(target) == size
        assert sent.result(T) == Sent(size, confirmed=True)
    assert target.read_bytes() == DATA[:size]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert files_in(directory) == ["source", "target"]


def test_an_open_file_is_sent_from_its_position(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "source"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.read(4)
        assert exchange(pool, lambda server: server.send_file(file)) == b"456789"
        os.lseek(file.fileno(), 7, os.SEEK_SET)
        assert exchange(pool, lambda server: server.send_file(file.fileno())) == b"789"
        assert not file.closed


def test_a_pipe_is_sent_to_its_end(pool: ThreadPoolExecutor) -> None:
    read, write = os.pipe()

    def fill() -> None:
        with os.fdopen(write, "wb") as sink:
            sink.write(DATA)

    def send(server: Server) -> None:
        pool.submit(fill)  # not before it listens: it would wait for ever for a reader
        server.send_file(read)

    assert exchange(pool, send) == DATA
    os.close(read)


def test_an_open_file_or_a_descriptor_is_written_to_as_octets_come(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "target"
    with path.open("wb") as file:
        file.write(b"first ")
        port, _ = raw_server(pool, frame(b"", b"second "))
        assert Client(port=port, timeout=T).receive_file(file) == 7
        port, _ = raw_server(pool, frame(b"", b"third"))
        Client(port=port, timeout=T).receive_file(file.fileno())
    assert path.read_bytes() == b"first second third"


def test_a_file_opened_for_appending_is_appended_to(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "target"
    path.write_bytes(b"first ")
    with path.open("ab") as file:
        port, _ = raw_server(pool, frame(b"", DATA))
        Client(port=port, timeout=T).receive_file(file)
    assert path.read_bytes() == b"first " + DATA


def test_what_is_no_file_has_no_descriptor() -> None:
    with pytest.raises(kcom5.Io):
        Server(port=0).send_file(io.BytesIO(b"abc"))


def without(name: str, error: int = 0) -> Callable[[pytest.MonkeyPatch], None]:
    """A system that does not have this function, or where it fails so."""

    def fail(*_: object, **__: object) -> int:
        raise OSError(error, os.strerror(error))

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        module = {"MADV_HUGEPAGE": mmap, "sendmsg": socket.socket}.get(name, os)
        if error:
            monkeypatch.setattr(module, name, fail)
        else:
            monkeypatch.delattr(module, name)

    return patch


FALLBACKS = {
    "no-sendfile": without("sendfile"),
    "sendfile-fails": without("sendfile", errno.EINVAL),
    "no-splice": without("splice"),
    "no-pipe": without("pipe", errno.EMFILE),
}


@pytest.mark.parametrize("patch", FALLBACKS.values(), ids=FALLBACKS)
def test_files_go_through_without_what_only_some_systems_have(
    pool: ThreadPoolExecutor,
    directory: Path,
    patch: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, target = directory / "source", directory / "target"
    source.write_bytes(DATA)
    patch(monkeypatch)
    with Server(port=0, timeout=T).open() as listening:
        sent = pool.submit(listening.send_file, source)
        assert Client(port=listening.port, timeout=T).receive_file(target) == len(DATA)
        sent.result(T)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("name", ["MADV_HUGEPAGE", "TIOCOUTQ"])
def test_memory_grows_without_huge_pages(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name == "MADV_HUGEPAGE":
        monkeypatch.delattr(mmap, name)
    else:
        monkeypatch.setattr(sys, "platform", "another")
    assert exchange(pool, lambda server: server.send(DATA)) == DATA


def test_the_file_is_complete_before_the_sender_knows(pool: ThreadPoolExecutor, directory: Path) -> None:
    target = directory / "target"

    def seen(connection: socket.socket) -> bytes:
        assert connection.recv(1) == b""
        return target.read_bytes()

    port, content = raw_server(pool, frame(b"", DATA), then=seen)
    Client(port=port, timeout=T).receive_file(target)
    assert content.result(T) == DATA


def test_a_file_that_becomes_shorter_is_io_and_a_reset(pool: ThreadPoolExecutor, directory: Path) -> None:
    source = directory / "source"
    source.touch()
    os.truncate(source, 64 * MIB)
    with Server(port=0, timeout=T).open() as listening:
        sent = pool.submit(listening.send_file, source)
        with raw.connect("tcp6", listening.port) as client:
            client.sendall(HELLO)
            raw.read(client, 20)
            os.truncate(source, 0)
            assert end_of(client) == "reset"
        with pytest.raises(kcom5.Io, match="became shorter"):
            sent.result(T)


FAILURES = {
    "truncated": frame(b"", DATA)[:MIB],
    "malformed-message": frame(b"\xff", b"abc"),
    "over-limit": frame(b"", b"abcdef"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_leaves_the_file_as_it_was(pool: ThreadPoolExecutor, directory: Path, name: str) -> None:
    target = directory / "target"
    target.write_bytes(b"old")
    port, _ = raw_server(pool, FAILURES[name])
    limits = Limits(data=5) if name == "over-limit" else None
    with pytest.raises(kcom5.KcomError) as caught:
        Client(port=port, timeout=T, limits=limits).receive_file(target)
    assert caught.value.name == name
    assert target.read_bytes() == b"old"
    assert files_in(directory) == ["target"]


def receive_with_asyncio(port: int, target: Path) -> None:
    asyncio.run(aio.Client(port=port, timeout=T).receive_file(target))


def receive_with_threads(port: int, target: Path) -> None:
    Client(port=port, timeout=T).receive_file(target)


@pytest.mark.parametrize("receive", [receive_with_threads, receive_with_asyncio])
def test_what_cannot_be_opened_costs_the_sender_nothing(
    unwritable: Path, receive: Callable[[int, Path], object]
) -> None:
    with raw.listen("tcp6") as server:
        with pytest.raises(kcom5.Io, match=str(unwritable)):
            receive(server.getsockname()[1], unwritable)
        assert no_client_came(server)


def test_a_wrong_port_is_found_before_the_file_is_made(directory: Path) -> None:
    with pytest.raises(kcom5.InvalidPort):
        Client(port=0).receive_file(directory / "missing" / "target")


def test_the_file_is_opened_before_the_server_is_asked(pool: ThreadPoolExecutor, directory: Path) -> None:
    with raw.listen("tcp6") as server:
        received = pool.submit(Client(port=server.getsockname()[1], timeout=T).receive_file, directory / "target")
        with server.accept()[0] as connection:
            # Of no name on this system, or of one of its own.
            assert all(name.startswith(".kcom5-") for name in files_in(directory))
            connection.sendall(raw.read(connection, 8) + frame(b"", b"abc"))
            assert received.result(T) == 3
    assert files_in(directory) == ["target"]


def test_a_refused_or_silent_server_leaves_no_file(directory: Path) -> None:
    with raw.listen("tcp6") as server:
        client = Client(port=server.getsockname()[1], timeout=1)
        with pytest.raises(kcom5.Timeout):
            client.receive_file(directory / "target")
    with pytest.raises(kcom5.Refused):
        client.receive_file(directory / "target")
    assert files_in(directory) == []


def test_a_client_dials_until_somebody_listens(pool: ThreadPoolExecutor, directory: Path) -> None:
    client = Client(path=directory / "socket", timeout=T, wait=T)
    received = pool.submit(client.receive_file, directory / "target")
    while files_in(directory) != [] or received.done():
        select.select([], [], [], 0.01)
    select.select([], [], [], 0.1)
    with Server(path=directory / "socket", timeout=T).open() as listening:
        listening.send(b"abc")
    assert received.result(T) == 3
    assert (directory / "target").read_bytes() == b"abc"
    assert files_in(directory) == ["target"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_io_and_the_sender_sees_a_reset(pool: ThreadPoolExecutor) -> None:
    port, end = raw_server(pool, frame(b"", b"abc"), then=end_of)
    with pytest.raises(kcom5.Io, match=reason(errno.ENOSPC)):
        Client(port=port, timeout=T).receive_file("/dev/full")
    assert end.result(T) == "reset"
