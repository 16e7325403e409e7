"""A verdict on a recorded exchange: a capture (pcap, pcapng), or the octets of both directions.

It reads the record and nothing else: the wire rules of the spec's "Wire format", and of "Closing" what an ending shows.
It shares no code with the implementations. Times and memory are not judged.
"""

from __future__ import annotations

import heapq
import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import dpkt
from rich.console import Console

from . import files
from .errors import UsageError
from .escape import one_line, safe
from .results import KEPT, Axis, Level, Problem

MAGIC = b"KCOM5"
Who = Literal["client", "server"]
What = Literal["connect", "octets", "end", "reset"]


@dataclass(frozen=True)
class Rung:
    """One thing that an end did."""

    at: float | None
    """Seconds from the connection's first packet; None if the record has no times."""
    who: Who
    what: What
    octets: bytes = b""
    offset: int = 0
    """Where in the stream of this end the octets begin."""


@dataclass
class Connection:
    """One connection of a record, reassembled, and the verdict on it."""

    name: str
    client: bytes
    """All that the client sent."""
    server: bytes
    rungs: list[Rung]
    notes: list[str] = field(default_factory=list)
    """What is no fault of either end: retransmissions, octets that the capture lacks."""
    is_whole: bool = True
    """Whether the record has all of it; otherwise nothing was judged."""
    has_ends: bool = True
    """Whether the record tells how the connection ended."""
    is_open: bool = False
    """The record stops before either end did: more may have come."""
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Verdicts:
    """What `verify` found."""

    source: str
    connections: list[Connection]
    notes: list[str] = field(default_factory=list)

    def word(self, *, strict: bool = False) -> str:
        """`conforms`, `does not conform`, or `not judged` if no connection is seen to break a rule, and one was not
        recorded whole. `strict` is about every SHOULD, too."""
        problems = [problem for connection in self.connections for problem in connection.problems]
        if any(strict or problem.level == "MUST" for problem in problems):
            return "does not conform"
        is_whole = self.connections and all(connection.is_whole for connection in self.connections)
        return "conforms" if is_whole else "not judged"

    def is_ok(self, *, strict: bool = False) -> bool:
        """Whether every connection was recorded whole and keeps every MUST; with `strict` every SHOULD too."""
        return self.word(strict=strict) == "conforms"


def verify(path: Path, server: Path | None = None) -> Verdicts:
    """A verdict on a capture, or on a text file of lines `> HEX` (client to server) and `< HEX` (server to client).
    With `server`, the two files are all that the client and all that the server sent. `UsageError` if there is no
    exchange in it."""
    if str(path) == str(server) == "-":
        raise UsageError("both files are standard input", "give one of them by its name")
    octets = _read(path)
    if server is not None:
        pieces: list[tuple[Who, bytes]] = [("client", octets), ("server", _read(server))]
        verdicts = Verdicts(f"{path} and {server}", [_from_pieces(pieces)])
    elif octets[:4] in _PCAP or octets[:4] == _PCAPNG:
        verdicts = _from_capture(path, octets)
    else:
        verdicts = Verdicts(str(path), [_from_pieces(_lines(path, octets))])
    for connection in verdicts.connections:
        if connection.is_whole:
            _judge(connection)
    return verdicts


MOST_READ = 256 << 20
"""Bytes of a record."""
CODES = {"conforms": 0, "does not conform": 1, "not judged": 5}
"""The exit code of each verdict."""


def _read(path: Path) -> bytes:
    hint = f"a record may have {MOST_READ >> 20} MiB: capture the loopback interface and the port of the exchange only"
    return files.read(path, MOST_READ, hint)


# ---------------------------------------------------------------------------------------------- octets without times


def _lines(path: Path, octets: bytes) -> list[tuple[Who, bytes]]:
    pieces: list[tuple[Who, bytes]] = []
    hint = "give a pcap, a pcapng, a text of lines `> HEX` and `< HEX`, or two files of octets: CLIENT --server SERVER"
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is neither a capture nor a text of octets", hint) from error
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line[0] not in "<>":
                raise ValueError
            pieces.append(("client" if line[0] == ">" else "server", bytes.fromhex(line[1:])))
        except ValueError as error:
            shown = one_line(repr(line[:60]))
            raise UsageError(f"{path}, line {number}: got {shown}, expected `> HEX` or `< HEX`", hint) from error
    if not pieces:
        raise UsageError(f"{path} has no octets", hint)
    return pieces


