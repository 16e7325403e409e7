"""The socket file of a Unix-domain server: one server at a time makes it, and removes its own.

Does: the checks at the path, the lock on its folder, binding, removing. Does not: listen or accept.
Spec: "Unix profile".
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from contextlib import suppress

from .deadline import Deadline
from .errors import InUse, Io, Timeout
from .stream import Steps, Wait, open_socket
from .system import MAX_PATH, close_read

try:
    import fcntl
except ImportError:  # Windows, where Python has no Unix-domain sockets
    fcntl = None  # type: ignore[assignment]

_AGAIN = 0.01
"""Seconds between tries to lock the folder."""


class SocketFile:
    """The file of a listening socket. It must be removed.

    Every step is relative to a descriptor of the folder, so that a folder swapped meanwhile changes nothing. The lock
    on the folder keeps two servers from replacing one stale file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = -1
        self._name = ""
        self._made: tuple[int, int] | None = None

    def bind(self, deadline: Deadline, backlog: int) -> Steps[socket.socket]:
        """Return a socket that listens at the path. Raises InUse, Timeout and OSError."""
        folder, self._name = os.path.split(self._path)
        self._folder = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not self._name:
            raise InUse(f"{self._path}: is not a socket")
        yield from self._lock(deadline)
        self._remove_stale()
        new = open_socket(socket.AF_UNIX)
        try:
            self._bind(new)
            new.listen(backlog)
        except BaseException:
            new.close()
            raise
        fcntl.flock(self._folder, fcntl.LOCK_UN)
        return new

    def remove(self) -> None:
        """Remove the file if it is still the one that was made here (`unix.cleanup`)."""
        made, self._made = self._made, None
        folder, self._folder = self._folder, -1
        if made is not None:
            with suppress(OSError):
                if _identity(os.stat(self._name, dir_fd=folder, follow_symlinks=False)) == made:
                    os.unlink(self._name, dir_fd=folder)
        if folder >= 0:
            close_read(folder)

    def _lock(self, deadline: Deadline) -> Steps[None]:
        while True:
            is_over = deadline.has_passed()
            try:
                return fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if is_over:
                    raise Timeout("the folder is locked by another process") from None
            yield Wait(None, 0, deadline.left(_AGAIN))

    def _bind(self, new: socket.socket) -> None:
        # Linux gives the file the mode of the socket less the umask; elsewhere only the umask of the whole process sets
        # it.
        before = -1
        if sys.platform == "linux":
            os.fchmod(new.fileno(), 0o600)
        else:
            before = os.umask(0o177)
        try:
            new.bind(self._path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise InUse(f"{self._path}: another server listens there") from error
        finally:
            if before >= 0:
                os.umask(before)
        status = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
            raise Io(f"{self._path}: the file was replaced meanwhile")
        self._made = _identity(status)
        if stat.S_IMODE(status.st_mode) != 0o600:  # the umask was taken off it
            os.chmod(self._name, 0o600, dir_fd=self._folder, follow_symlinks=False)

    def _remove_stale(self) -> None:
        """Remove a socket file that no process has open; raise InUse for any other (`unix.stale`)."""
        try:
            before = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISLNK(before.st_mode):
            raise InUse(f"{self._path}: is a symbolic link")
        if not stat.S_ISSOCK(before.st_mode):
            raise InUse(f"{self._path}: is not a socket")
        code = self._ask()
        if code not in (errno.ECONNREFUSED, errno.EACCES):
            raise InUse(f"{self._path}: another server listens there")
        after = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        if before.st_uid != os.geteuid() or code == errno.EACCES:
            raise InUse(f"{self._path}: belongs to another user")
        if _identity(after) != _identity(before):
            raise InUse(f"{self._path}: another server listens there")
        os.unlink(self._name, dir_fd=self._folder)

    def _ask(self) -> int:
        """Return the kernel's error for the socket: ECONNREFUSED if no process has it open.

        A datagram socket cannot reach a stream server, so it takes no client's place.
        """
        path = f"/proc/self/fd/{self._folder}/{self._name}"
        if len(os.fsencode(path)) > MAX_PATH or not os.path.lexists(path):
            path = self._path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(path)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
