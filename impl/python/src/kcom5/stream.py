"""Sockets, and waiting for them.

Does: opens and tunes sockets, tells whose they are, ends them in order or by a reset; runs the steps of an exchange,
which say what they wait for. Does not: know the protocol or how long to wait. Spec: "Closing", "Unix profile".
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
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, TypeVar

from .errors import Io, KcomError
from .exchange import ClientExchange, ServerExchange
from .system import reason

if sys.platform == "linux":
    import fcntl
    import termios

READ, WRITE = 1, 2

RESETS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNABORTED})
"""What a system says when the connection is gone."""

PIECE = 1 << 20
"""Bytes that are moved at a time: more gains nothing, and others wait for their turn."""

MUCH = 1 << 16
"""Data of more bytes is worth some preparation."""

_BUFFER = 1 << 20
_ENOUGH = 64
"""Pieces of unread bytes that are thrown away before a close: a peer that sends without end is not waited for."""
_SO_BUF_LOCK = 72  # Linux 5.14


class Wait(NamedTuple):
    """What the steps of an exchange wait for: that a descriptor is ready, or that time passes."""

    descriptor: int | None
    events: int
    seconds: float


_T = TypeVar("_T")

Steps = Generator["Wait | None", None, _T]
"""An exchange that yields whenever it has to wait; None where it need not, but others may have a turn.

It tries again after each wait and reads the clock itself, so that whoever runs it may wake it early. Closed at a
wait, it leaves nothing behind (`close.residue`).
"""


class Wake(NamedTuple):
    """How a caller ends waits early: a descriptor that becomes readable, and what raises then."""

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
        # An exception that a signal raises in the wait reaches the steps in this way.
        steps.close()


if hasattr(select, "poll"):

    def _wait(wait: Wait, wake: Wake | None) -> None:
        poll = select.poll()
        if wait.descriptor is not None:
            events = (select.POLLIN if wait.events & READ else 0) | (select.POLLOUT if wait.events & WRITE else 0)
            poll.register(wait.descriptor, events)
        if wake is not None:
            poll.register(wake.descriptor, select.POLLIN)
        # Rounded up (`time.bounds`). Where it is less than the wait, the steps look and wait again.
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
        # A connection that fails is told in the third list on Windows.
        select.select(descriptors if wait.events & READ else [], writers, writers, seconds)


@contextmanager
def told_to(exchange: ClientExchange | ServerExchange, place: str) -> Iterator[None]:
    """Give the exchange what ends its transport, so that it never stays in a state that is not final."""
    try:
        yield
    except KcomError as error:
        with suppress(KcomError):
            exchange.on("failure", error.detail)
        raise
    except OSError as error:
        detail = f"{place}: {reason(error)}"
        if error.errno in RESETS:
            exchange.on("reset")
        exchange.on("failure", detail)
        raise Io(detail) from error
    except BaseException:
        with suppress(KcomError):
            exchange.on("cancel")
        raise


def open_socket(family: int) -> socket.socket:
    """Return a new stream socket that never blocks and is not inherited."""
    new = socket.socket(family, socket.SOCK_STREAM)
    new.setblocking(False)
    return new


def _tune(new: socket.socket) -> None:
    """Ask for no delay of small writes, and for a congestion control that does not pace. To fail is no harm."""
    with suppress(OSError):
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_CONGESTION"):
        for name in (b"cubic", b"reno"):
            with suppress(OSError):
                new.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
                return


def is_of_another_user(connection: socket.socket) -> bool:
    """Tell whether the peer of a Unix-domain connection is another user's (`unix.owner`)."""
    if hasattr(socket, "SO_PEERCRED"):
        form = struct.Struct("iII")
        _, user, _ = form.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    else:
        # LOCAL_PEERCRED of the BSDs and macOS: struct xucred begins with its version and the effective user.
        _, user = struct.unpack_from("II", connection.getsockopt(0, 1, 76))
    return bool(user != os.geteuid())


class Stream:
    """A connection. It has to be ended by `close` or `abort`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.is_local = connection.family not in (socket.AF_INET, socket.AF_INET6)
        self._queue = 0
        self._is_half_closed = False
        if not self.is_local:
            _tune(connection)

    def enlarge_send_buffer(self) -> None:
        """Have a buffer that the sender rarely waits for, and a processor's cache holds; for much data.

        A system that grants less goes on as it would.
        """
        if sys.platform != "linux":
            return
        with suppress(OSError):
            # To ask for a size ends the system's own growing. Where less is granted, that must go on.
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_BUF_LOCK, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            granted = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)  # twice what is asked for
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
        """Raise the OSError that the system keeps for this connection, if any.

        After the peer's end, Linux tells a reset in this way only.
        """
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def send(self, head: memoryview, data: bytes | bytearray | memoryview | mmap.mmap) -> int:
        """Send the head, and in the same write the data where the system can; return how many bytes it took."""
        if hasattr(self.socket, "sendmsg"):
            return self.socket.sendmsg([head, data])
        return self.socket.send(head)

    def half_close(self) -> None:
        """End the sending. Raises an OSError of RESETS if the connection is gone."""
        self.socket.shutdown(socket.SHUT_WR)
        self._is_half_closed = True

    def unacknowledged(self) -> int:
        """Return how many bytes the peer's system has not acknowledged; 0 where the system does not tell."""
        if sys.platform != "linux":
            return 0
        count: int = struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0]
        # TCP counts the FIN of the half-close too. It is acknowledged last, so one that is left is the FIN.
        return count - 1 if count and self._is_half_closed and not self.is_local else count

    def has_drained(self) -> bool:
        """Tell whether the peer's system has acknowledged bytes since the last call, where the system knows."""
        before, self._queue = self._queue, self.unacknowledged()
        return self._queue < before

    def reset_when_closed(self, is_on: bool) -> None:
        """Choose how a TCP connection is closed, also by the kernel when the process is killed (`close.abort`)."""
        if not self.is_local:
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", is_on, 0)
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def read_away(self) -> None:
        """Throw away what has arrived: TCP resets a connection that is closed with unread bytes."""
        with suppress(OSError):
            for _ in range(_ENOUGH):
                if not self.socket.recv(PIECE):
                    break

    def close(self) -> None:
        """Close in order. An error of that is no news: what was sent and received has been judged."""
        self.reset_when_closed(False)
        with suppress(OSError):
            self.socket.close()

    def abort(self) -> None:
        """Close by a reset (`close.abort`)."""
        self.reset_when_closed(True)
        with suppress(OSError):
            self.socket.close()
