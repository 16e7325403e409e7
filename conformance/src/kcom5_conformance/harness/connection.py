"""A raw connection of the suite: it keeps a transcript and says what was not as expected."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import trio

from ..results import KEPT, Axis, Problem
from .case import Mismatch

if TYPE_CHECKING:
    from .harness import Harness

MOST_WRITTEN = 65536
"""Octets of a send that a reproduction has."""


@dataclass
class Connection:
    """A raw connection of the suite, with a transcript."""

    harness: Harness
    raw: trio.socket.SocketType
    via: str
    got: bytearray = field(default_factory=bytearray)
    """The first KEPT octets that the implementation sent."""
    wanted: bytearray = field(default_factory=bytearray)
    received: int = 0
    greeting: bytes = b""
    """A client's hello, once it is read."""
    ended: str = ""
    """How the implementation's side ended: `end` or `reset`."""

    async def send(self, octets: bytes, *, may_fail: bool = False, may_break: bool = False, written: str = "") -> None:
        """Sends all. A broken connection is a mismatch, unless it may break; so is one that takes not all, unless the
        send may fail. `written` is how a vector writes the octets."""
        self.harness.log("suite", "octets", octets)
        if not written and len(self.greeting) == 8 and octets.startswith(self.greeting):
            written = f"4b434f4d35n0n1n2{octets[8:MOST_WRITTEN].hex()}"
        self.harness.acts.append(("send", written or octets[:MOST_WRITTEN].hex()))
        try:
            left = memoryview(octets)
            while left:
                with trio.move_on_after(self.harness.patience) as scope:
                    left = left[await self.raw.send(left) :]
                if scope.cancelled_caught:
                    if may_fail:
                        return
                    self._fail(f"{len(octets) - len(left):,} of {len(octets):,} octets taken", "all of them taken")
        except OSError as error:
            if not may_fail and not may_break:
                self._fail(f"a broken connection ({error.strerror})", "that it takes the octets")

    async def some(self, most: int = 1 << 16) -> bytes:
        """What comes next; empty at the end, and at a reset: `ended` tells."""
        try:
            octets = await self.raw.recv(most)
        except OSError as error:
            self.ended = "reset"
            self.harness.log("implementation", "reset", text=error.strerror or "")
            return b""
        if octets:
            self.received += len(octets)
            if len(self.got) < KEPT:
                self.got += octets[: KEPT - len(self.got)]
            self.harness.log("implementation", "octets", octets)
        else:
            self.ended = "end"
            self.harness.log("implementation", "end")
        return octets

    async def read(self, size: int) -> bytes:
        """So many octets; fewer if the connection ends, or nothing comes for too long."""
        octets = bytearray()
        while len(octets) < size:
            with trio.move_on_after(self.harness.patience) as scope:
                piece = await self.some(min(size - len(octets), 1 << 20))
            if scope.cancelled_caught or not piece:
                break
            octets += piece
        return bytes(octets)

    async def expect(self, expected: bytes) -> None:
        """Exactly these octets come next."""
        self.harness.acts.append(("expect", str(len(expected))))
        if len(self.wanted) < KEPT:
            self.wanted += expected[: KEPT - len(self.wanted)]
        before = self.received
        octets = await self.read(len(expected))
        if octets == expected:
            return
        wrong = _first_difference(octets, expected)
        if wrong < len(octets):
            got = f"{octets[wrong]:02x} at octet {before + wrong}"
            wanted = f"{expected[wrong]:02x}"
        else:
            how = {"end": "the end", "reset": "a reset", "": "nothing more"}[self.ended]
            got = f"{how} after {before + len(octets):,} octets"
            wanted = f"{before + len(expected):,} octets"
        self._fail(got, wanted, before + wrong)

    async def hello(self) -> bytes:
        """A client's hello: the magic and three octets."""
        self.harness.acts.append(("expect", "8"))
        octets = await self.read(8)
        self.wanted += b"KCOM5"
        if octets[:5] != b"KCOM5" or len(octets) < 8:
            wrong = _first_difference(octets, b"KCOM5")
            how = {"end": "the end", "reset": "a reset", "": "nothing"}[self.ended]
            got = octets.hex(" ") + (f" and {how}" if len(octets) < 8 else "")
            self._fail(got, "4b 43 4f 4d 35 and three octets", wrong)
        self.wanted += octets[5:]
        self.greeting = octets
        return octets

    async def expect_nothing(self) -> None:
        """No octet comes for a tick. An end is not an octet."""
        with trio.move_on_after(self.harness.tick):
            octets = await self.some()
            if octets:
                before = self.received - len(octets)
                self._fail(f"{len(octets)} octets: {octets[:16].hex(' ')}", "not one octet", before)

    async def expect_end(self, *, or_reset: bool = False) -> None:
        """The implementation ends its sending: nothing comes before that."""
        await self._ends("end", "reset") if or_reset else await self._ends("end")

    async def expect_reset(self) -> None:
        """The implementation resets the connection."""
        await self._ends("reset")

    async def _ends(self, *ways: str) -> None:
        octets = b""
        if not self.ended:
            with trio.move_on_after(self.harness.patience):
                octets = await self.some()
        wanted = " or ".join({"end": "the end of the stream", "reset": "a reset"}[way] for way in ways)
        if octets:
            before = self.received - len(octets)
            self._fail(f"{len(octets)} octets more: {octets[:16].hex(' ')}", wanted, before)
        if self.ended not in ways:
            got = {"end": "an orderly end", "reset": "a reset", "": "nothing"}[self.ended]
            raise Mismatch(self._problem("ended", got, wanted))

    def half_close(self) -> None:
        self.harness.log("suite", "end")
        self.harness.acts.append(("half-close", ""))
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.harness.log("suite", "close")
        self.harness.acts.append(("close", ""))
        self.raw.close()

    def reset(self) -> None:
        """Closes with a reset: over a Unix-domain socket only if octets are unread."""
        self.harness.log("suite", "reset")
        self.harness.acts.append(("reset", ""))
        with suppress(OSError):
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def _problem(self, axis: Axis, got: str, expected: str, at: int | None = None) -> Problem:
        case = self.harness.case
        return Problem(case.rule, case.level, axis, got, expected, bytes(self.got).hex(), bytes(self.wanted).hex(), at)

    def _fail(self, got: str, expected: str, at: int | None = None) -> NoReturn:
        raise Mismatch(self._problem("wire", got, expected, at))


def _first_difference(octets: bytes, expected: bytes) -> int:
    """The offset of the first octet that differs, or at which the octets end."""
    pairs = enumerate(zip(octets, expected, strict=False))
    return next((i for i, (octet, other) in pairs if octet != other), len(octets))
