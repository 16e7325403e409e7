"""Rows of data sources: /proc, FIFOs, descriptors, and files that change."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import wire
from peers import Json
from rows_outputs import NO_RIGHTS
from situation import Row, row
from wire import HELLO, frame
from world import MIB, World, at, brief, shell, told, write_to_fifo

IO = {"error": "io"}


def source_rows() -> Iterator[Row]:
    for path in ("/proc/version", "/sys/devices/system/cpu/online", "/proc/sys/kernel/ostype"):
        if not Path(path).exists():
            continue
        content = Path(path).read_text()
        whole = {"code": 0, "data": content}
        yield row(f"send {path}", whole, World.take, path)
        yield row(f"send <{path}", whole, World.take, launcher=shell(f"<{path}"))
        launcher = shell("", f"exec <{path}; dd bs=1 count=2 of=/dev/null status=none;")
        yield row(f"send <{path}, after 2 bytes", {"code": 0, "data": content[2:]}, World.take, launcher=launcher)
        yield row(f"send --message-file {path}", {"code": 0, "message": content}, World.take, "--message-file", path)

    def prepare(world: World) -> None:
        world.file("in", b"abcdef")
        world.file("empty", b"")
        (world / "link").symlink_to("in")
        (world / "loop").symlink_to("loop")
        world.file("unreadable", mode=0)
        os.mkfifo(world / "fifo")

    for name, redirections, first, data in (
        ("in", "", "", "abcdef"),
        ("link", "", "", "abcdef"),
        ("empty", "", "", ""),
        ("/dev/null", "", "", ""),
        ("/dev/stdin", "<in", "", "abcdef"),
        ("-", "", "exec <in; dd bs=1 count=2 of=/dev/null status=none;", "cdef"),
    ):
        sent = {"code": 0, "data": data, "client": "end"}
        launcher = shell(redirections, first)
        yield row(f"send {name} {redirections}{first}", sent, World.take, name, launcher=launcher, before=prepare)
    for name, launcher, detail in (
        ("unreadable", NO_RIGHTS, "unreadable: permission denied"),
        ("loop", [], "loop: too many levels of symbolic links"),
    ):
        failure = {**IO, "detail": detail}
        yield row(f"send {name}", failure, World.take, name, launcher=launcher, before=prepare)
    yield row("send /dev/fd/77, closed", IO, World.take, "/dev/fd/77")
    silent = {"error": "timeout", "detail": "fifo: no process opened it for writing within 1 s"}
    yield row("send a FIFO that nobody writes", silent, World.take, "fifo", bound=1, before=prepare)

    def fifo(world: World, data: bytes) -> Json:
        sender = world.send("fifo")
        write_to_fifo(world / "fifo", data)
        octets, _ = wire.take(sender.place())
        return {**told(sender.end()), "octets": octets.hex()}

    for octets in (b"through", b""):
        sent = {"code": 0, "octets": (HELLO + frame(b"", octets)).hex()}
        yield row(f"send {len(octets)} bytes through a FIFO", sent, fifo, octets, before=prepare)

    def holes(world: World, size: int) -> Json:
        world.sparse("in", size)
        return world.take("in")

    for size in (10, 100_000):
        yield row(f"send a sparse file of {size} bytes", {"code": 0, "data": brief(bytes(size))}, holes, size)


def changing_rows() -> Iterator[Row]:
    def grows(world: World) -> Json:
        file = world.file("in")
        return world.take("in", then=lambda: os.truncate(file, 6))

    yield row("send a file that grows", {"code": 0, "data": "abc"}, grows)

    def shrinks(world: World) -> Json:
        world.sparse("in", 64 * MIB)
        sender = world.send("in")
        with wire.connect(sender.place()) as client:
            client.sendall(HELLO)
            head = wire.read(client, 8 + 12)
            os.truncate(world / "in", 0)
            seen = wire.read_to_end(client)[1]
        came = told(sender.end())
        detail = re.sub(r"got \d+", "got N", came["detail"])
        is_head = head == HELLO + bytes(4) + (64 * MIB).to_bytes(8, "little")
        return {**came, "detail": detail, "client": seen, "is_head": is_head}

    became_shorter = "in: became shorter while it was sent: got"
    shorter = {**IO, "client": "reset", "detail": f"{became_shorter} N of {64 * MIB} bytes", "is_head": True}
    yield row("send a file that shrinks", shorter, shrinks)

    def shrinks_for_a_receiver(world: World) -> Json:
        world.sparse("in", MIB)
        sender = world.send("in")
        place = sender.place()
        os.truncate(world / "in", 1000)
        received = world.ends("receive", *at(place), "-o", "out")
        received.pop("detail")  # a reset may destroy sent bytes
        return {"received": received, "sent": told(sender.end())}

    yield row(
        "send a file that has shrunk, to a receiver",
        {
            "sent": {**IO, "detail": f"{became_shorter} 1000 of {MIB} bytes"},
            "received": {"error": "truncated"},
            "files": {"in": brief(bytes(1000))},
        },
        shrinks_for_a_receiver,
    )

    def sparse(world: World) -> Json:
        world.sparse("in", 5 << 30)
        sender = world.send("in")
        with wire.connect(sender.place()) as client:
            client.sendall(HELLO)
            head = wire.read(client, 8 + 12)
            wire.read(client, MIB)
            wire.reset(client)
        return {**told(sender.end()), "length": int.from_bytes(head[12:], "little")}

    yield row("send a sparse file of 5 GiB", {"error": "unconfirmed", "length": 5 << 30}, sparse)


ROWS = [*source_rows(), *changing_rows()]
