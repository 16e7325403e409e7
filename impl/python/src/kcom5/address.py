"""Addresses: a port and a session key in one string.

Does: pack and unpack. Does not: use the key, or open anything. Spec: "Address".
"""

from __future__ import annotations

import re

from .errors import InvalidAddress, InvalidKey, InvalidPort

KEY_SIZE = 48
MAX_PORT = 65535

# [0-9] and fullmatch, because \d matches the digits of other scripts, and $ allows a final line end.
_ADDRESS = re.compile(r"[1-9][0-9]{0,4}(?:\.[0-9A-Fa-f]{2}){1,48}")


def check_port(port: int, lowest: int = 1) -> None:
    """Raise InvalidPort unless port is an integer from lowest to 65535."""
    if not isinstance(port, int) or not lowest <= port <= MAX_PORT:
        raise InvalidPort(f"got port {port!r}, expected {lowest} to {MAX_PORT}")


def pack(port: int, key: bytes | bytearray | memoryview) -> str:
    """Return the address of a port (1 to 65535) and a key of 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 bytes.

    Raises InvalidPort, and then InvalidKey (`address.pack-reject`). The form is `address.canonical`.
    """
    check_port(port)
    if not key or KEY_SIZE % len(key):
        raise InvalidKey(f"got a key of {len(key)} bytes, expected 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48")
    return f"{port}.{key.hex('.')}"


def unpack(address: str) -> tuple[int, bytes]:
    """Return the port (1 to 65535) and the 48 bytes of key of an address (`address.expand`).

    Raises InvalidAddress for every other string (`address.reject`). The error repeats nothing, because any part may
    belong to a key.
    """
    if not _ADDRESS.fullmatch(address):
        raise _invalid(address)
    port, *groups = address.split(".")
    if int(port) > MAX_PORT or KEY_SIZE % len(groups):
        raise _invalid(address)
    return int(port), bytes.fromhex("".join(groups)) * (KEY_SIZE // len(groups))


def _invalid(address: str) -> InvalidAddress:
    size = len(address.encode("utf-8", "surrogatepass"))
    return InvalidAddress(f"got a text of {size} bytes that is not PORT.HH.HH…")
