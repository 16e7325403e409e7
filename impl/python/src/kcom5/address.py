"""Addresses: a port and a session key in one string.

Does: pack and unpack. Does not: use the key, or open anything. Spec: "Address".
"""

from __future__ import annotations

import re

from .errors import InvalidAddress, InvalidKey, InvalidPort

KEY_SIZE = 48
MAX_PORT = 65535

# [0-9] and not \d, fullmatch and not $: other scripts have digits too, and $ lets a line end pass.
_FORM = re.compile(r"([1-9][0-9]{0,4})((?:\.[0-9A-Fa-f]{2}){1,48})")


def check_port(port: int, lowest: int = 1) -> None:
    """Raise InvalidPort unless port is an integer from lowest to 65535."""
    if not isinstance(port, int) or not lowest <= port <= MAX_PORT:
        raise InvalidPort(f"{port!r} is no number from {lowest} to {MAX_PORT}")


def pack(port: int, key: bytes) -> str:
    """Return the address of a port (1 to 65535) and a key of 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 octets.

    Raises InvalidPort, and then InvalidKey (`address.pack-reject`). The form is `address.canonical`.
    """
    check_port(port)
    if not key or KEY_SIZE % len(key):
        raise InvalidKey(f"{len(key)} octets do not divide {KEY_SIZE}")
    return f"{port}.{bytes(key).hex('.')}"


def unpack(address: str) -> tuple[int, bytes]:
    """Return the port (1 to 65535) and the 48 octets of key of an address (`address.expand`).

    Raises InvalidAddress for every other string (`address.reject`).
    """
    form = _FORM.fullmatch(address)
    if form is None:
        # The text is not repeated: it may hold a key.
        raise InvalidAddress("the text is not PORT.HH.HH and so on")
    port, key = int(form[1]), bytes.fromhex(form[2].replace(".", ""))
    if port > MAX_PORT:
        raise InvalidAddress(f"the port is over {MAX_PORT}")
    if KEY_SIZE % len(key):
        raise InvalidAddress(f"{len(key)} groups do not divide {KEY_SIZE}")
    return port, key * (KEY_SIZE // len(key))
