"""Cases of the hello, the echo and the frame: how the stream is cut, and slow readers."""

from __future__ import annotations

import hashlib
import itertools
import random
import socket

import trio

from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from .registry import Run, add, case
from .steps import BIG, counter, receiving


def _pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(octets)]
    return [octets[start:end] for start, end in itertools.pairwise(places) if end > start]


_MESSAGE = "h\u00e9llo \u4f60\u597d \U0001f600"


def _in_pieces(seed: int | None) -> Run:
    async def run(harness: Harness) -> None:
        data = bytes(range(40))
        async with receiving(harness) as (call, connection, hello):
            octets = hello + frame(_MESSAGE.encode(), data)
            if seed is None:
                cuts = list(range(1, len(octets)))
            else:
                chooser = random.Random(seed)
                cuts = chooser.sample(range(1, len(octets)), chooser.randrange(2, 12))
            if harness.via != "unix":
                connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in _pieces(octets, cuts):
                await connection.send(piece)
                await harness.pause(harness.tick if len(cuts) < 20 else harness.tick / 8)
            await connection.expect_end()
            connection.close()
            await call.expect_ok(_MESSAGE, data)

    return run


add(
    "frame.segments/each-octet-apart",
    "client",
    "one recv per field, and a read that looks for a length",
    _in_pieces(None),
)
for _seed in range(8):
    add(f"frame.segments/random-cuts-{_seed}", "client", "any cut is the stream's business", _in_pieces(_seed))


@case("hello.segments/octet-by-octet", "server", "one recv(8) takes the first octet for the hello")
async def octet_by_octet(harness: Harness) -> None:
    call = await harness.send()
    connection = await harness.connect(call.place)
    for octet in HELLO:
        await connection.send(bytes([octet]))
        await harness.pause(harness.tick)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


def _slow_reader(buffer: int, piece: int, size: int, message: int = 0, *, from_file: bool = False) -> Run:
    async def run(harness: Harness) -> None:
        data = {"size": size, "fill": "counter251"}
        if from_file:
            data = {"file": str(harness.files.write("in", counter(size)))}
        call = await harness.send({"size": message, "fill": "6d"} if message else "", data)
        connection = await harness.connect(call.place, buffer=buffer)
        await connection.send(HELLO)
        whole = HELLO + frame(b"m" * message, counter(size))
        expected = hashlib.sha256(whole)
        digest, left = hashlib.sha256(), len(whole)
        while left:
            octets = b""
            with trio.move_on_after(harness.patience):
                octets = await connection.raw.recv(min(piece, left))
            if not octets:
                break
            digest.update(octets)
            left -= len(octets)
        if left:
            harness.fail("wire", f"{len(whole) - left:,} octets", f"{len(whole):,} octets", "short")
        if digest.digest() != expected.digest():
            harness.fail("wire", "other octets", "those of the data", "octets")
        await connection.expect_end()
        connection.close()
        await call.expect_ok()

    return run


add("data.opaque/tiny-window-16-mib", "server", "a write takes a part only", _slow_reader(8192, 65536, BIG), takes=4)
add("data.opaque/reads-of-one-octet", "server", "a write takes a part only", _slow_reader(1, 1, 2000), takes=2)
add("data.opaque/tiny-window-from-a-file", "server", "what a write has left is not written",
    _slow_reader(8192, 65536, 8 << 20, from_file=True), ("tcp6", "unix"), needs=("file",), takes=2)  # fmt: skip
add("frame.order/tiny-window-for-the-message", "server", "a write of several parts is begun again in the message",
    _slow_reader(8192, 65536, 1000, 8 << 20), ("tcp6", "unix"), takes=2)  # fmt: skip
