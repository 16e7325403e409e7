"""Mutants that break a rule of files."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from reference_peer import Failure, Sink, Source

from .registry import Mutant


class TakesTheSizeLate(Mutant):
    """The server sends the file's content of when the client connects, with the length from before."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        if source.file:
            source.size = os.fstat(source.file.fileno()).st_size
            head = self.encode_echo(head[:8]) + head[8:-8] + self.encode_data_length(source.size)
        super().transmit(end, head, source)


class FillsAShorterFile(Mutant):
    """The server fills up a file that became shorter with zeros, and succeeds."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        read = source.read

        def filled(most: int) -> bytes:
            count = min(most, source.size - source.offset)
            try:
                octets = read(most)
            except Failure:
                octets = b""
            source.offset += count - len(octets)
            return octets.ljust(count, b"\0")

        source.read = filled  # type: ignore[method-assign]
        super().transmit(end, head, source)


class ShorterFileIsAnOrderlyEnd(Mutant):
    """A server whose file became shorter closes in order before it has sent the declared length."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        try:
            super().transmit(end, head, source)
        except Failure as failure:
            if failure.name == "io":
                end.shutdown(socket.SHUT_WR)
                end.close()
                self.connection = None
            raise


class BelievesTheSizeOfProc(Mutant):
    """The server sends a file of /proc as empty, because stat() reports size 0."""

    rule, role = "file.size", "server"

    def send_request(self, request: dict[str, Any]) -> dict[str, Any]:
        if "file" in request.get("data", {}) and not Path(request["data"]["file"]).stat().st_size:
            request = {**request, "data": {"hex": ""}}
        return super().send_request(request)


class OpensTheFileLate(Mutant):
    """The server opens its file only after a client has connected."""

    rule, role = "file.size", "server"

    def send_request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.late_file = request.get("data", {}).get("file")
        if self.late_file and not Path(self.late_file).exists():
            request = {**request, "data": {"hex": "00"}}
        else:
            self.late_file = None
        return super().send_request(request)

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        if self.late_file:
            raise Failure("io", "there is no such file")
        super().transmit(end, head, source)


class NewFileIsReadable(Mutant):
    """A file that the client creates is readable by all users."""

    rule, role = "file.whole", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        if sink.target and not sink.target.exists():
            sink.mode = 0o644
        return super().deliver(sink, note, message)


class LosesTheMode(Mutant):
    """A file that the client replaces always gets mode 0600."""

    rule, role = "file.whole", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        sink.mode = 0o600
        return super().deliver(sink, note, message)


class ShortSink(Sink):
    """It writes once."""

    def write(self, octets: bytes) -> None:
        self.file.write(octets)
        self.digest.update(octets)
        self.size += len(octets)


class LosesShortWrites(Mutant):
    """The client ignores partial writes to a pipe."""

    rule, role = "file.whole", "client"

    def open_sink(self, to: str | None) -> Sink:
        sink = super().open_sink(to)
        if to and Path(to).is_fifo():
            os.set_blocking(sink.file.fileno(), False)
            sink.__class__ = ShortSink
        return sink


class RenamesInVain(Mutant):
    """The client ignores an error of the rename to the final name."""

    rule, role = "result.success", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        try:
            return super().deliver(sink, note, message)
        except IsADirectoryError:
            sink.discard()
            return {"size": sink.size, "sha256": sink.digest.hexdigest()}


class WritesBehindADanglingLink(Mutant):
    """The client writes directly to the target of a dangling link."""

    rule, role = "file.whole", "client"

    def open_sink(self, to: str | None) -> Sink:
        if to and Path(to).is_symlink() and not Path(to).exists():
            sink = super().open_sink(None)
            sink.target = Path(to)
            sink.file = os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT, 0o600), "wb", 0)
            return sink
        return super().open_sink(to)


class ReplacesALink(Mutant):
    """The client replaces a symbolic link instead of its target."""

    rule, role = "file.whole", "client"

    def open_sink(self, to: str | None) -> Sink:
        sink = super().open_sink(to)
        if to and sink.temporary:
            sink.target = Path(to)
        return sink


class ReplacesAPipe(Mutant):
    """The client replaces a pipe with a regular file."""

    rule, role = "file.whole", "client"

    def open_sink(self, to: str | None) -> Sink:
        if not to or not Path(to).is_fifo():
            return super().open_sink(to)
        sink = super().open_sink(f"{to}.new")
        sink.target = Path(to)
        return sink


class ShowsAPart(Mutant):
    """The client writes to the file under its final name, and removes it on failure."""

    rule, role = "file.whole", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if sink.temporary and sink.target:
            sink.temporary.rename(sink.target)
            sink.temporary = None
        try:
            super().receive_body(end, size, sink)
        except Failure:
            if sink.target:
                sink.target.unlink()
            raise


class WaitsForAReaderForEver(Mutant):
    """The client waits without a bound until somebody opens its pipe."""

    rule, role = "file.once", "client"

    def open_sink(self, to: str | None) -> Sink:
        kept, self.limit = self.limit, None
        try:
            return super().open_sink(to)
        finally:
            self.limit = kept


class LooksIntoThePipe(Mutant):
    """The client opens and closes a pipe as a test, and opens it again later."""

    rule, role = "file.once", "client"

    def open_sink(self, to: str | None) -> Sink:
        if to and Path(to).is_fifo():
            super().open_sink(to).discard()
            time.sleep(0.05)
        return super().open_sink(to)


class OpensItsOutputLate(Mutant):
    """The client opens its output only when data arrives."""

    rule, role = "file.once", "client"

    def open_sink(self, to: str | None) -> Sink:
        self.output = to
        return super().open_sink(None)

    def handshake(self, end: socket.socket) -> None:
        super().handshake(end)
        if self.output:
            Sink(self.output).discard()
