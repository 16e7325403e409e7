"""Cases of memory: declared lengths, large files, and a message of 4 GiB."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from ..harness import procfs
from ..harness.case import NotRun, Unsupported
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from .registry import Run, add, case
from .steps import MIB, counter, quiet, receiving

LEAST_FREE = 5 << 30
"""Bytes of free memory that the case of a 4 GiB message needs."""
LEAST_LEFT = 512 * MIB
"""Bytes of memory that the adapter must leave to the machine."""


@case("limit.memory/64-mib-from-a-file", "server", "the file is read as a whole", ("tcp6",), needs=("file",))
async def data_from_a_file(harness: Harness) -> None:
    size = 64 * MIB
    source = harness.files.write("in", counter(size))
    async with grows_less(harness, 48 * MIB):
        call = await harness.send("", {"file": str(source)})
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"", counter(size)))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()


@case("limit.memory/64-mib-to-a-file", "client", "the data is held as a whole", ("tcp6",), needs=("file",))
async def data_to_a_file(harness: Harness) -> None:
    target, size = harness.folder / "out", 64 * MIB
    watched, received = grows_less(harness, 48 * MIB), receiving(harness, to={"file": str(target)})
    async with watched, received as (call, connection, hello):
        await connection.send(hello + frame(b"", counter(size)))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
    if hashlib.sha256(target.read_bytes()).digest() != hashlib.sha256(counter(size)).digest():
        harness.fail("delivered", "another file", "the octets sent")


@asynccontextmanager
async def grows_less(harness: Harness, most: int) -> AsyncIterator[None]:
    """Checks that the adapter and its children together grow by less than `most`. Pages of a memory-mapped file do not
    count, because the kernel can reclaim them."""
    pids = harness.adapter.processes()
    procfs.forget_peak(pids)
    before = procfs.usage(pids)
    grown = mapped = 0
    is_over = False

    def look() -> None:
        nonlocal grown, mapped
        with suppress(NotRun):  # a process has just ended
            now = procfs.usage(harness.adapter.processes())
            mapped = max(mapped, now.mapped - before.mapped)
            own = (now.resident - now.mapped) - (before.resident - before.mapped)
            grown = max(grown, own, now.peak - before.resident - mapped)

    async def watch() -> None:
        while not is_over and harness.adapter.is_in_use:
            look()
            await trio.sleep(0.02)

    harness.nursery.start_soon(watch)
    yield
    is_over = True
    look()
    if grown >= most:
        harness.fail("memory", f"it grew by {grown / MIB:,.0f} MiB", f"less than {most // MIB} MiB")


def _declared(declared: int) -> Run:
    async def run(harness: Harness) -> None:
        before = procfs.usage(harness.adapter.processes())
        async with receiving(harness, close=1) as (call, connection, hello):
            async with grows_less(harness, 64 * MIB):
                await connection.send(hello + bytes(4) + declared.to_bytes(8, "little") + counter(1024))
                await quiet(harness, call, f"with 1,024 of {declared:,} octets sent", round(0.4 / harness.tick))
            committed = procfs.usage(harness.adapter.processes()).committed - before.committed
            if committed >= min(declared // 2, 1 << 40) and declared >= 1 << 30:
                got = f"memory for {committed:,} octets reserved"
                harness.fail("memory", got, "memory bounded by what has arrived: 1,024 octets")
            await call.expect_error("timeout", within=1 + harness.patience)

    return run


for _power in (31, 32, 40, 52, 53, 62, 63, 64):
    for _slug, _declared_size in (("minus-1", (1 << _power) - 1), ("", 1 << _power), ("plus-1", (1 << _power) + 1)):
        if _declared_size < 1 << 64:
            add(
                f"limit.memory/declared-2-to-the-{_power}" + (f"-{_slug}" if _slug else ""),
                "client",
                "lengths from the wire are allocated as declared",
                _declared(_declared_size),
                ("tcp6",),
                takes=1,
            )


@case("message.too-long/four-gib", "server", "a length of 32 bits wraps to zero", ("tcp6",), is_heavy=True)
async def four_gib(harness: Harness) -> None:
    if (free := procfs.free_memory()) < LEAST_FREE:
        raise NotRun(f"it needs {LEAST_FREE >> 30} GiB of free memory, and {free / (1 << 30):.1f} are free")
    # Zeros use no memory: the kernel maps zero pages, and the adapter does not write to them.
    call = await harness.call("send", message={"size": 1 << 32, "fill": "00"}, data={"hex": ""})

    async def memory_is_short() -> bool:
        while procfs.free_memory() >= LEAST_LEFT:
            if call.place:
                return False
            await trio.sleep(0.02)
        return True

    with trio.move_on_after(20 * harness.patience):
        if await call.unless_ended(memory_is_short):
            await harness.adapter.kill()
            raise NotRun("the adapter takes more memory than there is for a message of 4 GiB")
    if call.answer == {"unsupported": True}:
        raise Unsupported("its adapter cannot make a message of 4 GiB")
    await call.expect_error("message-too-long")
