"""Rows of names that are escaped, of warnings, and of files at the path of a Unix-domain socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import wire
from other_user import other_user
from peers import Json
from situation import Row, row
from world import HINTS, World, refused, told

IO = {"error": "io"}

# Unusual names: as bytes, and as text and JSON show them.
NAMES: dict[str, tuple[bytes, str, str]] = {
    "escape": (b"a\x1b[31mb", r"a\x1b[31mb", "a\x1b[31mb"),
    "line end": (b"a\nb\rc", r"a\x0ab\x0dc", "a\nb\rc"),
    "delete": (b"a\x7fb", r"a\x7fb", "a\x7fb"),
    "C1 control": ("a\x9bb".encode(), r"a\x9bb", "a\x9bb"),
    "no UTF-8": (b"a\xff\xc3b", r"a\xff\xc3b", r"a\xff\xc3b"),
    "cut UTF-8": (b"a\xe2\x82", r"a\xe2\x82", r"a\xe2\x82"),
    "surrogate": (b"a\xed\xa0\x80b", r"a\xed\xa0\x80b", r"a\xed\xa0\x80b"),
    "bidirectional": ("a\u202eb".encode(), r"a\u{202e}b", "a\u202eb"),
    "zero width": ("a\u200bb".encode(), r"a\u{200b}b", "a\u200bb"),
    "byte order mark": ("a\ufeffb".encode(), r"a\u{feff}b", "a\ufeffb"),
    "line separator": ("a\u2028b".encode(), r"a\u{2028}b", "a\u2028b"),
    "hangul filler": ("a\u3164b".encode(), r"a\u{3164}b", "a\u3164b"),
    "variation selector": ("a\ufe0fb".encode(), r"a\u{fe0f}b", "a\ufe0fb"),
    "tag": ("a\U000e0041b".encode(), r"a\u{e0041}b", "a\U000e0041b"),
    "private use": ("a\ue000b".encode(), r"a\u{e000}b", "a\ue000b"),
    "isolate and soft hyphen": ("\u2066\u00ad".encode(), r"\u{2066}\u{ad}", "\u2066\u00ad"),
    "letters without a glyph": ("\u115f\u1160\uffa0".encode(), r"\u{115f}\u{1160}\u{ffa0}", "\u115f\u1160\uffa0"),
    "marks without a glyph": ("\u034f\U000e0101".encode(), r"\u{34f}\u{e0101}", "\u034f\U000e0101"),
    "unassigned": ("\u0378".encode(), r"\u{378}", "\u0378"),
    "wide and hard blanks": ('"\u3000\ufffd\u00a0☃'.encode(), '"\u3000\ufffd\u00a0☃', '"\u3000\ufffd\u00a0☃'),
    "letters": ("é한😀".encode(), "é한😀", "é한😀"),
}


def name_rows() -> Iterator[Row]:
    for slug, (octets, text, value) in NAMES.items():
        gone = ": no such file or directory"
        yield row(f"name in text: {slug}", {**IO, "detail": text + gone}, World.ends, "send", octets)
        yield row(f"name in JSON: {slug}", {**IO, "detail": value + gone}, World.ends, "send", "--json", octets)
        nobody = {"error": "refused", "detail": f"nobody listens on {text}"}
        yield row(f"Unix path in text: {slug}", nobody, World.ends, "receive", "--unix", octets)

    def place(world: World, *arguments: str) -> Json:
        sender = world.start("send", "--unix", b"s\x1b\xff", *arguments)
        shown = sender.place()
        received = world.ends("receive", "--unix", b"s\x1b\xff")
        return {"place": shown, "sent": told(sender.end()), "received": received}

    whole = {"sent": {"code": 0}, "received": {"code": 0}}
    yield row("listening on a path with an escape", {**whole, "place": r"s\x1b\xff"}, place)
    yield row("listening on a path with an escape, JSON", {**whole, "place": "s\x1b\\xff"}, place, "--json")


def warning_rows() -> Iterator[Row]:
    def with_mode(world: World, mode: int, *words: str) -> Json:
        world.file("address", f"{wire.free_port()}.00".encode(), mode)
        world.file("key", b"ff", mode)
        return world.ends(*words)

    def with_an_escape(world: World) -> Json:
        return world.ends("pack", "--key", world.file("key\x1b", b"ff", 0o644).name)

    warning = r"warning: key\x1b can be read by other users: chmod 600 key\x1b"
    yield row("warning of a name with an escape", {"code": 0, "words": warning}, with_an_escape)
    address, key = "receive --address address", "pack --key key"
    for mode in (0o644, 0o640, 0o604, 0o600):
        for words, outcome in ((address, {"error": "refused"}), (key, {"code": 0}), (f"{address} --quiet", {})):
            name = words.split()[2]
            warning = f"warning: {name} can be read by other users: chmod 600 {name}"
            is_warned = mode != 0o600 and "--quiet" not in words
            expected = {**outcome, "words": warning if is_warned else None}
            yield row(f"{words}, of mode {mode:o}", expected, with_mode, mode, *words.split())


def no_ipv6_rows() -> Iterator[Row]:
    script = 'ip link set lo up && echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6 && exec "$@"'
    space = ["unshare", "--net", "sh", "-c", script, "sh"]

    def prepare(world: World) -> None:
        refused(*space, "true")

    no_ipv6 = {"error": "io", "hint": HINTS["no-ipv6"]}
    for words, expected in (
        ("send --port 0", no_ipv6),
        ("send --port 13600", no_ipv6),
        ("receive --port 13600", no_ipv6),
        ("send --port 0 --ipv4", {"error": "timeout"}),
        ("receive --port 13600 --ipv4", {"error": "refused"}),
    ):
        yield row(f"no ::1: {words}", expected, World.ends, *words.split(), bound=1, launcher=space, before=prepare)


def listener(world: World, kind: int = socket.SOCK_STREAM, name: str = "socket") -> socket.socket:
    """Returns a live socket at a path."""
    server = world.undo.enter_context(socket.socket(socket.AF_UNIX, kind))
    server.bind(str(world / name))
    if kind == socket.SOCK_STREAM:
        server.listen()
    return server


def path_rows() -> Iterator[Row]:
    """Rows of the spec's table of files at the path, with the outcome of the server and the client."""

    def meets(world: World, command: str, name: str) -> Json:
        before = world.files()
        came = world.ends(command, "--unix", f"{world.directory}/{name}", bound=1)
        return {**came, "is_unchanged": before == world.files()}

    def stale(world: World, kind: int = socket.SOCK_STREAM, name: str = "socket") -> None:
        listener(world, kind, name).close()

    def link(target: str) -> Callable[[World], None]:
        def prepare(world: World) -> None:
            world.file("file")
            stale(world, name="s")
            (world / "socket").symlink_to(target)

        return prepare

    def of_another_user(world: World) -> None:
        stale(world)
        os.chown(world / "socket", other_user(), other_user())

    def loop(world: World) -> None:
        (world / "loop").symlink_to("loop")

    def because(error: str, why: str, name: str = "socket") -> Json:
        return {"error": error, "detail": f"DIR/{name}: {why}"}

    nobody = {"error": "refused", "detail": "nobody listens on DIR/socket"}
    late = {"error": "timeout", "detail": "no client connected to DIR/socket within 1 s"}
    replaced = {**late, "is_unchanged": False}
    listens = because("in-use", "another server listens there")
    no_socket, is_link = because("in-use", "is not a socket"), because("in-use", "is a symbolic link")
    with_slash = because("in-use", "is not a socket", "d/")
    no_folder = because("io", "no such file or directory", "no/socket")
    below = because("io", "not a directory", "f/socket")
    on_the_way = because("io", "too many levels of symbolic links", "loop/s")
    table: list[tuple[str, str, Callable[[World], object], Json, Json | None]] = [
        # what is there, the name, how it gets there, the outcome of the server and the client
        ("nothing", "socket", lambda w: None, late, nobody),
        ("live server", "socket", listener, listens, None),
        ("live datagram socket", "socket", lambda w: listener(w, socket.SOCK_DGRAM), listens, IO),
        ("stale socket", "socket", stale, replaced, nobody),
        ("stale datagram socket", "socket", lambda w: stale(w, socket.SOCK_DGRAM), replaced, nobody),
        (
            "another user's stale socket",
            "socket",
            of_another_user,
            because("in-use", "belongs to another user"),
            nobody,
        ),
        ("file", "socket", lambda w: w.file("socket"), no_socket, nobody),
        ("empty file", "socket", lambda w: w.file("socket", b""), no_socket, nobody),
        ("directory", "socket", lambda w: (w / "socket").mkdir(), no_socket, nobody),
        ("slash behind a directory", "d/", lambda w: (w / "d").mkdir(), with_slash, {"error": "refused"}),
        ("FIFO", "socket", lambda w: os.mkfifo(w / "socket"), no_socket, nobody),
        ("dangling link", "socket", link("nothing"), is_link, nobody),
        ("link to a file", "socket", link("file"), is_link, nobody),
        ("link to a stale socket", "socket", link("s"), is_link, nobody),
        ("loop of links", "socket", link("socket"), is_link, IO),
        ("missing folder", "no/socket", lambda w: None, no_folder, no_folder),
        ("below a file", "f/socket", lambda w: w.file("f"), below, below),
        ("loop on the way", "loop/s", loop, on_the_way, on_the_way),
        ("too long", "s" * 100, lambda w: None, IO, IO),
        ("@ first", "@socket", lambda w: None, {"error": "timeout"}, {"error": "refused"}),
    ]
    for slug, name, prepare, server, client in table:
        for command, expected in (("send", server), ("receive", client)):
            if expected:
                expected = {"is_unchanged": True, **expected}
                yield row(f"{command} --unix, {slug}", expected, meets, command, name, before=prepare)

    def of_length(world: World, size: int) -> Json:
        path = f"{world.directory}/".ljust(size, "x")
        came = world.ends("send", "--unix", path, bound=1)
        return {"error": came["error"], "is_named": f"{size} bytes" in came["detail"]}

    yield row("send --unix, 107 bytes", {"error": "timeout", "is_named": False}, of_length, 107)
    yield row("send --unix, 108 bytes", {"error": "io", "is_named": True}, of_length, 108)

    def taken(world: World, host: str) -> Json:
        with socket.create_server((host, 0), family=socket.AF_INET6) as server:
            return world.ends("send", "--port", str(server.getsockname()[1]))

    for host in ("::1", "::"):
        in_use = {"error": "in-use", "detail": "[::1]:PORT is in use by another program"}
        yield row(f"send to a port in use on {host}", in_use, taken, host)


ROWS = [*name_rows(), *warning_rows(), *no_ipv6_rows(), *path_rows()]
