"""Mutants that break a rule of the limits."""

from __future__ import annotations

import socket
from typing import Any

from reference_peer import Failure, Sink

from .registry import Mutant


class AllocatesWhatIsDeclared(Mutant):
    """The client makes a buffer of the declared size (here at most 256 MiB) before a byte has arrived."""

    rule, role = "limit.memory", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        self.buffer = bytearray(min(size, 1 << 28))
        super().receive_body(end, size, sink)
        del self.buffer

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.buffer = bytearray()
        return super().answer(request)


class CrashesAtWhatIsDeclared(Mutant):
    """The client allocates the declared size, and crashes when it does not get it."""

    rule, role = "limit.memory", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if size > 1 << 30:
            raise MemoryError
        super().receive_body(end, size, sink)


class LimitIsOneLess(Mutant):
    """The client refuses a length that is equal to its limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size, max(limit - 1, 0))


class LimitIsOneMore(Mutant):
    """The client accepts a length of one more than its limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size, limit + 1)


class HasNoLimits(Mutant):
    """The client does not compare lengths with limits."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        pass


class HasNoDefaultLimit(Mutant):
    """The client has no default limit of the message."""

    rule, role = "limit.over", "client"
    default_limit = 1 << 32


class LimitsSigned(Mutant):
    """The client compares lengths as signed numbers, so a length with the top bit set is below every limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        signed = size - (1 << 32) if 1 << 31 <= size < 1 << 32 else size - (1 << 64) if size >> 63 else size
        super().check_limit(signed, limit)


class LimitsAfterReading(Mutant):
    """The client reads the message, and then compares it with the limit."""

    rule, role = "limit.over", "client"

    def receive_message(self, end: socket.socket) -> str:
        octets = self.read_exact(end, self.decode_length(self.read_exact(end, 4)))
        self.check_limit(len(octets), self.message_limit)
        return self.decode_message(octets)


class LimitCutsTheData(Mutant):
    """The client delivers the data up to its limit."""

    rule, role = "limit.over", "client"

    def receive_data_length(self, end: socket.socket) -> int:
        return min(self.decode_length(self.read_exact(end, 8)), self.data_limit)


class OverLimitIsTruncated(Mutant):
    """A length over the limit is reported as truncated."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        if size > limit:
            raise Failure("truncated")


class ComparesAsFloats(Mutant):
    """The client compares lengths as floating-point numbers, which have 53 bits."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(int(float(size)), int(float(limit)))
