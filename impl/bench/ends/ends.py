"""What is written in Python between two processes, and in one: ours, raw loops, and what a user would pick instead.

    ends.py WAY send KIND VIA SIZE FILE | receive KIND VIA PORT SIZE FILE | small VIA COUNT | idle

What the arguments mean, and what is printed: common.hpp. WAY is `ours`, `raw`, `zeromq`, `nng` or `multiprocessing`.
The last three confirm with one message back that all has arrived, since they do not by themselves.
"""

from __future__ import annotations

import importlib
import json
import queue
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Octets = bytes | bytearray | memoryview
CONFIRMATION = b"ok"


class Way:
    """Listens, sends; receives. Ports are 0 for a path."""

    def open(self, via: str) -> int:
        raise NotImplementedError

    def send(self, data: Octets) -> None:
        raise NotImplementedError

    def send_file(self, file: str) -> None:
        raise NotImplementedError

    def receive(self, via: str, port: int, size: int) -> Octets:
        raise NotImplementedError

    def receive_file(self, via: str, port: int, file: str) -> None:
        raise NotImplementedError


class Ours(Way):
    def __init__(self) -> None:
        self.kcom5: Any = importlib.import_module("kcom5")

    def fields(self, via: str, port: int) -> dict[str, Any]:
        return {"path": via} if via.startswith("/") else {"ipv6": via == "ipv6", "port": port}

    def open(self, via: str) -> int:
        self.listening = self.kcom5.Server(**self.fields(via, 0)).open()
        return int(self.listening.port)

    def send(self, data: Octets) -> None:
        self.listening.send(data)

    def send_file(self, file: str) -> None:
        self.listening.send_file(file)

    def receive(self, via: str, port: int, size: int) -> Octets:
        return memoryview(self.kcom5.Client(**self.fields(via, port)).receive_view())

    def receive_file(self, via: str, port: int, file: str) -> None:
        self.kcom5.Client(**self.fields(via, port)).receive_file(file)


class Raw(Way):
    """`recv_into` a bytearray of the right size."""

    def place(self, via: str, port: int) -> tuple[int, Any]:
        if via.startswith("/"):
            return socket.AF_UNIX, via
        return (socket.AF_INET6, ("::1", port)) if via == "ipv6" else (socket.AF_INET, ("127.0.0.1", port))

    def make_socket(self, family: int) -> socket.socket:
        made = socket.socket(family)
        with suppress(OSError, AttributeError):  # no pacing, as ours
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        return made

    def open(self, via: str) -> int:
        family, place = self.place(via, 0)
        self.listener = self.make_socket(family)
        self.listener.bind(place)
        self.listener.listen(1)
        return 0 if via.startswith("/") else int(self.listener.getsockname()[1])

    def serve(self, send: Callable[[socket.socket], object]) -> None:
        connection, _ = self.listener.accept()
        self.listener.close()
        with connection:
            send(connection)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(16)  # the client's close

    def send(self, data: Octets) -> None:
        self.serve(lambda connection: connection.sendall(data))

    def send_file(self, file: str) -> None:
        with Path(file).open("rb") as source:
            self.serve(lambda connection: connection.sendfile(source))

    def receive(self, via: str, port: int, size: int) -> Octets:
        family, place = self.place(via, port)
        with self.make_socket(family) as connection:
            connection.connect(place)
            data = bytearray(size)
            left = memoryview(data)
            while left:
                count = connection.recv_into(left)
                if count == 0:
                    break
                left = left[count:]
        return data

    def receive_file(self, via: str, port: int, file: str) -> None:
        family, place = self.place(via, port)
        with self.make_socket(family) as connection, Path(file).open("wb") as target:
            connection.connect(place)
            while octets := connection.recv(1 << 20):
                target.write(octets)


class ZeroMq(Way):
    def __init__(self) -> None:
        self.zmq: Any = importlib.import_module("zmq")
        self.context = self.zmq.Context()

    def socket(self) -> Any:
        made = self.context.socket(self.zmq.PAIR)
        made.setsockopt(self.zmq.IPV6, 1)
        return made

    def open(self, via: str) -> int:
        self.listener = self.socket()
        if via.startswith("/"):
            self.listener.bind(f"ipc://{via}")
            return 0
        return int(self.listener.bind_to_random_port("tcp://" + ("[::1]" if via == "ipv6" else "127.0.0.1")))

    def send(self, data: Octets) -> None:
        self.listener.send(data, copy=False)
        self.listener.recv()
        self.listener.close()

    def receive(self, via: str, port: int, size: int) -> Octets:
        connection = self.socket()
        host = "[::1]" if via == "ipv6" else "127.0.0.1"
        connection.connect(f"ipc://{via}" if via.startswith("/") else f"tcp://{host}:{port}")
        frame = connection.recv(copy=False)
        connection.send(CONFIRMATION)
        connection.close()
        return memoryview(frame.buffer)


