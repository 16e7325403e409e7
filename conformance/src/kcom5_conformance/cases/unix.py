"""Cases of the path of a Unix-domain socket."""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import trio

from ..harness.adapter import Adapter, AdapterError
from ..harness.attempt import ask
from ..harness.call import Call
from ..harness.case import NotRun
from ..harness.connection import Connection
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..harness.subject import SLOW_LISTEN, why_not_slow
from ..report.acts import Act
from .other_user import other_user
from .registry import add, case
from .steps import BIG, COUNTER, OLD, counter, served


@case("unix.mode/before-it-listens", "server", "anybody may connect between listen and chmod", ("unix",), takes=1)
async def before_it_listens(harness: Harness) -> None:
    """Delays the return of listen() with `strace`, while the socket already listens."""
    if words := why_not_slow():
        raise NotRun(words)
    harness.unshown = "a client comes between listen and chmod: start it by `strace -f -e inject=listen:delay_exit=1s`"
    call = await harness.call("send", str(harness.path), adapter=await harness.another(*SLOW_LISTEN), message="hi",
                              data={"hex": "000102"})  # fmt: skip
    connection: Connection | None = None
    with trio.move_on_after(harness.patience):
        while connection is None and not call.ended.is_set():
            with suppress(OSError):
                connection = await harness.connect(str(harness.path))
            await trio.sleep(0.005)
    if connection is None:
        harness.fail("wire", "no connection", "that it listens", "unreached")
    mode = stat.S_IMODE(harness.path.lstat().st_mode) if harness.path.exists() else 0o600  # it may be removed already
    if mode != 0o600:
        harness.fail("residue", f"a client connects to a file of mode {mode:04o}", "mode 0600 by then", "residue")
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("unix.mode/whatever-the-umask", "server", "the mode is what an unusual umask leaves", ("unix",))
async def whatever_the_umask(harness: Harness) -> None:
    for umask in ("000", "027", "077", "0277", "0777"):
        adapter = await harness.another("sh", "-c", f'umask {umask}; exec "$@"', "sh")
        place = str(harness.folder / umask)
        call = await harness.call("send", place, adapter=adapter, message="", data={"hex": ""})
        await call.listening()
        mode = stat.S_IMODE(os.lstat(place).st_mode)
        if mode != 0o600:
            harness.fail(
                "residue", f"the socket file has mode {mode:04o} with the umask {umask}", "mode 0600", "residue"
            )
        await served(harness, call, "", b"")
        harness.forget()


@case("unix.stale/asks-without-connecting", "server",
        "who connects to see whether somebody listens is taken for the one client", ("unix",))  # fmt: skip
async def asks_without_connecting(harness: Harness) -> None:
    async with harness.listen() as listener:
        await (await harness.call("send", listener.place, message="", data={"hex": ""})).expect_error("in-use")
        harness.acts.append(Act("queue"))
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
        harness.files.write("file", OLD)
        harness.files.link("loop", "loop")
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


async def _in_its_folder(harness: Harness) -> Adapter:
    """Starts an adapter in the folder of the case, so that a path can be relative."""
    at = harness.adapter.cwd or Path.cwd()
    words = [str(at / word) if (at / word).is_file() else word for word in harness.adapter.command]
    try:
        adapter = await harness.another("sh", "-c", 'cd "$0" && exec "$@"', str(harness.folder), words=words)
        await ask(adapter, {"op": "about"}, 2 * harness.patience, "answer-about")
    except AdapterError:
        raise NotRun("the adapter does not start in another folder") from None
    return adapter


@case("unix.path/at-sign-is-a-file-server", "server", "a name that begins with @ is an abstract one", ("unix",))
async def at_sign_is_a_file_server(harness: Harness) -> None:
    adapter = await _in_its_folder(harness)
    call = await harness.call("send", "@s", adapter=adapter, message="", data={"hex": ""})
    await call.listening()
    if not (harness.folder / "@s").exists():
        harness.fail("residue", "no socket file @s", "a file, as for any other name")
    connection = await harness.connect(str(harness.folder / "@s"))
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"", b""))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@case("unix.path/at-sign-is-a-file-client", "client", "a name that begins with @ is an abstract one", ("unix",))
async def at_sign_is_a_file_client(harness: Harness) -> None:
    adapter = await _in_its_folder(harness)
    async with harness.listen(str(harness.folder / "@s")) as listener:
        call = await harness.call("receive", "@s", adapter=adapter)
        connection = await listener.accept()
        hello = await connection.hello()
        await connection.send(hello + frame(b"", b""))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()


@case("unix.stale/of-another-user", "server", "it removes what another user left there", ("unix",))
async def of_another_user(harness: Harness) -> None:
    user = other_user()
    harness.files.give(harness.files.dead_socket("s"), user)
    before = harness.path.lstat().st_ino
    await (await harness.call("send", str(harness.path), message="", data={"hex": ""})).expect_error("in-use")
    if not harness.path.exists() or harness.path.lstat().st_ino != before:
        harness.fail("residue", "the socket's file is gone, or another one", "the file as it was")


def _other(kind: str) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        path, files = harness.path, harness.files
        if kind == "link":
            files.link("s", "elsewhere")
        elif kind == "link-to-a-stale-socket":
            files.link("s", "stale")
            files.dead_socket("stale")
        elif kind == "folder":
            files.make_folder("s")
        elif kind == "pipe":
            files.pipe("s")
        before = sorted(entry.name for entry in harness.folder.iterdir())
        call = await harness.call("send", str(path), message="", data={"hex": ""})
        await call.expect_error("in-use")
        if (after := sorted(entry.name for entry in harness.folder.iterdir())) != before:
            harness.fail("residue", f"afterwards {', '.join(after)}", ", ".join(before))

    return run


