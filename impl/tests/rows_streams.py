"""Rows of standard streams that are closed, full or broken, and of full disks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import combinations
from pathlib import Path

import wire
from peers import Argument, Json
from programs import MIB, SPOOL, T, place_arguments, send, wait_until
from situation import NotRun, Row, World, taken, told
from wire import HELLO, frame

FRAME = frame(b"hi", b"abc")
LONG = frame(b"hi", wire.counter(MIB))


def shell(redirections: str) -> list[str]:
    """Returns a launcher that runs the program with these redirections."""
    return ["bash", "-c", f'exec "$@" {redirections}', "bash"]


def closed(streams: tuple[int, ...]) -> list[str]:
    return shell(" ".join("<&-" if stream == 0 else f"{stream}>&-" for stream in streams))


def closed_rows() -> Iterator[Row]:
    """Rows with standard streams 0, 1, 2 closed, in each combination."""
    subsets = [streams for size in (1, 2, 3) for streams in combinations((0, 1, 2), size)]
    for streams in subsets:
        slug = "".join(map(str, streams))

        def receive(world: World, streams: tuple[int, ...] = streams) -> Json:
            came = world.give(FRAME, "-o", world / "out", "--message-file", world / "m", launcher=closed(streams))
            return {**came, "files": world.files()}

        def send_file(world: World, streams: tuple[int, ...] = streams) -> Json:
            path = world / "socket"
            sender = world.program.start("send", world.file("in"), "--unix", path, *T, launcher=closed(streams))
            wait_until(path.exists)
            client = None
            while client is None:
                try:
                    client = wire.connect("unix", path)
                except ConnectionRefusedError:  # bound, but not yet listening
                    assert sender.process.poll() is None
            with client:
                client.sendall(HELLO)
                octets, _ = wire.read_to_end(client)
            code = sender.end().code
            return {"code": code, **taken(octets), "files": world.files()}

        files = {"out": "abc", "m": "hi"}
        yield Row(f"receive to files, {slug} closed", receive, {"code": 0, "server": "end", "files": files})
        yield Row(f"send a file, {slug} closed", send_file, {"code": 0, "data": "abc", "files": {"in": "abc"}})

    refused = {"code": 3, "server": "nobody", "error": "io", "detail": "standard output is closed"}
    yield Row("receive to standard output, 1 closed", lambda w: w.give(FRAME, launcher=shell(">&-")), refused)
    yield Row("receive to -o -, 01 closed", lambda w: w.give(FRAME, "-o", "-", launcher=shell("<&- >&-")), refused)
    yield Row(
        "receive to standard output, 12 closed",
        lambda w: w.give(FRAME, launcher=shell(">&- 2>&-")),
        {"code": 3, "server": "nobody"},
    )
    yield Row(
        "receive the message to standard output, 1 closed",
        lambda w: w.give(FRAME, "-o", w / "out", "--message-file", "-", launcher=shell(">&-")),
        refused,
    )
    yield Row(
        "receive to /dev/stdout, 1 closed",
        lambda w: {**w.give(FRAME, "-o", "/dev/stdout", launcher=shell(">&-")), "detail": None},
        {"code": 3, "server": "nobody", "error": "io"},
    )
    no_input = {"code": 3, "error": "io", "detail": "standard input is closed"}

    def run(*words: str, redirect: str) -> Row:
        is_input = redirect == "<&-"
        expected = no_input if is_input else {"code": 3, "error": "io", "detail": "standard output is closed"}
        return Row(
            f"{' '.join(words)} {redirect}",
            lambda world: told(world.program.run(*words, stdin=b"7.ff", launcher=shell(redirect))),
            expected,
        )

    yield run("send", "--port", "0", "--timeout", "1", redirect="<&-")
    yield run("send", "-", "--port", "0", "--timeout", "1", redirect="<&-")
    yield run("send", "/dev/null", "--message-file", "-", "--timeout", "1", redirect="<&-")
    yield run("receive", "--address", "-", "--timeout", "1", redirect="<&-")
    yield run("pack", redirect="<&-")
    yield run("unpack", redirect="<&-")
    yield run("unpack", redirect=">&-")
    yield run("--help", redirect=">&-")
    yield run("send", "--help", redirect=">&-")
    yield run("--version", redirect=">&-")
    yield Row(
        "pack >&-",
        lambda w: told(w.program.run("pack", stdin=b"ff", launcher=shell(">&-"))),
        {"code": 3, "error": "io", "detail": "standard output is closed"},
    )


def json_rows() -> Iterator[Row]:
    """Rows with a result line that cannot be written although the data is stored."""
    for slug, redirect in {"closed": ">&-", "full": ">/dev/full"}.items():

        def receive(world: World, redirect: str = redirect) -> Json:
            came = world.give(FRAME, "--json", "-o", world / "out", launcher=shell(redirect))
            return {"code": came["code"], "server": came["server"], "files": world.files()}

        def send_json(world: World, redirect: str = redirect) -> Json:
            path = world / "socket"
            sender = world.program.start(
                "send", world.file("in"), "--json", "--unix", path, *T, launcher=shell(redirect)
            )
            wait_until(path.exists)
            received = world.program.run("receive", "--unix", path, "--wait", "5", *T, "-o", world / "out")
            return {"sent": sender.end().code, "received": told(received)["code"], "files": world.files()}

        yield Row(
            f"receive --json, standard output {slug}",
            receive,
            {"code": 3, "server": "end", "files": {"out": "abc"}},
        )
        yield Row(
            f"send --json, standard output {slug}",
            send_json,
            {"sent": 3, "received": 0, "files": {"in": "abc", "out": "abc"}},
        )


def to_full(world: World, words: list[str]) -> Json:
    stdin = b"ff" if words[0] == "pack" else b"7.ff"
    came = told(world.program.run(*words, stdin=stdin, launcher=shell(">/dev/full")))
    return {"code": came["code"]} if "--json" in words else came


def full_rows() -> Iterator[Row]:
    """Rows with /dev/full, a small disk and a limit on the size of files."""
    io = {"code": 3, "error": "io"}
    for words in (["pack"], ["unpack"], ["pack", "--json"], ["unpack", "--json"], ["--help"], ["--version"]):
        yield Row(
            f"{' '.join(words)} >/dev/full",
            partial(to_full, words=words),
            {"code": 3},
        )
    yield Row("receive >/dev/full", lambda w: w.give(FRAME, launcher=shell(">/dev/full")), {**io, "server": "reset"})
    yield Row("receive -o /dev/full", lambda w: w.give(FRAME, "-o", "/dev/full"), {**io, "server": "reset"})
    yield Row(
        "receive -o /dev/full, Unix", lambda w: w.give(FRAME, "-o", "/dev/full", via="unix"), {**io, "server": "reset"}
    )
    yield Row(
        "receive, standard error full",
        lambda w: {**w.give(FRAME, "-o", w / "out", launcher=shell("2>/dev/full")), "files": w.files()},
        {"code": 0, "server": "end", "files": {"out": "abc"}},
    )
    yield Row(
        "receive --message-file /dev/full",
        lambda w: {**w.give(FRAME, "-o", w / "out", "--message-file", "/dev/full"), "files": w.files()},
        {**io, "server": "reset", "files": {}},
    )
    vias: list[wire.Via] = ["tcp6", "unix"]
    for via in vias:

        def full_data(world: World, via: wire.Via = via) -> Json:
            disk = world.small_disk()
            came = world.give(LONG, "-o", disk / "out", via=via)
            return {**came, "left": os.listdir(disk) == []}

        def full_message(world: World, via: wire.Via = via) -> Json:
            disk = world.small_disk()
            message = b"a" * (128 << 10)
            arguments: list[Argument] = ["-o", world / "out", "--message-file", disk / "m"]
            came = world.give(frame(message, b"abc"), *arguments, via=via)
            return {**came, "left": os.listdir(disk) == [], "files": world.files()}

        def full_with_sender(world: World, via: wire.Via = via) -> Json:
            disk = world.small_disk()
            path = world / "socket"
            place = place_arguments(via, path if via == "unix" else 0)
            source = world.file("in", b"a" * (128 << 10))
            sender = world.program.start("send", "/dev/null", "--message-file", source, *place, *T)
            listening = sender.listening()
            place = place_arguments(via, listening if via == "unix" else listening.rpartition(":")[2])
            received = world.program.run("receive", *place, "-o", world / "out", "--message-file", disk / "m", *T)
            return {"sent": told(sender.end()), "received": told(received), "files": world.files()}

        detail = "DIR/disk/{}: no space left on device"
        lost = {**io, "server": "reset", "left": True}
        yield Row(f"receive on a full disk, {via}", full_data, {**lost, "detail": detail.format("out")})
        yield Row(
            f"receive the message on a full disk, {via}",
            full_message,
            {**lost, "detail": detail.format("m"), "files": {"disk": "directory"}},
        )
        yield Row(
            f"hand over with the message on a full disk, {via}",
            full_with_sender,
            {
                "sent": {"code": 4, "error": "unconfirmed"},
                "received": io,
                "files": {"disk": "directory", "in": str(128 << 10)},
            },
        )
    limit = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash"]  # 64 KiB
    yield Row(
        "receive past the limit on the size of a file",
        lambda w: {**w.give(LONG, "-o", w / "out", launcher=limit), "files": w.files()},
        {**io, "detail": "DIR/out: file too large", "server": "reset", "files": {}},
    )
    yield Row(
        "receive a message past the limit on the size of a file",
        lambda w: {
            **w.give(frame(b"m" * (128 << 10), b"abc"), "--message-file", w / "m", "-o", w / "out", launcher=limit),
            "files": w.files(),
        },
        {**io, "detail": "DIR/m: file too large", "server": "reset", "files": {}},
    )

    def spool_limit(world: World) -> Json:
        spool = world / "spool"
        spool.mkdir()
        return piped(world, 1 << 20, env={"TMPDIR": str(spool)}, launcher=limit)

    yield Row(
        "spool past the limit on the size of a file",
        spool_limit,
        {**io, "detail": "DIR/spool: file too large", "hint": SPOOL},
    )


def piped(world: World, size: int, *arguments: Argument, env: dict[str, str] | None = None, **more: object) -> Json:
    """Sends `size` bytes of a pipe. Returns the outcome, with the data of a raw client if the program listened."""
    with subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE) as head:
        assert head.stdout is not None
        sender = world.program.start(
            "send",
            "--port",
            "0",
            "--timeout",
            "3",
            *arguments,
            stdin=head.stdout,
            env=env,
            **more,  # type: ignore[arg-type]
        )
        head.stdout.close()
        assert sender.err is not None
        line = sender.err.next()
        if not line.startswith(b"kcom5: listening on "):
            sender.err.buffer = line + b"\n" + sender.err.buffer
            return told(sender.end())
    with wire.connect("tcp6", line.decode().rpartition(":")[2]) as client:
        client.sendall(HELLO)
        octets, _ = wire.read_to_end(client)
    return {**told(sender.end()), **taken(octets)}


def spool_rows() -> Iterator[Row]:
    good = {"code": 0, "data": 200000}
    unset = ["env", "-u", "TMPDIR"]
    yield Row("spool, TMPDIR unset", lambda w: piped(w, 200000, launcher=unset), good)
    yield Row("spool, TMPDIR empty", lambda w: piped(w, 200000, env={"TMPDIR": ""}), good)
    io = {"code": 3, "error": "io", "hint": SPOOL}
    for slug in ("missing", "file"):
        detail = {"missing": "DIR/missing: no such file or directory", "file": "DIR/file: not a directory"}[slug]

        def spool(world: World, slug: str = slug, option: bool = False) -> Json:
            world.file("file")
            return piped(world, 200000, env={"TMPDIR": str(world / slug)})

        def by_option(world: World, slug: str = slug) -> Json:
            world.file("file")
            return piped(world, 200000, "--spool-dir", world / slug)

        yield Row(f"spool, TMPDIR {slug}", spool, {**io, "detail": detail})
        yield Row(f"spool, --spool-dir {slug}", by_option, {**io, "detail": detail})

    def overridden(world: World) -> Json:
        (world / "spool").mkdir()
        return piped(world, 200000, "--spool-dir", world / "spool", env={"TMPDIR": str(world / "missing")})

    def full(world: World) -> Json:
        return piped(world, 1 << 20, env={"TMPDIR": str(world.small_disk())})

    def without_need(world: World) -> Json:
        sender, port = send(world.program, world.file("in"), "--spool-dir", world / "missing")
        with wire.connect("tcp6", port) as client:
            client.sendall(HELLO)
            octets, _ = wire.read_to_end(client)
        return {**told(sender.end()), **taken(octets)}

    yield Row("spool, --spool-dir before TMPDIR", overridden, good)
    yield Row("spool on a full disk", full, {**io, "detail": "DIR/disk: no space left on device"})
    yield Row("spool not needed, missing", without_need, {"code": 0, "data": "abc"})


def need(path: str) -> None:
    if not Path(path).exists():
        raise NotRun(f"`test -e {path}`: this system has none")


ROWS = [*closed_rows(), *json_rows(), *full_rows(), *spool_rows()]
