"""Rows of the messages about limits, about clients that are wrong or close early, and about servers."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress

import wire
from peers import Argument, Json
from programs import HINTS, MIB, wait_until
from situation import Row, World, told
from wire import HELLO, frame


def limit_rows() -> Iterator[Row]:
    over: Json = {"code": 4, "error": "over-limit", "hint": HINTS["over-limit"], "server": "reset"}
    good = frame(b"hello", b"abcdef")

    def give(*arguments: Argument, octets: bytes = good) -> Callable[[World], Json]:
        return lambda world: {**world.give(octets, "-o", world / "out", *arguments), "files": world.files()}

    yield Row(
        "--max-message 4",
        give("--max-message", "4"),
        {**over, "detail": "got a message length of 5, expected at most 4", "files": {}},
    )
    yield Row(
        "--max-data 5",
        give("--max-data", "5"),
        {**over, "detail": "got a data length of 6, expected at most 5", "files": {}},
    )
    yield Row("--max-message 0", give("--max-message", "0"), over)
    yield Row("--max-data 0", give("--max-data", "0"), over)
    yield Row("limits reached", give("--max-message", "5", "--max-data", "6"), {"code": 0, "received": None})
    yield Row("limits of 0 reached", give("--max-message", "0", "--max-data", "0", octets=frame()), {"code": 0})
    long = (16 * MIB + 1).to_bytes(4, "little")
    yield Row(
        "the default limit of the message",
        give(octets=long),
        {**over, "detail": "got a message length of 16777217, expected at most 16777216"},
    )
    message = frame(b"m" * (16 * MIB + 1), b"")
    yield Row("--max-message above 16 MiB", give("--max-message", "16777217", octets=message), {"code": 0})
    yield Row("--max-message of no limit", give("--max-message", str((1 << 64) - 1), octets=message), {"code": 0})


def client_rows() -> Iterator[Row]:
    """Rows of the sender's messages about its client, and the receiver's about its server."""

    def client(act: Callable[[socket.socket], object], size: int = 3, bound: int = 15) -> Callable[[World], Json]:
        def scene(world: World) -> Json:
            sender = world.program.start(
                "send", world.file("file", b"a" * size), "--port", "0", "--timeout", str(bound)
            )
            with wire.connect("tcp6", sender.port()) as connection:
                act(connection)
                return told(sender.end())

        return scene

    def sends(octets: bytes, end: bool = True) -> Callable[[socket.socket], object]:
        def act(connection: socket.socket) -> None:
            connection.sendall(octets)
            if end:
                connection.shutdown(socket.SHUT_WR)

        return act

    def reset(octets: bytes = b"", least: int = 0) -> Callable[[socket.socket], object]:
        def act(connection: socket.socket) -> None:
            connection.sendall(octets)
            wire.read(connection, least)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        return act

    wrong = {"code": 4, "error": "invalid-connection", "hint": HINTS["invalid-connection"]}
    port_check = "a client connected and left without sending anything; was it a port check?"
    yield Row("client leaves at once", client(lambda c: c.close()), {**wrong, "detail": port_check})
    yield Row("client half-closes at once", client(sends(b"")), {**wrong, "detail": port_check})
    yield Row("client resets at once", client(reset()), {**wrong, "detail": port_check})
    left = "the client left after 5 of 8 bytes of the hello"
    yield Row("client leaves in the hello", client(sends(HELLO[:5])), {**wrong, "detail": left})
    yield Row(
        "client sends a wrong hello",
        client(sends(b"KCOM4xyz", end=False)),
        {**wrong, "detail": "byte 5 of the hello is wrong, expected KCOM5 and three bytes"},
    )
    yield Row(
        "client sends nine bytes",
        client(sends(HELLO + b"x", end=False)),
        {**wrong, "detail": "got more than the 8 bytes of a hello"},
    )
    slow = {"code": 3, "error": "timeout"}
    yield Row(
        "client is silent in the hello",
        client(sends(HELLO[:3], end=False), bound=3),
        {**slow, "detail": "got 3 of 8 bytes of the hello within 3 s"},
    )
    yield Row(
        "client takes nothing",
        client(sends(HELLO, end=False), 64 * MIB, bound=3),
        {**slow, "detail": "the client took nothing for 3 s"},
    )
    yield Row(
        "client resets in the data",
        client(reset(HELLO, 100), 64 * MIB),
        {"code": 4, "error": "unconfirmed", "detail": "the client left before it had taken everything"},
    )

    def takes(connection: socket.socket) -> None:
        connection.sendall(HELLO)
        wire.read_to_end(connection)

    yield Row(
        "client takes everything and does not close",
        client(takes, bound=3),
        {
            "code": 4,
            "error": "unconfirmed",
            "detail": "the client did not close within 3 s; it may have everything",
        },
    )
    yield Row(
        "nobody comes",
        lambda w: told(w.program.run("send", "--port", "0", "--timeout", "1")),
        {**slow, "detail": "no client connected to PLACE within 1 s"},
    )


def server_rows() -> Iterator[Row]:
    good = frame(b"hi", b"abc")

    def server(octets: Callable[[bytes], bytes], end: str = "close", bound: int = 15) -> Callable[[World], Json]:
        def scene(world: World) -> Json:
            with wire.listen("tcp6", world / "s") as listening:
                port = str(listening.getsockname()[1])
                receiver = world.program.start("receive", "--port", port, "--timeout", str(bound), "-o", world / "out")
                with wire.accept(listening) as connection:
                    connection.sendall(octets(wire.read(connection, 8)))
                    if end == "reset":
                        wait_until(lambda: is_taken(connection))
                        wire.reset(connection)
                    elif end == "close":
                        connection.close()
                    return {**told(receiver.end()), "files": world.files()}

        return scene

    def cut_echo(at: int) -> Callable[[bytes], bytes]:
        return lambda hello: hello[:at]

    def cut_frame(at: int) -> Callable[[bytes], bytes]:
        return lambda hello: hello + good[:at]

    wrong = {"code": 4, "error": "invalid-connection", "files": {}}
    for at in (0, 5):
        detail = f"the server left after {at} of 8 bytes of the echo"
        for end in ("close", "reset"):
            yield Row(
                f"server, {end} after {at} of the echo",
                server(cut_echo(at), end),
                {**wrong, "detail": detail},
            )
    yield Row(
        "server sends a wrong echo",
        server(lambda h: h[:6] + bytes([h[6] ^ 1]) + h[7:], "hold"),
        {**wrong, "detail": "byte 7 of the echo differs from the hello"},
    )
    fields = [
        (0, "0 of 4 bytes of the message length"),
        (3, "3 of 4 bytes of the message length"),
        (5, "1 of 2 bytes of the message"),
        (8, "2 of 8 bytes of the data length"),
        (14, "0 of 3 bytes of the data"),
        (16, "2 of 3 bytes of the data"),
    ]
    for at, where in fields:
        for end in ("close", "reset"):
            yield Row(
                f"server, {end} after {where}",
                server(cut_frame(at), end),
                {
                    "code": 4,
                    "error": "truncated",
                    "detail": f"the server left after {where}",
                    "hint": HINTS["truncated"],
                    "files": {},
                },
            )
        yield Row(
            f"server, silence after {where}",
            server(cut_frame(at), "hold", bound=3),
            {"code": 3, "error": "timeout", "detail": f"got nothing for 3 s, after {where}", "files": {}},
        )
    yield Row(
        "server is silent in the echo",
        server(lambda h: h[:2], "hold", bound=3),
        {"code": 3, "error": "timeout", "detail": "got 2 of 8 bytes of the echo within 3 s", "files": {}},
    )
    yield Row(
        "server sends a message that is no text",
        server(lambda h: h + frame(b"\xff"), "hold"),
        {"code": 4, "error": "malformed-message", "detail": "the message received is not valid UTF-8", "files": {}},
    )


def is_taken(connection: socket.socket) -> bool:
    """Returns whether the other side's kernel acknowledged everything, so that a reset destroys no data in flight."""
    with suppress(OSError):
        return fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)) == bytes(4)
    return True


ROWS = [*limit_rows(), *client_rows(), *server_rows()]
