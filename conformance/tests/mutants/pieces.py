"""Mutants that are wrong only for some pieces, sizes, limits, or ends."""

from __future__ import annotations

import socket
import time

from reference_peer import MAGIC, PIECE, Failure, Sink

from .registry import Mutant

BUFFER = 4096


class ChecksTheFirstPiece(Mutant):
    """The server compares the magic only if it is whole in the first piece."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        if len(hello) < 5:
            self.is_in_pieces = True
        elif len(hello) > 8 or not (getattr(self, "is_in_pieces", False) or hello.startswith(MAGIC)):
            raise Failure("invalid-connection", "no hello")

    def read_hello(self, end: socket.socket) -> bytes:
        self.is_in_pieces = False
        return super().read_hello(end)


class PutsTheThirdPieceSecond(Mutant):
    """The client writes the third and later pieces of a length where the second one stands."""

    rule, role = "frame.segments", "client"

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        if count > 8:
            return super().read_exact(end, count)
        pieces: list[bytes] = []
        while len(b"".join(pieces)) < count:
            self.each_octet()
            pieces.append(self.recv(end, count - len(b"".join(pieces))))
            if not pieces[-1]:
                raise Failure("truncated")
        octets = bytearray(count)
        for number, piece in enumerate(pieces):
            at = len(pieces[0]) if number else 0
            octets[at : at + len(piece)] = piece
        return bytes(octets[:count])


class NegativeIsEmpty(Mutant):
    """The client reads the data's length as a signed number, and treats a negative one as no data."""

    rule, role = "data.length", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(0 if size >= 1 << 63 else size, limit)

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        self.is_held = self.is_held and size < 1 << 63
        super().receive_body(end, 0 if size >= 1 << 63 else size, sink)


class ForgetsTheOtherLimit(Mutant):
    """If the caller sets only the limit of the data, the client has none of the message."""

    rule, role = "limit.over", "client"

    def receive_message(self, end: socket.socket) -> str:
        if self.data_limit != 2**64 and self.message_limit == self.default_limit:
            self.message_limit = 2**32
        return super().receive_message(end)


class WaitsForAShortPiece(Mutant):
    """The client reads pieces of a fixed size until one is shorter."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        if size and size % BUFFER == 0 and not self.is_held:
            self.recv(end, 1)


class EndsAtAFullBuffer(Mutant):
    """The client treats the stream's end after a multiple of its buffer's size as the end of the data."""

    rule, role = "data.truncated", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        left = size - bool(size and self.holds())
        while left:
            self.each_octet()
            piece = self.recv(end, min(left, PIECE))
            if not piece and (size - left) % BUFFER == 0 and size != left:
                return
            if not piece:
                raise Failure("truncated", f"{left} octets are missing")
            sink.write(piece)
            left -= len(piece)
        if size and self.holds():
            sink.write(self.peek(end))


class ResetsAfterItsBound(Mutant):
    """A server whose client has taken everything and does not close resets the connection at last."""

    rule, role = "close.keep", "server"

    def give_up(self, end: socket.socket) -> None:
        self.abort(end)


class DoesNotWaitForAcknowledgement(Mutant):
    """After an early half-close the server succeeds as soon as its system has the last byte."""

    rule, role = "close.confirm", "server"

    def wait_for_acknowledgement(self, end: socket.socket) -> None:
        pass


class BoundFromTheAccept(Mutant):
    """The server's wait for the client's end counts from the connection and not from the half-close."""

    rule, role = "time.bounds", "server"

    def start_wait(self, phase: str) -> None:
        if phase == "handshake":
            self.accepted = time.monotonic()
        super().start_wait(phase)
        if phase == "confirm" and self.limit is not None:
            self.deadline = self.accepted + self.limit
