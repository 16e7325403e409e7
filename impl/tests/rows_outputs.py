"""Rows of data destinations: long names, links, pipes, descriptors."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import wire
from peers import Argument, Json
from programs import CUT_IN_PLACE, MIB, T, wait_until
from rows_streams import shell
from situation import Row, World, told
from wire import frame

FRAME = frame(b"hi", b"abc")
IO = {"code": 3, "error": "io"}
OK = {"code": 0, "server": "end"}


def to(
    name: str, octets: bytes = FRAME, option: str = "-o", more: tuple[str, ...] = (), cwd: bool = False
) -> Callable[[World], Json]:
    """Receives into this file."""

    def act(world: World) -> Json:
        other: list[Argument] = ["-o", world / "data"] if option == "--message-file" else []
        came = world.give(
            octets, option, f"{world.directory}/{name}", *more, *other, cut=octets in (FRAME[:5], FRAME[:-1])
        )
        return {**came, "files": world.files()}

    return act


def after(prepare: Callable[[World], object], act: Callable[[World], Json]) -> Callable[[World], Json]:
    def both(world: World) -> Json:
        prepare(world)
        return act(world)

    return both


def name_rows() -> Iterator[Row]:
    for length in (248, 251, 255):
        name = "n" * length
        yield Row(f"output name of {length} bytes", to(name), {**OK, "files": {name: "abc"}})
        yield Row(
            f"message file name of {length} bytes",
            to(name, option="--message-file"),
            {**OK, "files": {name: "hi", "data": "abc"}},
        )
        korean = "\u00e9" * (length // 2) + "n" * (length % 2)
        yield Row(f"output name of {length} bytes, not ASCII", to(korean), {**OK, "files": {korean: "abc"}})
    too_long = {**IO, "server": "nobody", "files": {}}
    yield Row("output name of 256 bytes", to("n" * 256), too_long)
    for slug, name, detail in (
        ("missing folder", "no/x", "DIR/no/x: no such file or directory"),
        ("slash behind a new name", "new/", None),
        ("slash behind a file", "file/", None),
        ("below a file", "file/x", "DIR/file/x: not a directory"),
        ("directory", "dir", "DIR/dir: is a directory"),
        ("directory with a slash", "dir/", "DIR/dir/: is a directory"),
        ("dot", "dir/.", None),
        ("link to a directory", "dirlink", "DIR/dirlink: is a directory"),
        ("loop of links", "loop", "DIR/loop: too many levels of symbolic links"),
        ("link to a missing folder", "lost", None),
    ):
        for option in ("-o", "--message-file"):

            def prepare(world: World) -> None:
                world.file("file")
                (world / "dir").mkdir()
                (world / "dirlink").symlink_to("dir")
                (world / "loop").symlink_to("loop")
                (world / "lost").symlink_to("no/x")

            there = {"file": "abc", "dir": "directory", "dirlink": "link", "loop": "link", "lost": "link"}
            expected: Json = {**IO, "server": "nobody", "files": there}
            if detail:
                expected["detail"] = detail
            yield Row(f"{option} {slug}", after(prepare, to(name, option=option)), expected)


def link_rows() -> Iterator[Row]:
    for option, content in (("-o", "abc"), ("--message-file", "hi")):
        data = {"data": "abc"} if option == "--message-file" else {}

        def linked(world: World) -> None:
            world.file("target", b"old", 0o644)
            (world / "link").symlink_to("target")
            (world / "chain").symlink_to(world / "link")

        def mode(world: World, option: str = option) -> Json:
            linked(world)
            return {**to("link", option=option)(world), "mode": stat.S_IMODE((world / "target").stat().st_mode)}

        both = {"chain": "link", "link": "link", **data}
        yield Row(f"{option} link to a file", mode, {**OK, "files": {"target": content, **both}, "mode": 0o644})
        yield Row(
            f"{option} chain of links",
            after(linked, to("chain", option=option)),
            {**OK, "files": {"target": content, **both}},
        )
        yield Row(
            f"{option} link to a file, nothing whole",
            after(linked, to("link", FRAME[:5] if option == "-o" else FRAME[:-1], option=option)),
            {"code": 4, "error": "truncated", "files": {"target": "old", "chain": "link", "link": "link"}},
        )
        yield Row(
            f"{option} dangling link",
            after(lambda w: (w / "link").symlink_to("new"), to("link", option=option)),
            {**OK, "files": {"link": "link", "new": content, **data}},
        )

    def chain_of(count: int) -> Callable[[World], object]:
        def prepare(world: World) -> None:
            for i in range(count):
                (world / f"l{i}").symlink_to(f"l{i + 1}")

        return prepare

    def long_chain(world: World, count: int) -> Json:
        chain_of(count)(world)
        came = world.give(FRAME, "-o", world / "l0")
        return {**came, "made": (world / f"l{count}").is_file()}

    yield Row("-o chain of 39 links", lambda w: long_chain(w, 39), {**OK, "made": True})
    yield Row("-o chain of 41 links", lambda w: long_chain(w, 41), {**IO, "server": "nobody", "made": False})


def fifo_rows() -> Iterator[Row]:
    def without_reader(world: World, option: str = "-o") -> Json:
        os.mkfifo(world / "fifo")
        other: list[Argument] = ["-o", world / "out"] if option == "--message-file" else []
        return world.give(FRAME, option, world / "fifo", *other, timeout="1")

    yield Row(
        "-o FIFO that nobody reads",
        without_reader,
        {
            "code": 3,
            "error": "timeout",
            "server": "nobody",
            "detail": "DIR/fifo: no process opened it for reading within 1 s",
        },
    )
    yield Row(
        "--message-file FIFO that nobody reads",
        partial(without_reader, option="--message-file"),
        {
            "code": 3,
            "error": "timeout",
            "server": "nobody",
            "detail": "DIR/fifo: no process opened it for reading within 1 s",
        },
    )

    def with_reader(world: World, octets: bytes, option: str, timeout: str = "15") -> Json:
        os.mkfifo(world / "fifo")
        reader = os.open(world / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        try:
            other: list[Argument] = ["-o", world / "out"] if option == "--message-file" else []
            came = world.give(octets, option, world / "fifo", *other, timeout=timeout, cut=octets == FRAME[:-1])
            return {**came, "read": os.read(reader, 10).decode(), "files": world.files()}
        finally:
            os.close(reader)

    special = {"fifo": "special"}
    yield Row("-o FIFO", lambda w: with_reader(w, FRAME, "-o"), {**OK, "read": "abc", "files": special})
    yield Row(
        "--message-file FIFO",
        lambda w: with_reader(w, FRAME, "--message-file"),
        {**OK, "read": "hi", "files": {**special, "out": "abc"}},
    )
    yield Row(
        "-o FIFO whose reader does not read",
        lambda w: with_reader(w, frame(b"", b"x" * MIB), "-o", "1"),
        {"code": 3, "error": "timeout", "detail": "DIR/fifo: took no byte for 1 s", "server": "reset"},
    )
    yield Row(
        "-o FIFO, cut",
        lambda w: with_reader(w, FRAME[:-1], "-o", "1"),
        {"code": 4, "error": "truncated", "hint": CUT_IN_PLACE},
    )

    def retried(world: World) -> Json:
        """The output is opened once and stays open while the client dials again."""
        os.mkfifo(world / "fifo")
        reader = os.open(world / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        path = world / "socket"
        receiver = world.program.start("receive", "--unix", path, "--wait", "15", "-o", world / "fifo", *T)

        def has_opened() -> bool:
            folder = Path(f"/proc/{receiver.process.pid}/fd")
            return any(os.path.realpath(entry) == os.path.realpath(world / "fifo") for entry in folder.iterdir())

        wait_until(has_opened)
        with wire.listen("unix", path) as server, wire.accept(server) as connection:
            connection.sendall(wire.read(connection, 8) + FRAME)
            seen = wire.read_to_end(connection)[1]
        came = told(receiver.end())
        octets = os.read(reader, 10)
        os.close(reader)
        return {**came, "server": seen, "read": octets.decode()}

    yield Row("-o FIFO while the client dials again", retried, {**OK, "read": "abc"})


def descriptor_rows() -> Iterator[Row]:
    def standard_output(world: World, name: str, redirect: str = "", octets: bytes = FRAME) -> Json:
        came = world.give(octets, "-o", name, launcher=shell(redirect.replace("DIR", str(world.directory))))
        return {**came, "files": world.files()}

    yield Row("-o /dev/stdout, a pipe", lambda w: standard_output(w, "/dev/stdout"), {**OK, "out": "abc"})
    yield Row("-o /dev/fd/1, a pipe", lambda w: standard_output(w, "/dev/fd/1"), {**OK, "out": "abc"})
    yield Row("-o /proc/self/fd/1, a pipe", lambda w: standard_output(w, "/proc/self/fd/1"), {**OK, "out": "abc"})

    def link_to_stdout(world: World) -> Json:
        (world / "link").symlink_to("/dev/stdout")
        return standard_output(world, str(world / "link"))

    yield Row("-o link to /dev/stdout", link_to_stdout, {**OK, "out": "abc", "files": {"link": "link"}})
    for name in ("/dev/stdout", "-"):
        for redirect, content in ((">DIR/file", "abc"), (">>DIR/file", "oldabc")):

            def to_file(world: World, name: str = name, redirect: str = redirect) -> Json:
                world.file("file", b"old")
                return standard_output(world, name, redirect)

            yield Row(f"-o {name} {redirect}", to_file, {**OK, "files": {"file": content}})

    def append(world: World) -> Json:
        world.file("file", b"old")
        return standard_output(world, "/dev/fd/3", "3>>DIR/file")

    yield Row("-o /dev/fd/3, append-only", append, {**OK, "files": {"file": "oldabc"}})
    yield Row(
        "-o /dev/fd/3, a new file",
        lambda w: standard_output(w, "/dev/fd/3", "3>DIR/file"),
        {**OK, "files": {"file": "abc"}},
    )
    yield Row("-o /dev/fd/77, closed", lambda w: standard_output(w, "/dev/fd/77"), {**IO, "server": "nobody"})
    yield Row("-o /dev/null", lambda w: standard_output(w, "/dev/null"), OK)

    def process_substitution(world: World) -> Json:
        launcher = ["bash", "-c", f'exec "$@" -o >(cat >"{world / "part"}"; mv "{world / "part"}" "{world / "got"}")']
        came = world.give(FRAME, launcher=[*launcher, "bash"])
        wait_until((world / "got").exists)
        return {**came, "files": world.files()}

    yield Row("-o >(command)", process_substitution, {**OK, "files": {"got": "abc"}})

    def message_to_stdout(world: World) -> Json:
        return {**world.give(FRAME, "-o", world / "out", "--message-file", "-"), "files": world.files()}

    yield Row("--message-file -", message_to_stdout, {**OK, "out": "hi", "files": {"out": "abc"}})


ROWS = [*name_rows(), *link_rows(), *fifo_rows(), *descriptor_rows()]
