"""The client: it connects, and receives the message and the data.

Does: the connection, and what is opened before it. Does not: decide what a byte means.
Spec: "Listening and connecting", "Time", "Unix profile".
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from .address import check_port
from .deadline import Deadline
from .errors import Refused
from .exchange import ClientExchange, Limits
from .receiving import Receiving
from .sink import FileSink, MemorySink, Sink
from .stream import RESETS, WRITE, Steps, Stream, Wait, is_of_another_user, open_socket, run, told_to
from .system import File, Path, Place, name_of, place_of, reason
from .wire import NONCE_SIZE

_AGAIN = 0.02
"""Seconds between tries while the listener's queue is full, or nobody listens."""

_PENDING = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK, errno.EINTR})
_R = TypeVar("_R")


class ClientSettings:
    """What a client is told: the fields, and no connection.

    `ipv6` selects ::1, else 127.0.0.1. `port` is 1 to 65535. `path`, if not None, is the path of a Unix-domain
    socket and replaces both. `close` is T in seconds, zero or negative for no limit. `limits` are the most bytes
    that are taken. `progress` is called with the bytes of data that have arrived, and all. `msg` is the message
    that was received last: it changes on success only (`result.message`).

    `message_file`, if not None, is a file that the message is stored in, before the server hears of success. With
    `no_clobber` an existing file is not replaced: Io, before it connects or when the file gets its name. `wait` is
    how many seconds it keeps dialling while nobody listens; files are opened once, before.
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
        message_file: File | None = None,
        no_clobber: bool = False,
        wait: float = 0,
    ) -> None:
        self.msg = ""
        self.ipv6 = ipv6
        self.port = port
        self.path = path
        self.close = close
        self.limits = limits or Limits()
        self.progress = progress
        self.message_file = message_file
        self.no_clobber = no_clobber
        self.wait = wait

    def check(self) -> None:
        """Raise InvalidPort if the port is none."""
        if self.path is None:
            check_port(self.port)

    def receive_steps(self) -> Steps[bytearray | mmap.mmap]:
        """Receive into memory."""
        return self.receive_into(MemorySink())

    def receive_file_steps(self, file: File) -> Steps[int]:
        """Receive into a file, which is opened before anybody is asked to send."""
        return self.receive_into(FileSink(file, self.close, no_clobber=self.no_clobber))

    def receive_into(self, sink: Sink[_R], message: FileSink | None = None) -> Steps[_R]:
        """Receive into a sink, which is opened and discarded here; the message too, if there is a sink for it."""
        self.check()
        if message is None and self.message_file is not None:
            message = FileSink(self.message_file, self.close, no_clobber=self.no_clobber)
        with ExitStack() as sinks:
            for each in (sink, message):
                if each is not None:
                    sinks.enter_context(each)
                    yield from each.open()
            bound = Deadline(self.wait)
            while True:
                is_over = self.wait <= 0 or bound.has_passed()
                try:
                    self.msg = yield from self._receive_once(sink, message)
                    return sink.result()
                except Refused:
                    if is_over:
                        raise
                yield Wait(None, 0, bound.left(_AGAIN))

    def _receive_once(self, sink: Sink[_R], message: FileSink | None) -> Steps[str]:
        place = place_of(self.path, self.ipv6, self.port)
        exchange = ClientExchange(os.urandom(NONCE_SIZE), self.limits)
        with told_to(exchange, name_of(place)):
            stream = yield from _connect(exchange, place, Deadline(self.close))
            try:
                yield from Receiving(exchange, stream, sink, message, self.close, self.progress).steps()
                exchange.check_done()
            except BaseException:
                stream.abort()
                raise
            if stream.is_local:
                with suppress(OSError):
                    # Everything is stored: the byte that was left, whose going tells the server so.
                    stream.receive(1)
            stream.close()
        return exchange.message


def _connect(exchange: ClientExchange, place: Place, deadline: Deadline) -> Steps[Stream]:
    """Return a connection to the server, and to nobody else."""
    name = name_of(place)
    while True:
        is_over = deadline.has_passed()
        connection = _open(place)
        try:
            code = connection.connect_ex(place)
            while code in _PENDING and not isinstance(place, str):
                is_over = deadline.has_passed()
                code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or connection.connect_ex(place)
                if code in _PENDING:
                    if is_over:
                        break
                    yield Wait(connection.fileno(), WRITE, deadline.left())
            if code in (0, errno.EISCONN):
                stream = Stream(connection)
                stream.reset_when_closed(True)
                _check_peer(exchange, stream, name)
                return stream
            if code in RESETS:
                exchange.on("reset")
            if code == errno.ECONNREFUSED or (code == errno.ENOENT and _has_folder(place)):
                exchange.on("refused", f"nobody listens on {name}")
            # A full queue, or the kernel gave up: T is what counts.
            if code not in (errno.EAGAIN, errno.ETIMEDOUT, *_PENDING):
                raise OSError(code, os.strerror(code))
            if is_over:
                exchange.on("timeout", f"not connected to {name} within {deadline}")
        except BaseException as error:
            connection.close()
            if isinstance(error, ValueError):
                exchange.on("failure", f"{name}: {reason(error)}")
            raise
        connection.close()
        yield Wait(None, 0, deadline.left(_AGAIN))


def _open(place: Place) -> socket.socket:
    if isinstance(place, str):
        return open_socket(socket.AF_UNIX)
    return open_socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET)


def _has_folder(place: Place) -> bool:
    """Whether a path names a file that may be made in a folder that there is."""
    return isinstance(place, str) and (os.path.lexists(place) or os.path.isdir(os.path.dirname(place) or "."))  # noqa: PTH112, PTH120


def _check_peer(exchange: ClientExchange, stream: Stream, name: str) -> None:
    connection = stream.socket
    if stream.is_local:
        if is_of_another_user(connection):
            exchange.on("wrong")
        return
    is_self = False
    # getpeername fails if the connection has been reset meanwhile: it is not our own.
    with suppress(OSError):
        is_self = connection.getsockname() == connection.getpeername()
    if is_self:
        exchange.on("refused", f"nobody listens on {name}")


def as_view(buffer: bytearray | mmap.mmap) -> memoryview:
    """Return the read-only bytes of a buffer, which live as long as the view."""
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
        """Receive the data into a file, and return the number of bytes. Memory does not depend on it.

        The file of this path is there, of mode 0600, when all has come, or is as it was before. Pipes, devices and
        open files are written to as bytes come. Raises as `receive` does; Io if it cannot be written, and before it
        connects if it cannot be opened.
        """
        return run(self.receive_file_steps(file))