for _kind in ("link", "link-to-a-stale-socket", "folder", "pipe"):
    add(f"unix.stale/{_kind}-at-the-path", "server", "it removes, or listens behind, what is not its own",
        _other(_kind), ("unix",))  # fmt: skip


@case(
    "unix.stale/no-socket-at-the-path-client", "client", "a file that is not a socket has another error name", ("unix",)
)
async def no_socket_at_the_path(harness: Harness) -> None:
    files = harness.files
    for path in (files.write("file", OLD), files.make_folder("folder"), files.pipe("pipe")):
        await (await harness.call("receive", str(path))).expect_error("refused")


@case("unix.stale/two-at-one-instant", "server", "both listen: one removed the other's file", ("unix",))
async def two_at_one_instant(harness: Harness) -> None:
    other = await harness.another()
    for number in range(40):
        place = str(harness.files.dead_socket(f"s{number}"))
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


@case("unix.stale/bound-and-not-listening", "server", "a socket that refuses is taken for one that nobody has",
      ("unix",))  # fmt: skip
async def bound_and_not_listening(harness: Harness) -> None:
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(harness.path))
        harness.files.bound_socket(harness.path)
        before = harness.path.lstat().st_ino
        await (await harness.call("send", str(harness.path), message="", data={"hex": ""})).expect_error("in-use")
        if not harness.path.exists() or harness.path.lstat().st_ino != before:
            harness.fail("residue", "the socket's file is gone, or another one", "the file as it was")


@case("unix.stale/client-follows-a-link", "client", "the path of a server may be a link", ("unix",))
async def client_follows_a_link(harness: Harness) -> None:
    async with harness.listen() as listener:
        link = harness.files.link("link", str(listener.place))
        call = await harness.call("receive", str(link))
        connection = await listener.accept()
        await connection.send(await connection.hello() + frame(b"", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("", b"1")


_AS_ANOTHER = "import os, sys; os.setgroups([]); os.setuid(int(sys.argv[1])); os.execvp(sys.argv[2], sys.argv[2:])"


async def _as_another_user(harness: Harness) -> Adapter:
    """Starts an adapter as a user other than root, although the suite runs as root."""
    user = other_user()
    harness.unshown = "its user is another one than its peer's: start it as root, and the peer as any other user"
    harness.folder.chmod(0o777)
    try:
        adapter = await harness.another(sys.executable, "-I", "-c", _AS_ANOTHER, str(user))
        await ask(adapter, {"op": "about"}, 2 * harness.patience, "answer-about")
    except AdapterError:
        raise NotRun("the adapter does not start as another user") from None
    return adapter


@case("unix.owner/root-is-another-user-server", "server", "root is served, whoever asks", ("unix",))
async def root_is_another_user_server(harness: Harness) -> None:
    call = await harness.call("send", str(harness.path), adapter=await _as_another_user(harness), message="secret",
                              data={"hex": "00"})  # fmt: skip
    await call.listening()
    connection = await harness.connect(str(harness.path))
    await connection.send(HELLO, may_break=True)
    await connection.expect_end(or_reset=True)
    await call.expect_error("invalid-connection")


@case("unix.owner/root-is-another-user-client", "client", "root is trusted, whoever it is", ("unix",))
async def root_is_another_user_client(harness: Harness) -> None:
    adapter = await _as_another_user(harness)
    async with harness.listen() as listener:
        Path(str(listener.place)).chmod(0o666)
        call = await harness.call("receive", listener.place, adapter=adapter)
        connection = await listener.accept()
        await connection.expect_end(or_reset=True)
        await call.expect_error("invalid-connection")


@case("unix.owner/of-the-peer-and-not-of-the-file", "client", "the owner of the file is looked at", ("unix",))
async def owner_of_the_peer(harness: Harness) -> None:
    user = other_user()
    async with harness.listen() as listener:
        harness.files.give(Path(str(listener.place)), user)
        call = await harness.call("receive", listener.place)
        connection = await listener.accept()
        await connection.send(await connection.hello() + frame(b"", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("", b"1")


@case("unix.cleanup/another-socket-meanwhile", "server", "it removes the socket of another server", ("unix",))
async def another_socket_meanwhile(harness: Harness) -> None:
    call = await harness.send()
    moved = harness.files.move(harness.path, "moved")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(harness.path))
        other.listen()
        harness.files.bound_socket(harness.path)
        connection = await harness.connect(str(moved))
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
        if not harness.path.is_socket():
            harness.fail("residue", "the other server's socket is gone", "that it stays", "residue")


@case("unix.cleanup/after-each-end", "server", "the file stays after one of the ways to end", ("unix",))
async def file_is_gone_after_each_end(harness: Harness) -> None:
    for octets, end in ((b"GET / HT", "close"), (b"KC", "close"), (HELLO, "close"), (HELLO, "half-close")):
        call = await harness.send("", COUNTER if octets == HELLO else b"1")
        connection = await harness.connect(call.place)
        await connection.send(octets, may_fail=True)
        if end == "half-close":
            connection.half_close()
            await connection.expect(HELLO + frame(b"", counter(BIG)))
        connection.close()
        await call.result()
        if left := sorted(entry.name for entry in harness.folder.iterdir()):
            harness.fail("residue", f"{', '.join(left)} after {octets!r} and a {end}", "no file")
        harness.forget()
