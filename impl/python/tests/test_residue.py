"""What a call leaves behind, cancelled or interrupted or not."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import raw
from ends import DATA, HELLO, MIB, T, end_of, files_in, frame, raw_server, read_all

import kcom5
from kcom5 import Client, Server


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_a_call_leaves_no_socket_file_thread_or_descriptor_behind(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "socket"

    def sends(octets: bytes, read: bool) -> None:
        with Server(path=path, timeout=T).open() as listening:
            sent = pool.submit(listening.send, DATA)
            with raw.connect("unix", str(path)) as client:
                client.sendall(octets)
                if read:
                    client.shutdown(socket.SHUT_WR)
                    read_all(client)
            sent.exception(T)

    def receives(octets: bytes, to_file: bool) -> None:
        port, served = raw_server(pool, octets)
        client = Client(port=port, timeout=T)
        try:
            if to_file:
                client.receive_file(directory / "target")
            else:
                client.receive_view()
        except kcom5.Truncated:
            pass
        served.exception(T)

    def refused() -> None:
        with pytest.raises(kcom5.Refused):
            Client(path=path).receive()

    def in_use() -> None:
        with Server(path=path).open(), pytest.raises(kcom5.InUse):
            Server(path=path).open()

    acts: list[Callable[[], None]] = [refused, in_use]
    for is_read in (True, False):
        for octets in (HELLO, b"KCOM4", b"KCOM5", b""):
            acts.append(lambda octets=octets, is_read=is_read: sends(octets, is_read))  # type: ignore[misc]
        for octets in (frame(b"", DATA), frame(b"", DATA)[:-1], frame(b"", DATA)[:9]):
            acts.append(lambda octets=octets, is_read=is_read: receives(octets, is_read))  # type: ignore[misc]
    for act in acts:
        act()
    (directory / "target").unlink()
    before = descriptors(), threading.active_count()
    for _ in range(10):
        for act in acts:
            act()
    assert (descriptors(), threading.active_count()) == before
    assert files_in(directory) == ["target"]


def test_sockets_are_not_inherited(directory: Path) -> None:
    with Server(path=directory / "socket").open() as listening:
        assert listening._socket is not None
        assert not os.get_inheritable(listening._socket.fileno())


class Interrupt(BaseException):
    pass


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Raises an exception in the main thread, wherever it is, as Ctrl-C does."""

    def handler(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGUSR1, handler)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupted_wait_for_a_client_leaves_nothing(directory: Path, interrupt: Callable[[], None]) -> None:
    with pytest.raises(Interrupt):
        Server(
            path=directory / "socket", timeout=T, listening=lambda _: threading.Thread(target=interrupt).start()
        ).send(b"")
    assert files_in(directory) == []


def test_an_interrupted_sender_resets(pool: ThreadPoolExecutor, interrupt: Callable[[], None]) -> None:
    with Server(port=0, timeout=T).open() as listening:

        def act() -> str:
            with raw.connect("tcp6", listening.port) as client:
                client.sendall(HELLO)
                raw.read(client, 20)
                interrupt()
                return end_of(client)

        end = pool.submit(act)
        with pytest.raises(Interrupt):
            listening.send(bytes(64 * MIB))
    assert end.result(T) == "reset"


@pytest.mark.parametrize("octets", [b"", frame(b"", DATA)[:MIB]], ids=["before-the-frame", "in-the-data"])
def test_an_interrupted_receiver_resets_and_leaves_no_file(
    pool: ThreadPoolExecutor, directory: Path, octets: bytes
) -> None:
    def then(connection: socket.socket) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return end_of(connection)

    port, end = raw_server(pool, octets, then=then)
    with pytest.raises(KeyboardInterrupt):
        Client(port=port, timeout=T).receive_file(directory / "target")
    assert end.result(T) == "reset"
    assert files_in(directory) == []
