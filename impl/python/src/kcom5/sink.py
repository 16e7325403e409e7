"""Destinations of the received data.

Does: memory and files as sinks, with as few copies as the system allows. Does not: wait for the connection, or know
the protocol. Spec: `data.opaque`, `data.truncated`, `limit.memory`, `close.residue`.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import socket
import stat
from contextlib import suppress
from typing import Generic, TypeVar

from .deadline import Deadline
from .errors import Io, Timeout
from .output import Output, open_output
from .stream import PIECE, RESETS, WRITE, Steps, Wait
from .system import File, as_io, close_read, name_of_file, write_all

_ATOMIC = 4096
"""Bytes that a writable pipe takes at once: PIPE_BUF of Linux."""

_R = TypeVar("_R")
_S = TypeVar("_S")


class Sink(Generic[_R]):
    """A destination of data, and the result for the caller. The order of the calls is that of the methods."""

    def open(self) -> Steps[None]:
        """Open it, once."""
        yield from ()

    def begin(self, size: int) -> None:
        """Prepare for this many bytes."""
        raise NotImplementedError

    def put(self, octets: bytes) -> None:
        """Take bytes that came together with the head."""
        raise NotImplementedError

    def take(self, connection: socket.socket, most: int) -> int:
        """Receive at most this many bytes that have arrived; return their number, 0 at the end of the stream."""
        raise NotImplementedError

    def settle(self) -> Steps[None]:
        """Write what was taken, with waits."""
        yield from ()

    def complete(self) -> None:
        """Finish after the last byte, and raise the error of a late write."""

    def publish(self) -> None:
        """Give a file its name."""

    def retract(self) -> None:
        """Undo `publish` where no file existed before."""

    def result(self) -> _R:
        """Deliver."""
        raise NotImplementedError

    def discard(self) -> None:
        """Remove everything that was not delivered."""

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()


class MemorySink(Sink["bytearray | mmap.mmap"]):
    """Memory that grows with the bytes that arrive, to at most twice as much (`limit.memory`).

    Large data goes to an anonymous map with huge pages, which grows without a copy, because page faults cost most.
    """

    _STEP = 1 << 20

    def __init__(self) -> None:
        self._size = self._used = 0
        self._buffer: bytearray | mmap.mmap = bytearray()

    def begin(self, size: int) -> None:
        self._size = size
        if size > self._STEP and hasattr(mmap, "MADV_HUGEPAGE"):
            with as_io("memory"):
                # Private, because a shared map cannot grow.
                self._buffer = mmap.mmap(-1, self._STEP, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._advise()

    def put(self, octets: bytes) -> None:
        while octets:
            self._make_room()
            piece = octets[: len(self._buffer) - self._used]
            self._buffer[self._used : self._used + len(piece)] = piece
            self._used += len(piece)
            octets = octets[len(piece) :]

    def take(self, connection: socket.socket, most: int) -> int:
        self._make_room()
        # Released at once, because a buffer with views cannot grow.
        with memoryview(self._buffer) as whole, whole[self._used : self._used + most] as room:
            count = connection.recv_into(room)
        self._used += count
        return count

    def result(self) -> bytearray | mmap.mmap:
        buffer, self._buffer = self._buffer, bytearray()
        return buffer

    def discard(self) -> None:
        if isinstance(self._buffer, mmap.mmap):
            self._buffer.close()

    def _make_room(self) -> None:
        if self._used < len(self._buffer):
            return
        size = min(self._size, max(2 * len(self._buffer), self._STEP))
        with as_io("memory"):
            if isinstance(self._buffer, mmap.mmap):
                self._buffer.resize(size)
                self._advise()
            else:
                self._buffer.extend(bytes(size - len(self._buffer)))

    def _advise(self) -> None:
        if isinstance(self._buffer, mmap.mmap):
            with suppress(OSError):
                self._buffer.madvise(mmap.MADV_HUGEPAGE)


class FileSink(Sink[int]):
    """A file that appears complete or not at all; or a pipe or a device, which is written in place.

    It is opened once, before the client connects. `timeout` is T in seconds for every wait for the file. With
    `no_clobber` an existing file is not replaced. `written` counts the bytes that were written in place, where
    `is_in_place` is true once it is open.
    """

    def __init__(self, file: File, timeout: float | None = None, *, no_clobber: bool = False) -> None:
        self.name = name_of_file(file)
        self.written = 0
        self._file, self._timeout, self._no_clobber = file, timeout, no_clobber
        self._size = 0
        self._output: Output | None = None
        self._is_regular = self.is_in_place = False
        self._most = PIECE
        self._pipe: tuple[int, int] | None = None
        self._buffer = bytearray()
        self._pending = memoryview(b"")

    def open(self) -> Steps[None]:
        file = self._file
        with as_io(self.name):
            if isinstance(file, (str, bytes, os.PathLike)):
                path = os.fsdecode(file)
                self._output = yield from open_output(path, self._timeout, no_clobber=self._no_clobber)
            else:
                if not isinstance(file, int):
                    file.flush()
                descriptor = file if isinstance(file, int) else file.fileno()
                self._output = Output(descriptor, self.name, is_ours=False, can_block=True)
            mode = os.fstat(self._output.descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise Io(f"{self.name}: is a directory")
            self._is_regular = stat.S_ISREG(mode)
            self.is_in_place = type(self._output) is Output
            if self._output.can_block and (not stat.S_ISCHR(mode) or os.isatty(self._output.descriptor)):
                self._most = _ATOMIC
        if self._is_regular:
            self._open_pipe()

    def begin(self, size: int) -> None:
        self._size = size

    def put(self, octets: bytes) -> None:
        if not self._is_regular:
            self._pending = memoryview(octets)
            return
        with as_io(self.name):
            self._count(len(octets))
            write_all(self._descriptor, octets)

    def take(self, connection: socket.socket, most: int) -> int:
        if self._pipe is not None:
            return self._splice(connection, most)
        if not self._buffer:
            self._buffer = bytearray(PIECE)
        view = memoryview(self._buffer)
        count = connection.recv_into(view, min(most, PIECE))
        if self._is_regular:
            with as_io(self.name):
                self._count(count)
                write_all(self._descriptor, view[:count])
        else:
            self._pending = view[:count]
        return count

    def settle(self) -> Steps[None]:
        deadline = Deadline(self._timeout)
        while self._pending:
            is_over = deadline.has_passed()
            with as_io(self.name):
                count = self._write_some()
            if count:
                self._count(count)
                self._pending = self._pending[count:]
                deadline.restart()
                continue
            if is_over:
                raise Timeout(f"{self.name}: took no byte for {deadline}")
            yield Wait(self._descriptor, WRITE, deadline.left())

    def complete(self) -> None:
        self._close_pipe()
        with as_io(self.name):
            self._opened.complete()

    def publish(self) -> None:
        with as_io(self.name):
            self._opened.publish()

    def retract(self) -> None:
        self._opened.retract()

    def result(self) -> int:
        return self._size

    def discard(self) -> None:
        self._close_pipe()
        if self._output is not None:
            self._output.discard()

    @property
    def _opened(self) -> Output:
        if self._output is None:
            raise ValueError("it is not open")
        return self._output

    @property
    def _descriptor(self) -> int:
        return self._opened.descriptor

    def _count(self, count: int) -> None:
        if self.is_in_place:
            self.written += count

    def _write_some(self) -> int:
        """Write as much as possible without blocking; return the count."""
        if self._opened.can_block and hasattr(select, "poll"):
            # Not O_NONBLOCK, because other processes share this open file.
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            if not poll.poll(0):
                return 0
        try:
            return os.write(self._descriptor, self._pending[: self._most])
        except BlockingIOError:
            return 0

    def _open_pipe(self) -> None:
        if hasattr(os, "splice"):
            import fcntl

            with suppress(OSError):
                self._pipe = os.pipe()
                fcntl.fcntl(self._pipe[1], getattr(fcntl, "F_SETPIPE_SZ", 1031), PIECE)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            close_read(pipe[0])
            close_read(pipe[1])

    def _splice(self, connection: socket.socket, most: int) -> int:
        """Move bytes without a copy, through a pipe that is empty before and after."""
        assert self._pipe is not None
        out, into = self._pipe
        nonblock = 2  # SPLICE_F_NONBLOCK: the connection does not block, and the pipe is empty
        try:
            count = os.splice(connection.fileno(), into, min(most, PIECE), flags=nonblock)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in RESETS:
                raise
            # Not available here; any other failure shows again in a read.
            self._close_pipe()
            return self.take(connection, most)
        left = count
        with as_io(self.name):
            self._count(count)
            while left:
                try:
                    left -= os.splice(out, self._descriptor, left)
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    # A file opened for appending.
                    while left:
                        octets = os.read(out, left)
                        write_all(self._descriptor, octets)
                        left -= len(octets)
                    self._close_pipe()
        return count
