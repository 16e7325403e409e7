"""A relay between a client and a server. It forwards every byte and each side's end, in pieces of other sizes.

It does not change any byte. The traffic can be written as a pcap file.
"""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import trio

from .harness import Harness
from .ports import HOSTS

Manner = Literal["plain", "octets", "random", "delayed"]
"""Unchanged; single bytes; random pieces; three pieces with a pause before each."""

CUT_AT_MOST = 4096
"""The first bytes of a direction, which are cut; the rest passes unchanged."""


@dataclass(frozen=True)
class Passed:
    """One event of the traffic."""

    at: float
    is_from_client: bool
    what: Literal["octets", "end", "reset"]
    octets: bytes = b""


@dataclass
class Relay:
    """A relay for one connection."""

    harness: Harness
    manner: Manner
    seed: int
    passed: list[Passed] = field(default_factory=list)
    ended: trio.Event = field(default_factory=trio.Event)
    """Both sides have ended."""

    async def run(self, server: int | str, task_status: trio.TaskStatus[int | str]) -> None:
        """Listens, reports its address, and forwards one client to the server until both sides have ended."""
        via = self.harness.via
        with trio.socket.socket(socket.AF_UNIX if via == "unix" else HOSTS[via][0]) as listener:
            here = str(self.harness.folder / "relay") if via == "unix" else (HOSTS[via][1], 0)
            await listener.bind(here)
            listener.listen(1)
            task_status.started(str(here) if via == "unix" else listener.getsockname()[1])
            client, _ = await listener.accept()
        with client, trio.socket.socket(client.family) as upstream:
            try:
                await upstream.connect(str(server) if via == "unix" else (HOSTS[via][1], server))
            except OSError:
                self._reset(False, client)
                self.ended.set()
                return
            for end in (client, upstream):
                if via != "unix":
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._forward, client, upstream, True)
                nursery.start_soon(self._forward, upstream, client, False)
        self.ended.set()

    async def _forward(self, source: trio.socket.SocketType, target: trio.socket.SocketType, is_client: bool) -> None:
        chooser = random.Random(self.seed + is_client)
        cut = 0
        while True:
            try:
                octets = await source.recv(1 << 20)
            except trio.ClosedResourceError:
                return
            except OSError:
                self._reset(is_client, target)
                return
            if not octets:
                # The other direction's send may have consumed the reset, so recv() sees an end: that task runs first.
                for _ in range(2):
                    await trio.lowlevel.checkpoint()
                if self._is_reset:
                    return
                self._note(is_client, "end")
                with suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                return
            self._note(is_client, "octets", octets)
            cut_now = min(len(octets), max(0, CUT_AT_MOST - cut))
            cut += cut_now
            try:
                for piece in (*self._pieces(octets[:cut_now], chooser), octets[cut_now:]):
                    left = memoryview(piece)
                    while left:
                        left = left[await target.send(left) :]
                    if self.manner == "delayed" and piece:
                        await trio.sleep(self.harness.tick)
            except trio.ClosedResourceError:
                return
            except OSError:
                self._reset(not is_client, source)
                return

    @property
    def _is_reset(self) -> bool:
        return any(event.what == "reset" for event in self.passed)

    def _reset(self, is_from_client: bool, target: trio.socket.SocketType) -> None:
        """Handles a reset of one side: resets the other side and ends its transfers."""
        if self._is_reset:
            return
        self._note(is_from_client, "reset")
        with suppress(OSError):
            target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        target.close()

    def _pieces(self, octets: bytes, chooser: random.Random) -> Iterator[bytes]:
        if self.manner == "plain":
            yield octets
            return
        step = {"octets": 1, "random": 0, "delayed": max(1, -(-len(octets) // 3))}[self.manner]
        at = 0
        while at < len(octets):
            size = step or chooser.choice((1, 2, 3, 5, 8, 13, 100, 1000))
            yield octets[at : at + size]
            at += size

    def _note(self, is_client: bool, what: Literal["octets", "end", "reset"], octets: bytes = b"") -> None:
        self.passed.append(Passed(trio.current_time(), is_client, what, octets))


def write_pcap(passed: list[Passed], path: Path) -> None:
    """Writes the traffic as TCP between two ports of ::1, for every transport."""
    import dpkt  # takes long, and only captures need it

    ports = {True: 50000, False: 13600}
    sequence = {True: 0, False: 0}
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_RAW, snaplen=1 << 18)

        def packet(at: float, is_client: bool, flags: int, octets: bytes = b"") -> None:
            segment = dpkt.tcp.TCP(
                sport=ports[is_client],
                dport=ports[not is_client],
                seq=sequence[is_client],
                ack=sequence[not is_client],
                flags=flags,
                win=65535,
                data=octets,
            )
            loopback = socket.inet_pton(socket.AF_INET6, "::1")
            datagram = dpkt.ip6.IP6(
                src=loopback, dst=loopback, nxt=dpkt.ip.IP_PROTO_TCP, hlim=64, plen=len(segment), data=segment
            )
            writer.writepkt(bytes(datagram), ts=at)
            sequence[is_client] += len(octets) + bool(flags & (dpkt.tcp.TH_FIN | dpkt.tcp.TH_SYN))

        begin = passed[0].at if passed else 0.0
        packet(begin, True, dpkt.tcp.TH_SYN)
        packet(begin, False, dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK)
        packet(begin, True, dpkt.tcp.TH_ACK)
        for event in passed:
            if event.what == "octets":
                for start in range(0, len(event.octets), 32768):
                    piece = event.octets[start : start + 32768]
                    packet(event.at, event.is_from_client, dpkt.tcp.TH_ACK | dpkt.tcp.TH_PUSH, piece)
            else:
                flag = dpkt.tcp.TH_FIN if event.what == "end" else dpkt.tcp.TH_RST
                packet(event.at, event.is_from_client, dpkt.tcp.TH_ACK | flag)
