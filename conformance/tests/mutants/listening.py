"""Mutants that break a rule of listening and connecting."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from typing import Any, ClassVar, NoReturn

from reference_peer import MAGIC, Failure

from .registry import Mutant


class BindsTheWildcard(Mutant):
    """The server listens on all addresses of the computer."""

    rule, role = "listen.loopback", "server"
    effect = "any computer on the network can fetch the data"

    def bind(self, listener: socket.socket) -> None:
        self.set_bind_options(listener)
        listener.bind(("", self.port))


class BindsAMappedAddress(Mutant):
    """The server over IPv4 is an IPv6 socket bound to ::ffff:127.0.0.1."""

    rule, role = "listen.loopback", "server"
    effect = "a client's address has the form of another family"
    hosts: ClassVar = {**Mutant.hosts, "tcp4": (socket.AF_INET6, "::ffff:127.0.0.1")}


class DefaultsToAnotherPort(Mutant):
    """The server's default port is 13601."""

    rule, role = "listen.default", "server"
    default_port = 13601


class DialsAnotherPort(Mutant):
    """The client's default port is 13601."""

    rule, role = "listen.default", "client"
    default_port = 13601


class SharesThePort(Mutant):
    """The server sets SO_REUSEPORT."""

    rule, role = "listen.exclusive", "server"
    effect = "another process of the same user can take the port, and the client with it"

    def set_bind_options(self, listener: socket.socket) -> None:
        super().set_bind_options(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


class TakesAnotherPort(Mutant):
    """A server whose port is in use listens on another one."""

    rule, role = "listen.exclusive", "server"

    def bind(self, listener: socket.socket) -> None:
        try:
            super().bind(listener)
        except OSError:
            self.port = 0
            super().bind(listener)


class InUseIsIo(Mutant):
    """The server reports a port in use as io."""

    rule, role = "listen.exclusive", "server"

    def listen(self) -> socket.socket:
        try:
            return super().listen()
        except Failure as failure:
            raise Failure("io", str(failure)) from None


class CannotRebind(Mutant):
    """The server does not set SO_REUSEADDR."""

    rule, role = "listen.rebind", "server"
    effect = "after an exchange the port cannot be opened for a minute"

    def set_bind_options(self, listener: socket.socket) -> None:
        pass


class ServesTheNextClient(Mutant):
    """A server that rejects a hello serves the next client."""

    rule, role = "listen.one-client", "server"

    def after_accept(self) -> None:
        pass

    def read_hello(self, end: socket.socket) -> bytes:
        while True:
            try:
                return super().read_hello(end)
            except Failure as failure:
                if failure.name != "invalid-connection" or not self.listener:
                    raise
                end.close()
                self.connection = end = self.accept_one(self.listener)
                self.prepare(end)


class ServesTwo(Mutant):
    """The server also answers other clients during the exchange."""

    rule, role = "listen.one-client", "server"

    def after_accept(self) -> None:
        assert self.listener
        again = self.listener.dup()
        super().after_accept()
        threading.Thread(target=self.others, args=(again,), daemon=True).start()

    def others(self, listener: socket.socket) -> None:
        with listener:
            listener.settimeout(2)
            with contextlib.suppress(OSError):
                listener.accept()[0].sendall(MAGIC)


class KeepsListening(Mutant):
    """The server's listening socket stays open until the exchange ends: other clients hang in its queue."""

    rule, role = "listen.refuse-others", "server"

    def after_accept(self) -> None:
        pass


class SmallestPortIsAnyPort(Mutant):
    """The server uses -2147483648 for "let the system choose", a value that a caller can also give."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        port = request.get("port")
        super().configure({**request, "port": 0} if port == -(1 << 31) else request, least_port)


class WrapsTheServerPort(Mutant):
    """The server keeps 16 bits of its port, so 79136 becomes 13600."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        super().configure({**request, "port": request.get("port", self.default_port) & 0xFFFF}, least_port)


class WrapsTheClientPort(WrapsTheServerPort):
    """The client keeps 16 bits of its port, so 79136 becomes 13600."""

    rule, role = "listen.port", "client"


class DialsPortZero(Mutant):
    """The client connects to port 0 if the caller gives it."""

    rule, role = "listen.port", "client"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        super().configure(request, 0)


class PortOutOfRangeIsIo(Mutant):
    """The server leaves a port out of range to the system, and reports io."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        try:
            super().configure(request, least_port)
        except Failure as failure:
            raise Failure("io", str(failure)) from None


class PortZeroIsTheDefault(Mutant):
    """The server treats port 0 as not given and listens on 13600."""

    rule, role = "listen.port-zero", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        super().configure(request, least_port)
        self.port = self.port or self.default_port


class ListensBeforeItLooks(Mutant):
    """The server listens before it checks its message."""

    rule, role = "listen.port", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        self.listener = self.listen()
        super().announce(self.listener)
        return super().message_to_send(given)

    def listen(self) -> socket.socket:
        return self.listener or super().listen()

    def announce(self, listener: socket.socket) -> None:
        pass


class LooksAtTheMessageFirst(Mutant):
    """The server checks its message before its port."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        self.message_to_send(request.get("message", ""))
        super().configure(request, least_port)


class OtherPortOverIpv4(Mutant):
    """A client without a given port connects to another one over IPv4."""

    rule, role = "listen.default", "client"

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.default_port = 13500 if request.get("via") == "tcp4" else 13600
        return super().answer(request)


class DialsThreeTimes(Mutant):
    """The client connects three times before it reports that nobody listens."""

    rule, role = "connect.refused", "client"

    def dial(self, new: socket.socket) -> int:
        for _ in range(2):
            with self.new_socket() as first:
                if first.connect_ex(self.place()) not in (errno.ECONNREFUSED, errno.ENOENT):
                    break
            time.sleep(0.7)
        return super().dial(new)


class WaitsForAServer(Mutant):
    """A client that is refused tries again until T."""

    rule, role = "connect.refused", "client"

    def connect(self) -> socket.socket:
        self.limit = min(self.limit or 3, 3)
        end = time.monotonic() + self.limit
        while True:
            try:
                return super().connect()
            except Failure as failure:
                if failure.name != "refused":
                    raise
            if time.monotonic() > end:
                self.late()
            time.sleep(0.02)


class RefusedIsIo(Mutant):
    """A refused connection is reported as io."""

    rule, role = "connect.refused", "client"

    def refused(self, code: int) -> NoReturn:
        raise OSError(code, os.strerror(code))


class TalksToItself(Mutant):
    """A client that is connected to itself accepts its own hello as the echo."""

    rule, role = "connect.self", "client"

    def check_ends(self, end: socket.socket) -> None:
        pass