class Nng(Way):
    def __init__(self) -> None:
        self.pynng: Any = importlib.import_module("pynng")

    def place(self, via: str, port: int) -> str:
        return f"ipc://{via}" if via.startswith("/") else f"tcp{'6' if via == 'ipv6' else ''}://{self.host(via)}:{port}"

    def host(self, via: str) -> str:
        return "[::1]" if via == "ipv6" else "127.0.0.1"

    def open(self, via: str) -> int:
        self.listener = self.pynng.Pair0(recv_max_size=0)
        listener = self.listener.listen(self.place(via, 0).replace("tcp6:", "tcp:"))
        if via.startswith("/"):
            return 0
        address = listener.local_address
        return socket.ntohs(address.port)

    def send(self, data: Octets) -> None:
        self.listener.send(bytes(data))
        self.listener.recv()
        self.listener.close()

    def receive(self, via: str, port: int, size: int) -> Octets:
        with self.pynng.Pair0(recv_max_size=0) as connection:
            gone = threading.Event()  # a socket that is closed forgets what it has not sent: the server is first
            connection.add_post_pipe_remove_cb(lambda _: gone.set())
            connection.dial(self.place(via, port).replace("tcp6:", "tcp:"), block=True)
            data: bytes = connection.recv()
            connection.send(CONFIRMATION)
            if not gone.wait(30):
                sys.exit("the server did not close")
        return data


class Multiprocessing(Way):
    """`multiprocessing.connection` has IPv4 and paths."""

    def open(self, via: str) -> int:
        from multiprocessing.connection import Listener

        self.listener = Listener(via if via.startswith("/") else ("127.0.0.1", 0))
        return 0 if via.startswith("/") else int(self.listener.address[1])

    def send(self, data: Octets) -> None:
        with self.listener, self.listener.accept() as connection:
            connection.send_bytes(data)
            connection.recv_bytes()

    def receive(self, via: str, port: int, size: int) -> Octets:
        from multiprocessing.connection import Client

        with Client(via if via.startswith("/") else ("127.0.0.1", port)) as connection:
            data = connection.recv_bytes()
            connection.send_bytes(CONFIRMATION)
        return data


WAYS: dict[str, type[Way]] = {
    "ours": Ours,
    "raw": Raw,
    "zeromq": ZeroMq,
    "nng": Nng,
    "multiprocessing": Multiprocessing,
}


def sample(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def check_sample(data: Octets, size: int) -> None:
    view = memoryview(data)
    if len(view) != size or any(view[i] != i & 255 for i in range(0, size, 4093)):
        sys.exit("something else arrived")


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def send(way: Way, kind: str, via: str, size: int, file: str) -> None:
    data = sample(size) if kind == "memory" else b""
    print(way.open(via), flush=True)
    before = cpu()
    if kind == "file":
        way.send_file(file)
    else:
        way.send(data)
    print(json.dumps({"cpu": cpu() - before}))


def receive(way: Way, kind: str, via: str, port: int, size: int, file: str) -> None:
    data: Octets = b""
    before, start = cpu(), time.perf_counter()
    if kind == "file":
        way.receive_file(via, port, file)
    else:
        data = way.receive(via, port, size)
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu": cpu() - before}))
    if kind == "memory":
        check_sample(data, size)


def small(way: Way, via: str, count: int) -> None:
    data = sample(64)
    ports: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def client() -> None:
        while (port := ports.get()) is not None:
            check_sample(way.receive(via, port, len(data)), len(data))

    thread = threading.Thread(target=client)
    thread.start()
    took = []
    try:
        for _ in range(count):
            start = time.perf_counter()
            ports.put(way.open(via))
            way.send(data)
            took.append((time.perf_counter() - start) * 1e6)
    finally:
        ports.put(None)
    thread.join()
    print(json.dumps({"microseconds": took}))


def main(way: str, verb: str, *words: str) -> None:
    made = WAYS[way]()
    if verb == "send":
        kind, via, size, file = words
        send(made, kind, via, int(size), file)
    elif verb == "receive":
        kind, via, port, size, file = words
        receive(made, kind, via, int(port), int(size), file)
    elif verb == "small":
        via, count = words
        small(made, via, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
