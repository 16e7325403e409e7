"""Cases of leaks after each error: descriptors, threads, children, and files of every kind.

A separate process with its own TMPDIR causes every error of a role twice. The first time warms up its caches; the
second time nothing may grow.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from ..harness import procfs
from ..harness.adapter import Adapter
from ..harness.attempt import ask
from ..harness.call import Call
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from .registry import add
from .residue import settled
from .steps import BIG

T = 1


@dataclass
class Place:
    """The environment in which the errors are caused."""

    harness: Harness
    adapter: Adapter
    has_files: bool

    @property
    def place(self) -> str | None:
        """Returns an unused path; None for TCP, where the port is chosen automatically."""
        return str(self.harness.folder / "sockets" / "s") if self.harness.via == "unix" else None

    async def send(self, message: Any = "hi", size: int = 3, name: str = "in", **keys: Any) -> Call:
        data: Any = {"size": size, "fill": "counter251"}
        if self.has_files:
            source = self.harness.folder / "sources" / name
            if name == "in":
                self.harness.files.sparse("sources/in", size)
            data = {"file": str(source)}
        keys = {"close": T, **keys}
        return await self.harness.call(
            "send", keys.pop("place", self.place), adapter=self.adapter, message=message, data=data, **keys
        )

    async def receive(self, place: int | str, **keys: Any) -> Call:
        if self.has_files:
            keys = {"to": {"file": str(self.harness.folder / "outputs" / "out")}, **keys}
        return await self.harness.call("receive", place, adapter=self.adapter, **{"close": T, **keys})


Error = Callable[[Place], Awaitable[Call]]


async def _invalid_port(here: Place) -> Call:
    return await here.send(place=65536)


async def _not_utf8(here: Place) -> Call:
    return await here.send({"hex": "ff"})


async def _in_use(here: Place) -> Call:
    async with here.harness.listen(here.place or 0) as listener:
        call = await here.send(place=listener.place)
        await call.result(T + here.harness.patience)
    return call


async def _nobody_comes(here: Place) -> Call:
    return await here.send()


def _after_hello(octets: bytes, end: str, size: int = 3) -> Error:
    async def act(here: Place) -> Call:
        call = await here.send(size=size)
        connection = await here.harness.connect(await call.listening())
        await connection.send(octets, may_fail=True)
        if octets == HELLO:
            await connection.expect(HELLO)
        if end == "close":
            connection.close()
        elif end == "reset":
            await connection.reset()
        return call

    return act


async def _no_file(here: Place) -> Call:
    return await here.send(name="missing")


async def _shorter_file(here: Place) -> Call:
    call = await here.send(size=BIG)
    place = await call.listening()
    here.harness.files.truncate(here.harness.folder / "sources" / "in", 1000)
    connection = await here.harness.connect(place)
    await connection.send(HELLO)
    await connection.read(BIG)
    return call


SERVER: dict[str, Error] = {
    "invalid-port": _invalid_port,
    "message-not-utf8": _not_utf8,
    "in-use": _in_use,
    "timeout without a client": _nobody_comes,
    "timeout in the hello": _after_hello(b"KCO", ""),
    "timeout in the frame": _after_hello(HELLO, "", BIG),
    "invalid-connection by a wrong hello": _after_hello(b"GET / HTTP/1.1\r\n\r\n", ""),
    "invalid-connection by an end": _after_hello(b"KCO", "close"),
    "invalid-connection by a reset": _after_hello(b"KCO", "reset"),
    "unconfirmed by a reset": _after_hello(HELLO, "reset", BIG),
    "io without a file": _no_file,
    "io by a shorter file": _shorter_file,
}


async def _refused(here: Place) -> Call:
    place = here.place
    return await here.receive(place if place is not None else await here.harness.nowhere())


def _answered(answer: Callable[[bytes], bytes], end: str, **keys: Any) -> Error:
    async def act(here: Place) -> Call:
        async with here.harness.listen(here.place or 0) as listener:
            call = await here.receive(listener.place, **keys)
            connection = await listener.accept()
            await connection.send(answer(await connection.hello()), may_fail=True)
            if end == "close":
                connection.close()
            elif end == "reset":
                await connection.reset()
            await call.result(T + here.harness.patience)
        return call

    return act


async def _unwritable(here: Place) -> Call:
    async with here.harness.listen(here.place or 0) as listener:
        call = await here.receive(listener.place, to={"file": str(here.harness.folder / "missing" / "out")})
        await call.result(T + here.harness.patience)
    return call


async def _full(here: Place) -> Call:
    return await _answered(lambda hello: hello + frame(b"", bytes(100_000)), "", to={"file": "/dev/full"})(here)


CLIENT: dict[str, Error] = {
    "invalid-port": lambda here: here.receive(65536),
    "refused": _refused,
    "timeout in the echo": _answered(lambda hello: hello[:3], ""),
    "timeout in the frame": _answered(lambda hello: hello + frame(b"hi", b"123")[:-1], ""),
    "invalid-connection by another echo": _answered(lambda _: b"HTTP/1.1 400", ""),
    "invalid-connection by an end": _answered(lambda hello: hello[:3], "close"),
    "invalid-connection by a reset": _answered(lambda hello: hello[:3], "reset"),
    "truncated by an end": _answered(lambda hello: hello + frame(b"hi", bytes(100_000))[:-1], "close"),
    "truncated by a reset": _answered(lambda hello: hello + frame(b"hi", bytes(100_000))[:-1], "reset"),
    "malformed-message": _answered(lambda hello: hello + frame(b"\xff", b"1"), ""),
    "over-limit": _answered(lambda hello: hello + b"\xff\xff\xff\xff", "", limits={"message": 10}),
    "io without a folder": _unwritable,
    "io on a full disk": _full,
}
FILES = ("io without a file", "io by a shorter file", "io without a folder", "io on a full disk")


def _files(folder: Path) -> set[str]:
    """Returns the names of all files in the folder. A file may vanish during the scan."""
    return {
        str((Path(where) / name).relative_to(folder))
        for where, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }


async def _nothing_left(harness: Harness, error: str) -> None:
    """Checks that no file is left, after a short wait."""
    for _ in range(50):
        left = sorted(_files(harness.folder) - {"tmp", "sockets", "sources", "outputs", "sources/in"})
        if not left:
            return
        await trio.sleep(harness.tick)
    harness.fail("residue", f"{', '.join(left)} after {error}", "no file")


async def _meet(here: Place, error: str, act: Error) -> None:
    """Causes one error and closes its connections."""
    call = await act(here)
    answer = await call.result(T + here.harness.patience)
    if "ok" in answer:
        here.harness.fail("delivered", f"success in spite of {error}", "an error")
    for connection in here.harness.connections:
        connection.raw.close()


TIMES = 3


async def _threads_of(here: Place, error: str, act: Error) -> int:
    """Returns how many threads the repetitions leave, if each leaves one: a runtime may start one of its own."""
    before = procfs.usage(here.adapter.processes())
    for _ in range(TIMES):
        await _meet(here, error, act)
    more = (await settled(here.harness, before, here.adapter)).threads - before.threads
    return more if more >= TIMES else 0


def _each_error(errors: dict[str, Error], has_files: bool) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        for name in ("tmp", "sockets", "sources", "outputs"):
            (harness.folder / name).mkdir()
        adapter = await harness.another(TMPDIR=str(harness.folder / "tmp"))
        await ask(adapter, {"op": "about"}, 2 * harness.patience, "answer-about")
        here = Place(harness, adapter, has_files)
        wanted = {
            name: act
            for name, act in errors.items()
            if not (harness.via == "unix" and "port" in name)
            and (has_files or name not in FILES)
            and (name != "over-limit" or "limits" in adapter.supports)
        }
        for error, act in wanted.items():
            harness.forget()
            await _meet(here, error, act)
            await _nothing_left(harness, error)
        for error, act in wanted.items():
            harness.forget()
            before = procfs.usage(adapter.processes())
            await _meet(here, error, act)
            after = await settled(harness, before, adapter)
            if (more := after.descriptors - before.descriptors) > 0:
                harness.fail("residue", f"{more} more descriptors after {error}", "none")
            if after.threads > before.threads and (more := await _threads_of(here, error, act)):
                harness.fail("residue", f"{more} more threads after {error}, {TIMES} times", "none")
            await _nothing_left(harness, error)

    return run


for _role, _errors in (("server", SERVER), ("client", CLIENT)):
    for _name, _has_files in (("memory", False), ("a-file", True)):
        add(f"close.residue/each-error-of-a-{_role}-with-{_name}", "server" if _role == "server" else "client",
            "what an error leaves is there until the process ends", _each_error(_errors, _has_files),
            ("tcp6", "unix"), needs=("file",) if _has_files else (), takes=7, is_hostile=False)  # fmt: skip
