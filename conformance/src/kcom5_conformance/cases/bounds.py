"""Cases of each row of the spec's table of waits: no wait ends before T, for any T, and each wait has its own T."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ..harness.case import TooBusy
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..results import Role
from .registry import TCP, Run, add
from .steps import BIG, COUNTER, counter, full_queue, receiving

LONG = 5.5
"""Seconds of silence: longer than common default timeouts."""
LONG_T = 60
SHORT = 1.6
"""Seconds of silence with T = -1: longer than its absolute value."""
Silence = Callable[[Harness, int, float], Awaitable[None]]


async def _before_a_client(harness: Harness, close: int, seconds: float) -> None:
    call = await harness.send(close=close)
    await harness.pause(seconds)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


async def _before_the_hello(harness: Harness, close: int, seconds: float) -> None:
    call = await harness.send(close=close)
    connection = await harness.connect(call.place)
    await harness.pause(seconds)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


async def _in_the_frame_sent(harness: Harness, close: int, seconds: float) -> None:
    call = await harness.send("", COUNTER, close=close)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    await harness.pause(seconds)
    await connection.expect(frame(b"", counter(BIG)))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


async def _before_the_close(harness: Harness, close: int, seconds: float) -> None:
    call = await harness.send(close=close)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    with trio.move_on_after(seconds):
        await call.ended.wait()
    connection.close()
    await call.expect_ok()


async def _before_the_echo(harness: Harness, close: int, seconds: float) -> None:
    async with receiving(harness, close=close) as (call, connection, hello):
        await harness.pause(seconds)
        await connection.send(hello + frame(b"hi", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", b"1")


async def _in_the_frame_received(harness: Harness, close: int, seconds: float) -> None:
    async with receiving(harness, close=close) as (call, connection, hello):
        octets = hello + frame(b"hi", b"12")
        await connection.send(octets[:-1])
        await harness.pause(seconds)
        await connection.send(octets[-1:])
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", b"12")


async def _before_it_is_connected(harness: Harness, close: int, seconds: float) -> None:
    """Fills the listener's queue and empties it later."""
    async with harness.listen(backlog=0) as listener:
        with full_queue(harness, listener.place):
            call = await harness.call("receive", listener.place, close=close)
            with trio.move_on_after(seconds):
                await call.ended.wait()
        if call.ended.is_set():
            harness.fail("ended", f"the answer {call.told} with a queue that is full", "that it waits")
        while True:
            connection = await listener.accept()
            with trio.move_on_after(harness.patience):
                greeting = await connection.read(8)
            if len(greeting) == 8:
                break
            connection.raw.close()
            harness.connections.remove(connection)
        await connection.send(greeting + frame(b"", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("", b"1")


ROWS: dict[str, tuple[Role, Silence]] = {
    "before-a-client": ("server", _before_a_client),
    "before-the-hello": ("server", _before_the_hello),
    "in-the-frame-sent": ("server", _in_the_frame_sent),
    "before-the-close": ("server", _before_the_close),
    "before-it-is-connected": ("client", _before_it_is_connected),
    "before-the-echo": ("client", _before_the_echo),
    "in-the-frame-received": ("client", _in_the_frame_received),
}


async def _pause(harness: Harness, seconds: float, most: float) -> None:
    """Pauses. If the pause takes longer than `most`, the case proves nothing about the implementation."""
    start = trio.current_time()
    await harness.pause(seconds)
    if (took := trio.current_time() - start) > most:
        raise TooBusy(f"a pause of {seconds} s lasted {took:.1f} s")


def _silent(act: Silence, close: int, seconds: float) -> Run:
    async def run(harness: Harness) -> None:
        await act(harness, close, seconds)

    return run


for _row, (_role, _act) in ROWS.items():
    _via = ("unix",) if _row == "before-it-is-connected" else ("tcp6", "unix")
    add(f"time.bounds/silence-{_row}", _role, "a limit of the program's own lies below T",
        _silent(_act, LONG_T, LONG), _via, takes=LONG)  # fmt: skip
    for _name, _close, _seconds in (("zero", 0, LONG), ("minus-one", -1, SHORT)):
        add(f"time.never/silence-{_row}-with-t-{_name}", _role, "T is taken for its absolute value, or for the least",
            _silent(_act, _close, _seconds), _via, takes=_seconds)  # fmt: skip


# In milliseconds or microseconds these T have small values in their last 32 bits.
for _row in ("before-the-hello", "before-the-close", "before-the-echo", "in-the-frame-received"):
    _role, _act = ROWS[_row]
    for _close in (4_294_968, 4_295):
        add(f"time.bounds/silence-{_row}-with-t-{_close}", _role, "T in a smaller unit is kept in 32 bits",
            _silent(_act, _close, SHORT), ("tcp6", "unix"), takes=SHORT)  # fmt: skip


def _drips(start: int, end: int) -> Run:
    """Sends the bytes of one field: each within T, but all together in more than T."""

    async def run(harness: Harness) -> None:
        async with receiving(harness, close=1) as (call, connection, hello):
            octets = hello + frame(b"four", b"data")
            await connection.send(octets[:start])
            for at in range(start, min(end, start + 4)):
                await _pause(harness, 0.6, 0.85)
                await connection.send(octets[at : at + 1], may_break=True)  # the answer then has the reason
            await connection.send(octets[min(end, start + 4) :], may_break=True)
            await call.expect_ok("four", b"data")

    return run


for _field, _start, _end in (
    ("message-length", 8, 12),
    ("message", 12, 16),
    ("data-length", 16, 24),
    ("data", 24, 28),
):
    add(f"time.slow/drips-the-{_field}", "client", "one bound for the field, and not for each octet",
        _drips(_start, _end), ("tcp6", "unix"), takes=2.4)  # fmt: skip


async def _acknowledged_while_confirming(harness: Harness) -> None:
    """The server's kernel buffers all data and the client reads slowly. Each acknowledged byte restarts T."""
    data = counter(150_000)
    call = await harness.send("", {"size": len(data), "fill": "counter251"}, close=2)
    connection = await harness.connect(call.place, buffer=16384)
    await connection.send(HELLO)
    stream = HELLO + frame(b"", data)
    for start in range(0, len(stream), 40_000):
        await connection.expect(stream[start : start + 40_000])
        await _pause(harness, 1.1, 1.8)
        if call.ended.is_set() and "ok" not in (call.answer or {}):
            harness.fail("ended", f"the answer {call.told} while octets are acknowledged", "that it waits, or success")
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


add("time.bounds/acknowledged-while-confirming", "server", "the wait for the end counts from the half-close alone",
    _acknowledged_while_confirming, TCP, takes=4)  # fmt: skip


async def _close_after_a_slow_hello(harness: Harness) -> None:
    call = await harness.send(close=2)
    connection = await harness.connect(call.place)
    await _pause(harness, 1.2, 1.8)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    await _pause(harness, 1.2, 1.8)
    connection.close()
    await call.expect_ok()


add("time.bounds/close-after-a-slow-hello", "server", "the wait for the end counts from the connection",
    _close_after_a_slow_hello, takes=3)  # fmt: skip
