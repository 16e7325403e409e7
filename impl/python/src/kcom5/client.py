"""The client: it connects, and receives the message and the data.

Does: the connection, and the transport of a ClientExchange. Does not: decide what an octet means.
Spec: "Listening and connecting", "Time", "Unix profile".
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from .address import check_port
from .body import File, FileSink, MemorySink, Sink, reason
from .deadline import Deadline
from .errors import KcomError
from .exchange import ClientExchange, Limits
from .server import Path, name_of, place_of
from .stream import READ, RESETS, WRITE, Steps, Stream, Wait, is_of_another_user, open_socket, run
from .wire import NONCE_SIZE

_HEAD = 1 << 16
_AGAIN = 0.02
"""Seconds between tries while the listener's queue is full."""

_PENDING = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)
_R = TypeVar("_R")


class ClientSettings:
    """What a client is told: the fields, and no connection.

    `ipv6` selects ::1, else 127.0.0.1. `port` is 1 to 65535. `path`, if not None, is the path of a Unix-domain
    socket and replaces both. `close` is T in seconds, zero or negative for no limit. `limits` are the most octets
    that are taken. `progress` is called with the octets of data that have arrived, and all. `msg` is the message
    that was received last: it changes on success only (`result.message`).
    """

    def __init__(
        self,
        *,
        ipv6: bool = True,
        port: int = 13600,
        path: Path | None = None,
        close: float = 150,
        limits: Limits | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        self.msg = ""
        self.ipv6 = ipv6
        self.port = port
        self.path = path
        self.close = close
        self.limits = limits or Limits()
        self.progress = progress

    def check(self) -> None:
        """Raise InvalidPort if the port is none."""
        if self.path is None:
            check_port(self.port)

    def receive_steps(self) -> Steps[bytearray | mmap.mmap]:
        """Receive into memory."""
        with MemorySink() as sink:
            return (yield from self.receive_into(sink))

    def receive_file_steps(self, file: File) -> Steps[int]:
        """Receive into a file, which is opened before anybody is asked to send."""
        self.check()
        with FileSink(file) as sink:
            return (yield from self.receive_into(sink))

    def receive_into(self, sink: Sink[_R], message: Sink[int] | None = None) -> Steps[_R]:
        """Receive into what the caller has opened, and discards; the message too, if there is a sink for it.

        Both are delivered before the connection is closed. After Refused it may be called again.
        """
        self.check()
        exchange = ClientExchange(os.urandom(NONCE_SIZE), self.limits)
        stream = yield from _connect(exchange, self)
        try:
            result = yield from _Receiving(exchange, stream, self).steps(sink, message)
        except BaseException:
            stream.abort()
            raise
        stream.close()
        self.msg = exchange.message
        return result


def _connect(exchange: ClientExchange, settings: ClientSettings) -> Steps[Stream]:
    """Return a connection to the server, and to nobody else."""
    place = place_of(settings.path, settings.ipv6, settings.port)
    name = name_of(place)
    family = socket.AF_INET6 if settings.ipv6 else socket.AF_INET
    if settings.path is not None:
        family = socket.AF_UNIX
    deadline = Deadline(settings.close)
    while True:
        connection = open_socket(family)
        try:
            code = connection.connect_ex(place)
            while code in _PENDING and settings.path is None:
                if deadline.has_passed():
                    exchange.on("timeout", f"not connected to {name} within {deadline}")
                yield Wait(connection.fileno(), WRITE, deadline.left())
                code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or connection.connect_ex(place)
            # One that was reset since was connected: the first read says so.
            if code in (0, errno.EISCONN, *RESETS):
                stream = Stream(connection)
                _check_peer(exchange, stream)
                return stream
            if code in (errno.ECONNREFUSED, errno.ENOENT):
                exchange.on("refused", f"nobody listens on {name}")
            # A full queue: the system gives up at once (AF_UNIX), or long after, but T is what counts.
            if code not in (errno.EAGAIN, errno.ETIMEDOUT):
                exchange.on("failure", f"cannot connect to {name}: {os.strerror(code)}")
            if deadline.has_passed():
                exchange.on("timeout", f"the listener's queue is full for {deadline} on {name}")
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, ValueError)) and not isinstance(error, KcomError):
                exchange.on("failure", f"cannot connect to {name}: {reason(error)}")
            raise
        connection.close()
        yield Wait(None, 0, deadline.left(_AGAIN))


