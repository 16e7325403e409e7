"""Rows of signals: files left behind, messages, and signals that were ignored on entry."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import suppress

import wire
from peers import DEADLINE, Json, Running
from programs import MIB, T, send, wait_until
from situation import Row, World, told, until_stored
from wire import HELLO, frame

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
NOTHING = "nothing was delivered"


def interrupted(running: Running, number: signal.Signals) -> Json:
    running.process.send_signal(number)
    result = running.end()
    lines = [line for line in result.words if not line.startswith("kcom5: ")]
    assert not lines, f"more is said: {lines[:5]}"
    return told(result)


def rows_of(number: signal.Signals) -> Iterator[Row]:
    name = number.name
    ended: Json = {"code": 128 + number, "error": "interrupted"}

    def listening(world: World) -> Json:
        sender = world.program.start("send", world.file("in"), "--unix", world / "socket", *T)
        sender.listening()
        return {**interrupted(sender, number), "files": world.files()}

    yield Row(
        f"{name} to a sender that listens",
        listening,
        {**ended, "detail": "no client had connected", "files": {"in": "abc"}},
    )

    def spooling(world: World) -> Json:
        spool = world / "spool"
        spool.mkdir()
        read, write = os.pipe()
        sender = world.program.start("send", "--port", "0", *T, stdin=read, env={"TMPDIR": str(spool)})
        os.close(read)
        os.write(write, bytes(256 << 10))  # more than a pipe's buffer, so the write returns only if the program reads
        came = interrupted(sender, number)
        os.close(write)
        return {**came, "left": os.listdir(spool) != []}

    yield Row(f"{name} to a sender that spools", spooling, {**ended, "left": False})

    def sending(world: World) -> Json:
        file = world.file("in", b"")
        os.truncate(file, 64 * MIB)
        sender, port = send(world.program, file)
        with wire.connect("tcp6", port) as client:
            client.sendall(HELLO)
            wire.read(client, 8 + 12 + 100)
            came = interrupted(sender, number)
            return {**came, "client": wire.read_to_end(client)[1]}

    yield Row(
        f"{name} to a sender in the data",
        sending,
        {**ended, "detail": "the transfer was not complete", "client": "reset"},
    )

    def confirming(world: World) -> Json:
        sender, port = send(world.program, world.file("in"))
        with wire.connect("tcp6", port) as client:
            client.sendall(HELLO)
            seen = wire.read_to_end(client)[1]
            return {**interrupted(sender, number), "client": seen}

    yield Row(
        f"{name} to a sender that waits for the close",
        confirming,
        {**ended, "detail": "everything was sent, but the client did not confirm it", "client": "end"},
    )

    def receiving(world: World) -> Json:
        world.file("out", b"old")
        octets = frame(b"hi", bytes(4 * MIB))[: 2 * MIB]
        came = world.give(octets, "-o", world / "out", "--message-file", world / "m", then=stop)
        return {**came, "files": world.files()}

    def stop(running: Running) -> None:
        until_stored(running, 1 << 16)
        running.process.send_signal(number)

    yield Row(
        f"{name} to a receiver in the data",
        receiving,
        {**ended, "detail": NOTHING, "server": "reset", "files": {"out": "old"}},
    )

    def in_place(world: World) -> Json:
        """The message counts the bytes that the pipe accepted."""

        def when_taken(running: Running) -> None:
            assert running.out is not None
            while len(running.out.buffer) < 1000:
                running.out.fill(time.monotonic() + wire.TIMEOUT)
            running.process.send_signal(number)

        return world.give(frame(b"hi", bytes(4000))[: 4 + 2 + 8 + 1000], then=when_taken)

    yield Row(
        f"{name} to a receiver that writes to a pipe",
        in_place,
        {**ended, "detail": "1000 bytes were written to standard output, which is not the whole", "server": "reset"},
    )

    def waiting(world: World) -> Json:
        fifo = world / "address"
        os.mkfifo(fifo, 0o600)
        receiver = world.program.start("receive", "--wait", "60", "--address", fifo, "-o", world / "out", *T)
        with fifo.open("wb") as address:
            address.write(f"{wire.free_port()}.00".encode())
        came = interrupted(receiver, number)
        return {**came, "files": world.files()}

    yield Row(
        f"{name} to a receiver that waits for a sender",
        waiting,
        {**ended, "detail": NOTHING, "files": {"address": "special"}},
    )

    def ignored(world: World) -> Json:
        launcher = ["sh", "-c", f'trap "" {name.removeprefix("SIG")}; exec "$@"', "sh"]
        sender = world.program.start("send", world.file("in"), "--unix", world / "socket", *T, launcher=launcher)
        sender.listening()
        sender.process.send_signal(number)
        received = world.program.run("receive", "--unix", world / "socket", *T)
        return {"sent": told(sender.end()), "received": told(received)}

    yield Row(f"{name} ignored on entry", ignored, {"sent": {"code": 0}, "received": {"code": 0, "out": "abc"}})


def more_rows() -> Iterator[Row]:
    def as_json(world: World) -> Json:
        sender = world.program.start("send", "--json", "--unix", world / "socket", *T)
        assert sender.out is not None
        assert "listening" in json.loads(sender.out.next())
        sender.process.send_signal(signal.SIGTERM)
        result = sender.end()
        return {**told(result), "error output": result.err.decode()}

    yield Row("SIGTERM as JSON", as_json, {"code": 143, "error": "interrupted", "error output": ""})

    def twice(world: World) -> Json:
        sender = world.program.start("send", "--unix", world / "socket", *T)
        sender.listening()
        sender.process.send_signal(signal.SIGTERM)
        sender.process.send_signal(signal.SIGTERM)
        return {"code": sender.end().code in (143, -15)}

    yield Row("SIGTERM twice", twice, {"code": True})

    def broken_pipe(world: World) -> Json:
        read, write = os.pipe()
        os.close(read)
        try:
            return world.give(frame(b"hi", b"abc"), stdout=write)
        finally:
            os.close(write)

    yield Row("standard output that nobody reads", broken_pipe, {"code": 3, "error": "io", "server": "reset"})

    def stopped_pipe(world: World) -> Json:
        """The signal ends the program although standard output stays full."""
        read, write = os.pipe()
        with wire.listen("unix", world / "s") as server:
            receiver = world.program.start("receive", "--unix", world / "s", "--timeout", "60", stdout=write)
            os.close(write)
            with wire.accept(server) as connection:
                connection.sendall(wire.read(connection, 8) + frame(b"", bytes(100000))[:90000])
                wait_until(lambda: filled(read) == 65536)
                receiver.process.send_signal(signal.SIGTERM)
                came = told(receiver.end(5))
        os.close(read)
        return {"code": came["code"], "error": came["error"]}

    yield Row("SIGTERM while standard output is full", stopped_pipe, {"code": 143, "error": "interrupted"})

    def nobody_listens(world: World) -> Json:
        """Standard error is full, so the message about the signal cannot be written. Still no file is left."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        with suppress(BlockingIOError):
            while os.write(write, bytes(4096)):
                pass
        os.set_blocking(write, True)
        sender = world.program.start("send", world.file("in"), "--unix", world / "socket", *T, stderr=write)
        wait_until((world / "socket").exists)
        sender.process.send_signal(signal.SIGTERM)
        code = sender.process.wait(DEADLINE)
        os.close(read)
        os.close(write)
        return {"code": code, "files": world.files()}

    yield Row("SIGTERM while standard error is full", nobody_listens, {"code": 143, "files": {"in": "abc"}})
    for name in ("SIGXFSZ", "SIGPIPE"):

        def default(world: World, name: str = name) -> Json:
            """The signal has no effect when it comes from another process."""
            sender = world.program.start("send", world.file("in"), "--unix", world / "socket", *T)
            sender.listening()
            sender.process.send_signal(getattr(signal, name))
            received = world.program.run("receive", "--unix", world / "socket", *T)
            return {"sent": told(sender.end()), "received": told(received)}

        yield Row(f"{name} from outside", default, {"sent": {"code": 0}, "received": {"code": 0}})


def filled(descriptor: int) -> int:
    """Returns the number of bytes in a pipe."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])


ROWS = [*(row for number in SIGNALS for row in rows_of(number)), *more_rows()]
