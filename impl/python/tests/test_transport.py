"""What octets cannot show: files, memory, cancellation, interruption, and what is left behind."""

from __future__ import annotations

import array
import asyncio
import errno
import hashlib
import io
import mmap
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import live
import pytest
import vectors

import kcom5
from kcom5 import Client, Limits, Server, aio
from kcom5.deadline import Deadline
from kcom5.sink import MemorySink
from kcom5.stream import Stream

HELLO = b"KCOM5abc"
MIB = 1 << 20
SO_BUF_LOCK = 72
DATA = bytes(range(251)) * 20_000
T = live.PATIENCE


def frame(message: bytes = b"", data: bytes = b"") -> bytes:
    return len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def raw_server(
    pool: ThreadPoolExecutor, octets: bytes, *, then: Callable[[socket.socket], object] = socket.socket.close
) -> tuple[int, Future[object]]:
    """A server that sends these octets after the echo; its port, and what `then` gives."""
    server = live.listen("tcp6")

    def serve() -> object:
        with server:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(T)
                connection.sendall(live.read(connection, 8) + octets)
                return then(connection)

    return server.getsockname()[1], pool.submit(serve)


def end_of(connection: socket.socket) -> str:
    """How a stream ends."""
    try:
        while connection.recv(MIB):
            pass
    except ConnectionResetError:
        return "reset"
    return "end"


def read_all(connection: socket.socket) -> bytes:
    octets = bytearray()
    while piece := connection.recv(MIB):
        octets += piece
    return bytes(octets)


def exchange(pool: ThreadPoolExecutor, send: Callable[[Server], object], client: Client | None = None) -> bytes:
    """What a client receives of what `send` sends."""
    with Server(port=0, close=T).open() as listening:
        port = listening.port
    started: Future[int] = Future()
    server = Server(port=port, close=T, msg="hi", listening=started.set_result)  # type: ignore[arg-type]
    sent = pool.submit(send, server)
    assert started.result(T) == port
    client = client or Client()
    client.port, client.close = port, T
    data = client.receive()
    sent.result(T)
    return data


# ---- names and fields


def test_the_original_names_are_there() -> None:
    assert kcom5.server is Server
    assert kcom5.client is Client
    assert kcom5.unpack(kcom5.pack(13600, b"\0\1\n\xff")) == (13600, b"\0\1\n\xff" * 12)
    server, client = kcom5.server(), kcom5.client()
    assert (server.ipv6, server.port, server.close, server.msg) == (True, 13600, 150, "")
    assert (client.ipv6, client.port, client.close, client.msg) == (True, 13600, 150, "")
    assert client.recieve.__func__ is client.receive.__func__  # type: ignore[attr-defined]


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
    client = Client(close=T)
    client.port, _ = raw_server(pool, frame(b"one", b"1"))
    assert (client.receive(), client.msg) == (b"1", "one")
    client.port, _ = raw_server(pool, frame(b"two", b"22")[:-1])
    with pytest.raises(kcom5.Truncated):
        client.receive()
    assert client.msg == "one"
    client.port, _ = raw_server(pool, frame(b"three", b"3"))
    assert (client.receive(), client.msg) == (b"3", "three")


def test_what_listens_can_be_closed_and_opened_again() -> None:
    server = Server(port=0, close=T)
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
        Server(port=65536, msg=b"\xff").send(b"")
    with pytest.raises(kcom5.MessageNotUtf8):
        Server(msg="\ud800").send(b"")
    with pytest.raises(kcom5.InvalidPort):
        Server(port=-1).send_file(os.devnull)
    with pytest.raises(kcom5.InvalidPort):
        Client(port=0).receive()


def test_a_message_of_4_gib_is_too_long() -> None:
    with mmap.mmap(-1, 1 << 32, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as nothing:
        view = memoryview(nothing)
        with pytest.raises(kcom5.MessageTooLong, match="4294967296"):
            Server(port=0, msg=view).send(b"")  # type: ignore[arg-type]
        view.release()


def test_a_view_is_read_only_and_equal(pool: ThreadPoolExecutor) -> None:
    for data in (b"", b"abc", DATA):
        port, _ = raw_server(pool, frame(b"", data))
        view = Client(port=port, close=T).receive_view()
        assert view.readonly
        assert view == data


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE])
def test_any_other_failure_of_the_system_is_io_with_its_text(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", fail)
    with pytest.raises(kcom5.Io, match=os.strerror(number)):
        Server(port=0).open()
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: number)
    with pytest.raises(kcom5.Io, match=os.strerror(number)):
        Client(port=1).receive()


