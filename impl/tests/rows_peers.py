"""Rows of the messages about limits, about clients that are wrong or close early, and about servers."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import wire
from peers import Json
from situation import Row, row
from wire import HELLO, frame
from world import MIB, NotRun, World, told, wait_until

DEFAULT = 16 * MIB


def with_output(world: World) -> None:
    world.file("out", b"old")


def limit_rows() -> Iterator[Row]:
    good = frame(b"hello", b"abcdef")
    for words, octets, detail in (
        ("--max-message 4", good, "got a message length of 5, expected at most 4"),
        ("--max-data 5", good, "got a data length of 6, expected at most 5"),
        ("--max-message 0", good, "got a message length of 5, expected at most 0"),
        ("--max-data 0", good, "got a data length of 6, expected at most 0"),
        (
            "",
            (DEFAULT + 1).to_bytes(4, "little"),
            f"got a message length of {DEFAULT + 1}, expected at most {DEFAULT}",
        ),
    ):
        over = {"error": "over-limit", "server": "reset", "detail": detail, "files": {"out": "old"}}
        arguments = words.split()
        yield row(
            f"over {words or 'the default'}", over, World.give, octets, "-o", "out", *arguments, before=with_output
        )
    message = frame(b"m" * (DEFAULT + 1))
    for words, octets, content in (
        ("--max-message 5 --max-data 6", good, "abcdef"),
        ("--max-message 0 --max-data 0", frame(), ""),
        (f"--max-message {DEFAULT + 1}", message, ""),
        (f"--max-message {(1 << 64) - 1}", message, ""),
    ):
        taken = {"code": 0, "files": {"out": content}}
        yield row(f"within {words}", taken, World.give, octets, "-o", "out", *words.split(), before=with_output)


Act = Callable[[socket.socket], object]


def client_rows() -> Iterator[Row]:
    """Rows of the sender's messages about its client."""

    def meet(world: World, act: Act, size: int = 3, bound: int = 15) -> Json:
        world.sparse("in", size)
        sender = world.send("in", bound=bound)
        with wire.connect(sender.place()) as client:
            act(client)
            return told(sender.end())

    def sends(octets: bytes, end: bool = True) -> Act:
        def act(client: socket.socket) -> None:
            client.sendall(octets)
            if end:
                client.shutdown(socket.SHUT_WR)

        return act

    def reset(octets: bytes = b"", least: int = 0) -> Act:
        def act(client: socket.socket) -> None:
            client.sendall(octets)
            wire.read(client, least)
            wire.reset(client)

        return act

    def takes(client: socket.socket) -> None:
        client.sendall(HELLO)
        wire.read_to_end(client)

    wrong = "invalid-connection"
    port_check = "a client connected and left without sending anything; was it a port check?"
    for name, act, error, detail in (
        ("leaves at once", socket.socket.close, wrong, port_check),
        ("half-closes at once", sends(b""), wrong, port_check),
        ("resets at once", reset(), wrong, port_check),
        ("leaves in the hello", sends(HELLO[:5]), wrong, "the client left after 5 of 8 bytes of the hello"),
        (
            "sends a wrong hello",
            sends(b"KCOM4xyz", end=False),
            wrong,
            "byte 5 of the hello is wrong, expected KCOM5 and three bytes",
        ),
        ("sends nine bytes", sends(HELLO + b"x", end=False), wrong, "got more than the 8 bytes of a hello"),
    ):
        yield row(f"client {name}", {"error": error, "detail": detail}, meet, act)
    left = {"error": "unconfirmed", "detail": "the client left before it had taken everything"}
    yield row("client resets in the data", left, meet, reset(HELLO, 100), 64 * MIB)
    for name, act, size, error, detail in (
        (
            "is silent in the hello",
            sends(HELLO[:3], end=False),
            3,
            "timeout",
            "got 3 of 8 bytes of the hello within 3 s",
        ),
        ("takes nothing", sends(HELLO, end=False), 64 * MIB, "timeout", "the client took nothing for 3 s"),
        ("does not close", takes, 3, "unconfirmed", "the client did not close within 3 s; it may have everything"),
    ):
        yield row(f"client {name}", {"error": error, "detail": detail}, meet, act, size, bound=3)
    nobody = {"error": "timeout", "detail": "no client connected to [::1]:PORT within 1 s"}
    yield row("nobody comes", nobody, World.ends, "send", "--port", "0", bound=1)

    def half_closes_early(world: World, *arguments: str) -> Json:
        """The client half-closes while the server still has more to send than the kernel buffers."""
        world.sparse("in", MIB)
        sender = world.start("send", "in", "--unix", "socket", *arguments)
        with wire.connect(str(world / sender.place())) as client:
            client.sendall(HELLO)
            client.shutdown(socket.SHUT_WR)
            wire.read_to_end(client)
        return told(sender.end())

    def reset_behind_the_end(world: World) -> Json:
        """On Linux a read after an end and a reset reports only the end; the error stays in the socket."""
        table = Path("/proc/net/tcp6")
        if not table.exists():
            raise NotRun(f"`test -e {table}`: this system has none")
        world.sparse("in", MIB)  # fits the sender's kernel buffer, but not the client's
        sender = world.send("in")
        port = int(sender.place().rpartition(":")[2])

        def has_half_closed() -> bool:
            entries = [line.split() for line in table.read_text().splitlines()]
            return any(entry[1].endswith(f":{port:04X}") and entry[3] == "04" for entry in entries)  # FIN-WAIT-1

        with socket.socket(socket.AF_INET6) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("::1", port))
            client.sendall(HELLO)
            wait_until(has_half_closed)
            sender.process.send_signal(signal.SIGSTOP)
            os.waitpid(sender.process.pid, os.WUNTRACED)
            client.shutdown(socket.SHUT_WR)
            wire.reset(client)
        sender.process.send_signal(signal.SIGCONT)
        return told(sender.end())

    yield row("client resets right behind its end", {"error": "unconfirmed"}, reset_behind_the_end)
    words = "sent 1,048,576 bytes, not confirmed: the client had ended its sending side early"
    yield row("not confirmed", {"code": 0, "words": words}, half_closes_early)
    as_json = {"code": 0, "ok": True, "sent": MIB, "confirmed": False}
    yield row("not confirmed, JSON", as_json, half_closes_early, "--json")


