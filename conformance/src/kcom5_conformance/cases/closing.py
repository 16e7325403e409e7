"""Cases of the end of an exchange: data in flight, data that is stored first, and the other end's view."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from ..harness.case import NotRun, Unsupported
from ..harness.connection import Connection
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..results import Json
from .registry import TCP, Run, add, case
from .steps import BIG, COUNTER, MIB, OLD, SOME, counter, expect_file, frozen, quiet, receiving


def _extra(size: int) -> Run:
    async def run(harness: Harness) -> None:
        call = await harness.send("", COUNTER)
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        expected = frame(b"", counter(BIG))
        await connection.expect(HELLO)
        await connection.send(bytes(size))
        await connection.expect(expected[: BIG // 2])
        await connection.send(bytes(size))
        await connection.expect(expected[BIG // 2 :])
        await connection.send(bytes(size), may_break=True)  # a server that has finished may have closed
        await connection.expect_end()
        connection.close()
        await call.expect_ok()

    return run


for _name, _size in (("one-octet", 1), ("64-kib", 65536)):
    add(
        f"close.extra/{_name}-three-times-and-16-mib",
        "server",
        "a close with octets unread resets the connection: 920,584 of 1,048,576 octets were lost",
        _extra(_size),
    )


@case("close.confirm/closes-at-the-last-octet", "server", "a fast client is taken for one that half-closed early",
      level="SHOULD")  # fmt: skip
async def closes_at_the_last_octet(harness: Harness) -> None:
    for size in (0, 3, SOME):
        call = await harness.send("hi", {"size": size, "fill": "counter251"})
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"hi", counter(size)))
        connection.close()
        await call.expect_ok()
        if (call.answer or {}).get("confirmed") is False:
            harness.fail("delivered", "a success that is not confirmed", "a success that is confirmed", "name")
        harness.forget()


@case("close.confirm/100000-octets-unread", "server", "a plain close does not know what was taken", level="SHOULD")
async def octets_unread(harness: Harness) -> None:
    call = await harness.send("", {"size": 100_000, "fill": "counter251"})
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    await harness.pause(4 * harness.tick)
    await connection.reset()
    await call.expect_error("unconfirmed")


def _reset_after(size: int) -> Run:
    async def run(harness: Harness) -> None:
        call = await harness.send("hi", COUNTER)
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        await connection.expect((HELLO + frame(b"hi", counter(BIG)))[:size])
        await connection.reset()
        await call.expect_error("unconfirmed")

    return run


for _size in (*range(8, 24), 1000, 65536, MIB):
    add(
        f"close.residue/reset-after-{_size}",
        "server",
        "writing to a connection that is gone raises SIGPIPE, which kills a C program",
        _reset_after(_size),
        ("tcp6", "unix"),
    )


@case("close.residue/gone-before-the-echo", "server", "writing to a connection that is gone raises SIGPIPE")
async def gone_before_the_echo(harness: Harness) -> None:
    call = await harness.send("", COUNTER)

    async def come_and_go() -> None:
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        connection.close()

    await frozen(harness, come_and_go)
    await call.expect_error("unconfirmed")


@case("close.half/with-the-hello", "server", "the end is there before the hello is read, and taken for a hang-up")
async def with_the_hello(harness: Harness) -> None:
    call = await harness.send()

    async def come_and_end() -> None:
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        connection.half_close()

    await frozen(harness, come_and_end)
    (connection,) = harness.connections
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


FULL = Path("/dev/full")


async def _end_seen_late(connection: Connection) -> None:
    """Raises Unsupported for a client that half-closes after its hello, which is allowed but hides its close."""
    with trio.move_on_after(connection.harness.tick):
        await connection.some()
    if connection.ended == "end":
        raise Unsupported("it half-closes after its hello: when it closes cannot be seen")


@case("close.last/stored-before-the-close", "client", "the sender reports success, and then the disk is full",
        needs=("file",))  # fmt: skip
async def stored_before_the_close(harness: Harness) -> None:
    target = harness.folder / "out"
    async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
        await _end_seen_late(connection)
        await connection.send(hello + frame(b"", counter(MIB)))
        await connection.expect_end()
        expect_file(harness, target, counter(MIB), " when it closes")
        connection.close()
        await call.expect_ok()


@case("close.last/message-stored-before-the-close", "client", "a full disk loses the message, and send succeeds",
        needs=("message-file",))  # fmt: skip
async def message_stored_before_the_close(harness: Harness) -> None:
    note = harness.folder / "message"
    async with receiving(harness, message_file=str(note)) as (call, connection, hello):
        await _end_seen_late(connection)
        await connection.send(hello + frame(b"m" * SOME, b"1"))
        await connection.expect_end()
        expect_file(harness, note, b"m" * SOME, " when it closes")
        connection.close()
        await call.expect_ok("m" * SOME, b"1")


@case("close.last/empty-message-replaces-an-old-one", "client", "the message of the exchange before stays",
        needs=("message-file",))  # fmt: skip
async def empty_message_replaces_an_old_one(harness: Harness) -> None:
    note = harness.folder / "message"
    note.write_bytes(OLD)
    async with receiving(harness, message_file=str(note)) as (call, connection, hello):
        await _end_seen_late(connection)
        await connection.send(hello + frame(b"", b"1"))
        await connection.expect_end()
        expect_file(harness, note, b"", " when it closes")
        connection.close()
        await call.expect_ok("", b"1")


def _full(size: int, key: str) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        if not FULL.exists():
            raise NotRun(f"this system has no {FULL}")
        data, message = (counter(size), b"hi") if key == "to" else (b"1", b"m" * size)
        keys = {"to": {"file": str(FULL)}} if key == "to" else {"message_file": str(FULL)}
        async with harness.listen() as listener:
            call = await harness.call("receive", listener.place, **keys)
            # A client may also detect this before it connects.
            connection = await call.unless_ended(listener.accept)
            if connection is not None:
                hello = await connection.hello()
                await _end_seen_late(connection)
                await _sees_no_end(connection, hello + frame(message, data))
            await call.expect_error("io")

    return run


async def _sees_no_end(connection: Connection, octets: bytes) -> None:
    """Checks that the implementation does not end its side with an orderly close."""
    await connection.send(octets, may_fail=True)
    connection.half_close()
    with trio.move_on_after(connection.harness.patience):
        await connection.some()
    if connection.ended == "end":
        connection.harness.fail("ended", "an orderly end by the client", "that nobody can take it for a success")


@case("close.last/the-name-becomes-a-folder", "client", "it closes in order, and then the rename fails",
        needs=("file",))  # fmt: skip
async def the_name_becomes_a_folder(harness: Harness) -> None:
    target = harness.folder / "out"
    async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
        await _end_seen_late(connection)
        octets = hello + frame(b"", counter(MIB))
        await connection.send(octets[:-1])
        await harness.pause(harness.tick)
        harness.files.make_folder("out/kept")  # a folder that is not empty cannot be replaced
        await _sees_no_end(connection, octets[-1:])
        await call.expect_error("io")


for _size in (1, SOME):
    add(f"close.last/{_size}-octets-on-a-full-disk", "client", "the receiver's disk is full, and send succeeds",
        _full(_size, "to"), needs=("file",))  # fmt: skip
    add(f"close.last/message-of-{_size}-on-a-full-disk", "client", "a write or close that fails is not looked at",
        _full(_size, "message_file"), needs=("message-file",))  # fmt: skip


@contextmanager
def _full_pipe(path: Path) -> Iterator[int]:
    """Yields the reading end of a full pipe whose reader does not read."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        for piece in (bytes(4096), b"\0"):
            while select.select([], [writer], [], 0)[1]:
                os.write(writer, piece)
        yield reader
    finally:
        os.close(writer)
        os.close(reader)


