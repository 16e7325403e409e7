"""Cases of leaks after an exchange: timers, descriptors, threads, memory, sockets of children."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ..harness import procfs
from ..harness.adapter import Adapter
from ..harness.case import NotRun
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..report.acts import Act
from .registry import Run, add, case
from .steps import MIB, receiving, served

MOST_GROWN = 16 * MIB
"""Bytes by which a process may grow in 400 exchanges."""
BATCHES = 4


@case("close.residue/alive-two-t-after-a-success", "server", "a timer ends the process, or the wait of the next call",
        takes=2.2)  # fmt: skip
async def alive_two_t_after_a_success(harness: Harness) -> None:
    call = await harness.send(close=1)
    await served(harness, call)
    call = await harness.send()
    await harness.pause(2.1)
    await served(harness, call)


@case("close.residue/alive-two-t-after-receiving", "client", "a timer ends the process, or the wait of the next call",
        takes=2.2)  # fmt: skip
async def alive_two_t_after_receiving(harness: Harness) -> None:
    async with receiving(harness, close=1) as (call, connection, hello):
        await connection.send(hello + frame(b"hi", b""))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", b"")
    async with receiving(harness) as (call, connection, hello):
        await harness.pause(2.1)
        await connection.send(hello + frame(b"hi", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", b"1")


@case("close.residue/nobody-comes-three-times", "server", "a listening socket is left where no client came",
        takes=4.4)  # fmt: skip
async def nobody_comes_three_times(harness: Harness) -> None:
    async def alone() -> None:
        await (await harness.send(close=1)).expect_error("timeout", within=1 + harness.patience)

    await alone()
    before = procfs.usage(harness.adapter.processes())
    for _ in range(3):
        await alone()
    after = await settled(harness, before)
    if after.descriptors > before.descriptors:
        harness.fail("residue", f"{after.descriptors - before.descriptors} more descriptors after 3 servers", "none")


async def settled(harness: Harness, before: procfs.Usage, adapter: Adapter | None = None) -> procfs.Usage:
    """Returns the usage after a short wait, so that ending threads and closing descriptors can finish."""
    for _ in range(50):
        after = procfs.usage((adapter or harness.adapter).processes())
        if after.descriptors <= before.descriptors and after.threads <= before.threads:
            break
        await trio.sleep(harness.tick)
    return after


async def _server_outcome(harness: Harness, kind: int) -> None:
    """One exchange of one outcome."""
    if kind == 4:
        async with harness.listen() as listener:
            await (await harness.call("send", listener.place, message="", data={"hex": ""})).expect_error("in-use")
        return
    call = await harness.send("hi", b"123")
    connection = await harness.connect(call.place)
    if kind == 0:
        await connection.send(b"GET / HTTP/1.1\r\n\r\n", may_fail=True)
        await connection.expect_end(or_reset=True)
    elif kind == 1:
        await connection.send(b"KCOM")
        connection.close()
    else:
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"hi", b"123"))
        if kind == 2:
            await connection.reset()
        else:
            await connection.expect_end()
    connection.close()
    await call.result()


async def _client_outcome(harness: Harness, kind: int) -> None:
    """One exchange of one outcome."""
    if kind == 4:
        await (await harness.call("receive", await harness.nowhere())).expect_error("refused")
        return
    async with receiving(harness) as (call, connection, hello):
        octets = {
            0: b"HTTP/1.1 400",
            1: hello + frame(b"hi", b"123")[:9],
            2: hello + frame(b"\xff", b""),
            3: hello + frame(b"hi", b"123"),
        }[kind]
        await connection.send(octets, may_fail=True)
        connection.close()
        await call.result()


def _flat(outcome: Callable[[Harness, int], Awaitable[None]]) -> Run:
    async def run(harness: Harness) -> None:
        async def rounds(count: int) -> None:
            for _ in range(count):
                harness.forget()
                for kind in range(5):
                    await outcome(harness, kind)
                    harness.close()

        await rounds(20)
        pids = harness.adapter.processes()
        before = procfs.usage(pids)
        await rounds(80)
        after = await settled(harness, before)
        if after.descriptors > before.descriptors:
            harness.fail(
                "residue", f"{after.descriptors - before.descriptors} more descriptors after 400 exchanges", "none"
            )
        if after.threads > before.threads + 8:
            harness.fail("residue", f"{after.threads - before.threads} more threads after 400 exchanges", "none")
        grown = [after.resident - before.resident]
        while grown[-1] > MOST_GROWN and len(grown) < BATCHES:  # the heap of a runtime grows at first, a leak always
            await rounds(80)
            last, after = after, procfs.usage(pids)
            grown.append(after.resident - last.resident)
        if grown[-1] > MOST_GROWN:
            got = ", then ".join(f"{one / MIB:.0f} MiB" for one in grown)
            harness.fail("residue", f"{got} more after 400 exchanges each", "memory that stays the same")

    return run


add("close.residue/500-sends-of-every-outcome", "server", "a rejected hello is where leaks hide",
    _flat(_server_outcome), ("tcp6", "unix"), takes=8)  # fmt: skip
add("close.residue/500-receives-of-every-outcome", "client", "a failed receive is where leaks hide",
    _flat(_client_outcome), ("tcp6", "unix"), takes=8)  # fmt: skip


@case("close.residue/sockets-of-a-server-are-not-inherited", "server", "a child of the program holds the port",
        level="SHOULD")  # fmt: skip
async def sockets_of_a_server_are_not_inherited(harness: Harness) -> None:
    pids = harness.adapter.processes()
    before = procfs.sockets(pids)
    call = await harness.send()
    _not_inherited(harness, before, pids, "listens")
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    _not_inherited(harness, before, pids, "sends")
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("close.residue/sockets-of-a-client-are-not-inherited", "client", "a child of the program holds the connection",
        level="SHOULD")  # fmt: skip
async def sockets_of_a_client_are_not_inherited(harness: Harness) -> None:
    pids = harness.adapter.processes()
    before = procfs.sockets(pids)
    async with receiving(harness) as (call, connection, hello):
        _not_inherited(harness, before, pids, "receives")
        await connection.send(hello + frame(b"", b""))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("", b"")


def _not_inherited(harness: Harness, before: dict[str, bool], pids: list[int], when: str) -> None:
    harness.acts.append(Act("inherits"))
    new = {name: inherited for name, inherited in procfs.sockets(pids).items() if name not in before}
    if not new:
        raise NotRun("none of its sockets is seen: they are in a process that is not the adapter's")
    if any(new.values()):
        harness.fail("residue", f"a socket that a child inherits, while it {when}", "close-on-exec on every socket")
