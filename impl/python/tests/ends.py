"""What the tests of the transport share: a raw server, and exchanges between two ends."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kcom5 import Client, Listening, Server

T = 30.0  # seconds of a timeout where it must not matter
MIB = 1 << 20
DATA = bytes(range(251)) * 20_000


def frame(message: bytes = b"", data: bytes = b"") -> bytes:
    return len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def raw_server(
    pool: ThreadPoolExecutor, octets: bytes, act: Callable[[], object] | None = None
) -> tuple[int, Future[str]]:
    """A server that sends these octets after the echo, and then acts; its port, and how its client ends."""
    server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    server.settimeout(T)

    def serve() -> str:
        with server, server.accept()[0] as connection:
            connection.settimeout(T)
            try:
                connection.sendall(connection.recv(8, socket.MSG_WAITALL) + octets)
                if act is not None:
                    act()
                return "octets" if connection.recv(1) else "end"
            except ConnectionError:
                return "reset"

    return server.getsockname()[1], pool.submit(serve)


def exchange(
    pool: ThreadPoolExecutor,
    send: Callable[[Listening], object],
    receive: Callable[[Client], Any] = Client.receive,
    server: Server | None = None,
    client: Client | None = None,
) -> Any:
    """What `receive` returns in an exchange between these ends, or between new ones."""
    server, client = server or Server(port=0, timeout=T), client or Client(timeout=T)
    with server.open() as listening:
        client.port = listening.port
        sent = pool.submit(send, listening)
        received = receive(client)
        sent.result(T)
    return received
