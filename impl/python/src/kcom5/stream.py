"""Sockets, and waiting for them.

Does: opens and tunes sockets, checks the peer's user, closes in order or by a reset, and runs the steps of an exchange.
Does not: know the protocol or how long to wait. Spec: "Closing", "Unix profile".
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import select
import socket
import struct
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import NamedTuple, TypeVar

from .errors import Io, KcomError
from .exchange import ClientExchange, ServerExchange
from .system import reason

if sys.platform == "linux":
    import fcntl
    import termios

READ, WRITE = 1, 2

RESETS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNABORTED})
"""The error numbers of a connection that is gone."""

PIECE = 1 << 20
"""Bytes that are moved at a time; more gains nothing, and delays other tasks."""

MUCH = 1 << 16
"""Data larger than this is worth some preparation."""

_BUFFER = 1 << 20
_ENOUGH = 64
"""The most pieces of unread bytes that are discarded before a close, for a peer that sends without end."""
_SO_BUF_LOCK = 72  # Linux 5.14


class Wait(NamedTuple):
    """A wait of the steps of an exchange, for a descriptor to be ready, or for time to pass."""

    descriptor: int | None
    events: int
    seconds: float


_T = TypeVar("_T")

Steps = Generator["Wait | None", None, _T]
"""An exchange that yields each wait, or None where it need not wait but other tasks may run.

It tries again after each wait and reads the clock itself, so that its runner may wake it early. If it is closed at a
wait, it leaves nothing behind (`close.residue`).
"""


class Wake(NamedTuple):
    """The caller's way to end waits early: a descriptor that becomes readable, and a function that then raises."""

    descriptor: int
    check: Callable[[], None]


def run(steps: Steps[_T], wake: Wake | None = None) -> _T:
    """Run the steps to their end in this thread."""
    try:
        while True:
            wait = next(steps)
            if wake is not None:
                wake.check()
            if wait is not None:
                _wait(wait, wake)
                if wake is not None:
                    wake.check()
    except StopIteration as end:
        result: _T = end.value
        return result
    finally:
        # This passes an exception that a signal raises in the wait to the steps.
        steps.close()


if hasattr(select, "poll"):

    def _wait(wait: Wait, wake: Wake | None) -> None:
        poll = select.poll()
        if wait.descriptor is not None:
            events = (select.POLLIN if wait.events & READ else 0) | (select.POLLOUT if wait.events & WRITE else 0)
            poll.register(wait.descriptor, events)
        if wake is not None:
            poll.register(wake.descriptor, select.POLLIN)
        # Rounded up (`time.bounds`). If it is shorter than the wait, the steps check and wait again.
        poll.poll(min(math.ceil(wait.seconds * 1000), 1 << 30))

else:
    import time

    def _wait(wait: Wait, wake: Wake | None) -> None:
        seconds = min(wait.seconds, 1e6)
        if wait.descriptor is None:
            time.sleep(seconds)
            return
        descriptors = [wait.descriptor]
        writers = descriptors if wait.events & WRITE else []
        # Windows reports a failed connection in the third list.
        select.select(descriptors if wait.events & READ else [], writers, writers, seconds)


class told_to:
    """Reports the end of the transport to the exchange, so that it always reaches a final state."""

    def __init__(self, exchange: ClientExchange | ServerExchange, place: str) -> None:
        self._exchange, self._place = exchange, place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        exchange = self._exchange
        if isinstance(error, OSError) and not isinstance(error, KcomError):
            detail = f"{self._place}: {reason(error)}"
            if error.errno in RESETS:
                exchange.on("reset")
            exchange.on("failure", detail)
            raise Io(detail) from error
        with suppress(KcomError):
            if isinstance(error, KcomError):
                exchange.on("failure", error.detail)
            else:
                exchange.on("cancel")


def open_socket(family: int) -> socket.socket:
    """Return a new stream socket that never blocks and is not inherited."""
    new = socket.socket(family, socket.SOCK_STREAM)
    new.setblocking(False)
    return new


def _has_set(end: socket.socket, level: int, option: int, value: int | bytes) -> bool:
    """Set an option that the connection can do without, and return whether it is set."""
    try:
        end.setsockopt(level, option, value)
    except OSError:
        return False
    return True