def test_what_has_served_its_client_serves_no_other() -> None:
    with Server(port=0).open() as listening:
        listening.close()
        with pytest.raises(ValueError, match="one client"):
            listening.send(b"")


def test_a_full_queue_of_a_path_is_waited_for(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "socket"
    with live.listen("unix", str(path), 0) as server, live.connect("unix", str(path)) as first:
        with pytest.raises(kcom5.Timeout, match=r"not connected to .* within 1 s"):
            Client(path=path, close=1).receive()
        received = pool.submit(Client(path=path, close=T).receive)
        taken, _ = server.accept()
        connection, _ = server.accept()
        connection.sendall(live.read(connection, 8) + frame(b"", b"abc"))
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
        Client(port=port, close=T, progress=stop).receive_file(directory / "target")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


# ---- files


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3 * MIB + 1])
@pytest.mark.parametrize("via", ["tcp6", "unix"])
def test_a_file_goes_to_a_file(pool: ThreadPoolExecutor, directory: Path, size: int, via: str) -> None:
    source, target = directory / "source", directory / "target"
    source.write_bytes(DATA[:size])
    place: dict[str, Any] = {"path": directory / "socket"} if via == "unix" else {"port": 0}
    with Server(close=T, **place).open() as listening:
        sent = pool.submit(listening.send_file, source)
        place = place if via == "unix" else {"port": listening.port}
        assert Client(close=T, **place).receive_file(target) == size
        assert sent.result(T) == size
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

    pool.submit(fill)
    assert exchange(pool, lambda server: server.send_file(read)) == DATA
    os.close(read)