def server_rows() -> Iterator[Row]:
    """Rows of the receiver's messages about its server."""
    good = frame(b"hi", b"abc")

    def rows(name: str, octets: bytes | Callable[[bytes], bytes], end: str, error: str, detail: str) -> Row:
        bound = 3 if error == "timeout" else 15
        expected = {"error": error, "detail": detail, "files": {"out": "old"}}
        return row(
            f"server, {name}", expected, World.give, octets, "-o", "out", end=end, bound=bound, before=with_output
        )

    def echo(size: int) -> Callable[[bytes], bytes]:
        return lambda hello: hello[:size]

    for size in (0, 5):
        where = f"{size} of 8 bytes of the echo"
        for end in ("close", "reset"):
            yield rows(f"{end} after {where}", echo(size), end, "invalid-connection", f"the server left after {where}")
    for size, where in (
        (0, "0 of 4 bytes of the message length"),
        (3, "3 of 4 bytes of the message length"),
        (5, "1 of 2 bytes of the message"),
        (8, "2 of 8 bytes of the data length"),
        (14, "0 of 3 bytes of the data"),
        (16, "2 of 3 bytes of the data"),
    ):
        for end in ("close", "reset"):
            yield rows(f"{end} after {where}", good[:size], end, "truncated", f"the server left after {where}")
        yield rows(f"silence after {where}", good[:size], "wait", "timeout", f"got nothing for 3 s, after {where}")
    yield rows("silence in the echo", echo(2), "wait", "timeout", "got 2 of 8 bytes of the echo within 3 s")
    differs = "byte 7 of the echo differs from the hello"
    yield rows("a wrong echo", lambda h: h[:6] + bytes([h[6] ^ 1]) + h[7:], "wait", "invalid-connection", differs)
    no_text = "the message received is not valid UTF-8"
    yield rows("a message that is no text", frame(b"\xff"), "wait", "malformed-message", no_text)
    taken = {"code": 0, "files": {"out": "abc"}}
    yield row("server, reset after the last byte", taken, World.give, good, "-o", "out", end="reset")


ROWS = [*limit_rows(), *client_rows(), *server_rows()]
