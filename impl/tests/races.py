"""Races: many rounds in which several ends start at the same time. Running adapters avoid a process start per round.

Each function runs rounds with one implementation and returns the problems, one line each.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import wire
from peers import Adapter, Json, Pool
from wire import Via

DATA = {"size": 3000, "fill": "counter251"}
SHA256 = wire.sha256(wire.counter(3000))
CLOSE = 15
"""T, which must not expire, even on a busy machine."""

Race = Callable[[str, int], list[str]]


def ready(pool: Pool, name: str, number: int = 0) -> Adapter:
    """Returns an adapter that has already started, because a start may take longer than T."""
    adapter = pool.get(name, number)
    adapter.call({"op": "about"})
    return adapter


@contextmanager
def stage() -> Iterator[tuple[Pool, Path]]:
    """Yields new adapters and a directory."""
    with closing(Pool()) as pool, tempfile.TemporaryDirectory(prefix="kcom5-race-") as directory:
        yield pool, Path(directory)


def six_receivers(name: str, rounds: int) -> list[str]:
    """Six receivers dial one sender. At most one gets the data; if the sender reports success, one has it."""
    wrong: list[str] = []
    with stage() as (pool, directory):
        receivers = [ready(pool, name, number) for number in range(6)]
        sender = ready(pool, name, 6)
        for number in range(rounds):
            via: Via = ("tcp6", "unix")[number % 2]
            place: Json = {"via": via, "path": str(directory / "s")} if via == "unix" else {"via": via, "port": 0}
            sender.request({"op": "send", **place, "close": CLOSE, "data": DATA})
            listening = sender.answer()
            assert "listening" in listening, listening
            if via == "tcp6":
                place["port"] = listening["listening"]
            for receiver in receivers:
                receiver.request({"op": "receive", **place, "close": CLOSE})
            sent = sender.answer()
            answers = [receiver.answer() for receiver in receivers]
            lucky = [answer for answer in answers if answer.get("ok")]
            if any(answer["data"].get("sha256") != SHA256 for answer in lucky):
                wrong.append(f"round {number}: a false ok: {lucky}")
            if len(lucky) > 1:
                wrong.append(f"round {number}: {len(lucky)} receivers say ok")
            if not lucky and sent.get("ok"):
                wrong.append(f"round {number}: the sender says ok, and no receiver: {answers}")
            names = {answer["error"] for answer in answers if "error" in answer}
            if not names <= {"refused", "invalid-connection"}:
                wrong.append(f"round {number}: late-comers end as {names}")
            if (directory / "s").exists():
                wrong.append(f"round {number}: the socket file is left")
                (directory / "s").unlink()
    return wrong


def two_servers(name: str, rounds: int) -> list[str]:
    """Two servers open one path with a stale socket. One listens, serves and removes its socket."""
    wrong: list[str] = []
    with stage() as (pool, directory):
        servers = [ready(pool, name, number) for number in range(2)]
        client = ready(pool, name, 2)
        path = directory / "s"
        for number in range(rounds):
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(str(path))
            for server in servers:
                server.request({"op": "send", "via": "unix", "path": str(path), "close": CLOSE, "data": DATA})
            answers = [server.answer() for server in servers]
            winners = [server for server, answer in zip(servers, answers, strict=True) if "listening" in answer]
            if len(winners) != 1 or {"in-use"} != {answer["error"] for answer in answers if "error" in answer}:
                wrong.append(f"round {number}: {answers}")
            received = client.call({"op": "receive", "via": "unix", "path": str(path), "close": CLOSE})
            if received.get("data", {}).get("sha256") != SHA256:
                wrong.append(f"round {number}: the one that listens does not serve: {received}")
            for server in winners[1:]:  # servers that listen without a client
                server.process.kill()
            for winner in winners[:1]:
                if not winner.answer(2 * CLOSE).get("ok"):
                    wrong.append(f"round {number}: the winner fails")
            if path.exists():
                wrong.append(f"round {number}: the socket file is left")
                path.unlink()
            if len(winners) > 1:
                return wrong
    return wrong


def reset_while_connecting(name: str, rounds: int) -> list[str]:
    """A listener accepts and resets at once. The client must never report success."""
    wrong: list[str] = []
    linger = struct.pack("ii", 1, 0)
    with stage() as (pool, directory), wire.listen("tcp6", directory) as server:
        port = server.getsockname()[1]
        server.settimeout(None)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client = pool.get(name)
        target = directory / "out"
        for number in range(rounds):
            request: Json = {"op": "receive", "via": "tcp6", "port": port, "close": CLOSE}
            if number % 2:
                request["to"] = {"file": str(target)}
            answer = client.call(request)
            if answer.get("error") != "invalid-connection":
                wrong.append(f"round {number}: {answer}")
            if os.listdir(directory):
                wrong.append(f"round {number}: left behind: {os.listdir(directory)}")
                with suppress(FileNotFoundError):
                    target.unlink()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    return wrong


def two_servers_among(names: list[str], rounds: int) -> list[str]:
    """Runs `two_servers` with different implementations, which must use the same lock."""
    wrong: list[str] = []
    with stage() as (pool, directory):
        path = directory / "s"
        servers = [ready(pool, name) for name in names]
        for number in range(rounds):
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(str(path))
            for server in servers:
                server.request({"op": "send", "via": "unix", "path": str(path), "close": CLOSE})
            answers = [server.answer() for server in servers]
            winners = [server for server, answer in zip(servers, answers, strict=True) if "listening" in answer]
            if len(winners) != 1:
                return [*wrong, f"round {number}: {dict(zip(names, answers, strict=True))}"]
            with wire.connect("unix", path) as client:
                client.sendall(wire.HELLO)
                wire.read_to_end(client)
            if not winners[0].answer().get("ok"):
                wrong.append(f"round {number}: the winner fails")
            if path.exists():
                wrong.append(f"round {number}: the socket file is left")
                path.unlink()
    return wrong


RACES: dict[str, tuple[Race, int]] = {
    # name: the function, the number of rounds in a full run
    "six-receivers": (six_receivers, 1000),
    "two-servers": (two_servers, 1000),
    "reset-while-connecting": (reset_while_connecting, 5000),
}