def _from_pieces(pieces: list[tuple[Who, bytes]]) -> Connection:
    streams: dict[Who, bytearray] = {"client": bytearray(), "server": bytearray()}
    rungs = []
    for who, octets in pieces:
        rungs.append(Rung(None, who, "octets", octets, len(streams[who])))
        streams[who] += octets
    notes = ["the record does not tell how the connection ended"]
    client, server = bytes(streams["client"]), bytes(streams["server"])
    return Connection("the exchange", client, server, rungs, notes, has_ends=False)


# ---------------------------------------------------------------------------------------------- captures

_PCAP = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xa1\xb2\x3c\x4d": ">",
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_LINK_HEADERS = {0: 4, 108: 4, 1: 14, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0, 113: 16, 276: 20}
"""Octets before the IP header: null, loop, Ethernet, raw, Linux SLL and SLL2."""
_DEFAULT_PORT = 13600


@dataclass
class _Direction:
    """One direction of a connection, put together again from its segments."""

    first: int
    """The sequence number of the first octet."""
    stream: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, bytes]] = field(default_factory=list)
    """Segments that came before others, a heap by offset."""
    end: int | None = None
    """The offset of the FIN."""
    repeated: int = 0
    reordered: int = 0
    changed: int | None = None
    """The first offset where a retransmission has other octets."""

    def offset(self, sequence: int) -> int:
        """Sequence numbers wrap around: the offset is the one that is nearest to what has arrived."""
        near = len(self.stream)
        return near + (sequence - self.first - near + (1 << 31)) % (1 << 32) - (1 << 31)

    def take(self, offset: int, octets: bytes) -> None:
        if offset > len(self.stream):
            self.reordered += 1
            heapq.heappush(self.waiting, (offset, octets))
            return
        known = bytes(self.stream[max(offset, 0) : offset + len(octets)])
        if known:
            self.repeated += 1
            # A keep-alive repeats the octet before, and may put anything there.
            if known != octets[max(-offset, 0) :][: len(known)] and len(octets) > 1 and self.changed is None:
                self.changed = offset
        self.stream += octets[len(self.stream) - offset :]
        while self.waiting and self.waiting[0][0] <= len(self.stream):
            at, piece = heapq.heappop(self.waiting)
            self.stream += piece[len(self.stream) - at :]

    @property
    def lacks(self) -> str:
        """Which octets the capture does not have."""
        here = len(self.stream)
        if self.waiting:
            return f"octets {here} to {self.waiting[0][0] - 1}"
        return f"octets {here} to {self.end - 1}" if self.end is not None and self.end > here else ""


class _Flow:
    """The packets of one connection as they come."""

    def __init__(self, start: float, client: str, server: str, port: int) -> None:
        self.start, self.name, self.port = start, f"{client} → {server}", port
        self.ends: dict[Who, str] = {"client": client, "server": server}
        self.directions: dict[Who, _Direction] = {}
        self.has_start = False
        self.rungs: list[Rung] = []

    def packet(self, at: float, who: Who, tcp: Any, lost: int) -> None:
        """`lost` is how many octets of the payload the capture has cut off."""
        flags, octets = int(tcp.flags), bytes(tcp.data)
        syn = bool(flags & dpkt.tcp.TH_SYN)
        if syn and who == "client":
            self.has_start = True
        if who not in self.directions:
            self.directions[who] = _Direction(tcp.seq + syn)
            if syn and who == "client":
                self._rung(at, who, "connect")
        direction = self.directions[who]
        offset = direction.offset(tcp.seq + syn)
        if octets:
            before = len(direction.stream)
            direction.take(offset, octets)
            if len(direction.stream) > before:
                self._rung(at, who, "octets", bytes(direction.stream[before:]), before)
        if flags & dpkt.tcp.TH_FIN and direction.end is None:
            direction.end = offset + len(octets) + lost
            self._rung(at, who, "end")
        if flags & dpkt.tcp.TH_RST:
            self._rung(at, who, "reset")

    def _rung(self, at: float, who: Who, what: What, octets: bytes = b"", offset: int = 0) -> None:
        self.rungs.append(Rung(max(at - self.start, 0.0), who, what, octets, offset))

    def is_kcom5(self) -> bool:
        """By its port, or by a first octets that are the magic or nearly so."""
        firsts = [bytes(direction.stream[:5]) for direction in self.directions.values()]
        near = any(sum(a == b for a, b in zip(first.upper(), MAGIC, strict=False)) >= 3 for first in firsts)
        return any(firsts) and (near or self.port == _DEFAULT_PORT)

    def connection(self) -> Connection:
        notes, is_whole = [], self.has_start
        if not self.has_start:
            notes.append("the capture began later than the connection")
        streams: dict[Who, bytes] = {"client": b"", "server": b""}
        for who, direction in self.directions.items():
            streams[who] = bytes(direction.stream)
            for count, what in ((direction.repeated, "sent again"), (direction.reordered, "that came early")):
                if count:
                    notes.append(f"segments of the {who} {what}: {count}")
            if direction.changed is not None:
                notes.append(f"the {who} sent other octets again at offset {direction.changed}")
                is_whole = False
            if direction.lacks:
                notes.append(f"the capture lacks {direction.lacks} of the {who}")
                is_whole = False
        whats = {(rung.who, rung.what) for rung in self.rungs}
        has_reset = any(what == "reset" for _, what in whats)
        has_ends = has_reset or {("client", "end"), ("server", "end")} <= whats
        if not has_ends:
            notes.append("the capture does not have the end of the connection")
        is_open = not has_reset and not any(what == "end" for _, what in whats)
        return Connection(
            self.name, streams["client"], streams["server"], self.rungs, notes, is_whole, has_ends, is_open
        )


