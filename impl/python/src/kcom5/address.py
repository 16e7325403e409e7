"""Addresses: a port and a session key in one string.

Does: pack and unpack. Does not: use the key, or open anything. Spec: "Address".
"""

from __future__ import annotations

import re

from .errors import InvalidAddress, InvalidKey, InvalidPort

KEY_SIZE = 48
MAX_PORT = 65535

# [0-9] and not \d, fullmatch and not $: other scripts have digits too, and $ lets a line end pass.
_PORT = re.compile("[1-9][0-9]{0,4}")
_GROUP = re.compile("[0-9A-Fa-f]{2}")


def check_port(port: int, lowest: int = 1) -> None:
    """Raise InvalidPort unless port is an integer from lowest to 65535."""
    if not isinstance(port, int) or not lowest <= port <= MAX_PORT:
        raise InvalidPort(f"got port {port!r}, expected {lowest} to {MAX_PORT}")


def pack(port: int, key: bytes) -> str:
    """Return the address of a port (1 to 65535) and a key of 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 octets.

    Raises InvalidPort, and then InvalidKey (`address.pack-reject`). The form is `address.canonical`.
    """
    check_port(port)
    if not key or KEY_SIZE % len(key):
        raise InvalidKey(f"got a key of {len(key)} octets, expected a number of them that divides {KEY_SIZE}")
    return f"{port}.{bytes(key).hex('.')}"


def unpack(address: str) -> tuple[int, bytes]:
    """Return the port (1 to 65535) and the 48 octets of key of an address (`address.expand`).

    Raises InvalidAddress for every other string (`address.reject`). It says where, and repeats nothing: any part may
    be of a key.
    """
    port, *groups = address.split(".")
    if not _PORT.fullmatch(port) or int(port) > MAX_PORT:
        raise InvalidAddress(f"port, offset 0: got {len(port)} characters, expected a number from 1 to {MAX_PORT}")
    at = len(port) + 1
    for number, group in enumerate(groups, 1):
        if not _GROUP.fullmatch(group):
            got = f"got {len(group)} characters, expected two hexadecimal digits"
            raise InvalidAddress(f"key, group {number}, offset {at}: {got}")
        at += 3
    if not groups or KEY_SIZE % len(groups):
        raise InvalidAddress(f"key: got {len(groups)} groups, expected a number of them that divides {KEY_SIZE}")
    return int(port), bytes.fromhex("".join(groups)) * (KEY_SIZE // len(groups))