@case("close.abort/killed-before-it-stored", "client", "the receiver is killed, and send succeeds", level="SHOULD",
        needs=("file",), is_hostile=False)  # fmt: skip
async def killed_before_it_stored(harness: Harness) -> None:
    target = harness.folder / "pipe"
    harness.unshown = "it is killed while it stores: let it receive into a full pipe, and end it by SIGKILL"
    with _full_pipe(target):
        async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
            await connection.send(hello + frame(b"", b"123"))
            await quiet(harness, call, "though nobody takes what it stores", 4)
            await harness.adapter.kill()
            harness.calls.remove(call)
            connection.half_close()
            await connection.expect_reset()


@case("close.abort/reader-that-stopped", "server", "what is queued stays, and its end looks like the frame's", TCP,
      level="SHOULD", takes=1)  # fmt: skip
async def reader_that_stopped(harness: Harness) -> None:
    call = await harness.send("", COUNTER, close=1)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    answer = await call.result(1 + harness.patience)
    if answer.get("error") == "unconfirmed":
        raise Unsupported("its system holds all of 16 MiB")
    await call.expect_error("timeout")
    while not connection.ended:
        await connection.read(1 << 20)
    if connection.ended != "reset":
        harness.fail("ended", "an orderly end after a part of the frame", "a reset", "orderly")


