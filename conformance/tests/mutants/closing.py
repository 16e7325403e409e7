"""Mutants that break a rule of closing."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import time
from typing import Any, NoReturn

from reference_peer import Failure, Sink, Source

from .registry import Mutant


class HalfCloseIsTheEnd(Mutant):
    """A server fails when its client half-closes."""

    rule, role = "close.half", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        assert self.connection
        with contextlib.suppress(BlockingIOError):
            if not self.connection.recv(1, socket.MSG_PEEK):
                raise Failure("unconfirmed", "the client is gone")
        return hello


class ClosesWithOctetsUnread(Mutant):
    """The server reads nothing after the hello, so unread bytes turn its close into a reset."""

    rule, role = "close.extra", "server"
    effect = "0.9 MB of 1 MiB are lost, and the server reports success"

    def discard(self, end: socket.socket) -> None:
        pass

    def drain(self, end: socket.socket) -> None:
        time.sleep(0.05)


class ReadsNothingWhileItSends(Mutant):
    """The server reads nothing before it has sent everything, so it and a client that sends both wait forever."""

    rule, role = "close.extra", "server"

    def blocked(self, end: socket.socket) -> None:
        kept, self.client_ended = self.client_ended, True
        super().blocked(end)
        self.client_ended = kept


class ExtraIsWrong(Mutant):
    """The server treats bytes after the hello as an error."""

    rule, role = "close.extra", "server"

    def discard(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if end.recv(1, socket.MSG_PEEK):
                raise Failure("invalid-connection", "octets after the hello")
        super().discard(end)


class ClosesAtOnce(Mutant):
    """The server closes when the kernel has the bytes, and does not wait for the client's end."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        pass


class TakesAResetForSuccess(Mutant):
    """The server waits for the client's end, and treats a reset as one."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        try:
            super().half_close_and_drain(end)
        except Failure as failure:
            if "gone" not in str(failure):
                raise


class DoesNotHalfClose(Mutant):
    """The server waits for the client's end, and does not half-close before."""

    rule, role = "close.confirm", "server"

    def half_close(self, end: socket.socket) -> None:
        pass


class ResetIsIo(Mutant):
    """A reset by the client is reported as io."""

    rule, role = "close.confirm", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "io" if name == "unconfirmed" and "gone" in detail else name, detail)


class ServerClosesInOrder(Mutant):
    """A server that fails closes as after a success."""

    rule, role = "close.abort", "server"

    def abort(self, end: socket.socket) -> None:
        end.close()