def _check_peer(exchange: ClientExchange, stream: Stream) -> None:
    connection = stream.socket
    if stream.is_local:
        if is_of_another_user(connection):
            exchange.on("wrong", "the server is another user's")
        return
    is_self = False
    # getpeername fails if the connection has been reset meanwhile: it is not our own.
    with suppress(OSError):
        is_self = connection.getsockname() == connection.getpeername()
    if is_self:
        exchange.on("refused", "the connection is to itself: nobody listens there")


class _Receiving:
    """The exchange on a connection: hello, echo, frame."""

    def __init__(self, exchange: ClientExchange, stream: Stream, settings: ClientSettings) -> None:
        self._exchange = exchange
        self._stream = stream
        self._progress = settings.progress
        self._deadline = Deadline(settings.close)

    def steps(self, sink: Sink[_R], message: Sink[int] | None) -> Steps[_R]:
        try:
            self._exchange.on("connected")
            yield from self._write_hello()
            rest = yield from self._read_head()
            yield from self._read_data(rest, sink)
            if message is not None:
                message.put(self._exchange.message.encode())
                message.finish()
            return sink.finish()
        except KcomError:
            raise
        except OSError as error:
            self._exchange.on("reset" if error.errno in RESETS else "failure", reason(error))
            raise

    def _write_hello(self) -> Steps[None]:
        left = memoryview(self._exchange.hello)
        while left:
            try:
                left = left[self._stream.socket.send(left) :]
            except BlockingIOError:
                yield from self._wait(WRITE)

    def _read_head(self) -> Steps[bytes]:
        """Read up to the data; return what has come of the data and past it."""
        exchange, stream = self._exchange, self._stream
        while True:
            # A close with unread octets is a reset on a Unix-domain socket: it must be possible to leave some.
            octets = stream.receive(exchange.needed if stream.is_local else _HEAD)
            if octets is None:
                yield from self._wait(READ)
                continue
            if not octets:
                exchange.on("end", "the server closed")
            used = exchange.feed(octets)
            if exchange.state != "echo":
                self._deadline.restart()
            if exchange.state in ("data", "done"):
                return octets[used:]

    def _read_data(self, rest: bytes, sink: Sink[_R]) -> Steps[None]:
        exchange = self._exchange
        sink.begin(exchange.data_length)
        first = rest[: exchange.data_left]
        if first:
            sink.put(first)
            self._arrived(len(first))
        while exchange.state == "data":
            try:
                count = sink.take(self._stream.socket, exchange.data_left)
            except BlockingIOError:
                yield from self._wait(READ)
                continue
            if count == 0:
                exchange.on("end", "the server closed")
            self._arrived(count)
            yield None

    def _arrived(self, count: int) -> None:
        exchange = self._exchange
        exchange.arrived(count)
        self._deadline.restart()
        if self._progress is not None:
            self._progress(exchange.data_length - exchange.data_left, exchange.data_length)

    def _wait(self, events: int) -> Steps[None]:
        if self._deadline.has_passed():
            what = "no whole echo within" if self._exchange.state == "echo" else "the server sent nothing for"
            self._exchange.on("timeout", f"{what} {self._deadline}")
        yield self._stream.wait(events, self._deadline.left())


def as_view(buffer: bytearray | mmap.mmap) -> memoryview:
    """Return the read-only octets of a buffer, which live as long as the view."""
    return memoryview(buffer).toreadonly()


class Client(ClientSettings):
    """The client of one exchange at a time; it may be used again."""

    def receive(self) -> bytes:
        """Connect, receive, set `msg` and return the data. The copy into `bytes` costs as much as the receiving.

        Raises InvalidPort before it connects; then Refused, Timeout, InvalidConnection, Truncated,
        MalformedMessage, OverLimit, Io.
        """
        return bytes(run(self.receive_steps()))

    recieve = receive
    """The original's spelling."""

    def receive_view(self) -> memoryview:
        """Receive as `receive` does, and return the data without a copy, as a read-only view of its own memory."""
        return as_view(run(self.receive_steps()))

    def receive_file(self, file: File) -> int:
        """Receive the data into a file, and return the number of octets. Memory does not depend on it.

        The file of this path is there, of mode 0600, when all has come, or is as it was before. Pipes, devices and
        open files are written to as octets come. Raises as `receive` does; Io if it cannot be written, and before it
        connects if it cannot be opened.
        """
        return run(self.receive_file_steps(file))
