"""Mutants that break a rule of the message."""

from __future__ import annotations

import re
from typing import Any

from reference_peer import Failure, Sink

from .registry import Mutant


class SendsIllFormed(Mutant):
    """The server sends a message without checking it."""

    rule, role = "message.utf8", "server"

    def check_message_to_send(self, message: bytes) -> None:
        pass


class MendsTheMessage(Mutant):
    """The server replaces ill-formed parts with U+FFFD."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        octets = bytes.fromhex(given.get("hex", "")) if isinstance(given, dict) else given.encode("utf-8", "replace")
        return octets.decode("utf-8", "replace").encode()


class SendsAMark(Mutant):
    """The server puts a byte order mark before the message."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        return b"\xef\xbb\xbf" + super().message_to_send(given)


class SendsALineEnd(Mutant):
    """The server ends the message with a line end."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        return super().message_to_send(given) + b"\n"


class SendsAString(Mutant):
    """The server's message ends at the first NUL."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        return super().message_to_send(given).partition(b"\0")[0]


class FilesAString(Mutant):
    """The message's file ends at the first NUL."""

    rule, role = "message.utf8", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        return super().deliver(sink, note, message.partition("\0")[0])


class TakesIllFormed(Mutant):
    """The client replaces ill-formed parts with U+FFFD and succeeds."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return octets.decode("utf-8", "replace")


class TakesSurrogates(Mutant):
    """The client accepts surrogates."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(re.sub(b"\xed[\xa0-\xbf][\x80-\xbf]", b"?", octets))


class TakesTheLongNul(Mutant):
    """The client accepts the overlong NUL c0 80, as Java writes it."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets.replace(b"\xc0\x80", b"\0"))


class ReadsLatin1(Mutant):
    """The client reads the message as ISO 8859-1."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return octets.decode("latin-1")


class DropsTheMark(Mutant):
    """The client drops a byte order mark."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).removeprefix("\ufeff")


class ReadsAString(Mutant):
    """The client's message ends at the first NUL."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).partition("\0")[0]


class StripsTheMessage(Mutant):
    """The client strips white space at the message's ends."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).strip()


class ReadsLineEnds(Mutant):
    """The client turns CR LF in the message into LF."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).replace("\r\n", "\n")


class MalformedIsInvalidConnection(Mutant):
    """An ill-formed message is reported as invalid-connection."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        try:
            return super().decode_message(octets)
        except Failure as failure:
            raise Failure("invalid-connection", str(failure)) from None


class WrapsTheMessageSize(Mutant):
    """The server keeps 32 bits of its message's size, so 4 GiB become 0."""

    rule, role = "message.too-long", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        if isinstance(given, dict) and "size" in given:
            given = {**given, "size": given["size"] & 0xFFFFFFFF}
        return super().message_to_send(given)


class TooLongIsIo(Mutant):
    """A message over 4 GiB is reported as io."""

    rule, role = "message.too-long", "server"

    def check_message_size(self, size: int) -> None:
        try:
            super().check_message_size(size)
        except Failure as failure:
            raise Failure("io", str(failure)) from None
