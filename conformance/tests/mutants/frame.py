"""Mutants that break a rule of the frame."""

from __future__ import annotations

import contextlib
import socket

from reference_peer import Failure, Sink

from .registry import Mutant


class DataBeforeMessage(Mutant):
    """The server sends the data's length before the message's."""

    rule, role = "frame.order", "server"

    def encode_head(self, message: bytes, size: int) -> bytes:
        return self.encode_data_length(size) + self.encode_message_length(message) + message


class LengthsFirst(Mutant):
    """The server sends both lengths, then the message and the data."""

    rule, role = "frame.order", "server"

    def encode_head(self, message: bytes, size: int) -> bytes:
        return self.encode_message_length(message) + self.encode_data_length(size) + message


class EndsTheMessageWithNul(Mutant):
    """The server sends a NUL after the message that the length does not count."""

    rule, role = "frame.order", "server"

    def encode_head(self, message: bytes, size: int) -> bytes:
        return self.encode_message_length(message) + message + b"\0" + self.encode_data_length(size)


class SendsATrailer(Mutant):
    """The server sends a line end after the data."""

    rule, role = "frame.order", "server"

    def half_close(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.send(b"\n")
        super().half_close(end)


class OneRecvForLengths(Mutant):
    """The client reads each length with one recv, and fills up a partial one with zeros."""

    rule, role = "frame.segments", "client"

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        if count not in (4, 8):
            return super().read_exact(end, count)
        self.each_octet()
        octets = self.recv(end, count)
        if not octets:
            raise Failure("truncated")
        return octets.ljust(count, b"\0")


class OneRecvForTheMessage(Mutant):
    """The client reads the message with one recv."""

    rule, role = "frame.segments", "client"

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        if count in (0, 4, 8):
            return super().read_exact(end, count)
        self.each_octet()
        octets = self.recv(end, count)
        if not octets:
            raise Failure("truncated")
        return octets


class OneRecvForTheData(Mutant):
    """The client reads the data with one recv, and delivers that."""

    rule, role = "data.opaque", "client"
    effect = "127,992 of 1,048,576 octets were delivered as the whole"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if size:
            sink.write(self.recv(end, min(size, 1 << 24)))


class ZeroedTail(Mutant):
    """The client makes a buffer of the declared size, reads once, and delivers the buffer."""

    rule, role = "data.opaque", "client"
    effect = "the data has the right length, and zeros from the place on where the first piece ended"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if size:
            sink.write(self.recv(end, min(size, 1 << 24)).ljust(min(size, 1 << 26), b"\0"))


class BigEndianMessageLengthSent(Mutant):
    """The server sends the message's length big-endian."""

    rule, role = "message.length", "server"

    def encode_message_length(self, message: bytes) -> bytes:
        return super().encode_message_length(message)[::-1]


class BigEndianMessageLengthRead(Mutant):
    """The client reads the message's length big-endian."""

    rule, role = "message.length", "client"

    def decode_length(self, octets: bytes) -> int:
        return int.from_bytes(octets, "big" if len(octets) == 4 else "little")


class CountsCharacters(Mutant):
    """The server's message length counts characters."""

    rule, role = "message.length", "server"
    effect = "every message with a letter outside ASCII spoils the exchange"

    def encode_message_length(self, message: bytes) -> bytes:
        return len(message.decode()).to_bytes(4, "little")


class ReadsCharacters(Mutant):
    """The client reads the message until it has as many characters as the length says."""

    rule, role = "message.length", "client"

    def receive_message(self, end: socket.socket) -> str:
        size = self.decode_length(self.read_exact(end, 4))
        self.check_limit(size, self.message_limit)
        octets = self.read_exact(end, size)
        while len(octets.decode("utf-8", "replace")) < size:
            octets += self.read_exact(end, 1)
        return self.decode_message(octets)


class OmitsAnEmptyMessage(Mutant):
    """The server sends no message length when there is no message."""

    rule, role = "message.length", "server"

    def encode_message_length(self, message: bytes) -> bytes:
        return super().encode_message_length(message) if message else b""


class WantsAMessage(Mutant):
    """The client treats an empty message as an error."""

    rule, role = "message.length", "client"

    def decode_message(self, octets: bytes) -> str:
        if not octets:
            raise Failure("malformed-message")
        return super().decode_message(octets)


class ShortMessageLengthSent(Mutant):
    """The server keeps 16 bits of the message's length."""

    rule, role = "message.length", "server"

    def encode_message_length(self, message: bytes) -> bytes:
        return (len(message) & 0xFFFF).to_bytes(4, "little")


class ShortMessageLengthRead(Mutant):
    """The client keeps 16 bits of the message's length."""

    rule, role = "message.length", "client"

    def decode_length(self, octets: bytes) -> int:
        return super().decode_length(octets[:2] if len(octets) == 4 else octets)


class BigEndianDataLengthSent(Mutant):
    """The server sends the data's length big-endian."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        return super().encode_data_length(size)[::-1]


class BigEndianDataLengthRead(Mutant):
    """The client reads the data's length big-endian."""

    rule, role = "data.length", "client"

    def decode_length(self, octets: bytes) -> int:
        return int.from_bytes(octets, "big" if len(octets) == 8 else "little")


class DataLengthInFourOctetsSent(Mutant):
    """The server sends the data's length in four bytes."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        return super().encode_data_length(size)[:4]


class DataLengthInFourOctetsRead(Mutant):
    """The client reads the data's length in four bytes."""

    rule, role = "data.length", "client"

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        return super().read_exact(end, 4 if count == 8 else count)


class KeepsThirtyTwoBits(Mutant):
    """The client keeps 32 bits of the data's length, so 4 GiB become 0."""

    rule, role = "data.length", "client"
    effect = "the rest of 4 GiB and a bit is delivered as the whole"

    def decode_length(self, octets: bytes) -> int:
        return super().decode_length(octets) & 0xFFFFFFFF


class WantsData(Mutant):
    """The client waits for a byte of data where none is declared."""

    rule, role = "data.length", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, max(size, 1), sink)


class RefusesToSendNothing(Mutant):
    """The server treats empty data as an error."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        if not size:
            raise Failure("io", "nothing to send")
        return super().encode_data_length(size)
