"""Rows of a sender and a receiver of the same program: what both say, as text and as JSON, and where their place and
message come from."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import wire
from peers import Json
from situation import Row, row
from wire import counter, frame
from world import MIB, World, at, brief, shell, told, write_to_fifo

PLACES = {
    # the sender's arguments, and what it tells
    "tcp6": (["--port=0"], "[::1]:PORT"),
    "tcp4": (["--port=0", "--ipv4"], "127.0.0.1:PORT"),
    "unix": (["--unix", "socket"], "socket"),
}


def whole_rows() -> Iterator[Row]:
    def large(world: World) -> None:
        world.file("in", counter(MIB))

    for via, (place, shown) in PLACES.items():
        expected = {
            "place": shown,
            "sent": {"code": 0, "out": None, "words": "sent 1,048,576 bytes, confirmed"},
            "received": {"code": 0, "out": None, "words": "received 1,048,576 bytes"},
            "files": dict.fromkeys(("in", "out"), brief(counter(MIB))),
        }
        yield row(f"hand over, {via}", expected, World.hand_over, [*place, "in"], ["-o", "out"], before=large)

    message = "\ufeffa\0b\r\n\n한\n".encode()

    def prepare(world: World) -> None:
        world.file("in")
        world.file("message", message)

    confirmed = {"code": 0, "words": "sent 3 bytes, confirmed"}

    def hand_over(
        name: str,
        sender: Sequence[str],
        receiver: Sequence[str],
        received: Json,
        files: Json | None = None,
        **more: Any,
    ) -> Row:
        expected = {"sent": confirmed, "received": {"code": 0, **received}, **({"files": files} if files else {})}
        return row(name, expected, World.hand_over, ["in", "--port=0", *sender], receiver, before=prepare, **more)

    yield hand_over("a message", ["--message", "hi"], [], {"out": "abc", "words": 'received 3 bytes, message "hi"'})
    yield hand_over("an empty message", ["--message="], [], {"out": "abc", "words": "received 3 bytes"})
    shown = r'received 3 bytes, message "\u{feff}a\x00b\x0d\x0a\x0a한\x0a"'
    files = {"in": "abc", "message": brief(message), "out": "abc", "m": brief(message)}
    receiver = ["-o", "out", "--message-file", "m"]
    yield hand_over("files of messages", ["--message-file", "message"], receiver, {"words": shown}, files=files)
    for timeout in ("0", "-1"):
        bound = f"--timeout={timeout}"
        yield hand_over(f"no bound: {bound}", [bound], [bound], {"out": "abc"}, bound=None)
    script = "한국어 ελληνικά עברית ☃ 😀"
    for locale in ("C", "C.UTF-8"):
        words = {"words": f'received 3 bytes, message "{script}"'}
        yield hand_over(f"LC_ALL={locale}", ["--message", script], [], words, env={"LC_ALL": locale})
    controls = 'a"\x1b\x9b\n한'
    as_json = {"out": "abc", "ok": True, "received": 3, "message": controls, "words": None}
    yield hand_over("JSON beside the data", ["--message", controls], ["--json"], as_json)

    def quietly(world: World) -> Json:
        sender = world.start("send", "in", "--unix", "socket", "--quiet")
        received = world.run("receive", "--unix", "socket", "--wait", "15", "--quiet", "-o", "out")
        return {"results": [[result.code, (result.out + result.err).decode()] for result in (received, sender.end())]}

    yield row("--quiet", {"results": [[0, ""]] * 2}, quietly, before=prepare)
    refused = {"error": "refused"}
    yield row("--quiet with an error", refused, World.ends, "receive", "--quiet", "--unix", "none")


def json_rows() -> Iterator[Row]:
    def lines(world: World, *place: str) -> Json:
        world.file("in")
        sender = world.start("send", "in", "--json", "--message", "hi", *place)
        received = world.run("receive", *at(sender.place()), "--json", "-o", "out")
        sent = sender.end()
        assert not sent.err + received.err
        return {"lines": [json.loads(result.out) for result in (sent, received)]}

    both = [{"ok": True, "sent": 3, "confirmed": True}, {"ok": True, "received": 3, "message": "hi"}]
    for via, (place, _) in PLACES.items():
        if via != "tcp4":
            yield row(f"JSON, {via}", {"lines": both}, lines, *place)

    def failure(world: World, *words: str) -> Json:
        result = world.run(*words, "--json")
        outcome = told(result)
        assert outcome.keys() == {"code", "error", "detail"}
        return {**outcome, "is_on_standard_output": not result.err, "is_on_standard_error": not result.out}

    for words, name, is_output in (
        ("send missing", "io", True),
        ("receive -o x --unix none --wait 0", "refused", True),
        ("receive --unix none --wait 0", "refused", False),
        ("pack", "invalid-key", True),
        ("unpack", "invalid-address", True),
    ):
        expected = {"error": name, "is_on_standard_output": is_output, "is_on_standard_error": not is_output}
        yield row(f"{words} --json fails", expected, failure, *words.split())


def place_rows() -> Iterator[Row]:
    def by_address(world: World, sender: str, receiver: str, *ipv4: str) -> Json:
        """The port comes from an address: of a file, of the environment or of standard input."""
        port = wire.free_port()
        packed = world.run("pack", "--port", str(port), stdin=b"5a" * 48).out
        world.file("in")
        world.file("address", packed)
        env = {"ADDRESS": packed.decode().strip()}
        running = world.start(
            "send", "in", "--address", sender, *ipv4, env=env, launcher=shell("<address" if sender == "-" else "")
        )
        is_there = running.place().endswith(f":{port}")
        stdin = packed if receiver == "-" else b""
        received = world.ends("receive", "--address", receiver, *ipv4, stdin=stdin, env=env)
        return {"sent": told(running.end()), "received": received, "is_there": is_there}

    whole = {"sent": {"code": 0}, "received": {"code": 0, "out": "abc"}}
    for sender, receiver, *ipv4 in (
        ("address", "-"),
        ("env:ADDRESS", "address"),
        ("-", "env:ADDRESS", "--ipv4"),
    ):
        expected = {**whole, "is_there": True}
        yield row(f"from {sender} to {receiver}", expected, by_address, sender, receiver, *ipv4)

    def receiver_first(world: World) -> Json:
        world.file("in")
        os.mkfifo(world / "address", 0o600)
        port = wire.free_port()
        receiver = world.start("receive", "--wait", "15", "--address", "address")
        write_to_fifo(world / "address", f"{port}.00".encode())
        sent = world.ends("send", "in", "--port", str(port))
        return {"sent": sent, "received": told(receiver.end())}

    yield row("the receiver starts first", whole, receiver_first)

    def waits(world: World) -> Json:
        start = time.monotonic()
        return {**world.ends("receive", "--wait", "1", "--unix", "none"), "is_late": time.monotonic() - start >= 1}

    yield row("--wait 1 without a sender", {"error": "refused", "is_late": True}, waits)


def message_rows() -> Iterator[Row]:
    def shown(world: World, messages: Sequence[str]) -> Json:
        came = [world.give(frame(message.encode()), "-o", "out") for message in messages]
        return {"words": [each["words"].removeprefix("received 0 bytes, message ") for each in came]}

    for letter in ("a", "é", "한", "😀"):
        words = [f'"{letter * 200}"', f'"{letter * 200}"…']
        yield row(f"200 letters {letter} of a message", {"words": words}, shown, [letter * 200, letter * 201])
    controls = '\x1b[31m\x1b]0;title\x07\x9b1m\0\x08\x7f\x85\r\n\t"quoted\\\u202eé'
    words = [r'"\x1b[31m\x1b]0;title\x07\x9b1m\x00\x08\x7f\x85\x0d\x0a\x09\"quoted\\\u{202e}é"']
    yield row("controls in a message", {"words": words}, shown, [controls])
    as_json = {"code": 0, "ok": True, "received": 0, "message": controls}
    yield row("controls in a message, JSON", as_json, World.give, frame(controls.encode()), "--json", "-o", "out")


ROWS = [*whole_rows(), *json_rows(), *place_rows(), *message_rows()]