def _tune(new: socket.socket) -> None:
    """Set TCP_NODELAY, and a congestion control that does not pace."""
    _has_set(new, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_CONGESTION"):
        for name in (b"cubic", b"reno"):
            if _has_set(new, socket.IPPROTO_TCP, socket.TCP_CONGESTION, name):
                return


def is_of_another_user(connection: socket.socket) -> bool:
    """Return whether the peer of a Unix-domain connection runs as another user (`unix.owner`)."""
    if hasattr(socket, "SO_PEERCRED"):
        form = struct.Struct("iII")
        _, user, _ = form.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    else:
        # LOCAL_PEERCRED of the BSDs and macOS: struct xucred begins with its version and the effective user.
        _, user = struct.unpack_from("II", connection.getsockopt(0, 1, 76))
    return bool(user != os.geteuid())


class Stream:
    """A connection over TCP, or over a Unix-domain socket if it is local. It must be ended by `close` or `abort`."""

    def __init__(self, connection: socket.socket, *, is_local: bool) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.is_local = is_local
        self._queue = 0
        self._is_half_closed = False
        if not self.is_local:
            _tune(connection)

    def enlarge_send_buffer(self) -> None:
        """For much data, set a buffer size at which the sender rarely waits, and which fits the processor's cache.

        If the kernel grants less, its own buffer growth goes on.
        """
        if sys.platform != "linux":
            return
        with suppress(OSError):
            # Setting a size ends the kernel's own buffer growth. If less is granted, that growth must go on.
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_BUF_LOCK, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            granted = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)  # Linux reports twice the size set
            if granted < 2 * _BUFFER:
                self.socket.setsockopt(socket.SOL_SOCKET, _SO_BUF_LOCK, 0)

    def wait(self, events: int, seconds: float) -> Wait:
        """Return the wait for this connection."""
        return Wait(self.socket.fileno(), events, seconds)

    def receive(self, size: int, flags: int = 0) -> bytes:
        """Return up to `size` bytes that have arrived, none at the end. Raises BlockingIOError if there are none yet.

        Raises an OSError of RESETS if the peer reset, also if its end came first.
        """
        octets = self.socket.recv(size, flags)
        if not octets:
            self.check()
        return octets

    def check(self) -> None:
        """Raise the pending OSError of this connection, if any.

        After the peer's end, Linux reports a reset only in this way.
        """
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def send(self, head: memoryview, data: bytes | bytearray | memoryview | mmap.mmap) -> int:
        """Send the head, and where supported the data in the same write; return how many bytes were taken."""
        if hasattr(self.socket, "sendmsg"):
            return self.socket.sendmsg([head, data])
        return self.socket.send(head)

    def half_close(self) -> None:
        """End the sending. Raises an OSError of RESETS if the connection is gone."""
        self.socket.shutdown(socket.SHUT_WR)
        self._is_half_closed = True

    def unacknowledged(self) -> int:
        """Return how many bytes the peer's kernel has not acknowledged; 0 where the kernel does not report it."""
        if sys.platform != "linux":
            return 0
        count: int = struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0]
        # TCP also counts the FIN of the half-close. It is acknowledged last, so the last one left is the FIN.
        return count - 1 if count and self._is_half_closed and not self.is_local else count

    def has_drained(self) -> bool:
        """Return whether the peer's kernel has acknowledged bytes since the last call, where this is known."""
        before, self._queue = self._queue, self.unacknowledged()
        return self._queue < before

    def reset_when_closed(self, is_on: bool) -> None:
        """Choose how a TCP connection is closed, also by the kernel when the process is killed (`close.abort`)."""
        if not self.is_local:
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", is_on, 0)
            _has_set(self.socket, socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def read_away(self) -> None:
        """Discard what has arrived, because TCP resets a connection that is closed with unread bytes."""
        with suppress(OSError):
            for _ in range(_ENOUGH):
                if not self.socket.recv(PIECE):
                    break

    def close(self) -> None:
        """Close in order. Errors are ignored, because the result of the exchange is already known."""
        self.reset_when_closed(False)
        with suppress(OSError):
            self.socket.close()

    def abort(self) -> None:
        """Close by a reset (`close.abort`)."""
        self.reset_when_closed(True)
        with suppress(OSError):
            self.socket.close()
