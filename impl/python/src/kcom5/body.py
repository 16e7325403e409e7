"""The data of an exchange: where it is taken from, and where it is put.

Does: memory and files as sources and as sinks, with as few copies as the system allows. Does not: wait for the
connection, or know the protocol. Spec: `data.opaque`, `data.truncated`, `limit.memory`, `close.residue`.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Generic, TypeVar

from .errors import Io, KcomError
from .stream import PIECE, READ, Steps, Wait

Data = bytes | bytearray | memoryview | mmap.mmap
"""Octets to send: anything of these, or else that has the buffer protocol."""

File = str | bytes | os.PathLike[str] | os.PathLike[bytes] | int | BinaryIO
"""A file: its path, a descriptor, or an open file with one."""

_FIRST = 1 << 16
"""Octets of data that go with the head in one gathered write: the most that a small exchange needs."""

_BINARY: int = getattr(os, "O_BINARY", 0)
_R = TypeVar("_R")
_S = TypeVar("_S")


def reason(error: Exception) -> str:
    """Return the system's own text for what it reported."""
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def _as_io(what: str) -> Iterator[None]:
    """Turn what the system says of a file into Io."""
    try:
        yield
    except KcomError:
        raise
    except (OSError, ValueError, MemoryError) as error:
        raise Io(f"{what}: {reason(error)}") from error


def _name_of(file: File) -> str:
    if isinstance(file, (str, bytes, os.PathLike)):
        return os.fsdecode(file)
    return f"descriptor {file}" if isinstance(file, int) else "the open file"


class Source:
    """Data to send, of a known size in octets."""

    size: int

    def first(self) -> Data:
        """Return the start of the data, to be sent with the head."""
        raise NotImplementedError

    def send(self, connection: socket.socket, offset: int) -> int:
        """Send from this offset what the connection takes now, and return how many octets it took."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what was opened."""


class MemorySource(Source):
    """Data in memory. It is not copied."""

    def __init__(self, data: Data) -> None:
        view = memoryview(data)
        # Only such views can be cast; of others a copy is made.
        self._view = view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())
        self.size = self._view.nbytes

    def first(self) -> Data:
        return self._view[:PIECE]

    def send(self, connection: socket.socket, offset: int) -> int:
        return connection.send(self._view[offset : offset + PIECE])

    def close(self) -> None:
        self._view.release()


class FileSource(Source):
    """Data in a regular file, from `start` on. It has to be closed."""

    def __init__(self, descriptor: int, start: int, size: int, name: str, *, is_ours: bool) -> None:
        self.size = size
        self._descriptor, self._start, self._name, self._is_ours = descriptor, start, name, is_ours
        self._can_sendfile = hasattr(os, "sendfile")

    def first(self) -> Data:
        return self._read(0, min(self.size, _FIRST))

    def send(self, connection: socket.socket, offset: int) -> int:
        if self._can_sendfile:
            try:
                count = os.sendfile(
                    connection.fileno(), self._descriptor, self._start + offset, min(PIECE, self.size - offset)
                )
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                    raise
                # Some file systems cannot.
                self._can_sendfile = False
            else:
                self._check(count)
                return count
        octets = self._read(offset, min(PIECE, self.size - offset))
        self._check(len(octets))
        return connection.send(octets)

    def close(self) -> None:
        if self._is_ours:
            os.close(self._descriptor)

    def _check(self, count: int) -> None:
        if count == 0:
            raise Io(f"{self._name}: it became shorter while it was sent, expected {self.size} octets")

    def _read(self, offset: int, size: int) -> bytes:
        with _as_io(self._name):
            if hasattr(os, "pread"):
                return os.pread(self._descriptor, size, self._start + offset)
            os.lseek(self._descriptor, self._start + offset, os.SEEK_SET)
            return os.read(self._descriptor, size)


def open_source(file: File) -> Steps[FileSource]:
    """Open a file to send from its position to its present end. Raises Io.

    What does not tell its size, a pipe say, is first read to its end into a temporary file without a name.
    """
    name = _name_of(file)
    is_path = isinstance(file, (str, bytes, os.PathLike))
    with _as_io(name):
        if isinstance(file, (str, bytes, os.PathLike)):
            descriptor = os.open(file, os.O_RDONLY | _BINARY)
        else:
            descriptor = file if isinstance(file, int) else file.fileno()
    try:
        with _as_io(name):
            status = os.fstat(descriptor)
            # A file of /proc says that it is empty, and may not be.
            if stat.S_ISREG(status.st_mode) and status.st_size:
                start = 0
                if not is_path:
                    start = os.lseek(descriptor, 0, os.SEEK_CUR) if isinstance(file, int) else file.tell()  # type: ignore[union-attr]
                size = max(0, status.st_size - start)
                return FileSource(descriptor, start, size, name, is_ours=is_path)
        source = yield from _spool(descriptor, name, can_wait=not stat.S_ISREG(status.st_mode))
    except BaseException:
        if is_path:
            os.close(descriptor)
        raise
    if is_path:
        os.close(descriptor)
    return source


def _spool(descriptor: int, name: str, *, can_wait: bool) -> Steps[FileSource]:
    with _as_io(name), tempfile.TemporaryFile(buffering=0) as spool:
        size = 0
        while True:
            if can_wait:
                yield Wait(descriptor, READ, 3600)
            octets = os.read(descriptor, PIECE)
            if not octets:
                break
            _write_all(spool.fileno(), octets)
            size += len(octets)
        return FileSource(os.dup(spool.fileno()), 0, size, name, is_ours=True)


