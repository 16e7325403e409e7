"""Mutants that break a rule of results."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from reference_peer import PIECE, Sink, Source

from .registry import Mutant


class ReturnsBeforeItSends(Mutant):
    """send returns after the head; a thread sends the data later."""

    rule, role = "result.sync", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        end.setblocking(True)
        end.sendall(head)
        data = b"".join(iter(lambda: source.read(PIECE), b""))
        self.connection = None
        threading.Thread(target=self.later, args=(end, data), daemon=True).start()

    def later(self, end: socket.socket, data: bytes) -> None:
        with contextlib.suppress(OSError):
            end.sendall(data)
            end.shutdown(socket.SHUT_WR)
            end.settimeout(2)
            end.recv(1)
        end.close()

    def half_close_and_drain(self, end: socket.socket) -> None:
        pass

    def close(self, end: socket.socket) -> None:
        if self.phase != "handshake":
            super().close(end)


class ReturnsBeforeItHasAll(Mutant):
    """receive returns before the last bytes have arrived, and delivers zeros for them."""

    rule, role = "result.sync", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, max(size - 1, 0), sink)
        if size:
            sink.write(b"\0")


class KeepsTheMessageOfAFailure(Mutant):
    """The client sets msg as soon as the message has arrived, even if the data fails."""

    rule, role = "result.message", "client"

    def receive_message(self, end: socket.socket) -> str:
        self.msg = super().receive_message(end)
        return self.msg


class ClearsTheMessage(Mutant):
    """The client clears msg at the start."""

    rule, role = "result.message", "client"

    def connect(self) -> socket.socket:
        self.msg = ""
        return super().connect()


class KeepsTheMalformedMessage(Mutant):
    """The client sets msg to the ill-formed message, and then rejects it."""

    rule, role = "result.message", "client"

    def decode_message(self, octets: bytes) -> str:
        self.msg = octets.decode("utf-8", "replace")
        return super().decode_message(octets)


class HasOneName(Mutant):
    """The server reports every failure as io."""

    rule, role = "result.class", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "io", detail)


class HasOneNameAsClient(HasOneName):
    """The client reports every failure as io."""

    rule, role = "result.class", "client"


class SpellsNamesItsOwnWay(Mutant):
    """Failures have other names, such as INVALID_CONNECTION."""

    rule, role = "result.class", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, name.upper().replace("-", "_"), detail)
