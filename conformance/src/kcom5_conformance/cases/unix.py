"""Cases of the path of a Unix-domain socket."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Awaitable, Callable

from ..harness.call import Call
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from .registry import add, case
from .steps import OLD


@case("unix.stale/asks-without-connecting", "server",
        "who connects to see whether somebody listens is taken for the one client", ("unix",))  # fmt: skip
async def asks_without_connecting(harness: Harness) -> None:
    async with harness.listen() as listener:
        await (await harness.call("send", listener.place, message="", data={"hex": ""})).expect_error("in-use")
        if select.select([listener.raw], [], [], 0)[0]:
            harness.fail("wire", "a connection in the listener's queue", "none")


def _path(role: str, name: str) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        folder = harness.folder
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
            await (await harness.call("receive", place)).expect_error("io")
            return
        call = await harness.call("send", place, message="", data={"hex": ""})
        if await call.decided():
            harness.fail("wire", "it listens", "io before a socket is opened")
        await call.expect_error("io")

    return run


for _role in ("server", "client"):
    for _name in ("nul", "108-octets", "missing-folder", "file-as-a-folder", "loop"):
        add(f"unix.path/{_name}-{_role}", "server" if _role == "server" else "client",
            "it listens elsewhere, or calls it by a wrong name", _path(_role, _name), ("unix",))  # fmt: skip


def _other(kind: str) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        path = harness.path
        if kind == "link":
            path.symlink_to("elsewhere")
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        before = sorted(entry.name for entry in harness.folder.iterdir())
        call = await harness.call("send", str(path), message="", data={"hex": ""})
        await call.expect_error("in-use")
        if (after := sorted(entry.name for entry in harness.folder.iterdir())) != before:
            harness.fail("residue", f"afterwards {', '.join(after)}", ", ".join(before))

    return run


for _kind in ("link", "folder", "pipe"):
    add(f"unix.stale/{_kind}-at-the-path", "server", "it removes, or listens behind, what is not its own",
        _other(_kind), ("unix",))  # fmt: skip


@case("unix.stale/two-at-one-instant", "server", "both listen: one removed the other's file", ("unix",))
async def two_at_one_instant(harness: Harness) -> None:
    other = await harness.another()
    for number in range(40):
        place = str(harness.folder / f"s{number}")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(place)
        pair: list[Call] = []
        for adapter in (harness.adapter, other):
            pair.append(await harness.call("send", place, adapter=adapter, message="", data={"hex": ""}))
        listening = [call for call in pair if await call.decided()]
        if len(listening) != 1:
            harness.fail("wire", f"{len(listening)} of 2 servers listen on one path", "exactly one")
        connection = await harness.connect(place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"", b""))
        await connection.expect_end()
        connection.close()
        await listening[0].expect_ok()
        await next(call for call in pair if call is not listening[0]).expect_error("in-use")
        harness.forget()