async def _is_held(connection: Connection, answer: Json, size: int) -> None:
    """Raises Unsupported for a server whose system does not hold so much, so that it timed out while it sent."""
    missing = size + 20 - connection.received
    if answer.get("error") == "timeout" and len(await connection.read(missing + 1)) < missing:
        raise Unsupported(f"its system does not hold {size:,} octets")


@case("time.confirm/early-end-and-takes-no-more", "server", "the wait for acknowledgements has no end, or another name",
      TCP, takes=2)  # fmt: skip
async def early_end_and_takes_no_more(harness: Harness) -> None:
    # More than the client's window, and less than the server's kernel buffers.
    call = await harness.send("", {"size": 300_000, "fill": "counter251"}, close=1)
    connection = await harness.connect(call.place, buffer=4096)
    await connection.send(HELLO)
    connection.half_close()
    await connection.expect(HELLO)
    answer = await call.result(2 + harness.patience)
    if "ok" in answer:
        return  # it does not wait for acknowledgements, which is only a SHOULD
    await _is_held(connection, answer, 300_000)
    await call.expect_error("unconfirmed")


@case("close.confirm/reset-after-an-early-end", "server", "a reset behind the client's end is not seen before T", TCP,
      level="SHOULD")  # fmt: skip
async def reset_after_an_early_end(harness: Harness) -> None:
    call = await harness.send("", {"size": 300_000, "fill": "counter251"})
    connection = await harness.connect(call.place, buffer=4096)
    await connection.send(HELLO)
    connection.half_close()
    await connection.expect(HELLO)
    await harness.pause(4 * harness.tick)
    await connection.reset()
    if "ok" not in await call.result():
        await call.expect_error("unconfirmed")


def _check_kept(harness: Harness, connection: Connection) -> None:
    """Checks that no reset came after the end. Linux keeps what was received before it, and other systems do not."""
    if harness.via != "unix" and connection.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        harness.fail("ended", "a reset after the half-close", "an orderly end", "reset")


@case("close.keep/20000-octets-each-half-second", "server", "a slow client loses what its system held", takes=4)
async def slow_client_keeps_what_its_kernel_held(harness: Harness) -> None:
    data = counter(150_000)
    call = await harness.send("", {"size": len(data), "fill": "counter251"}, close=1)
    # A small window keeps unread data in the server's kernel, where a reset destroys it.
    connection = await harness.connect(call.place, buffer=16384)
    await connection.send(HELLO)
    stream = HELLO + frame(b"", data)
    for start in range(0, len(stream), 20_000):
        await connection.expect(stream[start : start + 20_000])
        await harness.pause(0.5)
    await connection.expect_end()
    connection.close()
    await call.result(1 + harness.patience)