def _from_capture(path: Path, octets: bytes) -> Verdicts:
    verdicts = Verdicts(str(path), [])
    flows: list[_Flow] = []
    current: dict[tuple[str, str], _Flow] = {}
    try:
        for at, source, target, tcp, lost in _packets(octets):
            ends = (f"{source}:{tcp.sport}", f"{target}:{tcp.dport}")
            flow = current.get(ends) or current.get(ends[::-1])
            is_syn = tcp.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK) == dpkt.tcp.TH_SYN
            is_again = (
                flow is not None and "client" in flow.directions and flow.directions["client"].first == _after(tcp)
            )
            if flow is None or (is_syn and not is_again):
                # Of a connection whose beginning is missing, the lower port is taken for the server's.
                is_answer = tcp.flags & dpkt.tcp.TH_SYN if not is_syn else 0
                from_client = is_syn or (not is_answer and tcp.dport <= tcp.sport)
                client, server = ends if from_client else ends[::-1]
                flow = _Flow(at, client, server, min(tcp.dport, tcp.sport) if not from_client else tcp.dport)
                flows.append(flow)
                current[ends] = current[ends[::-1]] = flow
            flow.packet(at, "client" if ends[0] == flow.ends["client"] else "server", tcp, lost)
    except _UNREADABLE as error:
        if not flows and not _is_cut(octets):
            raise UsageError(f"{path} is no capture that can be read: {one_line(str(error))}") from error
    if _is_cut(octets):
        verdicts.notes.append("the file ends inside a packet")
    found = [flow for flow in flows if flow.is_kcom5()]
    if not found and verdicts.notes:
        verdicts.notes.append(f"before that: {len(flows)} TCP connections, none with a hello")
        return verdicts
    if not found:
        raise UsageError(
            f"{path} has no KCOM5 exchange: {len(flows)} TCP connections, none with a hello",
            "capture the loopback interface from before the connection, all octets of each packet",
        )
    if len(found) < len(flows):
        verdicts.notes.append(f"{len(flows) - len(found)} other TCP connections are passed over")
    verdicts.connections = [flow.connection() for flow in found]
    return verdicts


_UNREADABLE = (dpkt.Error, ValueError, struct.error, EOFError, IndexError, KeyError, OverflowError, TypeError)
"""What dpkt raises at a capture that is damaged."""


def _after(tcp: Any) -> int:
    return int(tcp.seq) + 1


def _packets(octets: bytes) -> Iterator[tuple[float, str, str, Any, int]]:
    """Time, source, target, TCP segment, and how many octets of its payload were not kept."""
    reader = dpkt.pcap.UniversalReader(io.BytesIO(octets))
    link = reader.datalink()
    if link not in _LINK_HEADERS:
        raise ValueError(f"link type {link} is not known here")
    for at, packet in reader:
        skip = _LINK_HEADERS[link]
        while link == 1 and packet[skip - 2 : skip] in (b"\x81\x00", b"\x88\xa8"):
            skip += 4
        packet = packet[skip:]
        version = packet[0] >> 4 if packet else 0
        if version not in (4, 6):
            continue
        try:
            ip = dpkt.ip.IP(packet) if version == 4 else dpkt.ip6.IP6(packet)
        except _UNREADABLE:
            continue
        if not isinstance(ip.data, dpkt.tcp.TCP):
            continue
        whole = int(ip.len) if version == 4 else 40 + int(ip.plen)
        yield float(at), _name(ip.src), _name(ip.dst), ip.data, max(whole - len(packet), 0)


