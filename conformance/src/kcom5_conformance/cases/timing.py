"""Cases of the time at which a call returns, and of a process that is stopped and continued."""

from __future__ import annotations

import trio

from ..harness.case import Mismatch, Unsupported
from ..harness.connection import Connection
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from .registry import Run, add, case
from .steps import BIG, COUNTER, MIB, counter, frozen, full_queue, quiet, receiving


@case("result.sync/send-waits-for-the-reader", "server", "what is queued is not delivered")
async def send_waits_for_the_reader(harness: Harness) -> None:
    call = await harness.send("", COUNTER)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    await quiet(harness, call, "while 16 MiB were not read")
    await connection.expect(frame(b"", counter(BIG)))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("result.sync/receive-waits-for-the-last-octet", "client", "a part is delivered as the whole")
async def receive_waits_for_the_last_octet(harness: Harness) -> None:
    async with receiving(harness) as (call, connection, hello):
        octets = hello + frame(b"hi", counter(1000))
        await connection.send(octets[:-1])
        await quiet(harness, call, "with 999 of 1,000 octets sent")
        await connection.send(octets[-1:])
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", counter(1000))


def _frozen_server(phase: str) -> Run:
    async def run(harness: Harness) -> None:
        size = MIB
        call = await harness.send("hi", {"size": size, "fill": "counter251"})
        octets = HELLO + frame(b"hi", counter(size))

        async def nothing() -> None:
            await harness.pause(harness.tick)

        if phase == "listening":
            await frozen(harness, nothing)
        connection = await harness.connect(call.place)
        if phase == "hello":
            await harness.pause(harness.tick)
            await frozen(harness, lambda: connection.send(HELLO))
        else:
            await connection.send(HELLO)
        if phase == "sending":
            await connection.expect(octets[:1000])
            await frozen(harness, nothing)
            await connection.expect(octets[1000:])
        else:
            await connection.expect(octets)
        await connection.expect_end()
        if phase == "confirming":
            await frozen(harness, nothing)
        connection.close()
        await call.expect_ok()

    return run


def _frozen_client(phase: str) -> Run:
    async def run(harness: Harness) -> None:
        data = counter(MIB)
        async with receiving(harness) as (call, connection, hello):
            octets = hello + frame(b"hi", data)
            start, end = {"echo": (0, 8), "length": (8, 12), "message": (12, 14), "data": (22, 5000)}[phase]
            await connection.send(octets[:start])
            await harness.pause(harness.tick)
            await frozen(harness, lambda: connection.send(octets[start:end]))
            await connection.send(octets[end:])
            await connection.expect_end()
            connection.close()
            await call.expect_ok("hi", data)

    return run


async def _read_all_there_is(connection: Connection) -> None:
    while not connection.ended:
        with trio.move_on_after(0.2) as scope:
            await connection.some()
        if scope.cancelled_caught:
            return


@case("data.truncated/the-end-behind-the-last-octet", "client", "a hang-up is believed before what has arrived is read")
async def the_end_behind_the_last_octet(harness: Harness) -> None:
    async with receiving(harness) as (call, connection, hello):
        octets = hello + frame(b"hi", counter(1000))
        await connection.send(octets[:30])
        await harness.pause(harness.tick)

        async def ends() -> None:
            await connection.send(octets[30:])
            connection.close()

        await frozen(harness, ends)
        await call.expect_ok("hi", counter(1000))


@case("time.connect/full-queue-of-a-path", "client", "a full queue is tried again without a bound", ("unix",),
        takes=1)  # fmt: skip
async def full_queue_of_a_path(harness: Harness) -> None:
    async with harness.listen(0, 0) as listener:
        with full_queue(harness, listener.place):
            call = await harness.call("receive", listener.place, close=1)
            await call.expect_error("timeout", within=1 + harness.patience)


@case("time.stall/half-closed-and-reads-nothing", "server", "after a client's end a stall has another name", takes=1)
async def half_closed_and_reads_nothing(harness: Harness) -> None:
    call = await harness.send("", COUNTER, close=1)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    connection.half_close()
    await connection.expect(HELLO)
    answer = await call.result(1 + harness.patience)
    if answer.get("error") == "unconfirmed" and len(await connection.read(BIG + 13)) == BIG + 12:
        raise Unsupported("its system holds all of 16 MiB")
    await call.expect_error("timeout")


@case("close.half/and-reads-slowly", "server", "after a client's end octets that move no longer extend the bound",
      takes=2.4)  # fmt: skip
