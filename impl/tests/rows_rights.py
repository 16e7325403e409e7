"""Outputs on mounts, without rights, and with `--no-clobber`."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from functools import partial

import wire
from peers import Argument, Json
from programs import CLOBBER, MIB, T
from rows_outputs import FRAME, IO, OK, to
from situation import Row, World, told, until_stored
from wire import frame

NO_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
"""A launcher that drops root's capabilities."""


def right_rows() -> Iterator[Row]:
    def bound(world: World) -> Json:
        world.file("a", b"old")
        world.file("b", b"under")
        world.mount("--bind", world / "a", world / "b")
        return to("b")(world)

    def bound_message(world: World) -> Json:
        world.file("a", b"older")
        world.file("b", b"under")
        world.mount("--bind", world / "a", world / "b")
        return to("b", option="--message-file")(world)

    yield Row("-o bind mount", bound, {**OK, "files": {"a": "abc", "b": "abc"}})
    yield Row("--message-file bind mount", bound_message, {**OK, "files": {"a": "hi", "b": "hi", "data": "abc"}})

    def read_only_file(world: World) -> Json:
        world.file("file", b"old", 0o444)
        return {**world.give(FRAME, "-o", world / "file", launcher=NO_RIGHTS), "files": world.files()}

    def read_only_folder(world: World) -> Json:
        (world / "dir").mkdir()
        (world / "dir").chmod(0o555)
        return {**world.give(FRAME, "-o", world / "dir/x", launcher=NO_RIGHTS), "files": world.files()}

    denied = {**IO, "server": "nobody"}
    yield Row(
        "-o file without write permission",
        read_only_file,
        {**denied, "detail": "DIR/file: permission denied", "files": {"file": "old"}},
    )
    yield Row("-o in a folder without write permission", read_only_folder, denied)
    for mode in (0o600, 0o644, 0o640, 0o755):

        def keeps_mode(world: World, mode: int = mode) -> Json:
            world.file("file", b"old", mode)
            came = to("file")(world)
            return {**came, "mode": stat.S_IMODE((world / "file").stat().st_mode)}

        yield Row(f"-o file of mode {mode:o}", keeps_mode, {**OK, "mode": mode})

    def new_mode(world: World) -> Json:
        came = to("new", option="--message-file")(world)
        return {**came, "modes": [stat.S_IMODE((world / name).stat().st_mode) for name in ("new", "data")]}

    yield Row("new files are private", new_mode, {**OK, "modes": [0o600, 0o600]})

    def to_socket(world: World) -> Json:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(world / "s"))
            return world.give(FRAME, "-o", world / "s", timeout="1")

    yield Row("-o socket file", to_socket, {**IO, "server": "nobody"})


def clobber_rows() -> Iterator[Row]:
    exists = {**IO, "server": "nobody", "hint": CLOBBER}

    def existing(world: World, option: str) -> Json:
        world.file("file", b"old")
        return to("file", option=option, more=("--no-clobber",))(world)

    for option in ("-o", "--message-file"):
        yield Row(
            f"--no-clobber {option}, there before",
            partial(existing, option=option),
            {**exists, "detail": "DIR/file: exists already", "files": {"file": "old"}},
        )

        def meanwhile(world: World, option: str = option) -> Json:
            """The file is created during the transfer."""
            name = world / "file"
            other: list[Argument] = ["-o", world / "data"] if option == "--message-file" else []
            with wire.listen("unix", world / "s") as server:
                receiver = world.program.start(
                    "receive", "--unix", world / "s", *T, "--no-clobber", option, name, *other
                )
                with wire.accept(server) as connection:
                    octets = wire.read(connection, 8) + frame(b"hi", bytes(2 * MIB))
                    connection.sendall(octets[:MIB])
                    until_stored(receiver)
                    name.write_bytes(b"mine")
                    connection.sendall(octets[MIB:])
                    seen = wire.read_to_end(connection)[1]
                came = told(receiver.end())
            (world / "s").unlink()
            return {**came, "server": seen, "files": world.files()}

        yield Row(
            f"--no-clobber {option}, there meanwhile",
            meanwhile,
            {**IO, "server": "reset", "detail": "DIR/file: exists already", "hint": CLOBBER, "files": {"file": "mine"}},
        )
    yield Row(
        "--no-clobber, new files",
        to("m", option="--message-file", more=("--no-clobber",)),
        {**OK, "files": {"m": "hi", "data": "abc"}},
    )

    def dangling(world: World) -> Json:
        (world / "link").symlink_to("new")
        return to("link", more=("--no-clobber",))(world)

    yield Row("--no-clobber, dangling link", dangling, {"server": "end", "code": 0})


ROWS = [*right_rows(), *clobber_rows()]
