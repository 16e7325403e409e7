"""A minimal correct implementation: every MUST of the spec, no SHOULD, no MAY.

The suite passes it without `--strict`, and reports each SHOULD that it leaves out. Contract: ADAPTER.md.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any, ClassVar

from reference_peer import Failure, ReferencePeer, Sink, Source


class Minimal(ReferencePeer):
    """One adapter. Each override leaves out one SHOULD, which its comment names."""

    # The MAY: listen.port-zero.
    supports: ClassVar[tuple[str, ...]] = tuple(key for key in ReferencePeer.supports if key != "port-zero")
    is_storage_at_fault = False
    """Whether its own file failed. The reset is a MUST then (`file.size`, `close.last`)."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.is_storage_at_fault = False
        answer = super().answer(request)
        answer.pop("confirmed", None)  # close.confirm
        return answer

    def least_server_port(self) -> int:
        return 1

    def limit_of(self, close: int) -> float | None:
        """Leaves out time.prompt: it is 1.5 seconds late."""
        return close + 1.5 if close > 0 else None

    def nonce(self) -> bytes:
        """Leaves out hello.nonce: not random."""
        return b"abc"

    def new_socket(self) -> socket.socket:
        """Leaves out that children do not inherit the socket."""
        new = super().new_socket()
        new.set_inheritable(True)
        return new

    def after_accept(self) -> None:
        """Leaves out listen.refuse-others: others wait in the queue until the call returns."""

    def read_hello(self, end: socket.socket) -> bytes:
        """Leaves out hello.reject-early and hello.alone: it checks at eight bytes, and ignores a ninth."""
        hello = b""
        try:
            while len(hello) < 8:
                piece = self.recv(end, 8 - len(hello))
                if not piece:
                    raise Failure("invalid-connection", "closed in the hello")
                hello += piece
        except Failure:
            self.check_hello(hello)  # `hello.reject` also holds after the timeout
            raise
        self.check_hello(hello)
        return hello

    def half_close_and_drain(self, end: socket.socket) -> None:
        """Leaves out close.confirm: it does not wait for the client's end. `close.extra` is a MUST, so it reads
        the client's bytes until all of its own are acknowledged."""
        try:
            end.shutdown(socket.SHUT_WR)
        except OSError:
            return
        self.is_half_closed = True
        self.start_wait("confirm")
        try:
            while self.queue(end) and (self.remaining() or 1) > 0:
                if not self.client_ended:
                    self.discard(end)
                    select.select([] if self.client_ended else [end], [], [], 0.002)
                else:
                    time.sleep(0.002)
            if not self.client_ended:
                self.discard(end)
        except Failure:
            pass

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        try:
            super().transmit(end, head, source)
        except Failure as failure:
            self.is_storage_at_fault = failure.name == "io"
            raise

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        try:
            super().receive_body(end, size, sink)
        except OSError:
            self.is_storage_at_fault = True
            raise

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        try:
            return super().deliver(sink, note, message)
        except OSError:
            self.is_storage_at_fault = True
            raise

    def reset_when_killed(self, new: socket.socket) -> None:
        """Leaves out close.abort: a killed process ends its connection in order."""

    def abort(self, end: socket.socket) -> None:
        """Leaves out close.abort: so does a call that fails."""
        if self.is_storage_at_fault:
            super().abort(end)
            return
        try:
            while end.recv(1 << 16):
                pass
        except OSError:
            pass
        end.close()


if __name__ == "__main__":
    Minimal().main()
