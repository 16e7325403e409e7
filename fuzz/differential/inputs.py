"""Inputs as bytes and in words. Format: README.md."""

from __future__ import annotations

import struct
from collections.abc import Iterable

OWN = 2**64 - 1
"""As a limit: the core's default."""
ACTS = (
    *("bytes", "connected", "refused", "sent", "acknowledged", "end", "early-end"),
    *("reset", "timeout", "failure", "cancel", "wrong"),
)
"""The acts by number. Bytes follow the first; `wrong` is a peer of another user."""
BYTES = 0
NUMBER_OF = {act: bytes((number,)) for number, act in enumerate(ACTS)}


def sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def block_of(inputs: Iterable[bytes]) -> bytes:
    return b"".join(map(sized, inputs))


def inputs_of(block: bytes) -> list[bytes]:
    inputs, at = [], 0
    while at < len(block):
        size = int.from_bytes(block[at : at + 4], "little")
        inputs.append(block[at + 4 : at + 4 + size])
        at += 4 + size
    return inputs


def pack(port: int, key: bytes) -> bytes:
    return struct.pack("<cq", b"p", port) + key


def absent(size: int) -> bytes:
    """A message of `size` bytes that the core must not read."""
    return struct.pack("<cQ", b"l", size)


def client(message_limit: int = OWN, data_limit: int = OWN) -> bytes:
    """A client before its first act."""
    return struct.pack("<cQQ", b"c", message_limit, data_limit)


def server(message: bytes, data_length: int) -> bytes:
    return struct.pack("<cQ", b"s", data_length) + sized(message)


def given(chunk: bytes) -> bytes:
    """The act `bytes`."""
    return bytes((BYTES,)) + sized(chunk)


def words_of(data: bytes) -> str:
    """Returns an input in words."""
    role, rest = data[:1], data[1:]
    if role == b"u":
        return f"unpack {rest.hex()}"
    if role == b"p":
        return f"pack {int.from_bytes(rest[:8], 'little', signed=True)} {rest[8:].hex()}"
    if role == b"m":
        return f"message {rest.hex()}"
    first = int.from_bytes(rest[:8], "little")
    if role == b"l":
        return f"message of {first}"
    if role == b"c":
        limits = first, int.from_bytes(rest[8:16], "little")
        words = ["client, limits " + " ".join("-" if limit == OWN else str(limit) for limit in limits)]
        at = 16
    else:
        at = 12 + int.from_bytes(rest[8:12], "little")
        words = [f"server, message {rest[12:at].hex()}, data of {first}"]
    while at < len(rest):
        act = rest[at]
        at += 1
        if act != BYTES:
            words.append(ACTS[act])
            continue
        end = at + 4 + int.from_bytes(rest[at : at + 4], "little")
        words.append(rest[at + 4 : end].hex())
        at = end
    return " | ".join(words)
