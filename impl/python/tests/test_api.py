"""The fields, callbacks, memory and time of both ends."""

from __future__ import annotations

import array
import errno
import mmap
import os
import socket
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import raw
import vectors
from ends import DATA, MIB, SO_BUF_LOCK, T, end_of, exchange, files_in, frame, raw_server, reason

import kcom5
from kcom5 import Client, Server
from kcom5.sink import MemorySink
from kcom5.stream import Stream


# ---- names and fields
def test_the_original_names_are_there() -> None:
    assert kcom5.unpack(kcom5.pack(13600, b"\0\1\n\xff")) == (13600, b"\0\1\n\xff" * 12)
    for name in ("server", "client"):
        with pytest.warns(DeprecationWarning, match=f"kcom5.{name} is deprecated") as warned:
            end = getattr(kcom5, name)()
        assert warned[0].filename == __file__
        assert (end.ipv6, end.port, end.close, end.msg) == (True, 13600, 150, "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("t", [2**31 - 1, 0, -1, -(2**31)])
def test_the_originals_ends_meet_with_any_t(pool: ThreadPoolExecutor, t: int) -> None:
    server, client = kcom5.server(), kcom5.client()
    server.port = client.port = raw.free_port()
    server.close = client.close = t
    server.msg = "hi"
    sent = pool.submit(server.send, b"abc")
    until_it_listens(client.port)
    assert (client.recieve(), client.msg, sent.result(T)) == (b"abc", "hi", None)


def until_it_listens(port: int) -> None:
    """Wait until a second listener is refused: a connection would be the one client."""
    while True:
        try:
            raw.listen("tcp6", port).close()
        except OSError:
            return


def test_all_names_that_are_exported_are_there() -> None:
    assert all(hasattr(kcom5, name) for name in kcom5.__all__)
    assert kcom5.__version__ == "1.0.0"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        bytearray(b"abc"),
        memoryview(b"abcdef")[::2],
        array.array("I", [1, 2]),
        array.array("I"),
        mmap.mmap(-1, 5),
    ],
    ids=lambda data: type(data).__name__,
)
def test_any_octets_can_be_sent(pool: ThreadPoolExecutor, data: Any) -> None:
    assert exchange(pool, lambda server: server.send(data)) == memoryview(data).tobytes()


def test_a_client_can_be_used_again_and_keeps_its_message_after_a_failure(pool: ThreadPoolExecutor) -> None:
    client = Client(timeout=T)
    client.port, _ = raw_server(pool, frame(b"one", b"1"))
    assert (client.receive(), client.message) == (b"1", "one")
    client.port, _ = raw_server(pool, frame(b"two", b"22")[:-1])
    with pytest.raises(kcom5.Truncated):
        client.receive()
    assert client.message == "one"
    client.port, _ = raw_server(pool, frame(b"three", b"3"))
    assert (client.receive(), client.message) == (b"3", "three")


def test_what_listens_can_be_closed_and_opened_again() -> None:
    server = Server(port=0, timeout=T)
    with server.open() as listening:
        server.port = listening.port
        assert listening.place == listening.port > 0
        with pytest.raises(kcom5.InUse):
            server.open()
    with server.open() as again:
        assert again.port == server.port


def test_what_listens_at_a_path_has_no_port(directory: Path) -> None:
    with Server(path=directory / "socket").open() as listening:
        assert (listening.place, listening.port) == (str(directory / "socket"), 0)
    assert files_in(directory) == []


@pytest.mark.parametrize("path", ["", "\0abstract", "x" * 200])
def test_what_cannot_be_the_path_of_a_socket_is_io(path: str) -> None:
    with pytest.raises(kcom5.Io):
        Server(path=path).open()
    with pytest.raises(kcom5.Io):
        Client(path=path).receive()


def test_everything_is_checked_before_a_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(kcom5.InvalidPort):
        Server(port=65536, message=b"\xff").send(b"")
    with pytest.raises(kcom5.MessageNotUtf8):
        Server(message="\ud800").send(b"")
    with pytest.raises(kcom5.InvalidPort):
        Server(port=-1).send_file(os.devnull)
    with pytest.raises(kcom5.InvalidPort):
        Client(port=0).receive()


def test_a_message_of_4_gib_is_too_long() -> None:
    with mmap.mmap(-1, 1 << 32, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as nothing:
        view = memoryview(nothing)
        with pytest.raises(kcom5.MessageTooLong, match="4294967296"):
            Server(port=0, message=view).send(b"")  # type: ignore[arg-type]
        view.release()


def test_a_view_is_read_only_and_equal(pool: ThreadPoolExecutor) -> None:
    for data in (b"", b"abc", DATA):
        port, _ = raw_server(pool, frame(b"", data))
        view = Client(port=port, timeout=T).receive_view()
        assert view.readonly
        assert view == data


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE])
def test_any_other_failure_of_the_system_is_io_with_its_text(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", fail)
    with pytest.raises(kcom5.Io, match=reason(number)):
        Server(port=0).open()
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: number)
    with pytest.raises(kcom5.Io, match=reason(number)):
        Client(port=1).receive()


