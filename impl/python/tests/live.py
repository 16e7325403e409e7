"""A raw peer that plays the steps of a vector over a live socket, with the implementation in another thread."""

from __future__ import annotations

import asyncio
import errno
import queue
import random
import select
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vectors
from vectors import Vector

from kcom5 import Client, KcomError, Limits, Server, aio
from kcom5.compat import timeout_of

PATIENCE = 30.0
"""T where it must not matter, and how long the peer waits for what must come."""
TICK = 0.02
HOSTS = {"tcp6": (socket.AF_INET6, "::1"), "tcp4": (socket.AF_INET, "127.0.0.1")}
NO_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
APIS = ("sync", "asyncio")
SCALES = (1, 2, 4, 8)
"""By what T is multiplied, one after the other, until a vector with a T of its own is played as it says.

On a busy machine the peer comes late, and then it is another peer; the longer T is, the less that counts.
"""


def raw_socket(via: str) -> socket.socket:
    new = socket.socket(socket.AF_UNIX if via == "unix" else HOSTS[via][0])
    new.settimeout(PATIENCE)
    return new


def address(via: str, place: int | str, host: str = "") -> Any:
    return place if via == "unix" else (host or HOSTS[via][1], place)


def connect(via: str, place: int | str) -> socket.socket:
    new = raw_socket(via)
    try:
        new.connect(address(via, place))
    except BaseException:
        new.close()
        raise
    return new


def listen(via: str, place: int | str = 0, backlog: int = 8) -> socket.socket:
    server = raw_socket(via)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(address(via, place))
    server.listen(backlog)
    return server


def read(connection: socket.socket, size: int) -> bytes:
    octets = bytearray()
    while len(octets) < size:
        piece = connection.recv(min(size - len(octets), 1 << 20))
        assert piece, f"the end after {len(octets)} of {size} octets"
        octets += piece
    return bytes(octets)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def free_port() -> int:
    """A port that was free a moment ago, outside the range from which the system chooses."""
    while True:
        port = random.randrange(15000, 30000)
        if all(is_free(via, port) for via in HOSTS):
            return port


def is_free(via: str, port: int) -> bool:
    """Whether nobody has this port. Nobody has one of an address that this machine lacks."""
    try:
        with raw_socket(via) as probe:
            probe.bind(address(via, port))
    except OSError as error:
        return error.errno in NO_ADDRESS
    return True


def why_no_ipv6() -> str:
    """Why there is no ::1; empty if there is."""
    try:
        listen("tcp6").close()
    except OSError as error:
        return f"NOT RUN: there is no ::1 here: {error.strerror}"
    return ""


@contextmanager
def alone_at(via: str, port: int) -> Iterator[None]:
    """One test at a time, in whatever process, and nobody else listens there. The lock is UDP's port of that number."""
    with socket.socket(HOSTS[via][0], socket.SOCK_DGRAM) as lock:
        until_it_can(lambda: lock.bind(address(via, port)))
        until_it_can(lambda: listen(via, port).close())
        yield


