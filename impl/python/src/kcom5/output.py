"""Opening the output for a received file, and naming it when it is complete.

Does: links, temporary files and their names, named pipes, devices, descriptors. Does not: write the data.
Spec: "Files".
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress

from .deadline import Deadline
from .errors import Io, Timeout
from .stream import PIECE, Steps, Wait
from .system import as_io, close_read, write_all

_LINKS = 40
"""The most symbolic links that are followed, as on Linux."""
_AGAIN = 0.02
"""Seconds between tries to open a named pipe that nobody reads."""
_MODE = 0o600
_EXTRA: int = sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NOCTTY"))
_FOLDER: int = sum(getattr(os, name, 0) for name in ("O_PATH", "O_DIRECTORY", "O_CLOEXEC"))


class Folder:
    """A folder by its descriptor, so that another folder of the same name changes nothing. It must be closed."""

    def __init__(self, path: str) -> None:
        self._path = path or "."
        self._at: dict[str, int] = {}
        if os.open in os.supports_dir_fd:
            self._at = {"dir_fd": os.open(self._path, _FOLDER)}

    def status(self, name: str = "") -> os.stat_result:
        """Return the status of a file in it, of a link itself; or of the folder."""
        return os.stat(self._name(name or "."), follow_symlinks=not name, **self._at)  # noqa: PTH116

    def open(self, name: str, flags: int) -> int:
        return os.open(self._name(name), flags | _EXTRA, _MODE, **self._at)

    def readlink(self, name: str) -> str:
        return os.readlink(self._name(name), **self._at)

    def can_write(self, name: str) -> bool:
        effective = os.access in os.supports_effective_ids
        return os.access(self._name(name), os.W_OK, dir_fd=self._at.get("dir_fd"), effective_ids=effective)

    def unlink(self, name: str) -> None:
        os.unlink(self._name(name), **self._at)

    def link(self, source: str, name: str, *, is_here: bool) -> None:
        """Link a file under another name in this folder; the source is a name here, or a path to the file."""
        at = self._at.get("dir_fd")
        here = at if is_here else None
        os.link(source, self._name(name), src_dir_fd=here, dst_dir_fd=at, follow_symlinks=not is_here)

    def replace(self, source: str, name: str) -> None:
        at = self._at.get("dir_fd")
        os.replace(self._name(source), self._name(name), src_dir_fd=at, dst_dir_fd=at)

    def close(self) -> None:
        if self._at:
            close_read(self._at.pop("dir_fd"))

    def _name(self, name: str) -> str:
        return name if self._at else os.path.join(self._path, name)  # noqa: PTH118 (a str)


class Output:
    """A descriptor to write to in place. It must be discarded in any case."""

    def __init__(self, descriptor: int, name: str, *, is_ours: bool, can_block: bool) -> None:
        self.descriptor, self.name = descriptor, name
        self.can_block = can_block
        self._is_ours = is_ours

    def complete(self) -> None:
        """Finish writing, and raise the error of a late write."""
        if self._is_ours:
            self._is_ours = False
            os.close(self.descriptor)

    def publish(self) -> None:
        """Give a complete file its name."""

    def retract(self) -> None:
        """Remove a file that was published and was not there before."""

    def discard(self) -> None:
        """Close, and remove everything that was not published."""
        if self._is_ours:
            self._is_ours = False
            with suppress(OSError):
                os.close(self.descriptor)


class WholeFile(Output):
    """A file that appears complete or not at all: a temporary file in the same folder.

    It is unnamed where the system supports that, so that a killed process leaves nothing. Else it has a temporary name.
    Its mode is 0600 until it takes that of the file it replaces. There is no fsync: power loss is not covered.
    """

    def __init__(self, folder: Folder, final: str, name: str, mode: int | None, *, no_clobber: bool) -> None:
        self._folder, self._final = folder, final
        self._mode = _MODE if mode is None else mode
        self._is_new = mode is None
        self._no_clobber = no_clobber
        self._temporary = ""
        self._is_published = False
        super().__init__(self._make(), name, is_ours=True, can_block=False)

    def complete(self) -> None:
        if hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(self.descriptor).st_mode) != self._mode:
            os.fchmod(self.descriptor, self._mode)
        # Each close reports errors that the file system delayed. This closes a duplicate, because the name needs the
        # descriptor.
        os.close(os.dup(self.descriptor))

    def publish(self) -> None:
        if not self._temporary:
            if self._is_new and self._link_to_final(f"/proc/self/fd/{self.descriptor}", is_here=False):
                return
            self._link_to_own_name()
        elif self._no_clobber and self._link_to_final(self._temporary, is_here=True):
            return
        try:
            self._folder.replace(self._temporary, self._final)
            self._temporary = ""
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A file that is a mount cannot be replaced.
            self._copy_in_place()
        self._is_published = True

    def retract(self) -> None:
        if self._is_published and self._is_new:
            with suppress(OSError):
                if os.path.samestat(self._folder.status(self._final), os.fstat(self.descriptor)):
                    self._folder.unlink(self._final)

    def discard(self) -> None:
        super().discard()
        temporary, self._temporary = self._temporary, ""
        if temporary:
            with suppress(OSError):
                self._folder.unlink(temporary)
        self._folder.close()

    def _make(self) -> int:
        if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):  # noqa: PTH112
            with suppress(OSError):
                # Some file systems cannot. Any other failure shows again below.
                return self._folder.open(".", os.O_TMPFILE | os.O_RDWR)
        while True:
            self._temporary = f".kcom5-{os.urandom(3).hex()}"
            try:
                return self._folder.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                continue
            except OSError:
                self._temporary = ""
                raise

    def _link_to_final(self, source: str, *, is_here: bool) -> bool:
        """Give the file its name unless the name is taken; return whether this was done."""
        try:
            self._folder.link(source, self._final, is_here=is_here)
        except FileExistsError:
            if self._no_clobber:
                raise Io(f"{self.name}: exists already", "exists") from None
            return False
        except OSError as error:
            if not is_here or error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
                raise
            # A file system without links.
            with suppress(FileNotFoundError):
                self._folder.status(self._final)
                raise Io(f"{self.name}: exists already", "exists") from None
            return False
        self._is_published = True
        return True

    def _link_to_own_name(self) -> None:
        while True:
            self._temporary = f".kcom5-{os.urandom(3).hex()}"
            try:
                return self._folder.link(f"/proc/self/fd/{self.descriptor}", self._temporary, is_here=False)
            except FileExistsError:
                continue
            except OSError:
                self._temporary = ""
                raise

    def _copy_in_place(self) -> None:
        target = self._folder.open(self._final, os.O_WRONLY)
        try:
            os.ftruncate(target, 0)
            at = 0
            while piece := os.pread(self.descriptor, PIECE, at):
                write_all(target, piece)
                at += len(piece)
        except BaseException:
            os.close(target)
            raise
        os.close(target)


def open_output(path: str, timeout: float | None, *, no_clobber: bool) -> Steps[Output]:
    """Open a path for writing, and follow its links here.

    A link, pipe, device or socket in a folder that all may write to counts only if it is the caller's or the folder's
    owner's. Raises Io, and Timeout for a named pipe that nobody reads. `timeout` is T in seconds.
    """
    text = path
    for _ in range(_LINKS + 1):
        descriptor = _descriptor_of(text)
        if descriptor is not None:
            return Output(os.dup(descriptor), path, is_ours=True, can_block=True)
        head, tail = os.path.split(text)
        if not tail:
            os.stat(text)  # noqa: PTH116
            raise Io(f"{path}: is a directory")
        folder = Folder(head)
        output: Output | None = None
        try:
            status = _status_of(folder, tail)
            kind = None if status is None else stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFDIR:
                raise Io(f"{path}: is a directory")
            if status is not None and kind != stat.S_IFREG:
                _check_owner(folder, status, path)
                if kind == stat.S_IFLNK:
                    text = os.path.join(head, folder.readlink(tail))  # noqa: PTH118
                    continue
                return (yield from _open_in_place(folder, tail, status, path, Deadline(timeout)))
            if status is not None:
                _check_target(folder, tail, path, no_clobber)
            mode = None if status is None else stat.S_IMODE(status.st_mode) & 0o777
            output = WholeFile(folder, tail, path, mode, no_clobber=no_clobber)
            return output
        finally:
            if output is None:
                folder.close()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _descriptor_of(path: str) -> int | None:
    """Return the number of the descriptor of this process that a path names, if any."""
    standard = {"/dev/stdout": 1, "/dev/stderr": 2}.get(path)
    head, tail = os.path.split(path)
    if standard is not None or not re.fullmatch("[0-9]{1,9}", tail):
        return standard
    own = rf"/dev/fd|/proc/{os.getpid()}/(task/[0-9]+/)?fd"
    return int(tail) if re.fullmatch(own, os.path.realpath(head)) else None


def _status_of(folder: Folder, name: str) -> os.stat_result | None:
    try:
        return folder.status(name)
    except FileNotFoundError:
        return None


def _check_owner(folder: Folder, status: os.stat_result, path: str) -> None:
    around = folder.status()
    is_shared = around.st_mode & stat.S_ISVTX and around.st_mode & stat.S_IWOTH
    if is_shared and status.st_uid not in (os.geteuid(), around.st_uid):
        raise Io(f"{path}: belongs to another user in a shared folder")


def _check_target(folder: Folder, name: str, path: str, no_clobber: bool) -> None:
    """Check that this regular file may be replaced."""
    if no_clobber:
        raise Io(f"{path}: exists already", "exists")
    if not folder.can_write(name):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _open_in_place(folder: Folder, name: str, status: os.stat_result, path: str, deadline: Deadline) -> Steps[Output]:
    """Open a pipe, a device or a socket."""
    while True:
        is_over = deadline.has_passed()
        with as_io(path):
            try:
                descriptor = folder.open(name, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
                break
            except OSError as error:
                if error.errno != errno.ENXIO or not stat.S_ISFIFO(status.st_mode):
                    raise
        if is_over:
            raise Timeout(f"{path}: no process opened it for reading within {deadline}")
        yield Wait(None, 0, deadline.left(_AGAIN))
    if not os.path.samestat(os.fstat(descriptor), status):
        os.close(descriptor)
        raise Io(f"{path}: was replaced while it was opened")
    return Output(descriptor, path, is_ours=True, can_block=False)
