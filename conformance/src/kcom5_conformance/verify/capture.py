"""Captures (pcap, pcapng): TCP connections, reassembled."""

from __future__ import annotations

import heapq
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dpkt

from ..errors import UsageError
from ..escape import one_line
from .record import MAGIC, Connection, Rung, Verdicts, What, Who

_PCAP = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xa1\xb2\x3c\x4d": ">",
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_LINK_HEADERS = {0: 4, 108: 4, 1: 14, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0, 113: 16, 276: 20}
"""Bytes before the IP header: null, loop, Ethernet, raw, Linux SLL and SLL2."""
_DEFAULT_PORT = 13600


@dataclass
class _Direction:
    """One direction of a connection, reassembled from its segments."""

    first: int
    """The sequence number of the first byte."""
    stream: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, bytes]] = field(default_factory=list)
    """Segments that arrived out of order: a heap by offset."""
    end: int | None = None
    """The offset of the FIN."""
    repeated: int = 0
    reordered: int = 0
    changed: int | None = None
    """The first offset where a retransmission has different bytes."""

    def offset(self, sequence: int) -> int:
        """Returns the offset of a sequence number. Sequence numbers wrap around, so the nearest offset is taken."""
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
            # A keep-alive repeats the previous byte, with any value.
            if known != octets[max(-offset, 0) :][: len(known)] and len(octets) > 1 and self.changed is None:
                self.changed = offset
        self.stream += octets[len(self.stream) - offset :]
        while self.waiting and self.waiting[0][0] <= len(self.stream):
            at, piece = heapq.heappop(self.waiting)
            self.stream += piece[len(self.stream) - at :]

    @property
    def lacks(self) -> str:
        """Returns the ranges of bytes that the capture lacks."""
        here = len(self.stream)
        if self.waiting:
            return f"octets {here} to {self.waiting[0][0] - 1}"
        return f"octets {here} to {self.end - 1}" if self.end is not None and self.end > here else ""


class _Flow:
    """Collects the packets of one connection."""

    def __init__(self, start: float, client: str, server: str, port: int) -> None:
        self.start, self.name, self.port = start, f"{client} → {server}", port
        self.ends: dict[Who, str] = {"client": client, "server": server}
        self.directions: dict[Who, _Direction] = {}
        self.has_start = False
        self.rungs: list[Rung] = []

    def packet(self, at: float, who: Who, tcp: Any, lost: int) -> None:
        """`lost` counts the bytes of the payload that the capture cut off."""
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
        """Whether it looks like KCOM5: by its port, or by first bytes that are close to the magic."""
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


def is_capture(octets: bytes) -> bool:
    return octets[:4] in _PCAP or octets[:4] == _PCAPNG


def from_capture(path: Path, octets: bytes) -> Verdicts:
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
                # Without the handshake, assume that the lower port is the server's.
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
"""The exceptions that dpkt raises for a damaged capture."""


def _after(tcp: Any) -> int:
    return int(tcp.seq) + 1


def _packets(octets: bytes) -> Iterator[tuple[float, str, str, Any, int]]:
    """Yields time, source, target, TCP segment, and how many bytes of its payload were not kept."""
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
    """Returns whether the last record of a capture is incomplete."""
    if octets[:4] == _PCAPNG:
        order, at = "<" if octets[8:12] == b"\x4d\x3c\x2b\x1a" else ">", 0
        while len(octets) - at >= 12:
            at += max(int(struct.unpack_from(order + "I", octets, at + 4)[0]), 12)
        return at != len(octets)
    at = 24
    while len(octets) - at >= 16:
        at += 16 + int(struct.unpack_from(_PCAP[octets[:4]] + "I", octets, at + 8)[0])
    return at != len(octets)
