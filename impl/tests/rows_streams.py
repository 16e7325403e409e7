"""Rows of standard streams that are closed, full or broken, and of full disks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import combinations

from peers import Json
from situation import Row, row
from wire import Via, counter, frame
from world import HINTS, MIB, World, brief, shell

FRAME = frame(b"hi", b"abc")
BOTH = ("-o", "out", "--message-file", "m")
IO = {"error": "io"}
LOST = {"error": "io", "server": "reset"}


def with_input(world: World) -> None:
    world.file("in")


def unheard(world: World, *arguments: str, launcher: Sequence[str]) -> Json:
    """Hands over on a path that the sender need not tell."""
    sender = world.start("send", "in", "--unix", "socket", *arguments, launcher=launcher)
    received = world.ends("receive", "--unix", "socket", "--wait", "15", "-o", "out")
    return {"sent": {"code": sender.end().code}, "received": received}


UNHEARD = {"sent": {"code": 0}, "received": {"code": 0}, "files": {"in": "abc", "out": "abc"}}


def closed_rows() -> Iterator[Row]:
    for streams in [streams for size in (1, 2, 3) for streams in combinations("012", size)]:
        slug = "".join(streams)
        launcher = shell(" ".join(f"{stream}>&-" for stream in streams))
        stored = {"code": 0, "server": "end", "files": {"out": "abc", "m": "hi"}}
        yield row(f"receive to files, {slug} closed", stored, World.give, FRAME, *BOTH, launcher=launcher)
        yield row(f"send a file, {slug} closed", UNHEARD, unheard, launcher=launcher, before=with_input)

    no_output = {**IO, "server": "nobody", "detail": "standard output is closed"}
    for words, redirections, expected in (
        ("", ">&-", no_output),
        ("-o -", "<&- >&-", no_output),
        ("", ">&- 2>&-", {"code": 3, "server": "nobody"}),
        ("-o out --message-file -", ">&-", no_output),
        ("-o /dev/stdout", ">&-", {**no_output, "detail": ...}),
    ):
        name = f"receive {words} {redirections}"
        yield row(name, expected, World.give, FRAME, *words.split(), launcher=shell(redirections))

    for words in (
        "send --port 0",
        "send - --port 0",
        "send /dev/null --message-file -",
        "receive --address -",
        "pack",
        "unpack",
    ):
        no_input = {**IO, "detail": "standard input is closed"}
        yield row(f"{words} <&-", no_input, World.ends, *words.split(), launcher=shell("<&-"))
    for words in ("pack", "unpack", "--help", "send --help", "--version"):
        closed = {**IO, "detail": "standard output is closed"}
        yield row(
            f"{words} >&-", closed, World.ends, *words.split(), stdin=INPUT.get(words, b""), launcher=shell(">&-")
        )


INPUT = {"pack": b"ff", "unpack": b"7.ff"}


def full_rows() -> Iterator[Row]:
    """Rows with /dev/full, a small disk and a limit on the size of files."""
    full = shell(">/dev/full")
    for words in ("pack", "unpack", "pack --json", "unpack --json", "--help", "--version"):
        lost = {"code": 3, "error": ..., "detail": ...} if "--json" in words else IO
        stdin = INPUT.get(words.split()[0], b"")
        yield row(f"{words} >/dev/full", lost, World.ends, *words.split(), stdin=stdin, launcher=full)
    # a result line that cannot be written although the data is stored
    for redirection in (">&-", ">/dev/full"):
        launcher = shell(redirection)
        stored = {"code": 3, "error": ..., "detail": ..., "hint": ..., "server": "end", "files": {"out": "abc"}}
        yield row(f"receive --json {redirection}", stored, World.give, FRAME, "--json", "-o", "out", launcher=launcher)
        sent = {**UNHEARD, "sent": {"code": 3}}
        yield row(f"send --json {redirection}", sent, unheard, "--json", launcher=launcher, before=with_input)

    yield row("receive >/dev/full", LOST, World.give, FRAME, launcher=full)
    yield row("receive -o /dev/full", LOST, World.give, FRAME, "-o", "/dev/full")
    yield row("receive -o /dev/full, Unix", LOST, World.give, FRAME, "-o", "/dev/full", via="unix")
    yield row(
        "receive 2>/dev/full",
        {"code": 0, "server": "end", "files": {"out": "abc"}},
        World.give,
        FRAME,
        *("-o", "out"),
        launcher=shell("2>/dev/full"),
    )
    to_full = ("-o", "out", "--message-file", "/dev/full")
    yield row("receive --message-file /dev/full", {**LOST, "files": {}}, World.give, FRAME, *to_full)

    data, message = frame(b"hi", counter(MIB)), frame(b"m" * (MIB // 8), b"abc")
    limit = shell(before="ulimit -f 64;")  # 64 KiB
    for words, octets, name in (("-o FILE", data, "out"), ("-o out --message-file FILE", message, "m")):
        for via in ("tcp6", "unix"):
            no_space = {**LOST, "detail": f"disk/{name}: no space left on device", "left": []}
            arguments = words.replace("FILE", f"disk/{name}").split()
            yield row(f"receive {words} on a full disk, {via}", no_space, on_a_full_disk, octets, *arguments, via=via)
        too_large = {**LOST, "detail": f"{name}: file too large", "files": {}}
        arguments = words.replace("FILE", name).split()
        yield row(f"receive {words} past `ulimit -f`", too_large, World.give, octets, *arguments, launcher=limit)
    for via in ("tcp6", "unix"):
        expected = {"sent": {"error": "unconfirmed"}, "received": IO, "left": [], "out": False}
        yield row(f"hand over with the message on a full disk, {via}", expected, hand_over_on_a_full_disk, via)


def on_a_full_disk(world: World, octets: bytes, *arguments: str, via: Via) -> Json:
    world.small_disk()
    return {**world.give(octets, *arguments, via=via), "left": os.listdir(world / "disk")}


def hand_over_on_a_full_disk(world: World, via: Via) -> Json:
    world.small_disk()
    world.file("in", b"a" * (MIB // 8))
    place = ["--unix", "socket"] if via == "unix" else ["--port", "0"]
    came = world.hand_over([*place, "/dev/null", "--message-file", "in"], ["-o", "out", "--message-file", "disk/m"])
    return {**came, "left": os.listdir(world / "disk"), "out": (world / "out").exists()}


def piped(
    world: World, *arguments: str, size: int = 200_000, first: str = "", env: dict[str, str] | None = None
) -> Json:
    """Sends a pipe of this size. `left` are the files in the folder `spool` when it listens."""
    world.file("source", counter(size))
    (world / "spool").mkdir()
    left: list[str] = []
    launcher = shell("< <(cat source)", first)
    came = world.take(
        *arguments, launcher=launcher, env=env, bound=3, then=lambda: left.extend(os.listdir(world / "spool"))
    )
    return {**came, "left": left}


def spool_rows() -> Iterator[Row]:
    good = {"code": 0, "data": brief(counter(200_000)), "left": []}
    for size in (0, 200_000):
        yield row(f"send a pipe of {size} bytes", {**good, "data": brief(counter(size))}, piped, size=size)
    yield row("send - from a pipe", good, piped, "-")
    yield row("spool, TMPDIR unset", good, piped, first="unset TMPDIR;")
    yield row("spool, TMPDIR empty", good, piped, env={"TMPDIR": ""})
    yield row("spool in TMPDIR", good, piped, env={"TMPDIR": "spool"})
    yield row("spool, --spool-dir before TMPDIR", good, piped, "--spool-dir", "spool", env={"TMPDIR": "missing"})
    io = {**IO, "hint": HINTS["spool"]}
    for name, why in (("missing", "no such file or directory"), ("source", "not a directory")):
        wrong = {**io, "detail": f"{name}: {why}"}
        yield row(f"spool, TMPDIR {name}", wrong, piped, env={"TMPDIR": name})
        yield row(f"spool, --spool-dir {name}", wrong, piped, "--spool-dir", name)
    no_space = {**io, "detail": "disk: no space left on device"}
    yield row("spool on a full disk", no_space, piped, size=MIB, env={"TMPDIR": "disk"}, before=World.small_disk)
    too_large = {**io, "detail": "spool: file too large"}
    yield row("spool past `ulimit -f`", too_large, piped, size=MIB, env={"TMPDIR": "spool"}, first="ulimit -f 64;")
    not_needed = {"code": 0, "data": "abc"}
    yield row("spool not needed, missing", not_needed, World.take, "in", "--spool-dir", "missing", before=with_input)


ROWS = [*closed_rows(), *full_rows(), *spool_rows()]