def _write_all(descriptor: int, octets: Data) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]


class Sink(Generic[_R]):
    """Where data is put, and what the caller gets for it."""

    def begin(self, size: int) -> None:
        """So many octets will come."""
        raise NotImplementedError

    def put(self, octets: bytes) -> None:
        """Take octets that came together with the head."""
        raise NotImplementedError

    def take(self, connection: socket.socket, most: int) -> int:
        """Receive at most so many octets that have arrived; return their number, 0 at the end of the stream."""
        raise NotImplementedError

    def finish(self) -> _R:
        """Deliver: all octets have come."""
        raise NotImplementedError

    def discard(self) -> None:
        """Leave nothing of what has come and was not delivered."""
        raise NotImplementedError

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()


class MemorySink(Sink["bytearray | mmap.mmap"]):
    """Memory that grows with what arrives, at most to twice as much (`limit.memory`).

    Large data goes to an anonymous map with huge pages, which grows without being copied: page faults are what
    costs most.
    """

    _STEP = 1 << 20

    def __init__(self) -> None:
        self._size = self._used = 0
        self._buffer: bytearray | mmap.mmap = bytearray()

    def begin(self, size: int) -> None:
        self._size = size
        if size > self._STEP and hasattr(mmap, "MADV_HUGEPAGE"):
            with _as_io("memory"):
                # Private: a shared map cannot grow.
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
        # Released at once: a buffer with views cannot grow.
        with memoryview(self._buffer) as whole, whole[self._used :] as room:
            count = connection.recv_into(room)
        self._used += count
        return count

    def finish(self) -> bytearray | mmap.mmap:
        buffer, self._buffer = self._buffer, bytearray()
        return buffer

    def discard(self) -> None:
        if isinstance(self._buffer, mmap.mmap):
            self._buffer.close()

    def _make_room(self) -> None:
        if self._used < len(self._buffer):
            return
        size = min(self._size, max(2 * len(self._buffer), self._STEP))
        with _as_io("memory"):
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
    """A file that is there when it is complete, or not at all; or a pipe or a device, which is written to directly.

    The octets go to a temporary file beside it, of mode 0600, which takes its name at the end. Its number of octets is
    what is delivered. Raises Io at once if the file cannot be opened.
    """

    def __init__(self, file: File) -> None:
        self._name = _name_of(file)
        self._size = 0
        self._target = self._temporary = ""
        self._is_ours = False
        self._pipe: tuple[int, int] | None = None
        self._buffer = bytearray()
        try:
            with _as_io(self._name):
                if isinstance(file, (str, bytes, os.PathLike)):
                    self._open(os.path.realpath(os.fsdecode(file)))
                elif isinstance(file, int):
                    self._descriptor = file
                else:
                    file.flush()
                    self._descriptor = file.fileno()
            self._open_pipe()
        except BaseException:
            self.discard()
            raise

    def begin(self, size: int) -> None:
        self._size = size

    def put(self, octets: bytes) -> None:
        with _as_io(self._name):
            _write_all(self._descriptor, octets)

    def take(self, connection: socket.socket, most: int) -> int:
        if self._pipe is not None:
            return self._splice(connection, most)
        if not self._buffer:
            self._buffer = bytearray(PIECE)
        with memoryview(self._buffer) as view:
            count = connection.recv_into(view, min(most, PIECE))
            with _as_io(self._name):
                _write_all(self._descriptor, view[:count])
        return count

    def finish(self) -> int:
        with _as_io(self._name):
            self._close_pipe()
            if self._is_ours:
                self._is_ours = False
                os.close(self._descriptor)
            if self._temporary:
                os.replace(self._temporary, self._target)  # noqa: PTH105 (a str, as mkstemp gives it)
                self._temporary = ""
        return self._size

    def discard(self) -> None:
        self._close_pipe()
        if self._is_ours:
            self._is_ours = False
            with suppress(OSError):
                os.close(self._descriptor)
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary)  # noqa: PTH108 (a str, as mkstemp gives it)

    def _open(self, target: str) -> None:
        try:
            is_regular = stat.S_ISREG(os.stat(target).st_mode)  # noqa: PTH116
        except FileNotFoundError:
            is_regular = True
        if is_regular:
            self._target = target
            self._descriptor, self._temporary = tempfile.mkstemp(prefix=".kcom5-", dir=os.path.dirname(target))  # noqa: PTH120
        else:
            self._descriptor = os.open(target, os.O_WRONLY | _BINARY)
        self._is_ours = True

    def _open_pipe(self) -> None:
        if hasattr(os, "splice"):
            import fcntl

            with suppress(OSError):
                self._pipe = os.pipe()
                fcntl.fcntl(self._pipe[1], getattr(fcntl, "F_SETPIPE_SZ", 1031), PIECE)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            os.close(pipe[0])
            os.close(pipe[1])

    def _splice(self, connection: socket.socket, most: int) -> int:
        """Move octets without a copy, by way of a pipe that is empty before and after."""
        assert self._pipe is not None
        out, into = self._pipe
        nonblock = 2  # SPLICE_F_NONBLOCK: the connection does not block, and the pipe is empty
        count = os.splice(connection.fileno(), into, min(most, PIECE), flags=nonblock)
        left = count
        with _as_io(self._name):
            while left:
                try:
                    left -= os.splice(out, self._descriptor, left)
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    # A terminal, or a file opened for appending.
                    while left:
                        octets = os.read(out, left)
                        _write_all(self._descriptor, octets)
                        left -= len(octets)
                    self._close_pipe()
        return count
