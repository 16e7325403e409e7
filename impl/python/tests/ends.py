"""What the tests of the transport share: raw peers, and exchanges between two ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import raw

from kcom5 import Client, Server

HELLO = b"KCOM5abc"
MIB = 1 << 20
SO_BUF_LOCK = 72
DATA = bytes(range(251)) * 20_000
T = raw.PATIENCE


def _other_user() -> tuple[int, str]:
    """A user that is not this one, or why there is none."""
    own = os.geteuid() if hasattr(os, "geteuid") else 0
    why = "this system has no users"
    for user in (65534, 1, 2, 1000) if hasattr(os, "geteuid") else ():  # a user namespace may have some of them only
        try:
            if user != own:
                os.seteuid(user)
                os.seteuid(own)
                return user, ""
        except OSError as error:
            why = f"seteuid({user}): {error.strerror}"
    return -1, why


OTHER, _WHY_ALONE = _other_user()
needs_other = pytest.mark.skipif(OTHER < 0, reason=f"NOT RUN: only root can play another user: {_WHY_ALONE}")


def frame(message: bytes = b"", data: bytes = b"") -> bytes:
    return len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data


def reason(number: int) -> str:
    """The kernel's words for an error, as messages have them."""
    text = os.strerror(number)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def raw_server(
    pool: ThreadPoolExecutor, octets: bytes, *, then: Callable[[socket.socket], object] = socket.socket.close
) -> tuple[int, Future[object]]:
    """A server that sends these octets after the echo; its port, and what `then` gives."""
    server = raw.listen("tcp6")

    def serve() -> object:
        with server:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(T)
                connection.sendall(raw.read(connection, 8) + octets)
                return then(connection)

    return server.getsockname()[1], pool.submit(serve)


def end_of(connection: socket.socket) -> str:
    """How a stream ends."""
    try:
        while connection.recv(MIB):
            pass
    except ConnectionResetError:
        return "reset"
    return "end"


def read_all(connection: socket.socket) -> bytes:
    octets = bytearray()
    while piece := connection.recv(MIB):
        octets += piece
    return bytes(octets)


def exchange(pool: ThreadPoolExecutor, send: Callable[[Server], object], client: Client | None = None) -> bytes:
    """What a client receives of what `send` sends."""
    with Server(port=0, timeout=T).open() as listening:
        port = listening.port
    started: Future[int] = Future()
    server = Server(port=port, timeout=T, message="hi", listening=started.set_result)  # type: ignore[arg-type]
    sent = pool.submit(send, server)
    assert started.result(T) == port
    client = client or Client()
    client.port, client.timeout = port, T
    data = client.receive()
    sent.result(T)
    return data


def no_client_came(server: socket.socket) -> bool:
    server.setblocking(False)
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return True
    return False


UNWRITABLE = {
    "no-directory": "missing/target",
    "file-for-a-directory": "file/target",
    "directory-for-a-file": "directory",
    "not-permitted": "read-only/target",
}
