"""Cases of what is stored and what is read: files, pipes, full disks, and what the other end hears of them.

Each stands for a fault that was seen in a program: the data was lost, and the sender heard of a success.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from . import hazards
from .bench import HELLO, Bench, Call, Case, Connection, NotRun, frame
from .hazards import MIB, TCP, add, counter, hazard, quiet, receiving

FULL = Path("/dev/full")
SOME = 100_000
OLD = b"what was there before"


def cases() -> Iterator[Case]:
    """Every case of this file, and of `hazards`."""
    yield from hazards.cases()


async def _stores(bench: Bench, target: Path, octets: bytes, message: str = "", **keys: str) -> Call:
    """A right exchange into a file."""
    async with receiving(bench, to={"file": str(target)}, **keys) as (call, connection, hello):
        await connection.send(hello + frame(message.encode(), octets))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
    return call


def _expect_file(bench: Bench, path: Path, octets: bytes, when: str = "") -> None:
    found = path.read_bytes() if path.exists() else None
    if found != octets:
        got = f"{len(found):,} octets in the file" if found is not None else "no file"
        bench.fail("delivered", f"{got}{when}", f"the {len(octets):,} octets sent")


# ---- close.last: stored first, closed then


@hazard("close.last/stored-before-the-close", "client", "the sender reports success, and then the disk is full",
        needs=("file",))  # fmt: skip
async def _(bench: Bench) -> None:
    target = bench.folder / "out"
    async with receiving(bench, to={"file": str(target)}) as (call, connection, hello):
        await connection.send(hello + frame(b"", counter(MIB)))
        await connection.expect_end()
        _expect_file(bench, target, counter(MIB), " when it closes")
        connection.close()
        await call.expect_ok()


@hazard("close.last/message-stored-before-the-close", "client", "a full disk loses the message, and send succeeds",
        needs=("message-file",))  # fmt: skip
async def _(bench: Bench) -> None:
    note = bench.folder / "message"
    async with receiving(bench, message_file=str(note)) as (call, connection, hello):
        await connection.send(hello + frame(b"m" * SOME, b"1"))
        await connection.expect_end()
        _expect_file(bench, note, b"m" * SOME, " when it closes")
        connection.close()
        await call.expect_ok("m" * SOME, b"1")


@hazard("close.last/empty-message-replaces-an-old-one", "client", "the message of the exchange before stays",
        needs=("message-file",))  # fmt: skip
async def _(bench: Bench) -> None:
    note = bench.folder / "message"
    note.write_bytes(OLD)
    async with receiving(bench, message_file=str(note)) as (call, connection, hello):
        await connection.send(hello + frame(b"", b"1"))
        await connection.expect_end()
        _expect_file(bench, note, b"", " when it closes")
        connection.close()
        await call.expect_ok("", b"1")


def _full(size: int, key: str) -> Callable[[Bench], Awaitable[None]]:
    async def run(bench: Bench) -> None:
        if not FULL.exists():
            raise NotRun(f"this system has no {FULL}")
        data, message = (counter(size), b"hi") if key == "to" else (b"1", b"m" * size)
        keys = {"to": {"file": str(FULL)}} if key == "to" else {"message_file": str(FULL)}
        async with bench.listen() as listener:
            call = await bench.call("receive", listener.place, **keys)
            # One that finds out before it connects is right, too.
            connection = await call.unless_ended(listener.accept)
            if connection is not None:
                await _sees_no_end(connection, await connection.hello() + frame(message, data))
            await call.expect_error("io")

    return run


async def _sees_no_end(connection: Connection, octets: bytes) -> None:
    """The implementation does not end its side in order, whatever else it does."""
    await connection.send(octets, may_fail=True)
    connection.half_close()
    with trio.move_on_after(connection.bench.patience):
        await connection.some()
    if connection.ended == "end":
        connection.bench.fail("ended", "an orderly end by the client", "that nobody can take it for a success")


for _size in (1, SOME):
    add(f"close.last/{_size}-octets-on-a-full-disk", "client", "the receiver's disk is full, and send succeeds",
        _full(_size, "to"), needs=("file",))  # fmt: skip
    add(f"close.last/message-of-{_size}-on-a-full-disk", "client", "a write or close that fails is not looked at",
        _full(_size, "message_file"), needs=("message-file",))  # fmt: skip


@contextmanager
def _full_pipe(path: Path) -> Iterator[int]:
    """A pipe with a reader that reads nothing, into which nothing more goes: its reading end."""
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


@hazard("close.abort/killed-before-it-stored", "client", "the receiver is killed, and send succeeds", level="SHOULD",
        needs=("file",), is_hostile=False)  # fmt: skip
async def _(bench: Bench) -> None:
    target = bench.folder / "pipe"
    with _full_pipe(target):
        async with receiving(bench, to={"file": str(target)}) as (call, connection, hello):
            await connection.send(hello + frame(b"", b"123"))
            await quiet(bench, call, "though nobody takes what it stores", 4)
            await bench.adapter.kill()
            bench.calls.remove(call)
            connection.half_close()
            await connection.expect_reset()


# ---- close.keep: nothing is destroyed after the half-close


@hazard("close.keep/20000-octets-each-half-second", "server", "a slow client loses what its system held", takes=4)
async def _(bench: Bench) -> None:
    data = counter(150_000)
    call = await bench.send("", {"size": len(data), "fill": "counter251"}, close=1)
    # A small window: what the client has not read stays in the server's system, where a reset destroys it.
    connection = await bench.connect(call.place, buffer=16384)
    await connection.send(HELLO)
    stream = HELLO + frame(b"", data)
    for start in range(0, len(stream), 20_000):
        await connection.expect(stream[start : start + 20_000])
        await trio.sleep(0.5)
    await connection.expect_end()
    connection.close()
    await call.result(1 + bench.patience)


# ---- result.success


@hazard("result.success/reset-while-it-connects", "client", "43 of 300 receives succeeded without one octet", TCP)
async def _(bench: Bench) -> None:
    async with bench.listen() as listener:
        for _ in range(100):
            call = await bench.call("receive", listener.place)
            raw = await call.unless_ended(listener.raw.accept)
            if raw is not None:
                Connection(bench, raw[0], bench.via).reset()
            await call.expect_error("invalid-connection")
            for kept in (bench.connections, bench.calls, bench.rungs, bench.acts):
                kept.clear()


# ---- file.size


async def _served_from(bench: Bench, path: Path, octets: bytes) -> None:
    call = await bench.send("", {"file": str(path)})
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"", octets))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@hazard("file.size/grows-after-it-was-opened", "server", "the length is that of another moment", needs=("file",))
async def _(bench: Bench) -> None:
    source = bench.folder / "in"
    source.write_bytes(counter(MIB))
    call = await bench.send("", {"file": str(source)})
    with source.open("ab") as file:
        file.write(b"more" * 1000)
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"", counter(MIB)))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@hazard("file.size/becomes-shorter-before-the-client-comes", "server", "zeros, or an end that looks orderly",
        needs=("file",))  # fmt: skip
async def _(bench: Bench) -> None:
    source = bench.folder / "in"
    source.write_bytes(counter(MIB))
    call = await bench.send("", {"file": str(source)})
    os.truncate(source, 1000)
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    came = await connection.read(MIB + 28)
    # A server of a Unix-domain socket has no reset, if its client sent nothing more.
    if len(came) == MIB + 28 or (connection.ended == "end" and bench.via != "unix"):
        got = "the whole length" if len(came) == MIB + 28 else "an orderly end"
        bench.fail("ended", f"{got} from a file of 1,000 octets", "a reset")
    await call.expect_error("io")


@hazard("file.size/no-file", "server", "a client comes, and then the file is looked for", needs=("file",))
async def _(bench: Bench) -> None:
    call = await bench.call("send", message="", data={"file": str(bench.folder / "missing")})
    if await call.decided():
        bench.fail("wire", f"it listens on {call.place}", "io before a socket is opened")
    await call.expect_error("io")


def _without_a_size(name: str) -> Callable[[Bench], Awaitable[None]]:
    async def run(bench: Bench) -> None:
        path = Path(name)
        try:
            octets = path.read_bytes()
        except OSError:
            raise NotRun(f"this system has no {path}") from None
        await _served_from(bench, path, octets)

    return run


for _name, _file in (("proc", "/proc/version"), ("sys", "/sys/kernel/mm/transparent_hugepage/enabled")):
    add(f"file.size/file-of-{_name}", "server", "its size says 0, or 4,096, and means nothing", _without_a_size(_file),
        ("tcp6", "unix"), needs=("file",))  # fmt: skip


@hazard("file.size/pipe", "server", "a pipe has no size", ("tcp6", "unix"), needs=("file",))
async def _(bench: Bench) -> None:
    source = bench.folder / "pipe"
    os.mkfifo(source)

    def write() -> None:
        source.write_bytes(counter(SOME))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: trio.to_thread.run_sync(write, abandon_on_cancel=True))
        await _served_from(bench, source, counter(SOME))


# ---- file.whole


@hazard("file.whole/nothing-under-the-name-meanwhile", "client", "the next program takes a part for the whole",
        needs=("file",))  # fmt: skip
async def _(bench: Bench) -> None:
    target = bench.folder / "out"
    async with receiving(bench, to={"file": str(target)}) as (call, connection, hello):
        octets = hello + frame(b"", counter(MIB))
        await connection.send(octets[:-1])
        await quiet(bench, call, "with an octet missing", 4)
        if target.exists():
            bench.fail("delivered", f"a file of {target.stat().st_size:,} octets with an octet missing", "no file")
        await connection.send(octets[-1:])
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
    _expect_file(bench, target, counter(MIB))


def _mode(before: int | None, after: int) -> Callable[[Bench], Awaitable[None]]:
    async def run(bench: Bench) -> None:
        target = bench.folder / "out"
        if before is not None:
            target.write_bytes(OLD)
            target.chmod(before)
        await _stores(bench, target, b"new")
        _expect_file(bench, target, b"new")
        if (mode := stat.S_IMODE(target.stat().st_mode)) != after:
            bench.fail("delivered", f"the file has mode {mode:04o}", f"mode {after:04o}")

    return run


add("file.whole/mode-of-a-new-file", "client", "the data is often a key", _mode(None, 0o600), ("tcp6", "unix"),
    needs=("file",))  # fmt: skip
add("file.whole/mode-of-the-file-it-replaces", "client", "its readers cannot read it any more", _mode(0o640, 0o640),
    ("tcp6", "unix"), needs=("file",))  # fmt: skip


@hazard("file.whole/link-is-followed", "client", "the link is replaced, and the file behind it is old",
        ("tcp6", "unix"), needs=("file",))  # fmt: skip
async def _(bench: Bench) -> None:
    target, link = bench.folder / "out", bench.folder / "link"
    target.write_bytes(OLD)
    link.symlink_to("out")
    await _stores(bench, link, b"new")
    if not link.is_symlink():
        bench.fail("delivered", "a file in the place of the link", "the link, and the data where it leads to")
    _expect_file(bench, target, b"new")


@hazard("file.whole/pipe-is-written-in-place", "client", "the reader of the pipe waits for ever", ("tcp6", "unix"),
        needs=("file",))  # fmt: skip
async def _(bench: Bench) -> None:
    target = bench.folder / "pipe"
    os.mkfifo(target)
    reader = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    try:
        await _stores(bench, target, counter(1000))
        if not target.is_fifo():
            bench.fail("delivered", "a file in the place of the pipe", "the pipe")
        octets = os.read(reader, 4096)
        if octets != counter(1000):
            bench.fail("delivered", f"{len(octets):,} octets in the pipe", "the 1,000 octets sent")
    finally:
        os.close(reader)


# ---- file.once


async def _ends_unconnected(bench: Bench, target: Path, *names: str, close: int) -> None:
    """The client ends by one of these names, and nobody is connected to."""
    async with bench.listen() as listener:
        call = await bench.call("receive", listener.place, to={"file": str(target)}, close=close)
        await call.expect_error(*names, within=close + bench.patience)
        if select.select([listener.raw], [], [], 0)[0]:
            bench.fail("wire", "a connection of the client", "none before its output is open")


@hazard("file.once/pipe-that-nobody-reads", "client", "the open of the pipe hangs past every bound", ("tcp6", "unix"),
        needs=("file",), takes=1)  # fmt: skip
async def _(bench: Bench) -> None:
    os.mkfifo(bench.folder / "pipe")
    await _ends_unconnected(bench, bench.folder / "pipe", "timeout", close=1)


@hazard("file.once/folder-that-is-missing", "client", "the sender is used up, and then the output cannot be opened",
        ("tcp6", "unix"), needs=("file",))  # fmt: skip
async def _(bench: Bench) -> None:
    await _ends_unconnected(bench, bench.folder / "missing" / "out", "io", close=5)


# ---- unix.path and unix.stale


def _path(role: str, name: str) -> Callable[[Bench], Awaitable[None]]:
    async def run(bench: Bench) -> None:
        folder = bench.folder
        place = {
            "nul": f"{folder}/a\0b",
            "108-octets": f"{folder}/".ljust(108, "x"),
            "missing-folder": f"{folder}/missing/s",
            "file-as-a-folder": f"{folder}/file/s",
            "loop": f"{folder}/loop/s",
        }[name]
        (folder / "file").write_bytes(OLD)
        (folder / "loop").symlink_to("loop")
        if role == "client":
            await (await bench.call("receive", place)).expect_error("io")
            return
        call = await bench.call("send", place, message="", data={"hex": ""})
        if await call.decided():
            bench.fail("wire", "it listens", "io before a socket is opened")
        await call.expect_error("io")

    return run


for _role in ("server", "client"):
    for _name in ("nul", "108-octets", "missing-folder", "file-as-a-folder", "loop"):
        add(f"unix.path/{_name}-{_role}", "server" if _role == "server" else "client",
            "it listens elsewhere, or calls it by a wrong name", _path(_role, _name), ("unix",))  # fmt: skip


def _other(kind: str) -> Callable[[Bench], Awaitable[None]]:
    async def run(bench: Bench) -> None:
        path = bench.path
        if kind == "link":
            path.symlink_to("elsewhere")
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        before = sorted(entry.name for entry in bench.folder.iterdir())
        call = await bench.call("send", str(path), message="", data={"hex": ""})
        await call.expect_error("in-use")
        if (after := sorted(entry.name for entry in bench.folder.iterdir())) != before:
            bench.fail("residue", f"afterwards {', '.join(after)}", ", ".join(before))

    return run


for _kind in ("link", "folder", "pipe"):
    add(f"unix.stale/{_kind}-at-the-path", "server", "it removes, or listens behind, what is not its own",
        _other(_kind), ("unix",))  # fmt: skip


@hazard("unix.stale/two-at-one-instant", "server", "both listen: one removed the other's file", ("unix",))
async def _(bench: Bench) -> None:
    other = await bench.another()
    for number in range(40):
        place = str(bench.folder / f"s{number}")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(place)
        pair: list[Call] = []
        for adapter in (bench.adapter, other):
            pair.append(await bench.call("send", place, adapter=adapter, message="", data={"hex": ""}))
        listening = [call for call in pair if await call.decided()]
        if len(listening) != 1:
            bench.fail("wire", f"{len(listening)} of 2 servers listen on one path", "exactly one")
        connection = await bench.connect(place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"", b""))
        await connection.expect_end()
        connection.close()
        await listening[0].expect_ok()
        await next(call for call in pair if call is not listening[0]).expect_error("in-use")
        for kept in (bench.connections, bench.calls, bench.rungs, bench.acts):
            kept.clear()