def _name(address: bytes) -> str:
    text = str(dpkt.utils.inet_to_str(address))
    return f"[{text}]" if len(address) == 16 else text


def _is_cut(octets: bytes) -> bool:
    """Whether a capture's last record is not complete."""
    if octets[:4] == _PCAPNG:
        order, at = "<" if octets[8:12] == b"\x4d\x3c\x2b\x1a" else ">", 0
        while len(octets) - at >= 12:
            at += max(int(struct.unpack_from(order + "I", octets, at + 4)[0]), 12)
        return at != len(octets)
    at = 24
    while len(octets) - at >= 16:
        at += 16 + int(struct.unpack_from(_PCAP[octets[:4]] + "I", octets, at + 8)[0])
    return at != len(octets)


# ---------------------------------------------------------------------------------------------- the verdict


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
        """`is_short`: more octets, after what is recorded, would mend it."""
        if is_short and self.connection.is_open:
            self.connection.is_whole = False
            return
        own = self.client if who == "client" else self.server
        self.connection.problems.append(
            Problem(rule, level, axis, got, expected, own[:KEPT].hex(), stream[:KEPT].hex(), at)
        )

    def ended(self, rule: str, got: str, expected: str) -> None:
        self.connection.problems.append(Problem(rule, "SHOULD", "ended", got, expected))


def _judge(connection: Connection) -> None:
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
        if not server:  # as it should be, if they came together
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
    """Whether the frame is right."""
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
    """Recognises the usual wrong lengths in a frame whose lengths and octets do not agree."""
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
    """How many octets the message has if `count` is how many characters it has; 0 if that fits nothing."""
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
    """How a connection ended whose frame is right and complete."""
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
    """An end that fails should reset; that its peer reset first settles it too."""
    resets = judge.has("client", "reset") or judge.has("server", "reset")
    if judge.connection.has_ends and judge.has(who, "end") and not resets:
        judge.ended("close.abort", f"an orderly end by the {who} {when}", f"a reset by the {who}")


def _said(item: tuple[Who, What]) -> str:
    return f"the {item[0]}'s {item[1]}"


# ---------------------------------------------------------------------------------------------- as text


def show(path: Path, console: Console, server: Path | None = None, *, strict: bool = False) -> int:
    """Writes the verdict, and returns its exit code."""
    verdicts = verify(path, server)
    text = to_text(verdicts, strict=strict)
    console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
    return CODES[verdicts.word(strict=strict)]


def to_text(verdicts: Verdicts, *, strict: bool = False) -> str:
    """The verdict, and the ladder of each connection with the capture's times."""
    lines = [f"{verdicts.source}: {verdicts.word(strict=strict)}"]
    lines += [f"note: {note}" for note in verdicts.notes]
    for connection in verdicts.connections:
        lines += ["", connection.name, ""]
        for _, group in groupby(connection.rungs, lambda rung: (rung.what, rung.who)):
            lines += _ladder(list(group))
        lines += [""] + [f"  note: {note}" for note in connection.notes]
        for problem in connection.problems:
            where = "" if problem.at is None else f" (at offset {problem.at})"
            lines += [f"  {problem.rule} ({problem.level}){where}"]
            lines += [f"    got       {problem.got}", f"    expected  {problem.expected}"]
        if not connection.is_whole:
            lines += ["  not judged: the record is not complete"]
        elif not connection.problems:
            lines += ["  every rule that the record can show is kept"]
    return safe("\n".join(lines)) + "\n"


_SHOWN = 8
"""Of a row of pieces by the same end no more are shown."""


def _ladder(rungs: list[Rung]) -> list[str]:
    if len(rungs) <= _SHOWN:
        return [_rung_line(rung) for rung in rungs]
    hidden = rungs[_SHOWN - 1 : -1]
    size = sum(len(rung.octets) for rung in hidden)
    more = f"{' ' * 26}… {len(hidden):,} more pieces, {size:,} octets"
    return [*(_rung_line(rung) for rung in rungs[: _SHOWN - 1]), more, _rung_line(rungs[-1])]


_WORDS = {"connect": "connects", "end": "FIN", "reset": "RST"}


def _rung_line(rung: Rung) -> str:
    time = " " * 12 if rung.at is None else f"{rung.at:11.6f}s"
    arrow = "client ──►" if rung.who == "client" else "◄── server"
    if rung.what != "octets":
        return f"{time}  {arrow}  {_WORDS[rung.what]}"
    shown = rung.octets[:16].hex(" ") + (" …" if len(rung.octets) > 16 else "")
    return f"{time}  {arrow}  {len(rung.octets):,} octets at {rung.offset:,}: {shown}"