def test_an_open_file_or_a_descriptor_is_written_to_as_octets_come(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "target"
    with path.open("wb") as file:
        file.write(b"first ")
        port, _ = raw_server(pool, frame(b"", b"second "))
        assert Client(port=port, close=T).receive_file(file) == 7
        port, _ = raw_server(pool, frame(b"", b"third"))
        Client(port=port, close=T).receive_file(file.fileno())
    assert path.read_bytes() == b"first second third"


def test_a_file_opened_for_appending_is_appended_to(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "target"
    path.write_bytes(b"first ")
    with path.open("ab") as file:
        port, _ = raw_server(pool, frame(b"", DATA))
        Client(port=port, close=T).receive_file(file)
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
    with Server(port=0, close=T).open() as listening:
        sent = pool.submit(listening.send_file, source)
        assert Client(port=listening.port, close=T).receive_file(target) == len(DATA)
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
    Client(port=port, close=T).receive_file(target)
    assert content.result(T) == DATA


def test_a_file_that_becomes_shorter_is_io_and_a_reset(pool: ThreadPoolExecutor, directory: Path) -> None:
    source = directory / "source"
    source.touch()
    os.truncate(source, 64 * MIB)
    with Server(port=0, close=T).open() as listening:
        sent = pool.submit(listening.send_file, source)
        with live.connect("tcp6", listening.port) as client:
            client.sendall(HELLO)
            live.read(client, 20)
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
        Client(port=port, close=T, limits=limits).receive_file(target)
    assert caught.value.name == name
    assert target.read_bytes() == b"old"
    assert files_in(directory) == ["target"]


def no_client_came(server: socket.socket) -> bool:
    server.setblocking(False)
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return True
    return False


UNWRITABLE = {
    "no-directory": "missing/target",
    "file-for-a-directory": "file/target",
    "directory-for-a-file": "directory",
    "not-permitted": "read-only/target",
}


@pytest.fixture(params=list(UNWRITABLE))
def unwritable(request: pytest.FixtureRequest, directory: Path) -> Iterator[Path]:
    """What cannot be opened for writing."""
    (directory / "file").touch()
    (directory / "directory").mkdir()
    (directory / "read-only").mkdir(0o555)
    directory.chmod(0o755)
    user = os.geteuid()
    if user == 0 and request.param == "not-permitted":
        # Root may write everywhere; nobody may not.
        os.seteuid(65534)
    yield directory / UNWRITABLE[request.param]
    os.seteuid(user)


def receive_with_asyncio(port: int, target: Path) -> None:
    asyncio.run(aio.Client(port=port, close=T).receive_file(target))


def receive_with_threads(port: int, target: Path) -> None:
    Client(port=port, close=T).receive_file(target)


@pytest.mark.parametrize("receive", [receive_with_threads, receive_with_asyncio])
def test_what_cannot_be_opened_costs_the_sender_nothing(
    unwritable: Path, receive: Callable[[int, Path], object]
) -> None:
    with live.listen("tcp6") as server:
        with pytest.raises(kcom5.Io, match=str(unwritable)):
            receive(server.getsockname()[1], unwritable)
        assert no_client_came(server)


def test_a_wrong_port_is_found_before_the_file_is_made(directory: Path) -> None:
    with pytest.raises(kcom5.InvalidPort):
        Client(port=0).receive_file(directory / "missing" / "target")


def test_the_file_is_opened_before_the_server_is_asked(pool: ThreadPoolExecutor, directory: Path) -> None:
    with live.listen("tcp6") as server:
        received = pool.submit(Client(port=server.getsockname()[1], close=T).receive_file, directory / "target")
        with server.accept()[0] as connection:
            # Of no name on this system, or of one of its own.
            assert all(name.startswith(".kcom5-") for name in files_in(directory))
            connection.sendall(live.read(connection, 8) + frame(b"", b"abc"))
            assert received.result(T) == 3
    assert files_in(directory) == ["target"]


def test_a_refused_or_silent_server_leaves_no_file(directory: Path) -> None:
    with live.listen("tcp6") as server:
        client = Client(port=server.getsockname()[1], close=1)
        with pytest.raises(kcom5.Timeout):
            client.receive_file(directory / "target")
    with pytest.raises(kcom5.Refused):
        client.receive_file(directory / "target")
    assert files_in(directory) == []


def test_a_client_dials_until_somebody_listens(pool: ThreadPoolExecutor, directory: Path) -> None:
    client = Client(path=directory / "socket", close=T, wait=T)
    received = pool.submit(client.receive_file, directory / "target")
    while files_in(directory) != [] or received.done():
        select.select([], [], [], 0.01)
    select.select([], [], [], 0.1)
    with Server(path=directory / "socket", close=T).open() as listening:
        listening.send(b"abc")
    assert received.result(T) == 3
    assert (directory / "target").read_bytes() == b"abc"
    assert files_in(directory) == ["target"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_io_and_the_sender_sees_a_reset(pool: ThreadPoolExecutor) -> None:
    port, end = raw_server(pool, frame(b"", b"abc"), then=end_of)
    with pytest.raises(kcom5.Io, match=os.strerror(errno.ENOSPC)):
        Client(port=port, close=T).receive_file("/dev/full")
    assert end.result(T) == "reset"


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
server = socket.create_server(("::1", 0), family=socket.AF_INET6)
def serve():
    connection, _ = server.accept()
    connection.sendall(connection.recv(8) + bytes(4) + b"\\xff" * 8 + bytes(1024))
    connection.recv(1)
threading.Thread(target=serve, daemon=True).start()
before = peak()
try:
    kcom5.Client(port=server.getsockname()[1], close=1).receive()
except kcom5.Timeout:
    print(peak() - before)
"""


def test_a_process_that_is_promised_16_eib_grows_by_less_than_64_mib() -> None:
    command = [sys.executable, "-c", PEAK, str(vectors.ROOT / "impl/python/src")]
    assert int(subprocess.run(command, capture_output=True, check=True).stdout) < 64 * MIB


# ---- what is left behind


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_a_call_leaves_no_socket_file_thread_or_descriptor_behind(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "socket"

    def sends(octets: bytes, read: bool) -> None:
        with Server(path=path, close=T).open() as listening:
            sent = pool.submit(listening.send, DATA)
            with live.connect("unix", str(path)) as client:
                client.sendall(octets)
                if read:
                    client.shutdown(socket.SHUT_WR)
                    read_all(client)
            sent.exception(T)

    def receives(octets: bytes, to_file: bool) -> None:
        port, served = raw_server(pool, octets)
        client = Client(port=port, close=T)
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
        Server(path=directory / "socket", close=T, listening=lambda _: threading.Thread(target=interrupt).start()).send(
            b""
        )
    assert files_in(directory) == []


def test_an_interrupted_sender_resets(pool: ThreadPoolExecutor, interrupt: Callable[[], None]) -> None:
    with Server(port=0, close=T).open() as listening:

        def act() -> str:
            with live.connect("tcp6", listening.port) as client:
                client.sendall(HELLO)
                live.read(client, 20)
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
        Client(port=port, close=T).receive_file(directory / "target")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


# ---- the program


def program(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kcom5", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(vectors.ROOT / "impl/python/src")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_of_program(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and the first line that it said."""
    _, said = process.communicate(timeout=T)
    return process.returncode, said.partition("\n")[0]


# Not "not-permitted": another user may not be permitted to run this Python either.
@pytest.mark.parametrize("unwritable", list(UNWRITABLE)[:3], indirect=True)
@pytest.mark.parametrize("option", ["--output", "--message-file"])
def test_what_the_program_cannot_open_costs_the_sender_nothing(unwritable: Path, option: str) -> None:
    with live.listen("tcp6") as server:
        code, said = end_of_program(program("receive", option, unwritable, "--port", server.getsockname()[1]))
        assert code == 3
        assert said.startswith(f"kcom5: error: io: {unwritable}: ")
        assert no_client_came(server)


def test_the_program_stores_data_and_message_before_it_closes(pool: ThreadPoolExecutor, directory: Path) -> None:
    def seen(connection: socket.socket) -> tuple[bytes, bytes]:
        assert connection.recv(1) == b""
        return (directory / "data").read_bytes(), (directory / "message").read_bytes()

    port, content = raw_server(pool, frame("é".encode(), DATA), then=seen)
    receiver = program("receive", "-o", directory / "data", "--message-file", directory / "message", "--port", port)
    assert content.result(T) == (DATA, "é".encode())
    assert end_of_program(receiver)[0] == 0
    assert files_in(directory) == ["data", "message"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_message_that_cannot_be_stored_delivers_nothing(pool: ThreadPoolExecutor, directory: Path) -> None:
    port, end = raw_server(pool, frame(b"hi", b"abc"), then=end_of)
    code, said = end_of_program(
        program("receive", "-o", directory / "data", "--message-file", "/dev/full", "--port", port)
    )
    assert (code, said) == (3, f"kcom5: error: io: /dev/full: {os.strerror(errno.ENOSPC)}")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


@pytest.mark.parametrize("name", ["refused", "timeout", "interrupted"])
def test_the_program_leaves_no_file_behind(directory: Path, name: str) -> None:
    with live.listen("tcp6") as server:
        port = server.getsockname()[1]
        if name == "refused":
            server.close()
        timeout = 1 if name == "timeout" else int(T)
        arguments = ["--message-file", directory / "message", "--wait", 0, "--timeout", timeout]
        receiver = program("receive", "-o", directory / "data", "--port", port, *arguments)
        if name == "interrupted":
            with server.accept()[0] as connection:
                live.read(connection, 8)
                receiver.send_signal(signal.SIGINT)
                assert end_of(connection) == "reset"
        code, said = end_of_program(receiver)
    assert (code, said.split(": ")[:3]) == (130 if name == "interrupted" else 3, ["kcom5", "error", name])
    assert files_in(directory) == []


# ---- asyncio


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_both_ends_may_share_one_loop_and_a_stranger_has_his_turn(directory: Path) -> None:
    async def main() -> None:
        turns = 0

        async def stranger() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(stranger())
        source, target = directory / "source", directory / "target"
        source.write_bytes(DATA)
        async with aio.Server(port=0, close=T, msg="hi").open() as listening:
            client = aio.Client(port=listening.port, close=T)
            _, data = await asyncio.gather(listening.send(DATA), client.receive())
            assert (data, client.msg) == (DATA, "hi")
            assert turns > 5
        async with aio.Server(path=directory / "socket", close=T).open() as listening:
            client = aio.Client(path=directory / "socket", close=T)
            sent, received = await asyncio.gather(listening.send_file(source), client.receive_file(target))
            assert sent == received == len(DATA)
            assert target.read_bytes() == DATA
        async with aio.Server(port=0, close=T).open() as listening:
            _, view = await asyncio.gather(
                listening.send(b"abc"), aio.Client(port=listening.port, close=T).receive_view()
            )
            assert bytes(view) == b"abc"
        other.cancel()

    asyncio.run(main())


def test_asyncio_sends_a_pipe_or_a_device(directory: Path) -> None:
    async def main() -> None:
        for source in (os.devnull, "pipe"):
            read, write = os.pipe()
            os.write(write, b"abc")
            os.close(write)
            path = directory / "socket"
            started = asyncio.Event()
            server = aio.Server(path=path, close=T, listening=lambda _: started.set())  # noqa: B023
            sent = asyncio.create_task(server.send_file(read if source == "pipe" else source))
            await started.wait()
            assert await aio.Client(path=path, close=T).receive() == (b"abc" if source == "pipe" else b"")
            await sent
            os.close(read)

    asyncio.run(main())


def test_a_cancelled_server_stops_to_listen_and_removes_its_file(directory: Path) -> None:
    async def main() -> None:
        started = asyncio.Event()
        server = aio.Server(path=directory / "socket", close=T, listening=lambda _: started.set())
        task = asyncio.create_task(server.send(b""))
        await started.wait()
        assert files_in(directory) == ["socket"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files_in(directory) == []

    asyncio.run(main())


def test_a_cancelled_sender_resets() -> None:
    async def main() -> None:
        async with aio.Server(port=0, close=T).open() as listening:
            task = asyncio.create_task(listening.send(bytes(64 * MIB)))
            with live.connect("tcp6", listening.port) as client:
                client.sendall(HELLO)
                await until(lambda: _has_come(client))
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert end_of(client) == "reset"

    asyncio.run(main())


def _has_come(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(T)
    return True


def test_a_cancelled_receiver_resets_and_leaves_no_file(pool: ThreadPoolExecutor, directory: Path) -> None:
    async def main() -> None:
        port, end = raw_server(pool, frame(b"", DATA)[:MIB], then=end_of)
        come: list[int] = []
        client = aio.Client(port=port, close=T, progress=lambda done, _: come.append(done))
        task = asyncio.create_task(client.receive_file(directory / "target"))
        await until(lambda: bool(come))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files_in(directory) == []
        assert await asyncio.wrap_future(end) == "reset"

    asyncio.run(main())


# ---- large data, and time


def test_large_data_arrives_as_it_was_sent(pool: ThreadPoolExecutor) -> None:
    data = os.urandom(MIB) * 64
    digest = hashlib.sha256(data).hexdigest()
    with Server(port=0, close=T).open() as listening:
        sent = pool.submit(listening.send, data)
        view = Client(port=listening.port, close=T).receive_view()
        sent.result(T)
    assert hashlib.sha256(view).hexdigest() == digest


def test_a_reader_that_drains_the_queue_slowly_is_waited_for(pool: ThreadPoolExecutor) -> None:
    """The system has taken all long before the client has it: acknowledged octets are what moves (`time.confirm`)."""
    data = DATA[: MIB // 2]
    with Server(port=0, close=1).open() as listening, live.raw_socket("tcp6") as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        sent = pool.submit(listening.send, data)
        client.connect(live.address("tcp6", listening.port))
        client.sendall(HELLO)
        whole = HELLO + frame(b"", data)
        for at in range(0, len(whole), 1 << 16):
            assert live.read(client, min(1 << 16, len(whole) - at)) == whole[at : at + (1 << 16)]
            assert not sent.done()
            select.select([], [], [], 0.35)  # less than T, and more than T in all
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
    with Server(port=0, close=1).open() as listening, live.raw_socket("tcp6") as client:
        sent = pool.submit(listening.send, bytes(64 * MIB))
        if reads >= 0:
            client.connect(live.address("tcp6", listening.port))
            client.sendall(hello)
            live.read(client, reads)
        with pytest.raises(kcom5.Unconfirmed if name == "open" else kcom5.Timeout) as caught:
            sent.result(T)
    assert caught.value.detail == detail.replace("{port}", str(listening.port))


def test_a_server_says_that_the_client_left(pool: ThreadPoolExecutor) -> None:
    with Server(port=0, close=T).open() as listening:
        sent = pool.submit(listening.send, bytes(64 * MIB))
        with live.connect("tcp6", listening.port) as client:
            client.sendall(HELLO)
            live.read(client, 9)
            live.reset(client)
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
        Client(port=port, close=1).receive()
    assert caught.value.detail == detail


def test_a_client_says_where_nobody_listens(directory: Path) -> None:
    with live.listen("tcp6") as server:
        port = server.getsockname()[1]
    for client, name in (
        (Client(port=port), f"[::1]:{port}"),
        (Client(path=directory / "socket"), f"{directory}/socket"),
    ):
        with pytest.raises(kcom5.Refused) as caught:
            client.receive()
        assert caught.value.detail == f"nobody listens on {name}"


@pytest.mark.parametrize("seconds", [0, -1, -1e300, 1e300, 1 << 70])
def test_a_time_that_is_none_or_endless_is_never_over(seconds: float) -> None:
    deadline = Deadline(seconds)
    assert not deadline.has_passed()
    assert deadline.left() > 1e8
    assert deadline.left(0.5) == 0.5


def test_a_deadline_is_over_when_nothing_is_left() -> None:
    deadline = Deadline(1e-9)
    while not deadline.has_passed():
        pass
    assert deadline.left() == 0
