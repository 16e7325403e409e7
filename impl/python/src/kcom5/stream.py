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
from collections.abc import Generator
from contextlib import suppress
from typing import NamedTuple, TypeVar

if sys.platform == "linux":
    import fcntl
    import termios

READ, WRITE = 1, 2

RESETS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNABORTED})
"""What a system says when the connection is gone."""

PIECE = 1 << 20
"""Octets that are moved at a time: more gains nothing, and others wait for their turn."""

MUCH = 1 << 16
"""Data of more octets is worth some preparation."""

_BUFFER = 1 << 20
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


def run(steps: Steps[_T]) -> _T:
    """Run the steps to their end in this thread."""
    try:
        while True:
            wait = next(steps)
            if wait is not None:
                _wait(wait)
    except StopIteration as end:
        result: _T = end.value
        return result
    finally:
        # An exception that a signal raises in the wait reaches the steps in this way.
        steps.close()


if hasattr(select, "poll"):

    def _wait(wait: Wait) -> None:
        poll = select.poll()
        if wait.descriptor is not None:
            events = (select.POLLIN if wait.events & READ else 0) | (select.POLLOUT if wait.events & WRITE else 0)
            poll.register(wait.descriptor, events)
        # Rounded up (`time.bounds`), and no more than a C integer holds.
        poll.poll(min(math.ceil(wait.seconds * 1000), 1 << 30))

else:
    import time

    def _wait(wait: Wait) -> None:
        seconds = min(wait.seconds, 1e6)
        if wait.descriptor is None:
            time.sleep(seconds)
            return
        descriptors = [wait.descriptor]
        writers = descriptors if wait.events & WRITE else []
        # A connection that fails is told in the third list on Windows.
        select.select(descriptors if wait.events & READ else [], writers, writers, seconds)


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

    def receive(self, size: int) -> bytes | None:
        """Return up to `size` octets that have arrived, none at the end, or None if there are none yet.

        Raises an OSError of RESETS if the peer reset, also if its end came first.
        """
        try:
            octets = self.socket.recv(size)
        except BlockingIOError:
            return None
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
        """Send the head, and in the same write the data where the system can; return how many octets it took."""
        if hasattr(self.socket, "sendmsg"):
            return self.socket.sendmsg([head, data])
        return self.socket.send(head)

    def half_close(self) -> None:
        """End the sending. Raises an OSError of RESETS if the connection is gone."""
        self.socket.shutdown(socket.SHUT_WR)

    def has_drained(self) -> bool:
        """Tell whether the peer's system has acknowledged octets since the last call, where the system knows."""
        if sys.platform != "linux":
            return False
        before, self._queue = self._queue, struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0]
        return self._queue < before

    def close(self) -> None:
        """Close in order."""
        self.socket.close()

    def abort(self) -> None:
        """Close by a reset (`close.abort`)."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()