class ClientClosesInOrder(Mutant):
    """A client that fails reads what has arrived and closes as after a success."""

    rule, role = "close.abort", "client"
    effect = "the server reports that all was taken"

    def abort(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while end.recv(1 << 16):
                pass
        self.close_confirming(end)


class StoresAfterTheClose(Mutant):
    """The client closes first, so the server reports success, and stores the content after that."""

    rule, role = "close.last", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        assert self.connection
        self.take_last(self.connection)
        self.close_confirming(self.connection)
        time.sleep(0.2)
        self.is_held, self.connection = False, socket.socket()
        return super().deliver(sink, note, message)


class StoresTheMessageAfterTheClose(Mutant):
    """The client stores the data, closes, and then stores the message."""

    rule, role = "close.last", "client"
    effect = "a full disk loses the message, and send has succeeded"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        self.later = (note, message)
        return sink.store()

    def close_confirming(self, end: socket.socket) -> None:
        super().close_confirming(end)
        time.sleep(0.2)
        note, message = self.later
        note.write(message.encode())
        note.store()


class ClientsTimeoutIsAnOrderlyEnd(Mutant):
    """The client closes in order when it times out."""

    rule, role = "close.abort", "client"

    def late(self) -> NoReturn:
        self.is_late = True
        super().late()

    def abort(self, end: socket.socket) -> None:
        if getattr(self, "is_late", False):
            self.close_confirming(end)
        else:
            super().abort(end)

    def close_confirming(self, end: socket.socket) -> None:
        if getattr(self, "is_late", False) and self.via != "unix":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        super().close_confirming(end)


class OverlooksAResetBehindTheEnd(Mutant):
    """The server does not look for a reset when the client has ended early, and waits until T."""

    rule, role = "close.confirm", "server"

    def check_gone(self, end: socket.socket) -> None:
        pass

    def wait_for_acknowledgement(self, end: socket.socket) -> None:
        while (self.remaining() or 1) > 0:
            time.sleep(0.1)
        raise Failure("unconfirmed", "the client does not take it")


class StallIsAnOrderlyEnd(Mutant):
    """The server closes in order when its client takes no more of the frame."""

    rule, role = "close.abort", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        self.is_stalled = True
        super().transmit(end, head, source)
        self.is_stalled = False

    def abort(self, end: socket.socket) -> None:
        if getattr(self, "is_stalled", False):
            self.close(end)
        else:
            super().abort(end)


class LooksBeforeTheHalfClose(Mutant):
    """The server checks for an end again before it half-closes, so a fast client seems to have ended early."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        time.sleep(0.03)
        if not self.client_ended:
            self.discard(end)
        super().half_close_and_drain(end)


class FullDiskIsAnOrderlyEnd(Mutant):
    """A client that cannot store the content reports that after an orderly end."""

    rule, role = "close.last", "client"
    effect = "the sender reports success"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        try:
            return super().deliver(sink, note, message)
        except OSError:
            assert self.connection
            self.take_last(self.connection)
            self.close_confirming(self.connection)
            self.connection = None
            raise


class FullDiskIsSuccess(Mutant):
    """The client ignores the results of its writes, so data is lost when the disk is full."""

    rule, role = "close.last", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        with contextlib.suppress(OSError):
            return super().deliver(sink, note, message)
        return {"size": sink.size, "sha256": sink.digest.hexdigest()}

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        write = sink.write

        def careless(octets: bytes) -> None:
            with contextlib.suppress(OSError):
                write(octets)
                return
            sink.digest.update(octets)
            sink.size += len(octets)

        sink.write = careless  # type: ignore[method-assign]
        super().receive_body(end, size, sink)


class KilledIsAnOrderlyEnd(Mutant):
    """The connection of a killed client ends in order, without a reset."""

    rule, role = "close.abort", "client"
    effect = "the sender reports success, and the receiver was killed before it stored anything"

    def reset_when_killed(self, new: socket.socket) -> None:
        pass

    def holds(self) -> bool:
        return False


class ResetsWhenItIsLate(Mutant):
    """A server whose client has not closed T after the half-close resets the connection."""

    rule, role = "close.keep", "server"
    effect = "a client that read 20,000 of 150,020 octets every T/2 lost 30,000"

    def each_octet(self) -> None:
        if self.phase != "confirm":
            super().each_octet()

    def give_up(self, end: socket.socket) -> None:
        self.abort(end)


class SaysConfirmedAlways(Mutant):
    """The server reports every success as confirmed."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        super().half_close_and_drain(end)
        self.confirmed = True


class NeverSaysConfirmed(Mutant):
    """The server reports no success as confirmed."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        super().half_close_and_drain(end)
        self.confirmed = False


class ResetWhileConnectingIsSuccess(Mutant):
    """If the connection is gone at its first read, the client returns no data and no error."""

    rule, role = "result.success", "client"
    effect = "43 of 300 receives succeeded without one octet"

    def check_ends(self, end: socket.socket) -> None:
        time.sleep(0.002)
        try:
            end.getpeername()
        except OSError:
            self.is_gone = True

    def receive_request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.is_gone = False
        try:
            return super().receive_request(request)
        except (Failure, OSError):
            if not self.is_gone:
                raise
            nothing = {"size": 0, "sha256": hashlib.sha256().hexdigest(), "hex": ""}
            return {"ok": True, "message": "", "data": nothing}
