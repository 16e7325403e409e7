"""Rows of data destinations: long names, links, pipes, descriptors, mounts, rights, and `--no-clobber`."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import wire
from peers import Json
from situation import Row, row
from wire import counter, frame
from world import HINTS, MIB, Running, World, brief, filled, shell, told, until_opened, until_stored, wait_until

FRAME = frame(b"hi", b"abc")
CUT = FRAME[:-1]
IO = {"error": "io"}
REFUSED = {"error": "io", "server": "nobody"}
OK = {"code": 0, "server": "end"}
NO_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
"""A launcher that drops root's capabilities."""


def to(option: str, name: str) -> list[str]:
    """Returns arguments that put the message or the data into a file, and both into files."""
    return [option, name] if option == "-o" else [option, name, "-o", "data"]


OPTIONS: dict[str, tuple[str, dict[str, str]]] = {
    # what the file of the option has then, and what else is there
    "-o": ("abc", {}),
    "--message-file": ("hi", {"data": "abc"}),
}


def name_rows() -> Iterator[Row]:
    for length in (248, 251, 255):
        for name in ("n" * length, "é" * (length // 2) + "n" * (length % 2)):
            for option, (content, more) in OPTIONS.items():
                stored = {**OK, "files": {name: content, **more}}
                yield row(f"{option} {name[0]}… of {length} bytes", stored, World.give, FRAME, *to(option, name))
    yield row("-o n… of 256 bytes", {**REFUSED, "files": {}}, World.give, FRAME, "-o", "n" * 256)

    def prepare(world: World) -> None:
        world.file("file")
        (world / "dir").mkdir()
        for name, target in (("dirlink", "dir"), ("loop", "loop"), ("lost", "no/x")):
            (world / name).symlink_to(target)

    there = {"file": "abc", "dir": "directory", "dirlink": "link", "loop": "link", "lost": "link"}
    for name, why in (
        ("no/x", "no such file or directory"),
        ("new/", ""),
        ("file/", ""),
        ("file/x", "not a directory"),
        ("dir", "is a directory"),
        ("dir/", "is a directory"),
        ("dir/.", ""),
        ("dirlink", "is a directory"),
        ("loop", "too many levels of symbolic links"),
        ("lost", ""),
    ):
        for option in OPTIONS:
            expected = {**REFUSED, "files": there, **({"detail": f"{name}: {why}"} if why else {})}
            yield row(f"{option} {name}", expected, World.give, FRAME, *to(option, name), before=prepare)


def link_rows() -> Iterator[Row]:
    def linked(world: World) -> None:
        world.file("target", b"old", 0o644)
        (world / "link").symlink_to("target")
        (world / "chain").symlink_to(world / "link")

    def mode(world: World, *arguments: str) -> Json:
        return {**world.give(FRAME, *arguments), "mode": world.mode("target")}

    links = {"chain": "link", "link": "link"}
    for option, (content, more) in OPTIONS.items():
        stored = {**OK, "files": {"target": content, **links, **more}}
        yield row(f"{option} link to a file", {**stored, "mode": 0o644}, mode, *to(option, "link"), before=linked)
        yield row(f"{option} chain of links", stored, World.give, FRAME, *to(option, "chain"), before=linked)
        kept = {"error": "truncated", "files": {"target": "old", **links}}
        arguments = to(option, "link")
        yield row(f"{option} link to a file, cut", kept, World.give, CUT, *arguments, end="close", before=linked)
        new = {**OK, "files": {"link": "link", "new": content, **more}}
        yield row(f"{option} dangling link", new, World.give, FRAME, *to(option, "link"), before=dangling)

    def long_chain(world: World, count: int) -> Json:
        for number in range(count):
            (world / f"l{number}").symlink_to(f"l{number + 1}")
        return {**world.give(FRAME, "-o", "l0"), "made": (world / f"l{count}").is_file()}

    yield row("-o chain of 39 links", {**OK, "made": True}, long_chain, 39)
    yield row("-o chain of 41 links", {**REFUSED, "made": False}, long_chain, 41)


def dangling(world: World) -> None:
    (world / "link").symlink_to("new")


def old_file(world: World) -> None:
    world.file("file", b"old")


def lonely(world: World) -> None:
    os.mkfifo(world / "fifo")


def fifo_rows() -> Iterator[Row]:
    def with_reader(world: World, octets: bytes, *arguments: str, **more: object) -> Json:
        reader = world.fifo()
        came = world.give(octets, *arguments, **more)  # type: ignore[arg-type]
        return {**came, "read": os.read(reader, 10).decode()}

    for option, (content, more) in OPTIONS.items():
        unread = {"error": "timeout", "server": "nobody", "detail": "fifo: no process opened it for reading within 1 s"}
        arguments = to(option, "fifo")
        yield row(f"{option} FIFO that nobody reads", unread, World.give, FRAME, *arguments, bound=1, before=lonely)
        files = {"fifo": "special", **more}
        yield row(f"{option} FIFO", {**OK, "read": content, "files": files}, with_reader, FRAME, *arguments)
    unread = {"error": "timeout", "detail": "fifo: took no byte for 1 s", "server": "reset"}
    yield row("-o FIFO that stays full", unread, with_reader, frame(b"", b"x" * MIB), "-o", "fifo", bound=1)

    def stays_full(world: World) -> Json:
        """Other processes have the pipe, too, so it must go on blocking."""
        read, write = world.pipe()
        came = world.give(frame(b"", b"x" * MIB), stdout=write, bound=1)
        return {**came, "is_full": filled(read) > 65000, "blocks": os.get_blocking(write)}

    unread = {"error": "timeout", "detail": "standard output: took no byte for 1 s", "server": "reset"}
    yield row("standard output that stays full", {**unread, "is_full": True, "blocks": True}, stays_full)
    cut = {"error": "truncated", "hint": HINTS["truncated-in-place"]}
    yield row("-o FIFO, cut", cut, with_reader, CUT, "-o", "fifo", end="close")
    yield row("standard output, cut", {**cut, "out": "ab"}, World.give, CUT, end="close")

    def retried(world: World) -> Json:
        """The output is opened once and stays open while the client dials again."""
        reader = world.fifo()
        receiver = world.start("receive", "--unix", "socket", "--wait", "15", "-o", "fifo")
        until_opened(receiver, "fifo")
        with wire.listen("unix", world / "socket") as server, wire.accept(server) as connection:
            connection.sendall(wire.read(connection, 8) + FRAME)
            seen = wire.read_to_end(connection)[1]
        return {**told(receiver.end()), "server": seen, "read": os.read(reader, 10).decode()}

    yield row("-o FIFO while the client dials again", {**OK, "read": "abc"}, retried)


def descriptor_rows() -> Iterator[Row]:
    def old(world: World) -> None:
        world.file("file", b"old")
        (world / "link").symlink_to("/dev/stdout")

    for name, redirections, out, changed in (
        ("/dev/stdout", "", "abc", {}),
        ("/dev/fd/1", "", "abc", {}),
        ("/proc/self/fd/1", "", "abc", {}),
        ("link", "", "abc", {}),
        ("/dev/stdout", ">file", None, {"file": "abc"}),
        ("/dev/stdout", ">>file", None, {"file": "oldabc"}),
        ("-", ">file", None, {"file": "abc"}),
        ("-", ">>file", None, {"file": "oldabc"}),
        ("/dev/fd/3", "3>>file", None, {"file": "oldabc"}),
        ("/dev/fd/3", "3>new", None, {"new": "abc"}),
        ("/dev/null", "", None, {}),
    ):
        expected = {**OK, "out": out, "files": {"file": "old", "link": "link", **changed}}
        launcher = shell(redirections)
        yield row(f"-o {name} {redirections}", expected, World.give, FRAME, "-o", name, launcher=launcher, before=old)
    yield row("-o /dev/fd/77, closed", REFUSED, World.give, FRAME, "-o", "/dev/fd/77")
    much = frame(b"", counter(MIB))
    appended = {**OK, "files": {"file": brief(b"old" + counter(MIB)), "link": "link"}}
    yield row("much data, >>file", appended, World.give, much, launcher=shell(">>file"), before=old)
    read_only = {**IO, "server": ..., "files": {"file": "old", "link": "link"}}
    yield row("much data, 1<file", read_only, World.give, much, launcher=shell("1<file"), before=old)

    def process_substitution(world: World) -> Json:
        came = world.give(FRAME, launcher=shell("-o >(cat >part; mv part got)"))
        wait_until((world / "got").exists)
        return came

    yield row("-o >(command)", {**OK, "files": {"got": "abc"}}, process_substitution)
    both = {**OK, "out": "hi", "files": {"out": "abc"}}
    yield row("--message-file -", both, World.give, FRAME, "-o", "out", "--message-file", "-")


def right_rows() -> Iterator[Row]:
    def bound(world: World) -> None:
        world.file("file", b"older")
        world.file("mount", b"under")
        world.mount("--bind", str(world / "file"), "mount")

    for option, (content, more) in OPTIONS.items():
        stored = {**OK, "files": {"file": content, "mount": content, **more}}
        yield row(f"{option} bind mount", stored, World.give, FRAME, *to(option, "mount"), before=bound)

    def read_only(world: World) -> None:
        world.file("file", b"old", 0o444)
        (world / "dir").mkdir(0o555)

    for name, detail in (("file", {"detail": "file: permission denied"}), ("dir/x", {})):
        denied = {**REFUSED, **detail, "files": {"file": "old", "dir": "directory"}}
        arguments = ("-o", name)
        yield row(
            f"-o {name} without right", denied, World.give, FRAME, *arguments, launcher=NO_RIGHTS, before=read_only
        )

    def modes(world: World) -> Json:
        came = world.give(FRAME, "-o", "data", "--message-file", "m")
        return {**came, "modes": [world.mode("data"), world.mode("m")]}

    stored = {**OK, "files": {"data": "abc", "m": "hi"}}
    yield row("new files are private", {**stored, "modes": [0o600, 0o600]}, modes)
    for mode in (0o600, 0o644, 0o640, 0o755):

        def existing(world: World, mode: int = mode) -> None:
            world.file("data", b"old", mode)

        yield row(f"-o file of mode {mode:o}", {**stored, "modes": [mode, 0o600]}, modes, before=existing)

    yield row(
        "-o socket file", REFUSED, World.give, FRAME, "-o", "s", before=lambda world: wire.dead_socket(world / "s")
    )


def clobber_rows() -> Iterator[Row]:
    exists = {"error": "io", "detail": "file: exists already", "hint": HINTS["exists"]}

    def meanwhile(world: World, *arguments: str) -> Json:
        """The file is created during the transfer."""
        octets = frame(b"hi", bytes(2 * MIB))

        def create(receiver: Running, connection: socket.socket) -> None:
            until_stored(world, receiver)
            world.file("file", b"mine")
            connection.sendall(octets[MIB:])

        return world.give(octets[:MIB], *arguments, then=create)

    for option in OPTIONS:
        arguments = ("--no-clobber", *to(option, "file"))
        kept = {**exists, "server": "nobody", "files": {"file": "old"}}
        yield row(f"--no-clobber {option}, there before", kept, World.give, FRAME, *arguments, before=old_file)
        kept = {**exists, "server": "reset", "files": {"file": "mine"}}
        yield row(f"--no-clobber {option}, there meanwhile", kept, meanwhile, *arguments)
    stored = {**OK, "files": {"m": "hi", "data": "abc"}}

    def lost(world: World, *arguments: str) -> Json:
        """The data gets no name, because it has become that of a folder. The message has its name already."""
        octets = frame(b"hi", bytes(2 * MIB))

        def create(receiver: Running, connection: socket.socket) -> None:
            until_stored(world, receiver, MIB // 2)
            (world / "file").mkdir()
            (world / "file/kept").mkdir()
            connection.sendall(octets[MIB:])

        return world.give(octets[:MIB], "-o", "file", "--message-file", *arguments, then=create)

    gone: Json = {**IO, "server": "reset", "detail": ..., "files": {"file": "directory", "old": "old"}}
    yield row("a new message whose data gets no name", gone, lost, "new", before=lambda w: w.file("old", b"old"))
    kept = {**gone, "files": {"file": "directory", "old": "hi"}}
    yield row("a replaced message whose data gets no name", kept, lost, "old", before=lambda w: w.file("old", b"old"))
    kept = {**exists, "server": "reset", "files": {"file": "mine"}}
    arguments = ("--no-clobber", "-o", "file", "--message-file", "m")
    yield row("--no-clobber, a message whose data is there meanwhile", kept, meanwhile, *arguments)
    yield row("--no-clobber, new files", stored, World.give, FRAME, "--no-clobber", *to("--message-file", "m"))
    yield row("--no-clobber, dangling link", OK, World.give, FRAME, "--no-clobber", "-o", "link", before=dangling)


ROWS = [*name_rows(), *link_rows(), *fifo_rows(), *descriptor_rows(), *right_rows(), *clobber_rows()]
