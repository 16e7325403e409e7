"""Rows with files that another user planted in a shared folder, and with another user's socket."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from attacks import as_attacker, attacker_id, missing
from peers import Argument, Json
from rows_rights import NO_RIGHTS
from situation import NotRun, Row, World, told
from wire import frame

FRAME = frame(b"hi", b"abc")
PLANTED = "belongs to another user in a shared folder"


def shared(world: World, mode: int = 0o1777) -> Path:
    """Returns a world-writable folder, with a precious file of the current user next to it."""
    if reason := missing():
        raise NotRun(reason)
    world.directory.chmod(0o755)
    folder = world / "shared"
    folder.mkdir()
    folder.chmod(mode)
    world.file("precious", b"precious")
    return folder


def planted(
    plant: Callable[[Path, Path], object], option: str, owner: str = "another", mode: int = 0o1777, name: str = "x"
) -> Callable[[World], Json]:
    """Receives into a name that the owner has planted. `plant` gets the name and the precious file."""

    def act(world: World) -> Json:
        folder = shared(world, mode)

        def put() -> object:
            return plant(folder / name, world / "precious")

        as_attacker(put) if owner == "another" else put()
        other: list[Argument] = ["-o", world / "data"] if option == "--message-file" else []
        came = world.give(FRAME, option, folder / "x", *other, timeout="1")
        return {**came, "precious": (world / "precious").read_text(), "there": sorted(os.listdir(folder))}

    return act


def link(name: Path, precious: Path) -> None:
    name.symlink_to(precious)


def dangling(name: Path, precious: Path) -> None:
    name.symlink_to(precious.with_name("planted"))


def fifo(name: Path, precious: Path) -> None:
    os.mkfifo(name, 0o666)
    name.chmod(0o666)


def server_socket(name: Path, precious: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(name))


def rows() -> Iterator[Row]:
    refused = {
        "code": 3,
        "error": "io",
        "server": "nobody",
        "detail": f"DIR/shared/x: {PLANTED}",
        "precious": "precious",
        "there": ["x"],
    }
    for option, content in (("-o", "abc"), ("--message-file", "hi")):
        for slug, plant in (
            ("link", link), ("dangling link", dangling), ("FIFO", fifo), ("socket", server_socket)
        ):  # fmt: skip
            yield Row(f"{option}, another user's {slug} in a sticky folder", planted(plant, option), refused)
        ours = {"code": 0, "server": "end", "precious": content, "there": ["x"]}
        yield Row(f"{option}, our own link in a sticky folder", planted(link, option, "ours"), ours)
        for planted_name in (".x.part", "x.part", ".kcom5-x", "x.tmp"):
            yield Row(
                f"{option}, another user's {planted_name} in a sticky folder",
                planted(link, option, name=planted_name),
                {"code": 0, "server": "end", "precious": "precious", "there": sorted([planted_name, "x"])},
            )

    def owner_of_the_folder(world: World) -> Json:
        folder = shared(world)
        os.chown(folder, attacker_id(), attacker_id())
        as_attacker(lambda: (folder / "x").symlink_to(folder / "target"))
        came = world.give(FRAME, "-o", folder / "x")
        return {**came, "there": sorted(os.listdir(folder))}

    yield Row(
        "-o, a link of the folder's owner in a sticky folder",
        owner_of_the_folder,
        {"code": 0, "server": "end", "there": ["target", "x"]},
    )

    def live_server(world: World, command: str) -> Json:
        """A server of the other user, which only that user may connect to."""
        folder = shared(world)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "s"))
            os.chown(folder / "s", attacker_id(), attacker_id())
            (folder / "s").chmod(0o600)
            server.listen()
            return told(world.program.run(command, "--unix", folder / "s", "--timeout", "1", launcher=NO_RIGHTS))

    yield Row(
        "send --unix, another user's live socket",
        lambda world: live_server(world, "send"),
        {"code": 3, "error": "in-use"},
    )
    yield Row(
        "receive --unix, another user's live socket",
        lambda world: live_server(world, "receive"),
        {"code": 3, "error": "io", "detail": "DIR/shared/s: permission denied"},
    )

    def locked(world: World) -> Json:
        """Another process holds the lock on the folder."""
        descriptor = os.open(world.directory, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            return told(world.program.run("send", "--unix", world / "s", "--timeout", "1"))
        finally:
            os.close(descriptor)

    yield Row(
        "send --unix in a folder that is locked",
        locked,
        {"code": 3, "error": "timeout", "detail": "the folder is locked by another process"},
    )


ROWS = [*rows()]
