"""Mutants that break a rule of the data."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any

from reference_peer import PIECE, Failure, Sink, Source

from .registry import Mutant


class SendsText(Mutant):
    """The server opens the data in text mode and sends LF as CR LF, within the declared length."""

    rule, role = "data.opaque", "server"

    def send(self, message: bytes, source: Source) -> None:
        read = source.read
        source.read = lambda most: (octets := read(most)).replace(b"\n", b"\r\n")[: len(octets)]  # type: ignore
        super().send(message, source)


class SendsAStringOfData(Mutant):
    """The server treats the data as a C string and sends zeros after the first NUL."""

    rule, role = "data.opaque", "server"

    def send(self, message: bytes, source: Source) -> None:
        read = source.read
        source.read = lambda most: (octets := read(most)).partition(b"\0")[0].ljust(len(octets), b"\0")  # type: ignore
        super().send(message, source)


class ReceivesText(Mutant):
    """The client stores the data in text mode, so CR LF becomes LF."""

    rule, role = "data.opaque", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        write = sink.write
        sink.write = lambda octets: write(octets.replace(b"\r\n", b"\n"))  # type: ignore[method-assign]
        super().receive_body(end, size, sink)


class ReceivesAString(Mutant):
    """The client's data ends at the first NUL."""

    rule, role = "data.opaque", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        write = sink.write
        sink.write = lambda octets: write(octets.partition(b"\0")[0])  # type: ignore[method-assign]
        super().receive_body(end, size, sink)


class IgnoresShortWrites(Mutant):
    """The server treats a partial write as complete, so the rest is lost."""

    rule, role = "data.opaque", "server"

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        return len(pending) if super().send_some(end, pending) else 0


class LosesTheLastPiece(Mutant):
    """The server stops after the first write of the last piece, so the rest of a partial write is lost."""

    rule, role = "result.sync", "server"

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        count = super().send_some(end, pending)
        return len(pending) if len(pending) < PIECE else count


class DeliversWhatFollows(Mutant):
    """The client delivers what arrives after the declared bytes."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        with contextlib.suppress(OSError):
            sink.write(end.recv(64))


class WaitsForTheEnd(Mutant):
    """The client waits for the server's end after the last byte."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        while self.recv(end, 64):
            pass


class RefusesWhatFollows(Mutant):
    """The client treats bytes after the data as an error."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        with contextlib.suppress(OSError):
            if end.recv(64):
                raise Failure("truncated", "octets after the end")


class DeliversAPart(Mutant):
    """The client delivers what it has when the server closes."""

    rule, role = "data.truncated", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        with contextlib.suppress(Failure):
            super().receive_body(end, size, sink)


class BelievesTheHangUp(Mutant):
    """The client treats a hang-up from poll as the end and drops bytes that arrived before it."""

    rule, role = "data.truncated", "client"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        poll = select.poll()
        poll.register(end, select.POLLIN | select.POLLRDHUP)
        if any(event & (select.POLLHUP | select.POLLRDHUP) for _, event in poll.poll(0)):
            return b""
        return super().recv(end, most, flags)


class DeliversNothingAsAll(Mutant):
    """The client treats a close within the head as an exchange without data."""

    rule, role = "data.truncated", "client"

    def receive_data_length(self, end: socket.socket) -> int:
        try:
            return super().receive_data_length(end)
        except Failure as failure:
            if failure.name == "truncated":
                return 0
            raise


class TruncatedMessageIsAll(Mutant):
    """The client treats a close within the message as an exchange without message and data."""

    rule, role = "data.truncated", "client"

    def receive_message(self, end: socket.socket) -> str:
        self.is_over = False
        try:
            return super().receive_message(end)
        except Failure as failure:
            self.is_over = failure.name == "truncated"
            if self.is_over:
                return ""
            raise

    def receive_data_length(self, end: socket.socket) -> int:
        return 0 if self.is_over else super().receive_data_length(end)


class TruncatedIsIo(Mutant):
    """A close within the frame is reported as io."""

    rule, role = "data.truncated", "client"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "io" if name == "truncated" else name, detail)


class StoresInPlace(Mutant):
    """The client writes to the file under its final name, and leaves a part of the data there."""

    rule, role = "data.truncated", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if sink.temporary:
            assert sink.target
            sink.temporary.rename(sink.target)
            sink.temporary = None
        super().receive_body(end, size, sink)
