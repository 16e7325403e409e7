"""Rows with files that another user planted in a shared folder, and with another user's socket."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import wire
from other_user import as_other_user, other_user
from peers import Json
from rows_outputs import FRAME, NO_RIGHTS, OK, OPTIONS, REFUSED, to
from rows_outputs import dangling as dangling_link
from situation import Row, row
from world import World

Plant = Callable[[Path], object]


def shared(world: World) -> Path:
    """Makes a world-writable, sticky folder, next to a precious file of the current user."""
    other_user()
    world.directory.chmod(0o755)
    (world / "shared").mkdir()
    (world / "shared").chmod(0o1777)
    world.file("precious", b"precious")
    return world / "shared"


def link(name: Path) -> None:
    name.symlink_to("../precious")


def dangling(name: Path) -> None:
    name.symlink_to("../planted")


def fifo(name: Path) -> None:
    os.mkfifo(name)
    name.chmod(0o666)


def planted(world: World, plant: Plant, name: str, *arguments: str, is_ours: bool = False) -> Json:
    """Receives after a name was planted in the shared folder. `there` is what it has then."""
    folder = shared(world)

    def act() -> object:
        return plant(folder / name)

    act() if is_ours else as_other_user(act)
    came = world.give(FRAME, *arguments)
    return {**came, "precious": (world / "precious").read_text(), "there": sorted(os.listdir(folder))}


def rows() -> Iterator[Row]:
    for option, (content, _) in OPTIONS.items():
        arguments = to(option, "shared/x")
        refusal = {
            **REFUSED,
            "detail": "shared/x: belongs to another user in a shared folder",
            "precious": "precious",
            "there": ["x"],
        }
        for plant in (link, dangling, fifo, wire.dead_socket):
            yield row(f"{option}, another user's {plant.__name__}", refusal, planted, plant, "x", *arguments)
        ours = {**OK, "precious": content, "there": ["x"]}
        yield row(f"{option}, our own link", ours, planted, link, "x", *arguments, is_ours=True)
        for name in (".x.part", "x.part", ".kcom5-x", "x.tmp"):
            whole = {**OK, "precious": "precious", "there": sorted([name, "x"])}
            yield row(f"{option}, another user's {name}", whole, planted, link, name, *arguments)

    def of_the_folder_s_owner(world: World) -> Json:
        folder = shared(world)
        os.chown(folder, other_user(), other_user())
        as_other_user(lambda: (folder / "x").symlink_to("target"))
        return {**world.give(FRAME, "-o", "shared/x"), "there": sorted(os.listdir(folder))}

    yield row("-o, a link of the folder's owner", {**OK, "there": ["target", "x"]}, of_the_folder_s_owner)

    def not_shared(world: World, mode: int) -> Json:
        dangling_link(world)
        os.chown(world / "link", other_user(), other_user(), follow_symlinks=False)
        world.directory.chmod(mode)
        return world.give(FRAME, "-o", "link")

    for mode in (0o755, 0o777, 0o1755):
        stored = {**OK, "files": {"link": "link", "new": "abc"}}
        yield row(f"-o, another user's link in a folder of mode {mode:o}", stored, not_shared, mode)

    def live_server(world: World, command: str) -> Json:
        """A server of the other user, which only that user may connect to."""
        name = shared(world) / "s"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(name))
            os.chown(name, other_user(), other_user())
            name.chmod(0o600)
            server.listen()
            return world.ends(command, "--unix", "shared/s", bound=1, launcher=NO_RIGHTS)

    yield row("send --unix, another user's live socket", {"error": "in-use"}, live_server, "send")
    denied = {"error": "io", "detail": "shared/s: permission denied"}
    yield row("receive --unix, another user's live socket", denied, live_server, "receive")

    def locked(world: World) -> Json:
        """Another process holds the lock on the folder."""
        descriptor = os.open(world.directory, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            return world.ends("send", "--unix", "s", bound=1)
        finally:
            os.close(descriptor)

    is_locked = {"error": "timeout", "detail": "the folder is locked by another process"}
    yield row("send --unix in a folder that is locked", is_locked, locked)


ROWS = [*rows()]
