"""An adapter for kcom5-conformance: it puts your implementation of KCOM5 on the end of two pipes.

Replace the bodies of the three functions below by calls of your implementation. They contain a naive KCOM5 without
timeouts, limits, and error names.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

# ------------------------------------------------------------------------ replace this by calls of your implementation


def about() -> dict[str, Any]:
    # Add pack, unix, port-zero, limits and file to `supports` when you answer them: only listed features are tested.
    return {"name": "mine", "version": "0", "language": "python", "supports": ["send", "receive", "tcp4", "tcp6"]}


def send(
    via: str, port: int | None, close: int | None, message: bytes, data: bytes, listening: Callable[[int], None]
) -> None:
    """Sends to one client. If `port` or `close` is None, use your default. Calls `listening` with the port when it
    listens; if `port` is 0, the system has chosen it. Raises `Failure` or any other exception."""
    listener = socket.socket(family(via))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((loopback(via), 13600 if port is None else port))
    listener.listen()
    listening(listener.getsockname()[1])
    connection, _ = listener.accept()
    listener.close()
    with connection:
        hello = read(connection, 8)
        if hello[:5] != b"KCOM5":
            raise Failure("invalid-connection", f"the hello is {hello.hex()}")
        connection.sendall(hello + len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little"))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # the client's end
            pass


def receive(via: str, port: int | None, close: int | None) -> tuple[str, bytes]:
    """Returns the message and the data of one server. Raises `Failure` or any other exception."""
    with socket.create_connection((loopback(via), 13600 if port is None else port)) as connection:
        hello = b"KCOM5" + os.urandom(3)
        connection.sendall(hello)
        echo = read(connection, 8)
        if echo != hello:
            raise Failure("invalid-connection", f"the echo is {echo.hex()}")
        message = read(connection, int.from_bytes(read(connection, 4), "little"))
        data = read(connection, int.from_bytes(read(connection, 8), "little"))
        return message.decode(), data


def family(via: str) -> socket.AddressFamily:
    return socket.AF_INET6 if via == "tcp6" else socket.AF_INET


def loopback(via: str) -> str:
    return "::1" if via == "tcp6" else "127.0.0.1"


def read(connection: socket.socket, size: int) -> bytes:
    octets = bytearray()
    while len(octets) < size:
        piece = connection.recv(min(size - len(octets), 65536))
        if not piece:
            raise Failure("error", "the connection ended too early")
        octets += piece
    return bytes(octets)


# -------------------------------------------------------------------------- the adapter: no changes needed below here


class Failure(Exception):
    """The name is one of the spec's table, or `error` if your implementation has no error names."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def octets_of(value: str | dict[str, Any]) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if "hex" in value:
        return bytes.fromhex(value["hex"])
    unit = bytes(range(251)) if value["fill"] == "counter251" else bytes.fromhex(value["fill"])
    size = int(value["size"])
    return (unit * -(-size // len(unit)))[:size]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    if request["op"] == "about":
        return about()
    via = request.get("via", "")
    if request["op"] not in ("send", "receive") or via not in about()["supports"]:
        return {"unsupported": True}
    port, close = request.get("port"), request.get("close")
    if request["op"] == "send":
        message, data = octets_of(request.get("message", "")), octets_of(request.get("data", ""))
        send(via, port, close, message, data, lambda port: say({"listening": port}))
        return {"ok": True}
    text, data = receive(via, port, close)
    received = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if len(data) <= 4096:
        received["hex"] = data.hex()
    return {"ok": True, "message": text, "data": received}


for line in sys.stdin:
    try:
        say(answer(json.loads(line)))
    except Failure as failure:
        say({"error": failure.name, "detail": str(failure)})
    except Exception as error:
        say({"error": "error", "detail": f"{type(error).__name__}: {error}"})
