"""The bytes of a valid exchange, by spec/kcom5.md, "Wire format". It uses no code of an implementation."""

from __future__ import annotations

import struct

HELLO = b"KCOM5\xaa\xbb\xcc"


def frame(message: bytes, data: bytes) -> bytes:
    """Returns the bytes after the echo."""
    return struct.pack("<I", len(message)) + message + struct.pack("<Q", len(data)) + data
