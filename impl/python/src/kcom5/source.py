"""Sources of the data to send.

Does: memory and files as sources, with as few copies as the system allows; the spool. Does not: wait for the
connection, or know the protocol. Spec: `data.opaque`, `close.residue`.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat

from .deadline import Deadline
from .errors import Io, Timeout
from .stream import PIECE, READ, Steps, Wait
from .system import Data, File, Path, as_io, close_read, name_of_file, write_all

_FIRST = 1 << 16
"""Bytes of data that go with the head in one gathered write, enough for a small exchange."""
_SMALL = 1 << 16
"""Bytes up to which a file without blocks may be of /proc or /sys, whose sizes are not true."""
_AGAIN = 0.02
"""Seconds between checks whether a process opened a named pipe, which no event reports."""

_OPEN: int = sum(getattr(os, name, 0) for name in ("O_BINARY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"))


class Source:
    """Data to send, of a known size in bytes."""

    size: int

    def first(self) -> Data:
        """Return the start of the data, to be sent with the head."""
        raise NotImplementedError

    def send(self, connection: socket.socket, offset: int) -> int:
        """Send bytes from this offset as far as the connection takes them now, and return their count."""
        raise NotImplementedError

    def send_copies(self) -> None:
        """From now on, send nothing that may change before the client has read it."""

    def close(self) -> None:
        """Close the opened files."""


class MemorySource(Source):
    """Data in memory. It is not copied."""

    def __init__(self, data: Data) -> None:
        view = memoryview(data)
        # Only such views can be cast; others are copied.
        self._view = view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())
        self.size = self._view.nbytes

    def first(self) -> Data:
        return self._view[:PIECE]

    def send(self, connection: socket.socket, offset: int) -> int:
        return connection.send(self._view[offset : offset + PIECE])

    def close(self) -> None:
        self._view.release()


class FileSource(Source):
    """Data in a regular file, from `start` on. It must be closed."""

    def __init__(self, descriptor: int, start: int, size: int, name: str, *, is_ours: bool) -> None:
        self.size = size
        self._descriptor, self._start, self._name, self._is_ours = descriptor, start, name, is_ours
        self._can_sendfile = hasattr(os, "sendfile")

    def first(self) -> Data:
        return self.read(0, min(self.size, _FIRST))

    def send(self, connection: socket.socket, offset: int) -> int:
        if self._can_sendfile:
            try:
                count = os.sendfile(
                    connection.fileno(), self._descriptor, self._start + offset, min(PIECE, self.size - offset)
                )
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EIO):
                    raise
                # Some file systems cannot; and a read reports the error of a failing disk.
                self._can_sendfile = False
            else:
                self._check(count, offset)
                return count
        octets = self.read(offset, min(PIECE, self.size - offset))
        self._check(len(octets), offset)
        return connection.send(octets)

    def send_copies(self) -> None:
        self._can_sendfile = False  # it may send the file's own pages

    def close(self) -> None:
        if self._is_ours:
            self._is_ours = False
            close_read(self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to that many bytes at this offset. Raises Io."""
        with as_io(self._name):
            if hasattr(os, "pread"):
                return os.pread(self._descriptor, size, self._start + offset)
            os.lseek(self._descriptor, self._start + offset, os.SEEK_SET)
            return os.read(self._descriptor, size)

    def _check(self, count: int, offset: int) -> None:
        if count == 0:
            raise Io(f"{self._name}: became shorter while it was sent: got {offset} of {self.size} bytes")


def open_source(file: File, timeout: float | None, spool_dir: Path = "") -> Steps[FileSource]:
    """Open a file to send from its position to its present end.

    Input without a true size, such as a pipe, is first read to its end into an unnamed temporary file. `timeout` is T
    in seconds: a named pipe that nobody opens for writing is Timeout. Raises Io.
    """
    name = name_of_file(file)
    is_ours = isinstance(file, (str, bytes, os.PathLike))
    with as_io(name):
        if isinstance(file, (str, bytes, os.PathLike)):
            descriptor = os.open(file, os.O_RDONLY | _OPEN)
        else:
            descriptor = file if isinstance(file, int) else file.fileno()
    try:
        with as_io(name):
            status = os.fstat(descriptor)
            start = 0
            if stat.S_ISDIR(status.st_mode):
                raise Io(f"{name}: is a directory")
            if stat.S_ISREG(status.st_mode) and not is_ours:
                start = os.lseek(descriptor, 0, os.SEEK_CUR) if isinstance(file, int) else file.tell()  # type: ignore[union-attr]
        if _tells_its_size(status):
            source = FileSource(descriptor, start, max(0, status.st_size - start), name, is_ours=is_ours)
            is_ours = False
            return source
        offset = start if stat.S_ISREG(status.st_mode) else None
        opening = Deadline(timeout) if is_ours and stat.S_ISFIFO(status.st_mode) else None
        return (yield from _spool(_Input(descriptor, name, offset, opening), spool_dir))
    finally:
        if is_ours:
            close_read(descriptor)


def _tells_its_size(status: os.stat_result) -> bool:
    """Whether a file is regular with a true size: files of /proc report 0, those of /sys 4096."""
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return False
    return status.st_size > _SMALL or getattr(status, "st_blocks", 1) != 0


class _Input:
    """Input without a size. `opening` is the deadline for a writer to open a named pipe."""

    def __init__(self, descriptor: int, name: str, offset: int | None, opening: Deadline | None) -> None:
        self.name = name
        self._descriptor, self._offset, self._opening = descriptor, offset, opening

    def read(self) -> Steps[bytes]:
        """Return the next bytes, none at the end."""
        while True:
            is_over = self._opening is not None and self._opening.has_passed()
            events = self._events()
            with as_io(self.name):
                octets = self._look(events)
            if octets:
                self._opening = None
                return octets
            if octets is None:
                self._opening = None
                yield Wait(self._descriptor, READ, 3600)
            elif self._opening is None or events:
                # A named pipe reports a hang-up only after a process had opened it.
                return octets
            elif is_over:
                raise Timeout(f"{self.name}: no process opened it for writing within {self._opening}")
            else:
                yield Wait(None, 0, self._opening.left(_AGAIN))

    def _events(self) -> bool:
        """Whether poll() reports that a read does not block."""
        if not hasattr(select, "poll"):
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def _look(self, events: bool) -> bytes | None:
        """Return the bytes that are there, none at the end, or None if a read would block."""
        if self._offset is not None:
            octets = os.pread(self._descriptor, PIECE, self._offset)
            self._offset += len(octets)
            return octets
        # The caller's descriptor may block. Our own does not, and shows whether there is a writer.
        if not events and self._opening is None:
            return None
        try:
            return os.read(self._descriptor, PIECE)
        except BlockingIOError:
            return None


def _spool(source: _Input, folder: Path) -> Steps[FileSource]:
    import tempfile  # only here, because it takes some milliseconds

    # The spool has no name in that folder.
    default = "/tmp" if os.name == "posix" else tempfile.gettempdir()  # nosec B108
    where = os.fsdecode(folder) or os.environ.get("TMPDIR") or default
    with as_io(where, "spool"):
        spool = tempfile.TemporaryFile(buffering=0, dir=where)  # noqa: SIM115 (it is closed below)
    with spool:
        size = 0
        while octets := (yield from source.read()):
            with as_io(where, "spool"):
                write_all(spool.fileno(), octets)
            size += len(octets)
        return FileSource(os.dup(spool.fileno()), 0, size, source.name, is_ours=True)
