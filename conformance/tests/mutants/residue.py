"""Mutants that leak a resource after an exchange."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from typing import Any, ClassVar, NoReturn

from reference_peer import Failure, Sink

from .registry import Mutant


class LeaksRejected(Mutant):
    """The server leaves both sockets open when it rejects a hello."""

    rule, role = "close.residue", "server"
    leaked: ClassVar[list[Any]] = []

    def check_hello(self, hello: bytes) -> None:
        try:
            super().check_hello(hello)
        except Failure:
            assert self.connection
            self.leaked.append(self.connection.dup())
            raise


class LeaksListeners(Mutant):
    """A server without a client leaves its listening socket open."""

    rule, role = "close.residue", "server"
    leaked: ClassVar[list[Any]] = []

    def late(self) -> NoReturn:
        if self.listener:
            self.leaked.append(self.listener.dup())
        super().late()


class LeaksConnections(Mutant):
    """The client leaves its socket open when it fails."""

    rule, role = "close.residue", "client"
    leaked: ClassVar[list[Any]] = []

    def abort(self, end: socket.socket) -> None:
        self.leaked.append(end)


class LeaksDescriptors(Mutant):
    """The client opens a file in each exchange and does not close it."""

    rule, role = "close.residue", "client"

    def nonce(self) -> bytes:
        return os.read(os.open("/dev/urandom", os.O_RDONLY), 3)


class LeaksThreads(Mutant):
    """The server starts a thread in each exchange, which never ends."""

    rule, role = "close.residue", "server"

    def after_accept(self) -> None:
        super().after_accept()
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class LeaksMemory(Mutant):
    """The client keeps 256 KiB of memory per exchange."""

    rule, role = "close.residue", "client"
    leaked: ClassVar[list[bytes]] = []

    def make_hello(self) -> bytes:
        self.leaked.append(bytes([1]) * (1 << 18))
        return super().make_hello()


class LeavesChildren(Mutant):
    """The server starts a child in each exchange and does not wait for it."""

    rule, role = "close.residue", "server"

    def after_accept(self) -> None:
        super().after_accept()
        child = subprocess.Popen(["sleep", "30"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        child.returncode = 0  # nobody complains of it


class LeavesTheTemporaryFile(Mutant):
    """A client that fails leaves its temporary file."""

    rule, role = "close.residue", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        try:
            super().receive_body(end, size, sink)
        except Failure:
            sink.temporary = None
            raise


class KillsTheProcess(Mutant):
    """A timer kills the process T after the start of the exchange, though it succeeded."""

    rule, role = "close.residue", "server"
    effect = "the program disappears `close` seconds after a success"

    def after_accept(self) -> None:
        super().after_accept()
        if self.limit and self.limit < 3:
            signal.setitimer(signal.ITIMER_REAL, self.limit)


class KillsTheClient(Mutant):
    """A timer kills the process T after the start of the exchange, though it succeeded."""

    rule, role = "close.residue", "client"

    def make_hello(self) -> bytes:
        if self.limit and self.limit < 3:
            signal.setitimer(signal.ITIMER_REAL, self.limit)
        return super().make_hello()


class DiesOfSigpipe(Mutant):
    """SIGPIPE kills the server when it writes to a connection that is gone."""

    rule, role = "close.residue", "server"

    def main(self) -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        super().main()


class InheritsSockets(Mutant):
    """The server's sockets are inherited by every child."""

    rule, role = "close.residue", "server"

    def new_socket(self) -> socket.socket:
        new = super().new_socket()
        new.set_inheritable(True)
        return new
