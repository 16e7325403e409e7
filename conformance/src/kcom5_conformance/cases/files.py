"""Cases of files, pipes and links as source and destination of the data."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from ..harness.call import Call
from ..harness.case import NotRun
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..report.acts import Act
from .registry import add, case
from .steps import MIB, OLD, SOME, counter, expect_file, quiet, receiving


@case("data.truncated/no-part-of-a-file", "client", "half of a file under its final name", needs=("file",))
async def no_part_of_a_file(harness: Harness) -> None:
    target = harness.folder / "out" / "file"
    target.parent.mkdir()
    target.write_bytes(b"before")
    async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
        await connection.send(hello + frame(b"", counter(MIB))[:-1])
        connection.close()
        await call.expect_error("truncated")
    if target.read_bytes() != b"before":
        harness.fail("delivered", f"the file has {target.stat().st_size:,} octets", "the file as it was")
    if left := sorted(path.name for path in target.parent.iterdir() if path != target):
        harness.fail("residue", f"left beside the file: {', '.join(left)}", "nothing")


@case("close.residue/no-file-after-a-failure", "client", "what was stored stays in the folder", needs=("file",))
async def no_file_after_a_failure(harness: Harness) -> None:
    folder = harness.folder / "out"
    folder.mkdir()
    async with receiving(harness, to={"file": str(folder / "file")}) as (call, connection, hello):
        await connection.send(hello + frame(b"", counter(MIB))[:-1])
        connection.close()
        await call.expect_error("truncated")
    if left := sorted(path.name for path in folder.iterdir()):
        harness.fail("residue", f"left in the folder: {', '.join(left)}", "nothing")


async def _stores(harness: Harness, target: Path, octets: bytes, message: str = "", **keys: str) -> Call:
    """Runs a valid exchange into a file."""
    async with receiving(harness, to={"file": str(target)}, **keys) as (call, connection, hello):
        await connection.send(hello + frame(message.encode(), octets))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
    return call


@case("message.utf8/the-file-holds-every-octet", "client", "a message's file ends at a NUL, or gets other line ends",
        needs=("message-file",))  # fmt: skip
async def the_file_holds_every_octet(harness: Harness) -> None:
    for number, message in enumerate(("a\0b", "\ufeffa\r\nb\rc\n", "\n", "é\U0001f511\x85\u2028", "a\x1a")):
        path = harness.folder / f"message-{number}"
        async with receiving(harness, message_file=str(path)) as (call, connection, hello):
            await connection.send(hello + frame(message.encode(), b"1"))
            await connection.expect_end()
            connection.close()
            await call.expect_ok(message, b"1")
        expect_file(harness, path, message.encode())


async def _served_from(harness: Harness, path: Path, octets: bytes) -> None:
    call = await harness.send("", {"file": str(path)})
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"", octets))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("file.size/grows-after-it-was-opened", "server", "the length is that of another moment", needs=("file",))
async def grows_after_it_was_opened(harness: Harness) -> None:
    source = harness.folder / "in"
    source.write_bytes(counter(MIB))
    call = await harness.send("", {"file": str(source)})
    harness.files.append(source, b"more" * 1000)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"", counter(MIB)))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("file.size/becomes-shorter-before-the-client-comes", "server", "zeros, or an end that looks orderly",
        needs=("file",))  # fmt: skip
async def becomes_shorter_before_the_client_comes(harness: Harness) -> None:
    source = harness.folder / "in"
    source.write_bytes(counter(MIB))
    call = await harness.send("", {"file": str(source)})
    harness.files.truncate(source, 1000)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    came = await connection.read(MIB + 28)
    # On a Unix-domain socket a server cannot reset if its client sent nothing more.
    if len(came) == MIB + 28 or (connection.ended == "end" and harness.via != "unix"):
        got = "the whole length" if len(came) == MIB + 28 else "an orderly end"
        harness.fail("ended", f"{got} from a file of 1,000 octets", "a reset")
    await call.expect_error("io")


@case("file.size/no-file", "server", "a client comes, and then the file is looked for", needs=("file",))
async def missing_file(harness: Harness) -> None:
    call = await harness.call("send", message="", data={"file": str(harness.folder / "missing")})
    if await call.decided():
        harness.fail("wire", f"it listens on {call.place}", "io before a socket is opened")
    await call.expect_error("io")


def _without_a_size(name: str) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        path = Path(name)
        try:
            octets = path.read_bytes()
        except OSError:
            raise NotRun(f"this system has no {path}") from None
        await _served_from(harness, path, octets)

    return run


for _name, _file in (("proc", "/proc/version"), ("sys", "/sys/kernel/mm/transparent_hugepage/enabled")):
    add(f"file.size/file-of-{_name}", "server", "its size says 0, or 4,096, and means nothing", _without_a_size(_file),
        ("tcp6", "unix"), needs=("file",))  # fmt: skip


@case("file.size/pipe", "server", "a pipe has no size", ("tcp6", "unix"), needs=("file",))
async def pipe_without_a_size(harness: Harness) -> None:
    source = harness.files.pipe("pipe")
    harness.acts.append(Act("writer", (str(source), counter(SOME))))

    def write() -> None:
        source.write_bytes(counter(SOME))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: trio.to_thread.run_sync(write, abandon_on_cancel=True))
        await _served_from(harness, source, counter(SOME))


@case("file.whole/nothing-under-the-name-meanwhile", "client", "the next program takes a part for the whole",
        needs=("file",))  # fmt: skip
async def nothing_under_the_name_meanwhile(harness: Harness) -> None:
    target = harness.folder / "out"
    async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
        octets = hello + frame(b"", counter(MIB))
        await connection.send(octets[:-1])
        await quiet(harness, call, "with an octet missing", 4)
        if target.exists():
            harness.fail("delivered", f"a file of {target.stat().st_size:,} octets with an octet missing", "no file")
        await connection.send(octets[-1:])
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
    expect_file(harness, target, counter(MIB))


@case("file.whole/nothing-behind-a-dangling-link", "client", "a part is written to what a link will name",
        needs=("file",))  # fmt: skip
async def nothing_behind_a_dangling_link(harness: Harness) -> None:
    link, target = harness.files.link("link", "target"), harness.folder / "target"
    async with receiving(harness, to={"file": str(link)}) as (call, connection, hello):
        octets = hello + frame(b"", counter(MIB))
        await connection.send(octets[:-1])
        await quiet(harness, call, "with an octet missing", 4)
        if target.exists():
            harness.fail("delivered", f"a file of {target.stat().st_size:,} octets with an octet missing", "no file")
        connection.close()
        await call.expect_error("truncated")
    if target.exists():
        harness.fail("delivered", f"a file of {target.stat().st_size:,} octets after a failure", "no file")
    await _stores(harness, link, b"new")
    expect_file(harness, target, b"new")
    if not link.is_symlink():
        harness.fail("delivered", "a file in place of the link", "the link, followed")


@case("result.success/the-name-becomes-a-folder", "client", "the client ignores a rename that fails", needs=("file",))
async def the_name_becomes_a_folder(harness: Harness) -> None:
    target = harness.folder / "out"
    async with receiving(harness, to={"file": str(target)}) as (call, connection, hello):
        octets = hello + frame(b"", counter(MIB))
        await connection.send(octets[:-1])
        await harness.pause(harness.tick)
        harness.files.make_folder("out/kept")  # a folder that is not empty cannot be replaced
        await connection.send(octets[-1:])
        await call.expect_error("io")
    if left := sorted(path.name for path in harness.folder.iterdir() if path.name not in ("out", "s")):
        harness.fail("residue", f"left beside the folder: {', '.join(left)}", "nothing", "residue")


def _mode(before: int | None, after: int) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        target = harness.folder / "out"
        if before is not None:
            target.write_bytes(OLD)
            target.chmod(before)
        await _stores(harness, target, b"new")
        expect_file(harness, target, b"new")
        if (mode := stat.S_IMODE(target.stat().st_mode)) != after:
            harness.fail("delivered", f"the file has mode {mode:04o}", f"mode {after:04o}")

    return run


add("file.whole/mode-of-a-new-file", "client", "the data is often a key", _mode(None, 0o600), ("tcp6", "unix"),
    needs=("file",))  # fmt: skip
add("file.whole/mode-of-the-file-it-replaces", "client", "its readers cannot read it any more", _mode(0o640, 0o640),
    ("tcp6", "unix"), needs=("file",))  # fmt: skip


@case("file.whole/link-is-followed", "client", "the link is replaced, and the file behind it is old",
        ("tcp6", "unix"), needs=("file",))  # fmt: skip
async def link_is_followed(harness: Harness) -> None:
    target, link = harness.files.write("out", OLD), harness.files.link("link", "out")
    await _stores(harness, link, b"new")
    if not link.is_symlink():
        harness.fail("delivered", "a file in the place of the link", "the link, and the data where it leads to")
    expect_file(harness, target, b"new")


@case("file.whole/pipe-is-written-in-place", "client", "the reader of the pipe waits for ever", ("tcp6", "unix"),
        needs=("file",))  # fmt: skip
async def pipe_is_written_in_place(harness: Harness) -> None:
    target = harness.files.pipe("pipe")
    harness.acts.append(Act("reader", (str(target), 4096)))
    reader = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    try:
        await _stores(harness, target, counter(1000))
        if not target.is_fifo():
            harness.fail("delivered", "a file in the place of the pipe", "the pipe")
        octets = os.read(reader, 4096)
        if octets != counter(1000):
            harness.fail("delivered", f"{len(octets):,} octets in the pipe", "the 1,000 octets sent")
    finally:
        os.close(reader)


async def _ends_unconnected(harness: Harness, target: Path, *names: str, close: int) -> None:
    """Checks that the client fails with one of these names and does not connect."""
    async with harness.listen() as listener:
        call = await harness.call("receive", listener.place, to={"file": str(target)}, close=close)
        await call.expect_error(*names, within=close + harness.patience)
        harness.acts.append(Act("queue"))
        if select.select([listener.raw], [], [], 0)[0]:
            harness.fail("wire", "a connection of the client", "none before its output is open")


@case("file.once/pipe-that-nobody-reads", "client", "the open of the pipe hangs past every bound", ("tcp6", "unix"),
        needs=("file",), takes=1)  # fmt: skip
async def pipe_that_nobody_reads(harness: Harness) -> None:
    await _ends_unconnected(harness, harness.files.pipe("pipe"), "timeout", close=1)


def _into_a_pipe(most: int) -> Callable[[Harness], Awaitable[None]]:
    """Returns a case whose pipe has a reader of at most `most` bytes at a time."""

    async def run(harness: Harness) -> None:
        pipe = harness.files.pipe("pipe")
        harness.acts.append(Act("reader", (str(pipe), most)))
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        got = bytearray()
        poller = select.poll()
        poller.register(reader, select.POLLIN)

        async def read() -> None:
            events = 0
            while events != select.POLLHUP:  # set once a writer has opened and closed the pipe
                events = sum(event for _, event in poller.poll(0))
                if events & select.POLLIN:
                    got.extend(os.read(reader, most))
                await trio.sleep(0.0005)
            if bytes(got) != counter(2 * SOME):
                harness.fail(
                    "delivered", f"the pipe's end after {len(got):,} octets", f"{2 * SOME:,} octets", "altered"
                )

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                async with receiving(harness, to={"file": str(pipe)}) as (call, connection, hello):
                    await connection.send(hello + frame(b"", counter(2 * SOME)))
                    await connection.expect_end()
                    connection.close()
                    await call.expect_ok()
                with trio.move_on_after(harness.patience) as scope:
                    while nursery.child_tasks:
                        await harness.pause(harness.tick)
                if scope.cancelled_caught:
                    harness.fail("residue", "the pipe is still open after the answer", "that it is closed", "residue")
        finally:
            os.close(reader)

    return run


add("file.once/pipe-has-one-writer", "client", "the pipe's reader sees an end before the data", _into_a_pipe(1 << 16),
    ("tcp6", "unix"), needs=("file",))  # fmt: skip
add("file.whole/pipe-with-a-slow-reader", "client", "what a write takes is not looked at", _into_a_pipe(3000),
    ("tcp6", "unix"), needs=("file",))  # fmt: skip


@case("file.once/folder-that-is-missing", "client", "the sender is used up, and then the output cannot be opened",
        ("tcp6", "unix"), needs=("file",))  # fmt: skip
async def folder_that_is_missing(harness: Harness) -> None:
    await _ends_unconnected(harness, harness.folder / "missing" / "out", "io", close=5)
