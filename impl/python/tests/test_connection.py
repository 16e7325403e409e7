"""What a system, a signal or a killed process does to a connection; large data, and time."""

from __future__ import annotations

import errno
import hashlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import raw
import vectors
from ends import DATA, HELLO, MIB, T, end_of, exchange, frame, raw_server

import kcom5
from kcom5 import Client, Sent, Server
from kcom5.deadline import Deadline
from kcom5.stream import Stream


def test_a_reset_while_connecting_is_an_invalid_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
        monkeypatch.setattr(socket.socket, "connect_ex", lambda *_, number=number: number)
        with pytest.raises(kcom5.InvalidConnection) as caught:
            Client(port=1).receive()
        assert caught.value.detail == "the server left after 0 of 8 bytes of the echo"


def test_a_listener_that_resets_at_once_is_never_a_success() -> None:
    with raw.listen("tcp6") as server:
        stop_it = threading.Event()

        def serve() -> None:
            while not stop_it.is_set():
                raw.reset(server.accept()[0])

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        for _ in range(300):
            with pytest.raises(kcom5.InvalidConnection):
                Client(port=port, timeout=T).receive()
        stop_it.set()
        with suppress(ConnectionError):  # it may be reset before connect() returns
            raw.connect("tcp6", port).close()
        thread.join()


