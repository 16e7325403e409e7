"""Rows of data sources: /proc, files that change, pipes, directories."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import wire
from peers import Json, Running
from programs import MIB, T, send, write_to_fifo
from rows_rights import NO_RIGHTS
from rows_streams import need, piped
from situation import Row, World, taken, told
from wire import HELLO, frame

IO = {"code": 3, "error": "io"}


def source_rows() -> Iterator[Row]:
    for path in ("/proc/version", "/sys/devices/system/cpu/online", "/proc/sys/kernel/ostype"):

        def special(world: World, path: str = path) -> Json:
            need(path)
            return world.take(path)

        def expected(path: str = path) -> Json:
            return {"code": 0, "data": taken(HELLO + frame(b"", Path(path).read_bytes()))["data"]}

        if Path(path).exists():
            yield Row(f"send {path}", special, expected())
            yield Row(
                f"send <{path}",
                partial(redirected, path=path),
                expected(),
            )
            yield Row(
                f"send --message-file {path}",
                partial(as_message, path=path),
                {"code": 0, "message": Path(path).read_text()},
            )

    def grows(world: World) -> Json:
        file = world.file("file")
        sender, port = send(world.program, file)
        with file.open("ab") as more:
            more.write(b"def")
        return finish(world, sender, port)

    yield Row("send a file that grows", grows, {"code": 0, "data": "abc"})

    def shrinks(world: World) -> Json:
        file = world.file("file", b"")
        os.truncate(file, 64 * MIB)
        sender, port = send(world.program, file)
        with wire.connect("tcp6", port) as client:
            client.sendall(HELLO)
            head = wire.read(client, 8 + 12)
            os.truncate(file, 0)
            seen = wire.read_to_end(client)[1]
        came = told(sender.end())
        got = re.fullmatch(
            rf"{world.directory}/file: became shorter while it was sent: got (\d+) of 67108864 bytes", came["detail"]
        )
        came["detail"] = "as it should be" if got else came["detail"]
        return {**came, "client": seen, "length": int.from_bytes(head[12:], "little")}

    yield Row(
        "send a file that shrinks",
        shrinks,
        {**IO, "client": "reset", "length": 64 * MIB, "detail": "as it should be"},
    )

    def shrinks_for_a_receiver(world: World) -> Json:
        file = world.file("file", b"")
        os.truncate(file, 1 * MIB)
        sender, port = send(world.program, file)
        os.truncate(file, 1000)
        received = world.program.run("receive", "--port", port, "-o", world / "out", *T)
        came = told(received)
        came.pop("detail", None)  # a reset may destroy sent bytes
        return {"sent": told(sender.end()), "received": came, "files": world.files()}

    yield Row(
        "send a file that has shrunk, to a receiver",
        shrinks_for_a_receiver,
        {
            "sent": {**IO, "detail": "DIR/file: became shorter while it was sent: got 1000 of 1048576 bytes"},
            "received": {"code": 4, "error": "truncated"},
            "files": {"file": "1000"},
        },
    )

    def sparse(world: World) -> Json:
        file = world.file("file", b"")
        os.truncate(file, 5 << 30)
        sender, port = send(world.program, file)
        with wire.connect("tcp6", port) as client:
            client.sendall(HELLO)
            head = wire.read(client, 8 + 12)
            wire.read(client, MIB)
            wire.reset(client)
        return {**told(sender.end()), "length": int.from_bytes(head[12:], "little")}

    yield Row("send a sparse file of 5 GiB", sparse, {"code": 4, "error": "unconfirmed", "length": 5 << 30})

    def from_position(world: World) -> Json:
        world.file("file", b"abcdef")
        launcher = ["bash", "-c", f'(dd bs=1 count=2 of=/dev/null status=none; exec "$@") <"{world / "file"}"', "bash"]
        sender = world.program.start("send", "--port", "0", *T, launcher=launcher)
        return finish(world, sender, str(sender.port()))

    yield Row("send standard input from its position", from_position, {"code": 0, "data": "cdef"})
    yield Row("send a pipe", lambda w: piped(w, 100000), {"code": 0, "data": 100000})
    yield Row("send an empty pipe", lambda w: piped(w, 0), {"code": 0, "data": ""})
    yield Row("send an empty file", lambda w: w.take(w.file("file", b"")), {"code": 0, "data": ""})
    yield Row("send /dev/null", lambda w: w.take("/dev/null"), {"code": 0, "data": ""})

    def fifo(world: World) -> Json:
        os.mkfifo(world / "fifo")
        sender = world.program.start("send", world / "fifo", "--port", "0", *T)
        write_to_fifo(world / "fifo", b"through")
        return finish(world, sender, str(sender.port()))

    def silent_fifo(world: World) -> Json:
        os.mkfifo(world / "fifo")
        return told(world.program.run("send", world / "fifo", "--port", "0", "--timeout", "1"))

    yield Row("send a FIFO", fifo, {"code": 0, "data": "through"})
    yield Row(
        "send a FIFO that nobody writes",
        silent_fifo,
        {"code": 3, "error": "timeout", "detail": "DIR/fifo: no process opened it for writing within 1 s"},
    )

    def unreadable(world: World) -> Json:
        file = world.file("file", mode=0)
        return told(world.program.run("send", file, "--port", "0", *T, launcher=NO_RIGHTS))

    yield Row("send a file without read permission", unreadable, {**IO, "detail": "DIR/file: permission denied"})

    def closed_fd(world: World) -> Json:
        return told(world.program.run("send", "/dev/fd/77", "--port", "0", *T))

    yield Row("send /dev/fd/77, closed", closed_fd, IO)

    def link(world: World) -> Json:
        (world / "link").symlink_to(world.file("file"))
        return world.take(world / "link")

    yield Row("send a link to a file", link, {"code": 0, "data": "abc"})
    yield Row("send /dev/stdin", lambda w: w.take("/dev/stdin", stdin=b"abc"), {"code": 0, "data": "abc"})

    def loop(world: World) -> Json:
        (world / "loop").symlink_to("loop")
        return told(world.program.run("send", world / "loop", "--port", "0", *T))

    yield Row("send a loop of links", loop, {**IO, "detail": "DIR/loop: too many levels of symbolic links"})


def as_message(world: World, path: str) -> Json:
    return world.take("/dev/null", "--message-file", path)


def redirected(world: World, path: str) -> Json:
    with Path(path).open("rb") as source:
        sender = world.program.start("send", "--port", "0", *T, stdin=source)
    return finish(world, sender, str(sender.port()))


def finish(world: World, sender: Running, port: str) -> Json:
    """Receives the data with a raw client."""
    with wire.connect("tcp6", port) as client:
        client.sendall(HELLO)
        octets, _ = wire.read_to_end(client)
    return {**told(sender.end()), **taken(octets)}


ROWS = [*source_rows()]