def test_what_has_served_its_client_serves_no_other() -> None:
    with Server(port=0).open() as listening:
        listening.close()
        with pytest.raises(ValueError, match="one client"):
            listening.send(b"")


def test_a_full_queue_of_a_path_is_waited_for(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "socket"
    with raw.listen("unix", str(path), 0) as server, raw.connect("unix", str(path)) as first:
        with pytest.raises(kcom5.Timeout, match=r"not connected to .* within 1 s"):
            Client(path=path, timeout=1).receive()
        received = pool.submit(Client(path=path, timeout=T).receive)
        taken, _ = server.accept()
        connection, _ = server.accept()
        connection.sendall(raw.read(connection, 8) + frame(b"", b"abc"))
        assert received.result(T) == b"abc"
        for end in (first, taken, connection):
            end.close()


# ---- progress and callbacks
def test_progress_grows_to_the_whole_on_both_ends(pool: ThreadPoolExecutor) -> None:
    sent: list[tuple[int, int]] = []
    received: list[tuple[int, int]] = []

    def send(server: Server) -> None:
        server.progress = lambda done, total: sent.append((done, total))
        server.send(DATA)

    client = Client(progress=lambda done, total: received.append((done, total)))
    assert exchange(pool, send, client) == DATA
    for calls in (sent, received):
        assert [done for done, _ in calls] == sorted(done for done, _ in calls)
        assert {total for _, total in calls} == {len(DATA)}
        assert calls[-1][0] == len(DATA)


def test_a_large_buffer_is_asked_for_where_data_is_much(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Stream] = []
    monkeypatch.setattr(Stream, "enlarge_send_buffer", lambda stream: asked.append(stream))
    assert exchange(pool, lambda server: server.send(bytes(1 << 16))) == bytes(1 << 16)
    assert not asked
    assert exchange(pool, lambda server: server.send(bytes((1 << 16) + 1))) == bytes((1 << 16) + 1)
    assert len(asked) == 1


def has_buffer_locks() -> bool:
    with socket.socket(socket.AF_INET6) as connection:
        try:
            connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
        except OSError:
            return False
    return True


@pytest.mark.skipif(sys.platform != "linux" or not has_buffer_locks(), reason="NOT RUN: needs Linux 5.14")
def test_a_buffer_that_is_not_granted_goes_on_growing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, is_granted in ((1 << 15, True), (1 << 30, False)):
        monkeypatch.setattr(kcom5.stream, "_BUFFER", wanted)
        with socket.socket(socket.AF_INET6) as connection:
            Stream(connection).enlarge_send_buffer()
            assert (connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 2 * wanted) == is_granted
            assert bool(connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)) == is_granted


class Stop(Exception):
    pass


def stop(*_: object) -> None:
    raise Stop


def test_a_callback_that_raises_ends_the_exchange_and_leaves_nothing(pool: ThreadPoolExecutor, directory: Path) -> None:
    with pytest.raises(Stop):
        Server(path=directory / "socket", listening=stop).send(b"")
    assert files_in(directory) == []
    port, end = raw_server(pool, frame(b"", DATA)[:MIB], then=end_of)
    with pytest.raises(Stop):
        Client(port=port, timeout=T, progress=stop).receive_file(directory / "target")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


# ---- memory
def test_memory_is_bounded_by_what_has_arrived() -> None:
    tracemalloc.start()
    try:
        sink = MemorySink()
        for size, most in ((1024, MIB), (5 * MIB, 10 * MIB)):
            sink.begin((1 << 64) - 1)
            sink.put(bytes(size))
            assert size <= len(sink.result()) <= most
        small = MemorySink()
        small.begin(1000)
        small.put(b"abc")
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    sink.discard()


PEAK = """
import resource, socket, sys, threading
sys.path.insert(0, sys.argv[1])
import kcom5
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
server = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = server.accept()
    connection.sendall(connection.recv(8) + bytes(4) + b"\\xff" * 8 + bytes(1024))
    connection.recv(1)
threading.Thread(target=serve, daemon=True).start()
before = peak()
try:
    kcom5.Client(ipv6=False, port=server.getsockname()[1], timeout=1).receive()
except kcom5.Timeout:
    print(peak() - before)
"""


def test_a_process_that_is_promised_16_eib_grows_by_less_than_64_mib() -> None:
    command = [sys.executable, "-c", PEAK, str(vectors.ROOT / "impl/python/src")]
    assert int(subprocess.run(command, capture_output=True, check=True).stdout) < 64 * MIB