def test_a_connect_that_the_kernel_gives_up_is_tried_again(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, failures = socket.socket.connect_ex, [errno.ETIMEDOUT, errno.EINTR, errno.ETIMEDOUT]

    def fail(connection: socket.socket, place: Any) -> int:
        return failures.pop() if failures else connect(connection, place)

    monkeypatch.setattr(socket.socket, "connect_ex", fail)
    port, _ = raw_server(pool, frame(b"", b"abc"))
    assert Client(port=port, timeout=2**31 - 1).receive() == b"abc"
    assert not failures


def test_a_connection_that_was_aborted_is_not_the_first_one(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, failures = socket.socket.accept, [errno.ECONNABORTED, errno.EPROTO]

    def fail(listener: socket.socket) -> Any:
        if failures:
            raise OSError(failures.pop(), "aborted")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", fail)
    assert exchange(pool, lambda server: server.send(b"abc")) == b"abc"
    assert not failures


def test_the_wait_for_a_client_counts_from_open() -> None:
    bound = 4
    with Server(port=0, timeout=bound).open() as listening:
        select.select([], [], [], bound)
        start = time.monotonic()
        with pytest.raises(kcom5.Timeout):
            listening.send(b"")
        assert time.monotonic() - start < bound


@pytest.mark.parametrize("is_early", [False, True])
def test_the_result_says_whether_the_client_confirmed(pool: ThreadPoolExecutor, is_early: bool) -> None:
    with Server(port=0, timeout=T).open() as listening, raw.connect("tcp6", listening.port) as client:
        client.sendall(HELLO)
        if is_early:
            client.shutdown(socket.SHUT_WR)
        sent = pool.submit(listening.send, b"abc")
        assert raw.read(client, 8 + 12 + 3)[-3:] == b"abc"
        client.close()
        assert sent.result(T) == Sent(3, confirmed=not is_early)


@pytest.mark.parametrize("timeout", [0, -1, 0.0, float("nan")])
def test_a_timeout_is_none_or_more_than_0(timeout: float) -> None:
    for act in (Server(timeout=timeout).open, Client(timeout=timeout).receive):
        with pytest.raises(ValueError, match="more than 0 seconds"):
            act()


def test_a_killed_receiver_is_never_a_success(pool: ThreadPoolExecutor, directory: Path) -> None:
    code = "import sys, os, signal; sys.path.insert(0, sys.argv[1]); import kcom5\n"
    code += "def stop(done, total):\n    if done == total: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += "where = {'path': sys.argv[2]} if '/' in sys.argv[2] else {'port': int(sys.argv[2])}\n"
    code += "kcom5.Client(progress=stop, **where).receive()"
    places: list[dict[str, Any]] = [{"port": 0}, {"path": directory / "socket"}]
    for place in places:
        with Server(timeout=T, **place).open() as listening:
            sent = pool.submit(listening.send, b"abc")
            command = [sys.executable, "-c", code, str(vectors.ROOT / "impl/python/src"), str(listening.place)]
            assert subprocess.run(command).returncode == -signal.SIGKILL
            with pytest.raises(kcom5.Unconfirmed):
                sent.result(T)


def test_no_key_or_message_is_shown_by_repr() -> None:
    for shown in (Server(message="secret"), Client(), kcom5.InvalidAddress("a detail")):
        assert "secret" not in repr(shown)


# ---- large data, and time
def test_large_data_arrives_as_it_was_sent(pool: ThreadPoolExecutor) -> None:
    data = os.urandom(MIB) * 64
    digest = hashlib.sha256(data).hexdigest()
    with Server(port=0, timeout=T).open() as listening:
        sent = pool.submit(listening.send, data)
        view = Client(port=listening.port, timeout=T).receive_view()
        sent.result(T)
    assert hashlib.sha256(view).hexdigest() == digest


def test_a_reader_that_drains_the_queue_slowly_is_waited_for(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has taken all long before the client has it: acknowledged octets are what moves (`time.confirm`)."""
    data = DATA[: MIB // 2]
    now, looks = 1000.0, threading.Semaphore(0)

    def monotonic() -> float:
        looks.release()
        return now

    monkeypatch.setattr("kcom5.deadline.monotonic", monotonic)
    with Server(port=0, timeout=1).open() as listening, raw.new_socket("tcp6") as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        sent = pool.submit(listening.send, data)
        client.connect(raw.address("tcp6", listening.port))
        client.sendall(HELLO)
        whole = HELLO + frame(b"", data)
        for at in range(0, len(whole), 1 << 17):
            assert raw.read(client, min(1 << 17, len(whole) - at)) == whole[at : at + (1 << 17)]
            assert not sent.done()
            now += 0.35  # less than T, and more than T in all
            while looks.acquire(blocking=False):
                pass
            for _ in range(3):  # until the server has looked
                assert looks.acquire(timeout=T)
        assert client.recv(1) == b""
        client.close()
        sent.result(T)


CLIENTS: dict[str, tuple[bytes, int, str]] = {
    "none": (b"", -1, "no client connected to [::1]:{port} within 1 s"),
    "silent": (b"KC", 0, "got 2 of 8 bytes of the hello within 1 s"),
    "stalled": (HELLO, 8, "the client took nothing for 1 s"),
    "open": (HELLO, 64 * MIB + 20, "the client did not close within 1 s; it may have everything"),
}
"""What a client sends, how much it reads (-1: it does not come), and what the server says of it."""


@pytest.mark.parametrize("name", CLIENTS)
def test_a_server_says_what_it_waited_for_and_how_long(pool: ThreadPoolExecutor, name: str) -> None:
    hello, reads, detail = CLIENTS[name]
    with Server(port=0, timeout=1).open() as listening, raw.new_socket("tcp6") as client:
        sent = pool.submit(listening.send, bytes(64 * MIB))
        if reads >= 0:
            client.connect(raw.address("tcp6", listening.port))
            client.sendall(hello)
            raw.read(client, reads)
        with pytest.raises(kcom5.Unconfirmed if name == "open" else kcom5.Timeout) as caught:
            sent.result(T)
    assert caught.value.detail == detail.replace("{port}", str(listening.port))


def test_a_server_says_that_the_client_left(pool: ThreadPoolExecutor) -> None:
    with Server(port=0, timeout=T).open() as listening:
        sent = pool.submit(listening.send, bytes(64 * MIB))
        with raw.connect("tcp6", listening.port) as client:
            client.sendall(HELLO)
            raw.read(client, 9)
            raw.reset(client)
        with pytest.raises(kcom5.Unconfirmed, match="the client left before it had taken everything"):
            sent.result(T)


@pytest.mark.parametrize(
    ("octets", "detail"),
    [
        (b"", "got nothing for 1 s, after 0 of 4 bytes of the message length"),
        (frame(b"hi", b"abc")[:-1], "got nothing for 1 s, after 2 of 3 bytes of the data"),
    ],
)
def test_a_client_says_what_it_waited_for_and_how_long(pool: ThreadPoolExecutor, octets: bytes, detail: str) -> None:
    port, _ = raw_server(pool, octets, then=end_of)
    with pytest.raises(kcom5.Timeout) as caught:
        Client(port=port, timeout=1).receive()
    assert caught.value.detail == detail


def test_a_client_says_where_nobody_listens(directory: Path) -> None:
    with raw.listen("tcp6") as server:
        port = server.getsockname()[1]
    for client, name in (
        (Client(port=port), f"[::1]:{port}"),
        (Client(path=directory / "socket"), f"{directory}/socket"),
    ):
        with pytest.raises(kcom5.Refused) as caught:
            client.receive()
        assert caught.value.detail == f"nobody listens on {name}"


@pytest.mark.parametrize("seconds", [None, 1e300, 1 << 70, float("inf")])
def test_a_time_that_is_none_or_endless_is_never_over(seconds: float | None) -> None:
    deadline = Deadline(seconds)
    assert not deadline.has_passed()
    assert deadline.left() > 1e8
    assert deadline.left(0.5) == 0.5


def test_a_deadline_is_over_when_nothing_is_left() -> None:
    deadline = Deadline(1e-9)
    while not deadline.has_passed():
        pass
    assert deadline.left() == 0


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