def until_it_can(act: Callable[[], None]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except OSError:
            if time.monotonic() > end:
                raise
        select.select([], [], [], 0.01)


@dataclass
class Call:
    """A call of the implementation in a thread of its own."""

    listening: queue.Queue[int | str] = field(default_factory=queue.Queue)
    message: str = "unchanged"
    data: bytes = b""
    error: BaseException | None = None
    confirmed: bool | None = None
    start: float = 0
    seconds: float = 0
    end: float = 0
    _thread: threading.Thread | None = None

    def run(self, act: Callable[[], None]) -> None:
        def body() -> None:
            try:
                act()
            except BaseException as error:
                self.error = error
            self.end = time.monotonic()

        self.start = time.monotonic()
        self._thread = threading.Thread(target=body, daemon=True)
        self._thread.start()

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the call does not end"

    @property
    def has_ended(self) -> bool:
        assert self._thread is not None
        return not self._thread.is_alive()

    def wait_for_listening(self) -> int | str:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(queue.Empty):
                return self.listening.get(timeout=0.05)
            if self.has_ended and self.listening.empty():
                raise AssertionError(f"it does not listen: {self.error}")
        raise AssertionError("it does not listen")


def start_server(api: str, vector: Vector, settings: dict[str, Any]) -> Call:
    call = Call()
    module: Any = aio if api == "asyncio" else None

    def act() -> None:
        kwargs = {**settings, "message": vector.message, "listening": call.listening.put}
        server: Any = module.Server(**kwargs) if module else Server(**kwargs)
        sent = asyncio.run(server.send(vector.data)) if module else server.send(vector.data)
        assert sent.size == len(vector.data)
        call.confirmed = sent.confirmed

    call.run(act)
    return call


def start_client(api: str, vector: Vector, settings: dict[str, Any]) -> Call:
    call = Call()

    def act() -> None:
        kwargs = {**settings, "limits": Limits(**vector.give.get("limits", {}))}
        client: Any = aio.Client(**kwargs) if api == "asyncio" else Client(**kwargs)
        client.message = call.message
        try:
            call.data = asyncio.run(client.receive()) if api == "asyncio" else client.receive()
        finally:
            call.message = client.message

    call.run(act)
    return call


@dataclass
class Conversation:
    """One vector over one transport."""

    api: str
    vector: Vector
    via: str
    path: Path
    scale: int = 1
    nonces: list[bytes] = field(default_factory=list)
    place: int | str = 0
    """Where to connect or listen, once it is known."""
    last_act: float = 0
    connected_at: float = 0
    nonce: bytes = vectors.NONCE

    @property
    def bound(self) -> float:
        """T of the vector, in seconds; one where a wait is not limited."""
        return self.close if self.close > 0 else 1

    @property
    def close(self) -> float:
        close: float = self.vector.give.get("close", PATIENCE)
        return close * self.scale if self.is_scaled else close

    @property
    def is_scaled(self) -> bool:
        """Whether T may be longer: not if it is what the vector is about, or promptness."""
        return 0 < self.vector.give.get("close", 0) < PATIENCE and "within" not in self.vector.outcome

    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"timeout": timeout_of(self.close), "ipv6": self.via == "tcp6"}
        if self.via == "unix":
            settings["path"] = self.path
        elif self.vector.give.get("port") != "default":
            settings["port"] = self.vector.give.get("port", self.place)
        return settings

    def play(self) -> None:
        for _ in range(self.vector.times):
            with ExitStack() as stack:
                if self.vector.give.get("port") == "default":
                    self.place = 13600
                    stack.enter_context(alone_at(self.via, 13600))
                against = self._against_server if self.vector.role == "server" else self._against_client
                call = against(stack)
            self._check(call)
        if self.vector.outcome.get("nonce") == "differs":
            assert len(set(self.nonces)) > 1

    def _against_server(self, stack: ExitStack) -> Call:
        vector = self.vector
        if vector.setup == "taken":
            place = str(self.path) if self.via == "unix" else 0
            taken = stack.enter_context(listen(self.via, place))
            self.place = place or taken.getsockname()[1]
        elif vector.setup == "stale":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(self.path))
        elif vector.setup == "file":
            self.path.write_bytes(b"mine")
        call = start_server(self.api, vector, self.settings())
        stack.callback(call.join)
        self.connected_at = self.last_act = call.start
        if not vector.steps:
            call.join()
            return call
        listening = call.wait_for_listening()
        assert self.place in (0, listening)
        self.place = listening
        connection = None
        steps = list(vector.steps)
        if vector.setup != "nobody" and ("connect",) not in steps:
            steps.insert(0, ("connect",))
        for step in steps:
            connection = self._step(step, connection, call)
        call.join()
        if connection is not None:
            connection.close()
        return call

    def _against_client(self, stack: ExitStack) -> Call:
        vector = self.vector
        server = None
        if vector.setup == "nobody":
            self.place = str(self.path) if self.via == "unix" else free_port()
        else:
            here = str(self.path) if self.via == "unix" else self.place
            server = stack.enter_context(listen(self.via, here, 0 if vector.setup == "full" else 8))
            self.place = here or server.getsockname()[1]
        if vector.setup == "full":
            for _ in range(4):
                filler = stack.enter_context(raw_socket(self.via))
                filler.setblocking(False)
                filler.connect_ex(address(self.via, self.place))
        self.connected_at = self.last_act = time.monotonic()
        call = start_client(self.api, vector, self.settings())
        stack.callback(call.join)
        connection = None
        if server is not None and vector.steps and vector.setup != "full":
            connection, _ = server.accept()
            connection.settimeout(PATIENCE)
            self.nonce = b""
        for step in vector.steps:
            connection = self._step(step, connection, call)
        call.join()
        if connection is not None:
            connection.close()
        if server is not None and self.via == "unix":
            self.path.unlink()
        return call

    def _step(self, step: vectors.Step, connection: socket.socket | None, call: Call) -> socket.socket | None:
        kind = step[0]
        is_failure = "error" in self.vector.outcome
        if kind == "stall":
            call.join()
            return connection
        if kind == "pause":
            seconds = {"tick": TICK, "half": 0.5 * self.bound, "most": 0.6 * self.bound}[step[1]]
            # An implementation that ends in the meantime is not waited for any longer.
            end = time.monotonic() + seconds
            while time.monotonic() < end and not (is_failure and call.has_ended):
                select.select([], [], [], max(0.0, min(0.05, end - time.monotonic())))
            return connection
        if not kind.startswith("expect"):
            self.last_act = time.monotonic()
        if kind == "connect":
            self.connected_at = self.last_act
            return connect(self.via, self.place)
        if kind == "expect-mode":
            assert oct(self.path.stat().st_mode & 0o7777) == oct(int(step[1], 8))
            return connection
        if kind == "replace-file":
            # The socket is still reached by its other name.
            self.place = str(self.path.rename(self.path.with_name("moved")))
            self.path.write_bytes(b"mine")
            return connection
        if kind == "expect-refused":
            self._expect_refused(step[1] if len(step) > 1 else "")
            return connection
        assert connection is not None
        if kind == "send":
            with suppress_if(is_failure, ConnectionError):
                connection.sendall(vectors.joined(step[1:], self.nonce))
        elif kind == "expect":
            self._expect(connection, step[1:])
        elif kind == "expect-nothing":
            if select.select([connection], [], [], TICK)[0]:
                with suppress_if(is_failure, ConnectionError):
                    assert connection.recv(1, socket.MSG_PEEK) == b""
        elif kind == "expect-end":
            with suppress_if(is_failure, ConnectionError):
                assert connection.recv(1) == b""
        elif kind == "expect-reset":
            try:
                octets = connection.recv(1)
            except ConnectionResetError:
                return connection
            raise AssertionError(f"not a reset, but {octets!r}")
        elif kind == "half-close":
            connection.shutdown(socket.SHUT_WR)
        elif kind == "close":
            connection.close()
        else:
            assert kind == "reset"
            reset(connection)
        return connection

    def _expect(self, connection: socket.socket, parts: tuple[Any, ...]) -> None:
        if not self.nonce:
            hello = read(connection, 8)
            assert hello[:5] == b"KCOM5"
            self.nonce = hello[5:]
            self.nonces.append(self.nonce)
            assert vectors.joined(parts, self.nonce) == hello
            return
        expected = vectors.joined(parts, self.nonce)
        assert read(connection, len(expected)) == expected

    def _expect_refused(self, host: str) -> None:
        with raw_socket("tcp4" if "." in host else self.via) as other:
            try:
                other.connect(address(self.via, self.place, host))
                assert other.recv(1) == b""
            except (ConnectionRefusedError, ConnectionResetError, FileNotFoundError):
                return
            raise AssertionError("an orderly end is no refusal")

    def _check(self, call: Call) -> None:
        outcome = self.vector.outcome
        if "error" in outcome:
            assert isinstance(call.error, KcomError), repr(call.error)
            assert not call.confirmed
            assert call.error.name == outcome["error"]
            assert (call.message, call.data) == ("unchanged", b"")
        else:
            if call.error is not None:
                raise call.error
            if self.vector.role == "client":
                assert call.message.encode() == vectors.text_octets(outcome.get("message", ""))
                assert call.data == vectors.octets(outcome.get("data", ""))
            if "confirmed" in outcome:
                assert call.confirmed == outcome["confirmed"]
        last = self.vector.steps[-1][0] if self.vector.steps else ""
        # The wait for the frame begins with an octet; that for the handshake began with the connection.
        is_frame = last == "stall" and self.vector.setup != "nobody" and self.vector.rule != "time.handshake"
        start = self.last_act if is_frame else self.connected_at
        if "after" in outcome:
            assert call.end - start >= outcome["after"] * (self.scale if self.is_scaled else 1)
        if "within" in outcome:
            assert call.end - start <= outcome["within"]
        if "path" in outcome:
            assert self.path.exists() == (outcome["path"] == "kept")


@contextmanager
def suppress_if(condition: bool, *errors: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except errors:
        if not condition:
            raise


def play(api: str, vector: Vector, via: str, scale: int = 1) -> None:
    """Play a vector once, in a directory of its own. Raises an AssertionError, or what the call raised."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as directory:
        Conversation(api, vector, via, Path(directory) / "socket", scale).play()
