"""The bytes of a right exchange, by spec/kcom5.md, "Wire format". No implementation's code is used."""

from __future__ import annotations

import struct

HELLO = b"KCOM5\xaa\xbb\xcc"


def frame(message: bytes, data: bytes) -> bytes:
    """All that follows the echo."""
    return struct.pack("<I", len(message)) + message + struct.pack("<Q", len(data)) + data
