"""The client: it connects, and receives the message and the data.

Does: the connection, and the files opened before it. Does not: decide what a byte means.
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
from .deadline import Deadline, check_timeout
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
    """The settings of a client, without a connection."""

    def __init__(
        self,
        *,
        port: int = 13600,
        ipv6: bool = True,
        path: Path | None = None,
        timeout: float | None = 150,
        limits: Limits | None = None,
        wait: float = 0,
        message_file: File | None = None,
        no_clobber: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """Set the fields. They may be changed between two calls.

        Args:
            port: The server's port, 1 to 65535.
            ipv6: Whether to connect to ::1, else to 127.0.0.1.
            path: The path of a Unix-domain socket. If not None, it replaces `port` and `ipv6`.
            timeout: The limit of each wait in seconds, more than 0; None waits forever.
            limits: The most bytes that are accepted (`limit.over`). None: 16 MiB of message, any length of data.
            wait: The seconds to keep dialling while nobody listens. Files are opened once, before that.
            message_file: A file in which the message is stored before the server learns of success.
            no_clobber: Whether to fail with Io where a file exists already, instead of replacing it.
            progress: Called each time that data has arrived, with the bytes so far and the total. It runs in the thread
                of the call, in asyncio in the event loop. An exception from it ends the exchange, and the call raises
                it; the server sees a reset.
        """
        self.message = ""
        """The message that was received last; it changes on success only (`result.message`)."""
        self.port = port
        self.ipv6 = ipv6
        self.path = path
        self.timeout = timeout
        self.limits = limits or Limits()
        self.wait = wait
        self.message_file = message_file
        self.no_clobber = no_clobber
        self.progress = progress

    def check(self) -> None:
        """Raise ValueError if the timeout is not more than 0, and InvalidPort if the port is out of range."""
        check_timeout(self.timeout)
        if self.path is None:
            check_port(self.port)

    def receive_steps(self) -> Steps[bytearray | mmap.mmap]:
        """Receive into memory."""
        return self.receive_into(MemorySink())

    def receive_file_steps(self, file: File) -> Steps[int]:
        """Receive into a file, which is opened before the client connects."""
        return self.receive_into(FileSink(file, self.timeout, no_clobber=self.no_clobber))

    def receive_into(self, sink: Sink[_R], message: FileSink | None = None) -> Steps[_R]:
        """Receive into a sink, which is opened and discarded here; the message too, if there is a sink for it."""
        self.check()
        if message is None and self.message_file is not None:
            message = FileSink(self.message_file, self.timeout, no_clobber=self.no_clobber)
        with ExitStack() as sinks:
            for each in (sink, message):
                if each is not None:
                    sinks.enter_context(each)
                    yield from each.open()
            bound = Deadline(self.wait)
            while True:
                is_over = bound.has_passed()
                try:
                    self.message = yield from self._receive_once(sink, message)
                    return sink.result()
                except Refused:
                    if is_over:
                        raise
                yield Wait(None, 0, bound.left(_AGAIN))

    def _receive_once(self, sink: Sink[_R], message: FileSink | None) -> Steps[str]:
        place = place_of(self.path, self.ipv6, self.port)
        exchange = ClientExchange(os.urandom(NONCE_SIZE), self.limits)
        with told_to(exchange, name_of(place)):
            stream = yield from _connect(exchange, place, Deadline(self.timeout))
            try:
                yield from Receiving(exchange, stream, sink, message, self.timeout, self.progress).steps()
                exchange.check_done()
            except BaseException:
                stream.abort()
                raise
            if stream.is_local:
                with suppress(OSError):
                    # Everything is stored: read the byte that was left, so that the server sees an orderly end.
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
                stream = Stream(connection, is_local=isinstance(place, str))
                stream.reset_when_closed(True)
                _check_peer(exchange, stream, name)
                return stream
            if code in RESETS:
                exchange.on("reset")
            if code == errno.ECONNREFUSED or (code == errno.ENOENT and _has_folder(place)):
                exchange.on("refused", f"nobody listens on {name}")
            # The queue is full, or the kernel gave up: only T ends the attempts.
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
    """Whether a path exists, or its folder does."""
    return isinstance(place, str) and (os.path.lexists(place) or os.path.isdir(os.path.dirname(place) or "."))  # noqa: PTH112, PTH120


def _check_peer(exchange: ClientExchange, stream: Stream, name: str) -> None:
    connection = stream.socket
    if stream.is_local:
        if is_of_another_user(connection):
            exchange.refuse_peer()
        return
    is_self = False
    # getpeername fails if the connection has been reset meanwhile; then it is not a connection to itself.
    with suppress(OSError):
        is_self = connection.getsockname() == connection.getpeername()
    if is_self:
        exchange.on("refused", f"nobody listens on {name}")


def as_view(buffer: bytearray | mmap.mmap) -> memoryview:
    """Return a read-only view of a buffer, which lives as long as the view."""
    return memoryview(buffer).toreadonly()


class Client(ClientSettings):
    """The client of one exchange at a time; it may be used again. Not to be shared by threads."""

    def receive(self) -> bytes:
        """Connect, receive, set `message` and return the data.

        The copy into `bytes` costs as much as receiving; `receive_view` makes no copy.

        Returns:
            The data, all of it.

        Raises:
            InvalidPort: The port is out of range. A timeout that is not more than 0 is ValueError. Both come before it
                connects.
            Refused: Nobody listened within `wait`.
            Timeout: A wait lasted as long as `timeout`.
            InvalidConnection: The other side does not speak KCOM5, or belongs to another user.
            Truncated: The server left before the end.
            MalformedMessage: The message is not UTF-8.
            OverLimit: A length is over `limits`.
            Io: Any other failure of the system.
        """
        return bytes(run(self.receive_steps()))

    def receive_view(self) -> memoryview:
        """Receive as `receive` does, and return the data without a copy, as a read-only view of its own memory."""
        return as_view(run(self.receive_steps()))

    def receive_file(self, file: File) -> int:
        """Receive the data into a file in constant memory.

        Args:
            file: A path, a descriptor or an open file. The file of a path has the mode 0600. It appears when everything
                has arrived; before that, an existing file is unchanged. Pipes, devices and open files are written as
                bytes arrive.

        Returns:
            The number of bytes.

        Raises:
            Io: The file cannot be written, or it could not be opened before the client connects.
            KcomError: As `receive`.
        """
        return run(self.receive_file_steps(file))
