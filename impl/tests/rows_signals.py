"""Rows of signals: files left behind, messages, and signals that were ignored on entry."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress

import wire
from peers import Json
from rows_streams import with_input
from situation import Row, row
from wire import HELLO, frame
from world import MIB, Running, World, filled, shell, told, until_opened, until_stored, wait_until

NOTHING = "nothing was delivered"


def listening(world: World, number: signal.Signals) -> Json:
    sender = world.start("send", "in", "--unix", "socket")
    sender.place()
    return sender.interrupted(number)


def spooling(world: World, number: signal.Signals) -> Json:
    (world / "spool").mkdir()
    read, write = os.pipe()
    sender = world.send(stdin=read, env={"TMPDIR": "spool"})
    os.close(read)
    os.write(write, bytes(256 << 10))  # more than a pipe's buffer, so the write returns only if the program reads
    came = sender.interrupted(number)
    os.close(write)
    return {**came, "left": os.listdir(world / "spool")}


def sending(world: World, number: signal.Signals) -> Json:
    world.sparse("large", 64 * MIB)
    sender = world.send("large")
    with wire.connect(sender.place()) as client:
        client.sendall(HELLO)
        wire.read(client, 8 + 12 + 100)
        return {**sender.interrupted(number), "client": wire.read_to_end(client)[1]}


def confirming(world: World, number: signal.Signals) -> Json:
    sender = world.send("in")
    with wire.connect(sender.place()) as client:
        client.sendall(HELLO)
        seen = wire.read_to_end(client)[1]
        return {**sender.interrupted(number), "client": seen}


def dialling(world: World, number: signal.Signals) -> Json:
    """Opens its output before it dials."""
    world.fifo()
    receiver = world.start("receive", "--wait", "60", "--unix", "nobody", "-o", "fifo", "--message-file", "m")
    until_opened(receiver, "fifo")
    return receiver.interrupted(number)


def in_the_echo(world: World, number: signal.Signals) -> Json:
    def stop(receiver: Running, _: socket.socket) -> None:
        receiver.process.send_signal(number)

    return world.give(lambda hello: hello[:2], "-o", "in", then=stop)


def in_the_data(world: World, number: signal.Signals) -> Json:
    def stop(receiver: Running, _: socket.socket) -> None:
        until_stored(world, receiver, 1 << 16)
        receiver.process.send_signal(number)

    return world.give(frame(b"hi", bytes(4 * MIB))[: 2 * MIB], "-o", "in", "--message-file", "m", then=stop)


def to_a_pipe(world: World, number: signal.Signals) -> Json:
    """The message counts the bytes that the pipe accepted."""

    def stop(receiver: Running, _: socket.socket) -> None:
        assert receiver.process.stdout is not None
        descriptor = receiver.process.stdout.fileno()
        wait_until(lambda: filled(descriptor) == 1000)
        receiver.process.send_signal(number)

    return world.give(frame(b"hi", bytes(4000))[: 4 + 2 + 8 + 1000], then=stop)


def no_effect(world: World, number: signal.Signals, before: str = "") -> Json:
    sender = world.start("send", "in", "--unix", "socket", launcher=shell(before=before))
    sender.place()
    sender.process.send_signal(number)
    received = world.ends("receive", "--unix", "socket")
    return {"sent": told(sender.end()), "received": received}


KEPT = {"files": {"in": "abc"}}


def signal_rows() -> Iterator[Row]:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        for act, detail, more in (
            (listening, "no client had connected", KEPT),
            (spooling, "no client had connected", {"left": []}),
            (sending, "the transfer was not complete", {"client": "reset"}),
            (confirming, "everything was sent, but the client did not confirm it", {"client": "end"}),
            (dialling, NOTHING, {"files": {"in": "abc", "fifo": "special"}}),
            (in_the_echo, NOTHING, {**KEPT, "server": "reset"}),
            (in_the_data, NOTHING, {**KEPT, "server": "reset"}),
            (
                to_a_pipe,
                "1000 bytes were written to standard output, which is not the whole",
                {"server": "reset"},
            ),
        ):
            ended = {"code": 128 + number, "error": "interrupted", "detail": detail, **more}
            yield row(f"{number.name} {act.__name__}", ended, act, number, before=with_input)
        name = number.name.removeprefix("SIG")
        whole = {"sent": {"code": 0}, "received": {"code": 0, "out": "abc"}}
        first = f'trap "" {name};'
        yield row(f"{number.name} ignored on entry", whole, no_effect, number, first, before=with_input)
    for number in (signal.SIGXFSZ, signal.SIGPIPE):
        yield row(f"{number.name} from outside", whole, no_effect, number, before=with_input)
    killed = {"code": -signal.SIGKILL, "server": ..., **KEPT}
    yield row("SIGKILL in_the_data", killed, in_the_data, signal.SIGKILL, before=with_input)


def more_rows() -> Iterator[Row]:
    def as_json(world: World) -> Json:
        sender = world.send("--json")
        sender.place()
        sender.process.send_signal(signal.SIGTERM)
        result = sender.end()
        return {**told(result), "standard error": result.err.decode()}

    yield row("SIGTERM as JSON", {"code": 143, "error": "interrupted", "standard error": ""}, as_json)

    def twice(world: World) -> Json:
        sender = world.send()
        sender.place()
        sender.process.send_signal(signal.SIGTERM)
        sender.process.send_signal(signal.SIGTERM)
        return {"is_ended": sender.end().code in (143, -15)}

    yield row("SIGTERM twice", {"is_ended": True}, twice)

    def broken_pipe(world: World) -> Json:
        read, write = os.pipe()
        os.close(read)
        try:
            return world.give(frame(b"hi", b"abc"), stdout=write)
        finally:
            os.close(write)

    yield row("standard output that nobody reads", {"error": "io", "server": "reset"}, broken_pipe)

    def stopped_pipe(world: World) -> Json:
        """The signal ends the program although standard output stays full."""
        read, write = world.pipe()

        def stop(receiver: Running, _: socket.socket) -> None:
            wait_until(lambda: filled(read) == 65536)
            receiver.process.send_signal(signal.SIGTERM)
            receiver.process.wait(5)

        return world.give(frame(b"", bytes(100000))[:90000], via="unix", stdout=write, bound=60, then=stop)

    ended = {"code": 143, "error": "interrupted", "detail": ...}
    yield row("SIGTERM while standard output is full", ended, stopped_pipe)

    def full_error(world: World) -> Json:
        """Standard error is full, so the message about the signal cannot be written. Still no file is left."""
        _, write = world.pipe()
        os.set_blocking(write, False)
        with suppress(BlockingIOError):
            while os.write(write, bytes(4096)):
                pass
        os.set_blocking(write, True)
        sender = world.start("send", "in", "--unix", "socket", stderr=write)
        wait_until((world / "socket").exists)
        sender.process.send_signal(signal.SIGTERM)
        return {"code": sender.end().code}

    yield row("SIGTERM while standard error is full", {"code": 143, **KEPT}, full_error, before=with_input)


ROWS = [*signal_rows(), *more_rows()]
