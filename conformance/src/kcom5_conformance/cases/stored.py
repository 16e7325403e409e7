"""Cases of what is received into a file: lengths, limits, ends, names, and pipes whose reader leaves."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from ..harness.case import NotRun, Unsupported
from ..harness.frame import frame
from ..harness.harness import Harness
from .registry import Run, add, case
from .steps import MIB, OLD, SOME, counter, expect_file, receiving

VIA = ("tcp6", "unix")


def _kept(harness: Harness, target: Path) -> None:
    """Checks that nothing is in the folder of the target."""
    if left := sorted(path.name for path in target.parent.iterdir()):
        harness.fail("residue", f"left in the folder: {', '.join(left)}", "nothing", "residue")


@case("data.end/a-file-waits-for-no-end", "client", "the file gets its name when the connection ends", VIA,
      needs=("file",))  # fmt: skip
async def a_file_waits_for_no_end(harness: Harness) -> None:
    target = harness.folder / "out"
    async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
        await connection.send(hello + frame(b"hi", counter(1000)))
        await call.expect_ok()
        expect_file(harness, target, counter(1000))


@case("data.end/a-file-has-nothing-past-the-end", "client", "what came along with the last octet is stored, too", VIA,
      needs=("file",))  # fmt: skip
async def a_file_has_nothing_past_the_end(harness: Harness) -> None:
    for size in (0, 1, 1000, 65536, SOME):
        target = harness.folder / f"out-{size}"
        async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
            await connection.send(hello + frame(b"hi", counter(size)) + b"surplus", may_break=True)
            await call.expect_ok()
        expect_file(harness, target, counter(size))
        harness.forget()


def _declared(size: int) -> Run:
    async def run(harness: Harness) -> None:
        folder = harness.files.make_folder("outputs")
        async with receiving(harness, to={"file": str(folder / "out")}) as (call, connection, hello):
            await connection.send(hello + bytes(4) + size.to_bytes(8, "little") + counter(1000))
            await harness.pause(harness.tick)
            connection.close()
            await call.expect_error("truncated")
        _kept(harness, folder / "out")

    return run


for _power in (31, 32, 40, 63, 64):
    add(f"data.length/file-of-2-to-the-{_power}-minus-1-declared", "client", "the file is given that length at once",
        _declared((1 << _power) - 1), VIA, needs=("file",))  # fmt: skip


def _limited(limits: dict[str, int], message: bytes, data: bytes) -> Run:
    async def run(harness: Harness) -> None:
        folder = harness.files.make_folder("outputs")
        async with receiving(harness, to={"file": str(folder / "out")}, limits=limits) as (call, connection, hello):
            await connection.send(hello + frame(message, data), may_break=True)
            await connection.expect_end(or_reset=True)
            await call.expect_error("over-limit")
        _kept(harness, folder / "out")

    return run


for _slug, _limits in (("message", {"message": 4, "data": 100}), ("data", {"message": 100, "data": 4})):
    add(f"limit.over/the-{_slug}-to-a-file", "client", "a file is received without a limit",
        _limited(_limits, b"hello", b"12345"), VIA, needs=("file", "limits"))  # fmt: skip


@case("limit.over/over-the-default-within-a-raised-limit", "client", "a limit is raised up to the default only", VIA,
      needs=("limits",))  # fmt: skip
async def over_the_default_within_a_raised_limit(harness: Harness) -> None:
    size = (16 << 20) + 1
    async with receiving(harness, limits={"message": size}) as (call, connection, hello):
        await connection.send(hello + size.to_bytes(4, "little") + b"m" * 1000, may_break=True)
        connection.close()
        await call.expect_error("truncated")


@case("file.whole/of-no-octet", "client", "an empty file is not made, or an old one stays", VIA, needs=("file",))
async def of_no_octet(harness: Harness) -> None:
    for target in (harness.folder / "new", harness.files.write("old", OLD)):
        async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
            await connection.send(hello + frame(b"hi", b""))
            await connection.expect_end()
            connection.close()
            await call.expect_ok()
        expect_file(harness, target, b"")


@case("file.whole/long-name", "client", "the name of the temporary file is longer than the system takes", VIA,
      needs=("file",))  # fmt: skip
async def long_name(harness: Harness) -> None:
    target = harness.folder / ("n" * os.pathconf(harness.folder, "PC_NAME_MAX"))
    async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
        await connection.send(hello + frame(b"hi", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
    expect_file(harness, target, b"1")


@case("file.whole/the-files-beside-it-stay", "client", "a temporary file of a usual name is somebody's file", VIA,
      needs=("file",))  # fmt: skip
async def the_files_beside_it_stay(harness: Harness) -> None:
    names = [f"out{end}" for end in (".part", ".tmp", ".temp", ".new", ".download", "~", ".bak", ".kcom5")]
    names += [".out.tmp", ".out.part", ".out.swp", ".out", "tmp", "out.tmp.0", "out.1"]
    beside = {harness.files.write(name, name.encode()) for name in names}
    for end in (1000, 999):
        target = harness.folder / "out"
        async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
            await connection.send(hello + frame(b"hi", counter(1000))[: 14 + end])
            if end == 1000:
                await call.expect_ok()
            else:
                connection.close()
                await call.expect_error("truncated")
        for path in beside:
            expect_file(harness, path, path.name.encode())


@case("close.residue/the-reader-of-its-pipe-leaves", "client", "writing to a pipe without a reader raises SIGPIPE", VIA,
      needs=("file",))  # fmt: skip
async def the_reader_of_its_pipe_leaves(harness: Harness) -> None:
    pipe = harness.files.pipe("pipe")
    harness.unshown = "the reader of a pipe leaves: let it receive 16 MiB into a pipe of which 1,000 octets are read"
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        async with receiving(harness, to={"file": str(pipe)}) as (call, connection, hello):
            await connection.send(hello + frame(b"", counter(16 * MIB))[:100_000])
            with trio.move_on_after(harness.patience):
                await trio.lowlevel.wait_readable(reader)
            os.close(reader)
            reader = -1
            await connection.send(counter(MIB), may_fail=True)
            await call.expect_error("io")
    finally:
        if reader >= 0:
            os.close(reader)


@case("result.message/unchanged-if-it-cannot-be-stored", "client", "the message is set before the data is stored", VIA,
      needs=("file", "message"))  # fmt: skip
async def unchanged_if_it_cannot_be_stored(harness: Harness) -> None:
    full = Path("/dev/full")
    if not full.exists():
        raise NotRun(f"this system has no {full}")
    async with harness.listen() as listener:
        call = await harness.call("receive", listener.place, message="before", to={"file": str(full)})
        connection = await call.unless_ended(listener.accept)
        if connection is not None:
            await connection.send(await connection.hello() + frame(b"after", counter(SOME)), may_fail=True)
        await call.expect_error("io")
    assert call.answer is not None
    if "message" not in call.answer:
        raise Unsupported("it does not tell the field after a failure")
    if call.answer["message"] != "before":
        harness.fail("delivered", f"the message field {call.answer['message']!r}", "'before'", "message")


@case("data.truncated/reset-of-a-path", "client", "a reset of a Unix-domain socket has another name", ("unix",))
async def reset_of_a_path(harness: Harness) -> None:
    """A Unix-domain socket resets if it is closed while an octet is unread, so the hello stays where it is."""
    harness.unshown = "the server closes with an octet of the hello unread: read seven of them, send a part, and close"
    for size, name in ((4, "invalid-connection"), (30, "truncated")):
        async with harness.listen() as listener:
            call = await harness.call("receive", listener.place)
            connection = await listener.accept()
            hello = await connection.peek(8)
            await connection.send((hello + frame(b"hi", counter(1000)))[:size])
            await harness.pause(4 * harness.tick)
            connection.close()
            await call.expect_error(name)