async def half_closed_and_reads_slowly(harness: Harness) -> None:
    call = await harness.send("", COUNTER, close=1)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    connection.half_close()
    stream, part = HELLO + frame(b"", counter(BIG)), 3 * MIB
    for start in range(0, 4 * part, part):
        await connection.expect(stream[start : start + part])
        await harness.pause(0.6)
    await connection.expect(stream[4 * part :])
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("time.handshake/after-a-slow-connect", "client", "the wait for a connection is taken from this one", ("unix",),
        takes=3)  # fmt: skip
async def after_a_slow_connect(harness: Harness) -> None:
    async with harness.listen(0, 0) as listener:
        with full_queue(harness, listener.place) as count:
            call = await harness.call("receive", listener.place, close=2)
            await harness.pause(1.2)
            for _ in range(count):
                (await listener.accept()).close()
            connection = await listener.accept()
        hello = await connection.hello()
        await harness.pause(1.2)
        await connection.send(hello + frame(b"hi", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", b"1")


LONGER = 1.4
"""Seconds for which a process with a T of one second is stopped."""


def _late_server(phase: str) -> Run:
    async def run(harness: Harness) -> None:
        size = BIG if phase == "sending" else 3
        octets = HELLO + frame(b"hi", counter(size))
        call = await harness.send("hi", {"size": size, "fill": "counter251"}, close=1)
        found = [] if phase == "listening" else [await harness.connect(call.place)]
        if phase in ("sending", "confirming"):
            await found[0].send(HELLO)
            await found[0].expect(octets[:30] if phase == "sending" else octets)
        await harness.pause(harness.tick)

        async def arrives() -> None:
            connection = found[0] if found else await harness.connect(call.place)
            if phase in ("listening", "hello"):
                await connection.send(HELLO)
            elif phase == "sending":
                await _read_all_there_is(connection)
            else:
                await connection.expect_end()
                connection.close()
            await harness.pause(LONGER)

        await frozen(harness, arrives)
        (connection,) = harness.connections
        if phase != "confirming":
            try:
                await connection.expect(octets[connection.received :])
            except Mismatch as failure:
                if phase != "hello" or failure.problem.saw != "short" or not connection.received:
                    raise
                await call.expect_error("timeout")  # it has looked, but its echo in pieces comes too late
                return
            await connection.expect_end()
            connection.close()
        await call.expect_ok()

    return run


def _late_client(phase: str) -> Run:
    async def run(harness: Harness) -> None:
        data = counter(MIB)
        async with receiving(harness, close=1) as (call, connection, hello):
            octets = hello + frame(b"hi", data)
            start, end = {"echo": (0, 8), "length": (8, 12), "message": (12, 14), "data": (22, 5000)}[phase]
            await connection.send(octets[:start])
            await harness.pause(harness.tick)

            async def arrives() -> None:
                await connection.send(octets[start:end])
                await harness.pause(LONGER)

            await frozen(harness, arrives)
            await connection.send(octets[end:])
            await connection.expect_end()
            connection.close()
            await call.expect_ok("hi", data)

    return run


_LATE = "after a stop it looks at its clock, and not at what has arrived"
for _phase in ("listening", "hello", "sending", "confirming"):
    add(f"time.late/{_phase}", "server", _LATE, _late_server(_phase), ("tcp6", "unix"), takes=2)
for _phase in ("echo", "length", "message", "data"):
    add(f"time.late/{_phase}", "client", _LATE, _late_client(_phase), ("tcp6", "unix"), takes=2)

_FROZEN = "stop and continue interrupt a system call"
for _phase in ("listening", "hello", "sending", "confirming"):
    add(f"result.sync/frozen-in-{_phase}", "server", _FROZEN, _frozen_server(_phase))
for _phase in ("echo", "length", "message", "data"):
    add(f"result.sync/frozen-in-{_phase}", "client", _FROZEN, _frozen_client(_phase))


# ---- the wait for the client's end; not waiting is also valid, as `close.confirm` is a SHOULD


def _never_closes(talks: bool) -> Run:
    async def run(harness: Harness) -> None:
        call = await harness.send(close=1)
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
        await connection.expect_end()
        half_closed = trio.current_time()
        while talks and not call.ended.is_set() and trio.current_time() - half_closed < 1 + harness.patience:
            await connection.send(b"\0", may_break=True)
            with trio.move_on_after(0.4):
                await call.ended.wait()
        answer = await call.result(0.1 if talks else 1 + harness.patience)
        took = call.end - half_closed
        if "ok" not in answer:
            await call.expect_error("unconfirmed")
        elif took > 0.9:
            harness.fail("delivered", f"success after {took:.1f} s without an end", "unconfirmed after T")

    return run


add("time.confirm/nobody-closes", "server", "the wait for the client's end has no end", _never_closes(False), takes=1)
add("time.confirm/nobody-closes-and-all-talk", "server", "octets of the client extend the wait", _never_closes(True),
    takes=3)  # fmt: skip
