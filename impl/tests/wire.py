"""The bytes of KCOM5 and raw sockets, for peers that are correct or wrong on purpose.

Written from `spec/kcom5.md` ("Wire format"), and independent of every implementation. A place is written as the
programs tell it: [::1]:PORT, 127.0.0.1:PORT or the path of a Unix-domain socket.
"""

from __future__ import annotations

import errno
import hashlib
import random
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Literal

Via = Literal["tcp6", "tcp4", "unix"]
VIAS: tuple[Via, ...] = ("tcp6", "tcp4", "unix")

HELLO = b"KCOM5\xaa\xbb\xcc"
TIMEOUT = 120.0
"""Timeout of a raw socket in seconds."""


def frame(message: bytes = b"", data: bytes = b"") -> bytes:
    """Returns the bytes after the echo."""
    return struct.pack("<I", len(message)) + message + struct.pack("<Q", len(data)) + data


def counter(size: int) -> bytes:
    """Returns bytes where byte i is i mod 251, so that a lost or doubled byte is visible."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


_HOSTS = {"tcp6": (socket.AF_INET6, "::1"), "tcp4": (socket.AF_INET, "127.0.0.1")}


def listen(via: Via, path: Path) -> socket.socket:
    """Returns a raw server, on any free port or on the path."""
    if via == "unix":
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()
    else:
        family, host = _HOSTS[via]
        server = socket.create_server((host, 0), family=family)
    server.settimeout(TIMEOUT)
    return server


def dead_socket(path: Path) -> None:
    """Leaves the file of a server that has died."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def place_of(server: socket.socket) -> str:
    name = server.getsockname()
    if isinstance(name, str):
        return name
    host, port, *_ = name
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def accept(server: socket.socket) -> socket.socket:
    """Returns the next client of a raw server."""
    connection, _ = server.accept()
    connection.settimeout(TIMEOUT)
    return connection


def connect(place: str) -> socket.socket:
    """Returns a raw client."""
    host, _, port = place.rpartition(":")
    if host:
        return socket.create_connection((host.strip("[]"), int(port)), TIMEOUT)
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(TIMEOUT)
    client.connect(place)
    return client


def take(place: str) -> tuple[bytes, str]:
    """Returns what a server sends to a right client, with the echo, and how it ended."""
    with connect(place) as client:
        client.sendall(HELLO)
        return read_to_end(client)


def read(connection: socket.socket, size: int) -> bytes:
    """Returns exactly `size` bytes. Raises EOFError if there are fewer."""
    octets = bytearray()
    while len(octets) < size:
        piece = connection.recv(min(size - len(octets), 1 << 20))
        if not piece:
            raise EOFError(f"{len(octets)} of {size} octets")
        octets += piece
    return bytes(octets)


def read_to_end(connection: socket.socket) -> tuple[bytes, str]:
    """Returns all bytes up to the end, and whether it was an "end" or a "reset"."""
    octets = bytearray()
    with suppress(ConnectionError):
        while piece := connection.recv(1 << 20):
            octets += piece
        return bytes(octets), "end"
    return bytes(octets), "reset"


def reset(connection: socket.socket) -> None:
    """Closes with a reset. On a Unix-domain socket this is a reset only if bytes are unread, else an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def free_port() -> int:
    """Returns a port that was free a moment ago, outside the range of ephemeral ports."""
    while True:
        port = random.randrange(15000, 30000)
        if all(_is_free(family, host, port) for family, host in _HOSTS.values()):
            return port


def _is_free(family: socket.AddressFamily, host: str, port: int) -> bool:
    """Returns whether the port is free. On an address that this machine lacks, every port is free."""
    try:
        with socket.socket(family) as probe:
            probe.bind((host, port))
    except OSError as error:
        return error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True