@case("close.keep/read-after-the-bound", "server", "a client that is late loses what its system held", takes=1)
async def read_after_the_bound(harness: Harness) -> None:
    # A Unix-domain socket holds fewer than 300 writes, and a server may write each byte separately.
    size = 100 if harness.via == "unix" else SOME
    data = counter(size)
    call = await harness.send("hi", {"size": size, "fill": "counter251"}, close=1)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await call.result(1 + harness.patience)  # success or failure depends on `close.confirm`
    await connection.expect(HELLO + frame(b"hi", data))
    await connection.expect_end()
    _check_kept(harness, connection)
    connection.close()


@case("close.keep/octets-after-the-half-close", "server", "it closes with octets unread, which resets the connection",
        takes=1)  # fmt: skip
async def octets_after_the_half_close(harness: Harness) -> None:
    size = 100 if harness.via == "unix" else SOME
    call = await harness.send("hi", {"size": size, "fill": "counter251"}, close=1)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    await harness.pause(4 * harness.tick)  # the server has half-closed
    if call.ended.is_set():
        raise Unsupported("it does not wait for its client's end")
    await connection.send(b"more", may_break=True)
    await call.result(1 + harness.patience)
    await connection.expect(frame(b"hi", counter(size)))
    await connection.expect_end()
    _check_kept(harness, connection)
    connection.close()


@case("close.confirm/half-closed-and-not-acknowledged", "server", "success before the client's system has everything",
      TCP, level="SHOULD")  # fmt: skip
async def half_closed_and_not_acknowledged(harness: Harness) -> None:
    await _not_acknowledged(harness, 30)


@case("close.confirm/half-closed-and-never-acknowledged", "server", "it waits, and is satisfied when T has passed", TCP,
      level="SHOULD", takes=1)  # fmt: skip
async def half_closed_and_never_acknowledged(harness: Harness) -> None:
    if sys.platform != "linux":
        raise NotRun("only Linux tells what is acknowledged")
    call = await harness.send("", {"size": 100_000, "fill": "counter251"}, close=1)
    connection = await harness.connect(call.place, buffer=16384)
    await connection.send(HELLO)
    connection.half_close()
    await connection.expect(HELLO)
    await _is_held(connection, await call.result(1 + harness.patience), 100_000)
    await call.expect_error("unconfirmed")


def _drains(close: int) -> Run:
    async def run(harness: Harness) -> None:
        await _not_acknowledged(harness, close)

    return run


for _name, _close in (("zero", 0), ("minus-one", -1)):
    add(f"time.never/half-closed-and-not-acknowledged-with-t-{_name}", "server", "without a limit it does not wait",
        _drains(_close), TCP)  # fmt: skip


async def _not_acknowledged(harness: Harness, close: int) -> None:
    if sys.platform != "linux":
        raise NotRun("only Linux tells what is acknowledged")
    size = 100_000
    call = await harness.send("", {"size": size, "fill": "counter251"}, close=close)
    # A small window keeps unread data in the server's kernel.
    connection = await harness.connect(call.place, buffer=16384)
    await connection.send(HELLO)
    connection.half_close()
    await connection.expect(HELLO)
    await harness.pause(4 * harness.tick)
    if call.ended.is_set() and (close > 0 or "ok" not in (call.answer or {})):
        harness.fail("delivered", call.told, "that it waits until everything is acknowledged")
    await connection.expect(frame(b"", counter(size)))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("result.success/reset-while-it-connects", "client", "43 of 300 receives succeeded without one octet", TCP)
async def reset_while_it_connects(harness: Harness) -> None:
    harness.unshown = "it is a race: few of hundreds of exchanges fail"
    async with harness.listen() as listener:
        for _ in range(100):
            call = await harness.call("receive", listener.place)
            raw = await call.unless_ended(listener.raw.accept)
            if raw is not None:
                await Connection(harness, raw[0], harness.via).reset()
            await call.expect_error("invalid-connection")
            harness.forget()
