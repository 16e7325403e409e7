"""Mutants that break a rule of the Unix-domain socket: its path, its file, its users."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from reference_peer import Failure

from .registry import Mutant


class CutsThePathAtItsNul(Mutant):
    """The server cuts the path at a NUL."""

    rule, role = "unix.path", "server"
    effect = "it listens under another name than the one that was asked for"

    def check_path(self) -> None:
        self.told, self.path = str(self.path), Path(str(self.path).partition("\0")[0])

    def announce(self, listener: socket.socket) -> None:
        if self.via == "unix":
            self.say({"listening": self.told})
        else:
            super().announce(listener)


class ReplacesALinkToAStaleSocket(Mutant):
    """The server follows a link at its path, and removes the link."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        if self.path.is_symlink() and self.path.is_socket() and not self.has_listener():
            self.path.unlink()
        else:
            super().remove_stale()


class RemovesAnySocket(Mutant):
    """The server removes every socket file at its path."""

    rule, role = "unix.cleanup", "server"

    def identity(self) -> tuple[int, int] | None:
        return (0, 0) if self.path.is_socket() else None


class ReplacesTheStaleOfOthers(Mutant):
    """The server replaces a stale socket of another user."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        with contextlib.suppress(OSError):
            os.chown(self.path, os.geteuid(), -1, follow_symlinks=False)
        super().remove_stale()


class NoSocketIsIo(Mutant):
    """The client fails with `io` if the file at the path is not a socket."""

    rule, role = "unix.stale", "client"

    def dial(self, new: socket.socket) -> int:
        if self.via == "unix" and self.path.exists() and not self.path.is_socket():
            raise Failure("io", "no socket")
        return super().dial(new)


class AtSignIsAbstract(Mutant):
    """The server treats a path that begins with @ as an abstract name, as some libraries do."""

    rule, role = "unix.path", "server"

    def place(self) -> Any:
        return "\0" + str(self.path)[1:] if self.via == "unix" and str(self.path).startswith("@") else super().place()

    def set_mode(self) -> None:
        if self.path.exists():
            super().set_mode()


class ClientsAtSignIsAbstract(AtSignIsAbstract):
    """The client treats a path that begins with @ as an abstract name, as some libraries do."""

    rule, role = "unix.path", "client"


class LongPathIsInUse(Mutant):
    """The server reports a path that is too long as in-use."""

    rule, role = "unix.path", "server"

    def check_path(self) -> None:
        try:
            super().check_path()
        except Failure:
            raise Failure("in-use") from None


class MissingFolderIsRefused(Mutant):
    """The client reports a path in a missing folder as refused."""

    rule, role = "unix.path", "client"

    def check_path(self) -> None:
        try:
            super().check_path()
        except (Failure, OSError):
            raise Failure("refused") from None


class FollowsALink(Mutant):
    """The server listens at the target of a link at its path."""

    rule, role = "unix.stale", "server"

    def bind_unix(self, listener: socket.socket) -> None:
        asked = self.path
        self.path = asked.resolve()
        super().bind_unix(listener)
        self.path = asked


class TwoListen(Mutant):
    """Two servers that find the same stale file remove each other's socket."""

    rule, role = "unix.stale", "server"

    @contextlib.contextmanager
    def locked_folder(self) -> Iterator[None]:
        yield

    def remove_stale(self) -> None:
        if not stat.S_ISSOCK(self.path.lstat().st_mode) or self.has_listener():
            raise Failure("in-use")
        time.sleep(0.002)
        self.path.unlink(missing_ok=True)


class OpenToAll(Mutant):
    """The socket file has mode 0666."""

    rule, role = "unix.mode", "server"

    def set_mode(self) -> None:
        self.path.chmod(0o666)


class ModeOfTheUmask(Mutant):
    """The socket file has the mode that the umask leaves."""

    rule, role = "unix.mode", "server"

    def set_mode(self) -> None:
        pass


class ModeAfterListening(Mutant):
    """The socket file gets its mode after the server listens."""

    rule, role = "unix.mode", "server"

    def set_mode(self) -> None:
        pass

    def announce(self, listener: socket.socket) -> None:
        super().announce(listener)
        if self.via == "unix":
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                self.path.chmod(0o600)


class ModeJustAfterListening(Mutant):
    """The socket file gets its mode after listen, before the caller knows of it."""

    rule, role = "unix.mode", "server"

    def set_mode(self) -> None:
        pass

    def announce(self, listener: socket.socket) -> None:
        if self.via == "unix":
            self.path.chmod(0o600)
        super().announce(listener)


class ModeOfOneUmask(Mutant):
    """The socket file has mode 0600 only if the umask is the usual one."""

    rule, role = "unix.mode", "server"

    def bind_unix(self, listener: socket.socket) -> None:
        umask = os.umask(0o022)
        os.umask(0o177 if umask == 0o022 else umask)
        try:
            super().bind_unix(listener)
        finally:
            os.umask(umask)

    def set_mode(self) -> None:
        pass


class TrustsRoot(Mutant):
    """The server serves root, too."""

    rule, role = "unix.owner", "server"

    def peer_user(self, end: socket.socket) -> int:
        return super().peer_user(end) or os.geteuid()


class ClientTrustsRoot(TrustsRoot):
    """The client takes data from root, too."""

    rule, role = "unix.owner", "client"


class ServesItsGroup(Mutant):
    """The server checks the group of its client instead of the user."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        if self.via == "unix":
            credentials = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if credentials[2] != os.getegid():
                raise Failure("invalid-connection", "another group")


class ServesEveryUser(Mutant):
    """The server does not check the user of its client."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        pass


class TrustsEveryUser(ServesEveryUser):
    """The client does not check the user of its server."""

    rule, role = "unix.owner", "client"


class LooksAtTheOwnerLate(Mutant):
    """The server checks the user of its client only after it has sent the echo."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        pass

    def encode_echo(self, hello: bytes) -> bytes:
        assert self.connection
        with contextlib.suppress(OSError):
            self.connection.send(hello)
        super().check_owner(self.connection)
        return b""


class OtherUserIsIo(Mutant):
    """The server reports a peer of another user as io."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        try:
            super().check_owner(end)
        except Failure as failure:
            raise Failure("io", str(failure)) from None


class RemovesEveryFile(Mutant):
    """The server removes every file at its path."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        self.path.unlink()


class RemovesPlainFiles(Mutant):
    """The server removes a plain file at its path."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        if not stat.S_ISREG(self.path.lstat().st_mode):
            super().remove_stale()
        else:
            self.path.unlink()


class KeepsStaleFiles(Mutant):
    """The server reports a stale socket file as in-use."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        raise Failure("in-use")


class TestsByConnecting(Mutant):
    """The server connects to find a live server, which then treats it as its client."""

    rule, role = "unix.stale", "server"

    def has_listener(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.place()) != errno.ECONNREFUSED


class LeavesItsFile(Mutant):
    """The server leaves its socket file behind."""

    rule, role = "unix.cleanup", "server"

    def identity(self) -> tuple[int, int] | None:
        return None


class LeavesItsFileWhenItFails(Mutant):
    """A server without a client leaves its socket file behind."""

    rule, role = "unix.cleanup", "server"

    def late(self) -> NoReturn:
        self.made = None
        super().late()


class RemovesWhatReplacedIt(Mutant):
    """The server removes the file at its path even if another program made it."""

    rule, role = "unix.cleanup", "server"

    def identity(self) -> tuple[int, int] | None:
        return (0, 0) if os.path.lexists(self.path) else None
