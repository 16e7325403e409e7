"""Raw sockets for the tests of the transport."""

from __future__ import annotations

import errno
import random
import socket
import struct
from typing import Any

PATIENCE = 30.0
"""T where it must not matter, and how long the peer waits for what must come."""
HOSTS = {"tcp6": (socket.AF_INET6, "::1"), "tcp4": (socket.AF_INET, "127.0.0.1")}
NO_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def new_socket(via: str) -> socket.socket:
    new = socket.socket(socket.AF_UNIX if via == "unix" else HOSTS[via][0])
    new.settimeout(PATIENCE)
    return new


def address(via: str, place: int | str) -> Any:
    return place if via == "unix" else (HOSTS[via][1], place)


def connect(via: str, place: int | str) -> socket.socket:
    new = new_socket(via)
    try:
        new.connect(address(via, place))
    except BaseException:
        new.close()
        raise
    return new


def listen(via: str, place: int | str = 0, backlog: int = 8) -> socket.socket:
    server = new_socket(via)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(address(via, place))
    server.listen(backlog)
    return server


def read(connection: socket.socket, size: int) -> bytes:
    octets = bytearray()
    while len(octets) < size:
        piece = connection.recv(min(size - len(octets), 1 << 20))
        assert piece, f"the end after {len(octets)} of {size} octets"
        octets += piece
    return bytes(octets)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def free_port() -> int:
    """A port that was free a moment ago, outside the range from which the system chooses."""
    while True:
        port = random.randrange(15000, 30000)
        if all(is_free(via, port) for via in HOSTS):
            return port


def is_free(via: str, port: int) -> bool:
    """Whether nobody has this port. Nobody has one of an address that this machine lacks."""
    try:
        with new_socket(via) as probe:
            probe.bind(address(via, port))
    except OSError as error:
        return error.errno in NO_ADDRESS
    return True
