"""Turns the bytes of a server into events."""

from __future__ import annotations

from collections.abc import Iterator

from .script import DEFAULT_LIMIT, Octets, Script


class Fields:
    """The fields of an echo and a frame, as far as they have arrived."""

    def __init__(self, script: Script) -> None:
        message, data = script.limits
        self.limits = (DEFAULT_LIMIT if message is None else message, 1 << 64 if data is None else data)
        self.message = bytearray()
        self.data: Octets | bytes = b""
        self.size = 0
        """The declared length of the data."""
        self.surplus = 0
        self._kind = "echo"
        self._left = 8
        self._field = bytearray()

    @property
    def may_become_utf8(self) -> bool:
        return _is_prefix_of_utf8(bytes(self._field))

    def feed(self, octets: bytes | Octets) -> Iterator[str]:
        """Yields the events. A field of 0 bytes is complete at once."""
        if isinstance(octets, Octets):
            if self._kind == "data" and self._left == octets.size and not self._field:
                self.data, self._left, self._kind = octets, 0, "over"
                yield "whole"
                return
            octets = octets.make()
        at = 0
        while self._kind != "over" and at < len(octets):
            piece = octets[at : at + self._left]
            at += len(piece)
            self._field += piece
            self._left -= len(piece)
            if self._kind == "echo" and any(piece):
                yield "wrong"
                return
            if self._left:
                yield "more"
            while not self._left and self._kind != "over":
                event = self._complete(bytes(self._field))
                yield event
                if event != "whole":
                    return
        self.surplus += len(octets) - at

    def _complete(self, value: bytes) -> str:
        """Handles a complete field."""
        self._field.clear()
        if self._kind == "echo":
            self._kind, self._left = "message-length", 4
        elif self._kind == "message-length":
            self._kind, self._left = "message", int.from_bytes(value, "little")
            return "whole" if self._left <= self.limits[0] else "over"
        elif self._kind == "message":
            self.message[:] = value
            self._kind, self._left = "data-length", 8
            return "whole" if is_utf8(value) else "wrong"
        elif self._kind == "data-length":
            self._kind, self._left = "data", int.from_bytes(value, "little")
            self.size = self._left
            return "whole" if self._left <= self.limits[1] else "over"
        else:
            self.data, self._kind = value, "over"
        return "whole"


def is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_prefix_of_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        return error.end == len(octets) and error.reason == "unexpected end of data"
    return True
