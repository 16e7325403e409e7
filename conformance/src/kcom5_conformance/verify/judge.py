"""The verdict on one connection, by the rules of the spec's sections Wire format and Closing."""

from __future__ import annotations

from contextlib import suppress

from ..results import KEPT, Axis, Level, Problem
from .record import MAGIC, Connection, What, Who


class _Judge:
    """Collects the problems of one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.client, self.server = connection.client, connection.server
        self.whats = [(rung.who, rung.what) for rung in connection.rungs]

    def has(self, who: Who, what: What) -> bool:
        return (who, what) in self.whats

    def problem(
        self, rule: str, who: Who, got: str, expected: str, at: int | None = None, level: Level = "MUST",
        axis: Axis = "wire", stream: bytes = b"", is_short: bool = False,
    ) -> None:  # fmt: skip
        """`is_short` means that further bytes could still make it correct."""
        if is_short and self.connection.is_open:
            self.connection.is_whole = False
            return
        own = self.client if who == "client" else self.server
        self.connection.problems.append(
            Problem(rule, level, axis, got, expected, own[:KEPT].hex(), stream[:KEPT].hex(), at)
        )

    def ended(self, rule: str, got: str, expected: str) -> None:
        self.connection.problems.append(Problem(rule, "SHOULD", "ended", got, expected))


def judge_connection(connection: Connection) -> None:
    judge = _Judge(connection)
    hello, server = judge.client[:8], judge.server
    differs = next((at for at, (a, b) in enumerate(zip(hello, MAGIC, strict=False)) if a != b), None)
    if differs is not None or len(hello) < 8:
        got = f"{hello.hex(' ')} from the client" if hello else "nothing from the client"
        judge.problem("hello.form", "client", got, "4b 43 4f 4d 35 and three more octets", differs, stream=MAGIC,
                      is_short=differs is None)  # fmt: skip
        if server:
            rule = "hello.reject" if differs is not None else "echo.exact"
            what = "a wrong hello" if differs is not None else f"{len(hello)} octets of the hello"
            judge.problem(rule, "server", f"{len(server)} octets from the server after {what}", "not one octet", 0)
        _judge_abort(judge, "server", "after a bad hello")
        return
    first = next((rung for rung in connection.rungs if rung.who == "client" and rung.what == "octets"), None)
    together = first is not None and first.at is not None and len(first.octets) > 8
    if len(judge.client) > 8:
        got = f"{len(judge.client)} octets from the client"
        judge.problem("hello.form", "client", got, "eight octets and nothing else", 8, stream=hello)
        if not server:  # valid if the bytes arrived together
            _judge_abort(judge, "server", "after a bad hello")
            return
        if together:
            got = "an echo, though more than eight octets came together"
            judge.problem("hello.alone", "server", got, "not one octet", 0, "SHOULD")
    echo = server[:8]
    wrong = next((at for at, (a, b) in enumerate(zip(echo, hello, strict=False)) if a != b), None)
    if wrong is not None or len(echo) < 8:
        got = f"{echo.hex(' ')} from the server" if echo else "nothing from the server"
        judge.problem("echo.exact", "server", got, hello.hex(" "), wrong, stream=hello, is_short=wrong is None)
        _judge_abort(judge, "client", "after a bad echo")
        return
    if _judge_frame(judge):
        _judge_ends(judge)
    else:
        _judge_abort(judge, "client", "without the whole frame, or with a bad message")


def _judge_frame(judge: _Judge) -> bool:
    """Returns whether the frame is right."""
    server = judge.server
    size = int.from_bytes(server[8:12], "little")
    fields = [("message length", 8, 4), ("message", 12, size), ("data length", 12 + size, 8)]
    if len(server) >= 20 + size:
        fields.append(("data", 20 + size, int.from_bytes(server[12 + size : 20 + size], "little")))
    end = fields[-1][1] + fields[-1][2]
    if len(server) != end and _judge_lengths(judge, fields):
        return False
    message = server[12 : 12 + size]
    is_text = True
    if len(message) == size:
        try:
            message.decode()
        except UnicodeDecodeError as error:
            at, is_text = 12 + error.start, False
            got = f"{message[error.start : error.start + 4].hex(' ')} in the message"
            judge.problem("message.utf8", "server", got, "well-formed UTF-8", at)
    if len(server) > end:
        got = f"{len(server) - end} octets after the data"
        judge.problem("frame.order", "server", got, "nothing after the data", end, stream=server[:end])
        return False
    if len(server) < end:
        name, start, declared = next(item for item in fields if len(server) < item[1] + item[2])
        got = f"{len(server) - start:,} of {declared:,} octets of the {name}"
        client_first = ("client", "end") in judge.whats and not judge.has("client", "reset")
        if client_first and judge.has("server", "end"):
            client_first = judge.whats.index(("client", "end")) < judge.whats.index(("server", "end"))
        if not judge.has("server", "end") and not judge.has("server", "reset") and judge.has("client", "reset"):
            got += ", and a reset by the client"
        if len(judge.client) > 8:
            judge.problem("close.extra", "server", got, "all of them, whatever the client sends", len(server),
                          is_short=True)  # fmt: skip
        elif client_first:
            judge.problem("close.half", "server", got, "all of them, though the client half-closed", len(server))
        else:
            judge.problem("data.truncated", "server", got, "all of them", len(server), is_short=True)
        return False
    return is_text


def _judge_lengths(judge: _Judge, fields: list[tuple[str, int, int]]) -> bool:
    """Recognises common wrong lengths in a frame whose lengths do not match its bytes."""
    server = judge.server
    size = int.from_bytes(server[8:12], "big")
    if fields[1][2] != size and len(server) >= 20 + size:
        rest = server[12 + size : 20 + size]
        if len(server) - 20 - size in (int.from_bytes(rest, "big"), int.from_bytes(rest, "little")):
            got = f"{server[8:12].hex(' ')} for {size} octets: big-endian"
            judge.problem("message.length", "server", got, size.to_bytes(4, "little").hex(" "), 8)
            return True
    declared = fields[1][2]
    if size := _size_of_characters(server, declared):
        got = f"{declared}, the number of characters"
        judge.problem("message.length", "server", got, f"{size}, the number of octets", 8)
        return True
    if len(fields) == 4:
        _, start, declared = fields[3]
        raw, there = server[start - 8 : start], len(server) - start
        if declared != there and int.from_bytes(raw, "big") == there:
            got = f"{raw.hex(' ')} for {there} octets: big-endian"
            judge.problem("data.length", "server", got, there.to_bytes(8, "little").hex(" "), start - 8)
            return True
    return False


def _size_of_characters(server: bytes, count: int) -> int:
    """Returns the size in bytes of a message of `count` characters, or 0 if none fits."""
    characters = 0
    for size in range(1, min(len(server) - 20, 4 * count) + 1):
        characters += server[11 + size] & 0xC0 != 0x80
        if characters > count:
            break
        if characters < count or size == count:
            continue
        is_end = int.from_bytes(server[12 + size : 20 + size], "little") == len(server) - 20 - size
        if is_end and size <= 4 * count:
            with suppress(UnicodeDecodeError):
                server[12 : 12 + size].decode()
                return size
    return 0


def _judge_ends(judge: _Judge) -> None:
    """Judges how a connection with a right and complete frame ended."""
    closings = [item for item in judge.whats if item[1] in ("end", "reset")]
    if ("server", "reset") in closings:
        is_first = closings[0] == ("server", "reset")
        got = "a reset by the server" + ("" if is_first else f" after {_said(closings[0])}")
        if len(judge.client) > 8:
            expected = "the client's octets read and thrown away"
            judge.problem("close.extra", "server", got, expected, axis="ended")
        else:
            judge.ended("close.confirm", got, "a half-close by the server, then the client's end")
    elif ("client", "reset") in closings:
        judge.ended("close.confirm", "a reset by the client, which has every octet", "an orderly end by the client")


def _judge_abort(judge: _Judge, who: Who, when: str) -> None:
    """Checks that an end that fails resets the connection, unless its peer has reset first."""
    resets = judge.has("client", "reset") or judge.has("server", "reset")
    if judge.connection.has_ends and judge.has(who, "end") and not resets:
        judge.ended("close.abort", f"an orderly end by the {who} {when}", f"a reset by the {who}")


def _said(item: tuple[Who, What]) -> str:
    return f"the {item[0]}'s {item[1]}"
