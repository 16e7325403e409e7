"""Rows of messages: escaping, hints, --quiet, confirmed; and of files at the path of a Unix-domain socket."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial

import wire
from peers import Json
from programs import HINTS, NO_IPV6, T
from situation import Row, World, give_away, listener, refused, told
from wire import HELLO, frame

IO = {"code": 3, "error": "io"}

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
    "letters": ("é한😀".encode(), "é한😀", "é한😀"),
}


def name_rows() -> Iterator[Row]:
    for slug, (octets, text, value) in NAMES.items():

        def in_text(world: World, octets: bytes = octets) -> Json:
            return told(world.program.run("send", octets, "--port", "0", *T, cwd=world.directory))

        def in_json(world: World, octets: bytes = octets) -> Json:
            result = world.program.run("send", "--json", octets, "--port", "0", *T, cwd=world.directory)
            json.loads(result.out.decode("ascii"))
            return told(result)

        def output(world: World, octets: bytes = octets) -> Json:
            return told(world.program.run("receive", "--unix", octets, "-o", b"x", *T, cwd=world.directory))

        gone = ": no such file or directory"
        yield Row(f"name in text: {slug}", in_text, {**IO, "detail": text + gone})
        yield Row(f"name in JSON: {slug}", in_json, {**IO, "detail": value + gone})
        yield Row(
            f"Unix path in text: {slug}",
            output,
            {"code": 3, "error": "refused", "detail": f"nobody listens on {text}"},
        )

    def place(world: World) -> Json:
        sender = world.program.start("send", "--unix", b"s\x1b\xff", *T, cwd=world.directory)
        shown = sender.listening()
        received = world.program.run("receive", "--unix", b"s\x1b\xff", *T, cwd=world.directory)
        return {"place": shown, "sent": told(sender.end()), "received": told(received)}

    def place_in_json(world: World) -> Json:
        sender = world.program.start("send", "--json", "--unix", b"s\x1b\xff", *T, cwd=world.directory)
        assert sender.out is not None
        shown = json.loads(sender.out.next().decode("ascii"))["listening"]
        received = world.program.run("receive", "--unix", b"s\x1b\xff", *T, cwd=world.directory)
        return {"place": shown, "sent": told(sender.end()), "received": told(received)}

    yield Row("listening on a path with an escape", place, {"place": r"s\x1b\xff", "sent": {"code": 0}})
    yield Row("listening on a path with an escape, JSON", place_in_json, {"place": "s\x1b\\xff", "sent": {"code": 0}})
    message = 'a"\\\x1b\u202e\x9b\té'

    def shown_message(world: World) -> Json:
        return world.give(frame(message.encode(), b""), "-o", world / "out")

    def json_message(world: World) -> Json:
        result = world.give(frame(message.encode(), b""), "--json", "-o", world / "out")
        return {**result, "message": [hex(ord(letter)) for letter in result["message"]]}

    yield Row("message with controls", shown_message, {"code": 0})
    yield Row("message with controls, JSON", json_message, {"code": 0, "message": [hex(ord(c)) for c in message]})


def status_rows() -> Iterator[Row]:
    def early(*arguments: str) -> Callable[[World], Json]:
        """The client half-closes early, while the server still has more to send than the kernel buffers."""

        def act(world: World) -> Json:
            sender = world.program.start(
                "send", world.file("in", bytes(1 << 20)), "--unix", world / "s", *T, *arguments
            )
            sender.listening() if "--json" not in arguments else sender.out and sender.out.next()
            with wire.connect("unix", world / "s") as client:
                client.sendall(HELLO)
                client.shutdown(socket.SHUT_WR)
                wire.read_to_end(client)
            return told(sender.end())

        return act

    yield Row(
        "not confirmed",
        early(),
        {"code": 0, "words": "sent 1,048,576 bytes, not confirmed: the client had ended its sending side early"},
    )
    yield Row("not confirmed, JSON", early("--json"), {"code": 0, "ok": True, "sent": 1 << 20, "confirmed": False})

    def ends(sender: list[str], receiver: list[str]) -> Callable[[World], Json]:
        def act(world: World) -> Json:
            running = world.program.start("send", world.file("in", b"a" * 1234), "--unix", world / "s", *T, *sender)
            received = world.program.run(
                "receive", "--unix", world / "s", "--wait", "5", "-o", world / "out", *T, *receiver
            )
            result = running.end()
            return {"sent": told(result), "received": told(received), "said": len(result.err + received.err)}

        return act

    message = ["--message", "hi"]
    yield Row(
        "confirmed",
        ends(message, []),
        {
            "sent": {"code": 0, "words": "sent 1,234 bytes, confirmed"},
            "received": {"code": 0, "words": 'received 1,234 bytes, message "hi"'},
        },
    )
    yield Row(
        "confirmed, JSON",
        ends([*message, "--json"], ["--json"]),
        {
            "sent": {"code": 0, "ok": True, "sent": 1234, "confirmed": True},
            "received": {"code": 0, "ok": True, "received": 1234, "message": "hi"},
            "said": 0,
        },
    )
    yield Row(
        "--quiet",
        ends(["--quiet"], ["--quiet"]),
        {"sent": {"code": 0}, "received": {"code": 0}, "said": 0},
    )
    yield Row(
        "--quiet with an error",
        lambda w: told(w.program.run("receive", "--quiet", "--unix", w / "none", *T)),
        {"code": 3, "error": "refused", "hint": HINTS["refused"]},
    )

    def address(world: World, mode: int, *arguments: str) -> Json:
        file = world.file("address", f"{wire.free_port()}.00".encode(), mode)
        return told(world.program.run("receive", "--address", file, *T, *arguments))

    warned = "warning: DIR/address can be read by other users: chmod 600 DIR/address"
    for mode in (0o644, 0o640, 0o604):
        yield Row(
            f"address file of mode {mode:o}",
            partial(address, mode=mode),
            {"code": 3, "error": "refused", "words": warned},
        )
    yield Row("address file of mode 600", lambda w: address(w, 0o600), {"error": "refused", "words": None})
    yield Row("address file of mode 644, --quiet", lambda w: address(w, 0o644, "--quiet"), {"words": None})

    def key(world: World) -> Json:
        return told(world.program.run("pack", "--key", world.file("key", b"ff", 0o644)))

    yield Row(
        "key file of mode 644",
        key,
        {"code": 0, "words": "warning: DIR/key can be read by other users: chmod 600 DIR/key"},
    )


def no_ipv6_rows() -> Iterator[Row]:
    script = 'ip link set lo up && echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6 && exec "$@"'
    space = ["unshare", "--net", "sh", "-c", script, "sh"]

    def run(*words: str, code: int, **expected: object) -> Row:
        def act(world: World) -> Json:
            refused(*space, "true")
            return told(world.program.run(*words, "--timeout", "1", launcher=space))

        return Row(f"no ::1: {' '.join(words)}", act, {"code": code, **expected})

    yield run("send", "--port", "0", code=3, error="io", hint=NO_IPV6)
    yield run("send", "--port", "13600", code=3, error="io", hint=NO_IPV6)
    yield run("receive", "--port", "13600", code=3, error="io", hint=NO_IPV6)
    yield run("send", "--port", "0", "--ipv4", code=3, error="timeout")
    yield run("receive", "--port", "13600", "--ipv4", code=3, error="refused")


def path_rows() -> Iterator[Row]:
    """Rows of the spec's table of files at the path, with the outcome of the server and the client."""

    def at(name: str, prepare: Callable[[World], object]) -> Callable[[str], Callable[[World], Json]]:
        def command(word: str) -> Callable[[World], Json]:
            def act(world: World) -> Json:
                prepare(world)
                before = world.files()
                came = told(world.program.run(word, "--unix", f"{world.directory}/{name}", "--timeout", "1"))
                return {**came, "unchanged": before == world.files()}

            return act

        return command

    def stale(world: World, name: str = "socket", kind: int = socket.SOCK_STREAM) -> None:
        listener(world, kind, name).close()

    def link(target: str) -> Callable[[World], object]:
        def prepare(world: World) -> None:
            world.file("file")
            stale(world, "s")
            (world / "socket").symlink_to(target)

        return prepare

    def foreign(world: World) -> None:
        stale(world)
        give_away(world / "socket")

    def link_on_the_way(world: World) -> None:
        (world / "loop").symlink_to("loop")

    in_use = {"code": 3, "error": "in-use"}
    refusal = {"code": 3, "error": "refused", "detail": "nobody listens on DIR/socket"}
    no_socket = {**in_use, "detail": "DIR/socket: is not a socket"}
    is_link = {**in_use, "detail": "DIR/socket: is a symbolic link"}
    late = {"code": 3, "error": "timeout", "detail": "no client connected to DIR/socket within 1 s"}
    no_folder = {**IO, "detail": "DIR/f/socket: not a directory"}
    long = "s" * 100
    table: list[tuple[str, str, Callable[[World], object], Json, Json | None]] = [
        ("nothing", "socket", lambda w: None, late, refusal),
        (
            "live server",
            "socket",
            listener,
            {**in_use, "detail": "DIR/socket: another server listens there"},
            None,
        ),
        (
            "live datagram socket",
            "socket",
            lambda w: listener(w, socket.SOCK_DGRAM),
            {**in_use, "detail": "DIR/socket: another server listens there"},
            IO,
        ),
        ("stale socket", "socket", stale, {**late, "unchanged": False}, refusal),
        (
            "stale datagram socket",
            "socket",
            lambda w: stale(w, kind=socket.SOCK_DGRAM),
            {**late, "unchanged": False},
            refusal,
        ),
        (
            "another user's stale socket",
            "socket",
            foreign,
            {**in_use, "detail": "DIR/socket: belongs to another user"},
            refusal,
        ),
        ("file", "socket", lambda w: w.file("socket"), no_socket, refusal),
        ("empty file", "socket", lambda w: w.file("socket", b""), no_socket, refusal),
        ("directory", "socket", lambda w: (w / "socket").mkdir(), no_socket, refusal),
        ("FIFO", "socket", lambda w: os.mkfifo(w / "socket"), no_socket, refusal),
        ("dangling link", "socket", link("nothing"), is_link, refusal),
        ("link to a file", "socket", link("file"), is_link, refusal),
        ("link to a stale socket", "socket", link("s"), is_link, refusal),
        ("loop of links", "socket", link("socket"), is_link, IO),
        (
            "missing folder",
            "no/socket",
            lambda w: None,
            {**IO, "detail": "DIR/no/socket: no such file or directory"},
            {**IO, "detail": "DIR/no/socket: no such file or directory"},
        ),
        ("below a file", "f/socket", lambda w: w.file("f"), no_folder, no_folder),
        (
            "loop on the way",
            "loop/s",
            link_on_the_way,
            {**IO, "detail": "DIR/loop/s: too many levels of symbolic links"},
            {**IO, "detail": "DIR/loop/s: too many levels of symbolic links"},
        ),
        ("too long", long, lambda w: None, IO, IO),
        ("@ first", "@socket", lambda w: None, {"error": "timeout"}, {"error": "refused"}),
    ]
    for slug, name, prepare, server, client in table:
        command = at(name, prepare)
        yield Row(f"send --unix, {slug}", command("send"), {"unchanged": True, **server})
        if client:
            yield Row(f"receive --unix, {slug}", command("receive"), {"unchanged": True, **client})

    def of_length(size: int) -> Callable[[World], Json]:
        def act(world: World) -> Json:
            path = f"{world.directory}/".ljust(size, "x")
            came = told(world.program.run("send", "--unix", path, "--timeout", "1"))
            return {
                "code": came["code"],
                "error": came["error"],
                "size": size if f"{size} bytes" in came["detail"] else 0,
            }

        return act

    yield Row("send --unix, 107 bytes", of_length(107), {"code": 3, "error": "timeout"})
    yield Row("send --unix, 108 bytes", of_length(108), {**IO, "size": 108})

    def in_use_port(world: World) -> Json:
        with wire.listen("tcp6", world / "s") as server:
            return told(world.program.run("send", "--port", str(server.getsockname()[1]), *T))

    yield Row("send to a port in use", in_use_port, {**in_use, "detail": "PLACE is in use by another program"})


ROWS = [*name_rows(), *status_rows(), *no_ipv6_rows(), *path_rows()]
