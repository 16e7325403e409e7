"""Steps that cases of several modules share."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import trio

from ..harness import procfs
from ..harness.call import Call
from ..harness.connection import Connection
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..report.acts import Act

MIB = 1 << 20
BIG = 16 * MIB
SOME = 100_000
OLD = b"what was there before"
COUNTER = {"size": BIG, "fill": "counter251"}


@cache
def counter(size: int) -> bytes:
    """Returns bytes where byte i is i mod 251, so that a lost or doubled byte is visible."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@asynccontextmanager
async def receiving(harness: Harness, **keys: Any) -> AsyncIterator[tuple[Call, Connection, bytes]]:
    """Starts a client of the implementation and reads its hello."""
    async with harness.listen() as listener:
        call = await harness.call("receive", listener.place, **keys)
        connection = await listener.accept()
        yield call, connection, await connection.hello()


async def quiet(harness: Harness, call: Call, what: str, ticks: int = 10) -> None:
    """Checks that the call does not end for some ticks."""
    harness.acts.append(Act("wait", f"{ticks * harness.tick:.3f}"))
    with trio.move_on_after(ticks * harness.tick):
        await call.ended.wait()
        if call.error:
            raise call.error
        harness.fail("delivered", f"the answer {call.told} {what}", "no answer yet")


async def served(harness: Harness, call: Call, message: str = "hi", data: bytes = b"\x00\x01\x02") -> None:
    """Checks that the server completes an exchange."""
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(message.encode(), data))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@contextmanager
def full_queue(harness: Harness, path: int | str) -> Iterator[int]:
    """Fills the queue of a listener at a path, and yields the number of connections in it."""
    harness.acts.append(Act("full"))
    with ExitStack() as stack:
        count = 0
        while True:
            filler = stack.enter_context(socket.socket(socket.AF_UNIX))
            filler.setblocking(False)
            if filler.connect_ex(str(path)):
                break
            count += 1
        yield count


async def frozen(harness: Harness, then: Callable[[], Awaitable[None]]) -> None:
    """Stops the implementation, calls `then`, and continues it."""
    pids = harness.adapter.processes()
    harness.acts.append(Act("stop"))
    await procfs.freeze(pids)
    try:
        await then()
    finally:
        harness.acts.append(Act("go on"))
        procfs.thaw(pids)


def expect_file(harness: Harness, path: Path, octets: bytes, when: str = "") -> None:
    found = path.read_bytes() if path.exists() else None
    if found != octets:
        got = f"{len(found):,} octets in the file" if found is not None else "no file"
        harness.fail("delivered", f"{got}{when}", f"the {len(octets):,} octets sent")


async def refused(harness: Harness, place: int | str, host: str = "") -> None:
    """Checks that another connection is refused, or reset without any byte."""
    via = harness.via if not host else "tcp6" if ":" in host else "tcp4"
    where = host or place
    try:
        other = await harness.connect(place, host, via)
    except OSError:
        return
    with trio.move_on_after(harness.patience):
        other.look()
        octets = await other.some()
        if octets:
            harness.fail("wire", f"{len(octets)} octets on a second connection to {where}", "nothing", "connects")
        if other.ended == "end":
            harness.fail(
                "ended", f"a second connection to {where} is closed in order", "a refusal or a reset", "connects"
            )
        return
    got = harness.give_up(harness.patience, f"a second connection to {where} still open")
    harness.fail("ended", got, "a refusal or a reset", "connects")
