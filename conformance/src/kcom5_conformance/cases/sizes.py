"""Cases of sizes: pages, lengths of more than 32 bits, the two limits, and the hello's three bytes."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator

from ..harness.adapter import Adapter
from ..harness.case import NotRun
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from .memory import grows_less
from .registry import Run, add, case
from .steps import MIB, counter, expect_file, quiet, receiving

PAGE = 4096
PAGES = (1, 2, 3, 5, 8, 15, 16, 17, 24, 31, 33, 63, 65, 127, 129, 255, 257)
"""Multiples of a page; most are not multiples of a larger buffer."""


def _pages_sent(from_file: bool) -> Run:
    async def run(harness: Harness) -> None:
        for pages in PAGES:
            data = counter(pages * PAGE)
            source = harness.files.write(f"in-{pages}", data)
            given = {"file": str(source)} if from_file else {"size": len(data), "fill": "counter251"}
            call = await harness.send("", given)
            connection = await harness.connect(call.place)
            await connection.send(HELLO)
            await connection.expect(HELLO + frame(b"", data))
            await connection.expect_end()
            connection.close()
            await call.expect_ok()
            harness.forget()

    return run


def _pages_received(to_file: bool) -> Run:
    async def run(harness: Harness) -> None:
        for pages in PAGES:
            data = counter(pages * PAGE)
            target = harness.folder / f"out-{pages}"
            keys = {"to": {"file": str(target)}} if to_file else {}
            async with receiving(harness, **keys) as (call, connection, hello):
                await connection.send(hello + frame(b"", data))
                await connection.expect_end()
                connection.close()
                await call.expect_ok(*(() if to_file else ("", data)))
            if to_file:
                expect_file(harness, target, data)
            harness.forget()

    return run


_PAGES = "the last page is lost, where the size is a multiple of a page and not of the buffer"
for _name, _is_file in (("memory", False), ("a-file", True)):
    _needs = ("file",) if _is_file else ()
    add(f"data.opaque/pages-from-{_name}", "server", _PAGES, _pages_sent(_is_file), ("tcp6", "unix"), needs=_needs)
    add(f"data.opaque/pages-to-{_name}", "client", _PAGES, _pages_received(_is_file), ("tcp6", "unix"), needs=_needs)


def _sparse(size: int) -> Run:
    async def run(harness: Harness) -> None:
        try:
            source = harness.files.sparse("in", size)
        except OSError as error:
            raise NotRun(f"{harness.folder} takes no file of {size:,} octets: {error.strerror}") from None
        call = await harness.send("", {"file": str(source)})
        connection = await harness.connect(call.place)
        await connection.send(HELLO)
        await connection.expect(HELLO + bytes(4) + size.to_bytes(8, "little") + bytes(1000))
        await connection.reset()
        await call.expect_error("unconfirmed")

    return run


for _size in ((1 << 31) + 7, (1 << 32) - 1, 1 << 32, (1 << 32) + 7, (1 << 40) + 7):
    add(f"data.length/file-of-{_size}", "server", "the length is kept in fewer bits than the field has",
        _sparse(_size), ("tcp6",), needs=("file",))  # fmt: skip


def _limited(limits: dict[str, int], message: int, data: int, over: bool, sent: int | None = None) -> Run:
    """Returns a case that declares lengths and sends fields within their limits, at most `sent` bytes of the data."""

    async def run(harness: Harness) -> None:
        async with receiving(harness, limits=limits) as (call, connection, hello):
            head = message.to_bytes(4, "little") + b"m" * min(message, 1000) + data.to_bytes(8, "little")
            octets = counter(data if sent is None else sent)
            await connection.send(hello + (head[:4] if message > 1000 else head + octets), may_fail=over)
            if over:
                await connection.expect_end(or_reset=True)
                await call.expect_error("over-limit")
            else:
                await connection.expect_end()
                connection.close()
                await call.expect_ok("m" * message, octets)

    return run


_FOUR = 1 << 32
for _slug, _limits, _message, _data, _over, _sent in (
    ("limits-are-two-and-the-message-is-larger", {"message": 5, "data": 100}, 6, 3, True, None),
    ("limits-are-two-and-the-data-is-larger", {"message": 100, "data": 5}, 3, 6, True, None),
    ("small-message-limit-is-not-the-datas", {"message": 5, "data": 100}, 5, 100, False, None),
    ("small-data-limit-is-not-the-messages", {"message": 100, "data": 5}, 100, 5, False, None),
    ("message-limit-alone", {"message": 5}, 5, 100_000, False, None),
    ("data-limit-alone", {"data": 5}, 1000, 5, False, None),
    ("data-32-bits-over", {"data": 1000}, 0, _FOUR + 5, True, 0),
    ("data-limit-of-33-bits", {"data": _FOUR + 10}, 0, 11, False, None),
    ("data-limit-of-33-bits-is-one", {"data": _FOUR + 10}, 0, _FOUR + 11, True, 0),
    ("data-limit-of-54-bits-is-one", {"data": 1 << 53}, 0, (1 << 53) + 1, True, 0),
    ("data-limit-of-64-bits", {"data": (1 << 64) - 1}, 0, 11, False, None),
    ("message-16-bits-over", {"message": 1000}, 65536 + 5, 0, True, 0),
    ("message-limit-of-17-bits", {"message": 65536 + 10}, 11, 0, False, None),
    ("message-limit-of-32-bits", {"message": _FOUR - 1}, 11, 0, False, None),
):
    add(f"limit.over/{_slug}", "client", "one limit for two fields, or one of fewer bits than the field",
        _limited(_limits, _message, _data, _over, _sent), ("tcp6", "unix"), needs=("limits",))  # fmt: skip


def _raised(octets: bytes, what: str) -> Run:
    async def run(harness: Harness) -> None:
        limits = {"message": _FOUR - 1, "data": (1 << 64) - 1}
        async with receiving(harness, close=1, limits=limits) as (call, connection, hello):
            async with grows_less(harness, 64 * MIB):
                await connection.send(hello + octets + b"m" * 1024)
                await quiet(harness, call, f"with 1,024 octets of {what} sent", round(0.4 / harness.tick))
            await call.expect_error("timeout", within=1 + harness.patience)

    return run


add("limit.memory/message-under-a-raised-limit", "client", "a limit that was raised is set aside",
    _raised(b"\xff\xff\xff\xff", "a message"), ("tcp6",), needs=("limits",), takes=1)  # fmt: skip
add("limit.memory/data-under-a-raised-limit", "client", "a limit that was raised is set aside",
    _raised(bytes(4) + b"\xff" * 8, "data"), ("tcp6",), needs=("limits",), takes=1)  # fmt: skip


@case("message.length/over-the-default-limit-is-sent", "server", "the receiver's default limit is applied to sending",
      ("tcp6", "unix"))  # fmt: skip
async def over_the_default_limit_is_sent(harness: Harness) -> None:
    size = (16 << 20) + 1
    call = await harness.send({"size": size, "fill": "6d"}, b"")
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"m" * size, b""))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("message.length/empty-replaces-an-old-one", "client", "an empty message is taken for none", needs=("message",))
async def empty_replaces_an_old_one(harness: Harness) -> None:
    async with receiving(harness, message="old") as (call, connection, hello):
        await connection.send(hello + frame(b"", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("", b"1")


_BLOCKS = (1024, 4096, 8192, 16384, 65536)
_CHARACTERS = ("\u00e9", "\u4f60", "\U0001f600")


def _across() -> Iterator[str]:
    """Yields messages with a character across the border of a block, at each of its octets."""
    for block in _BLOCKS:
        for character in _CHARACTERS:
            for before in range(1, len(character.encode())):
                yield "a" * (block - before) + character + "b"


@case("message.utf8/across-a-block-received", "client", "a message is looked at in blocks", ("tcp6", "unix"))
async def across_a_block_received(harness: Harness) -> None:
    for message in _across():
        async with receiving(harness) as (call, connection, hello):
            await connection.send(hello + frame(message.encode(), b"1"), may_break=True)
            await connection.expect_end(or_reset=True)
            connection.close()
            await call.expect_ok(message, b"1")
        harness.forget()


@case("message.utf8/across-a-block-sent", "server", "a message is looked at in blocks", ("tcp6", "unix"))
async def across_a_block_sent(harness: Harness) -> None:
    for message in _across():
        await harness.exchange_with_server(message)
        harness.forget()


# ---- the nonce


async def _nonces(harness: Harness, count: int, adapter: Adapter | None = None) -> list[bytes]:
    """Returns the nonces of `count` hellos of one process."""
    found = []
    for _ in range(count):
        async with harness.listen() as listener:
            call = await harness.call("receive", listener.place, adapter=adapter)
            connection = await listener.accept()
            hello = await connection.hello()
            found.append(hello[5:])
            await connection.send(hello + frame(b"", b""))
            await connection.expect_end()
            connection.close()
            await call.expect_ok()
    return found


@case("hello.nonce/each-octet-varies", "client", "a counter, the time, or one octet that is random", ("tcp6", "unix"),
      level="SHOULD")  # fmt: skip
async def each_octet_varies(harness: Harness) -> None:
    # For random nonces, some bit is the same in 40 hellos once in 2 to the power of 34 runs.
    found = await _nonces(harness, 40)
    for place in range(3):
        octets = [nonce[place] for nonce in found]
        same = functools.reduce(operator.and_, octets) | (0xFF ^ functools.reduce(operator.or_, octets))
        if same:
            words = f"is {octets[0]:02x}" if same == 0xFF else f"differs in {8 - same.bit_count()} bits only"
            harness.fail("wire", f"octet {place + 6} {words} in 40 hellos", "three random octets", "predictable")
    for numbers in (
        [int.from_bytes(nonce, "little") for nonce in found],
        [int.from_bytes(nonce, "big") for nonce in found],
    ):
        steps = {(after - before) % (1 << 24) for before, after in itertools.pairwise(numbers)}
        if len(steps) == 1:
            harness.fail("wire", f"a counter that goes on by {steps.pop()}", "three random octets", "predictable")


@case("hello.nonce/no-seed-is-shared", "client", "each process draws the same numbers", ("tcp6",), level="SHOULD")
async def no_seed_is_shared(harness: Harness) -> None:
    firsts = []
    for _ in range(2):
        firsts.append(await _nonces(harness, 2, await harness.another()))
    if firsts[0] == firsts[1]:
        words = " and ".join(nonce.hex(" ") for nonce in firsts[0])
        harness.fail("wire", f"{words} in the first two hellos of each process", "three random octets", "predictable")


@case("file.size/becomes-shorter-while-it-is-sent", "server", "a mapped file kills the process; or zeros are sent",
      ("tcp6", "unix"), needs=("file",))  # fmt: skip
async def becomes_shorter_while_it_is_sent(harness: Harness) -> None:
    size = 16 * MIB
    source = harness.files.write("in", counter(size))
    call = await harness.send("", {"file": str(source)})
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"", counter(size))[: 12 + MIB])
    harness.files.truncate(source, MIB)
    left = size - MIB
    came = await connection.read(left)
    if len(came) == left:
        harness.fail("ended", "the whole length from a file of 1 MiB", "a reset")
    if connection.ended == "end" and harness.via != "unix":
        harness.fail("ended", "an orderly end from a file of 1 MiB", "a reset")
    await call.expect_error("io")


@case("file.size/grows-while-it-is-sent", "server", "the length was said, and more is sent", ("tcp6", "unix"),
      needs=("file",))  # fmt: skip
async def grows_while_it_is_sent(harness: Harness) -> None:
    size = 16 * MIB
    source = harness.files.write("in", counter(size))
    call = await harness.send("", {"file": str(source)})
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    stream = HELLO + frame(b"", counter(size))
    await connection.expect(stream[:MIB])
    harness.files.append(source, b"more" * 1000)
    await harness.pause(harness.tick)
    await connection.expect(stream[MIB:])
    await connection.expect_end()
    connection.close()
    await call.expect_ok()
