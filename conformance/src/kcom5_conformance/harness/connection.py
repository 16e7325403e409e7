"""A raw connection of the suite. It keeps a transcript and reports deviations."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import trio

from ..report.acts import Act
from ..results import KEPT, Axis, Problem, Saw
from . import procfs
from .case import Mismatch, NotRun

if TYPE_CHECKING:
    from .harness import Harness

MOST_PATIENCES = 12
"""Timeouts in which an implementation that reads slowly has to take what is sent."""


@dataclass
class Connection:
    """A raw connection of the suite, with a transcript."""

    harness: Harness
    raw: trio.socket.SocketType
    via: str
    port: int = 0
    """The port that the suite connected to; 0 for an accepted connection or a Unix-domain socket."""
    got: bytearray = field(default_factory=bytearray)
    """The first KEPT bytes that the implementation sent."""
    wanted: bytearray = field(default_factory=bytearray)
    received: int = 0
    greeting: bytes = b""
    """The client's hello; empty before it is read."""
    number: int = 0
    """The number of the connection in the case."""
    sent: int = 0
    ended: str = ""
    """How the implementation's side ended: `end` or `reset`."""
    is_second: bool = False
    """The server serves another connection, so no byte belongs to this one."""

    async def send(self, octets: bytes, *, may_fail: bool = False, may_break: bool = False, written: str = "") -> None:
        """Sends all bytes. A broken connection is a mismatch, unless it `may_break`. An incomplete send is a mismatch,
        unless it `may_fail`. `written` is the vector's notation of the bytes."""
        rung = len(self.harness.rungs)
        self.harness.log("suite", "octets", octets)
        self._act("send", written or self._relative(octets))
        self.sent += len(octets)
        try:
            left, last = memoryview(octets), trio.current_time() + MOST_PATIENCES * self.harness.patience
            while left:
                unsent = self._unsent()
                with trio.move_on_after(self.harness.patience) as scope:
                    left = left[await self.raw.send(left) :]
                if scope.cancelled_caught and self._unsent() == unsent:
                    break
                if left and trio.current_time() > last:
                    raise NotRun(f"it is too slow: it has taken {len(octets) - len(left):,} of {len(octets):,} octets "
                                 f"in {MOST_PATIENCES * self.harness.patience:.0f} s")  # fmt: skip
        except OSError as error:
            self._taken(rung, octets, len(octets) - len(left))
            if not may_fail and not may_break:
                self._fail(f"a broken connection ({error.strerror})", "that it takes the octets", saw="broken")
            return
        if left:
            self._taken(rung, octets, len(octets) - len(left))
            got = self.harness.give_up(
                self.harness.patience, f"{len(octets) - len(left):,} of {len(octets):,} octets taken"
            )
            if not may_fail:
                self._fail(got, "all of them taken", saw="untaken")

    def _unsent(self) -> int:
        """Returns the number of bytes that the implementation's side has not taken; 0 if the kernel does not tell.

        A slow reader frees the kernel's buffer by degrees, and the kernel tells the sender only when much is free.
        """
        return self._count(termios.TIOCOUTQ) or 0

    def unread(self) -> int | None:
        """Returns the number of bytes that have arrived and are not read; None if the kernel does not tell."""
        return self._count(termios.FIONREAD)

    def _count(self, request: int) -> int | None:
        with suppress(OSError, ValueError):
            return int.from_bytes(fcntl.ioctl(self.raw.fileno(), request, bytes(4)), sys.byteorder)
        return None

    def look(self, seconds: float = 5) -> None:
        """Records a read for the reproduction."""
        self._act("look", f"{seconds:.3g}")

    def _act(self, what: str, value: object = "") -> None:
        self.harness.acts.append(Act(what, value, self.number))

    def _relative(self, octets: bytes) -> bytes | tuple[str, bytes]:
        """Returns the bytes, with those of an echo relative to the client's hello."""
        own = self.greeting[self.sent : self.sent + len(octets)]
        pairs = [
            f"n{at - 5}^{own_octet ^ octet:02x}" if at >= 5 else f"{octet:02x}"
            for at, (own_octet, octet) in enumerate(zip(own, octets, strict=False), self.sent)
        ]
        return (" ".join(pairs), octets[len(own) :]) if own else octets

    def _taken(self, rung: int, octets: bytes, size: int) -> None:
        """Corrects the rung of a send that the kernel accepted only partly."""
        at, who, what, _, _, _ = self.harness.rungs[rung]
        text = f"taken of {len(octets):,}"
        self.harness.rungs[rung] = (at, who, what, octets[: min(size, KEPT)], size, text)

    async def some(self, most: int = 1 << 16) -> bytes:
        """Returns the next bytes; empty at the end and after a reset, which `ended` distinguishes."""
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
        """Returns `size` bytes; fewer if the connection ends or nothing arrives in time."""
        octets = bytearray()
        while len(octets) < size:
            with trio.move_on_after(self.harness.patience) as scope:
                piece = await self.some(min(size - len(octets), 1 << 20))
            if scope.cancelled_caught or not piece:
                break
            octets += piece
        return bytes(octets)

    async def peek(self, size: int) -> bytes:
        """Returns the next bytes and leaves them unread. The case fails if they do not arrive in time."""
        octets = b""
        with trio.move_on_after(self.harness.patience):
            while len(octets) < size:
                octets = await self.raw.recv(size, socket.MSG_PEEK)
                if len(octets) < size:
                    await trio.sleep(self.harness.tick)
        if len(octets) < size:
            self._fail(f"{len(octets)} octets", f"{size} octets", 0, "silent")
        return octets

    async def expect(self, expected: bytes) -> None:
        """Checks that exactly these bytes arrive next."""
        self._act("expect", str(len(expected)))
        if len(self.wanted) < KEPT:
            self.wanted += expected[: KEPT - len(self.wanted)]
        before = self.received
        octets = await self.read(len(expected))
        if octets == expected:
            return
        wrong = _first_difference(octets, expected)
        if wrong < len(octets):
            got = f"{octets[wrong]:02x} at octet {before + wrong}"
            self._fail(got, f"{expected[wrong]:02x}", before + wrong, "octets")
        total = f"{before + len(octets):,} of {before + len(expected):,} octets"
        if self.ended:
            how = {"end": "the end of the stream", "reset": "a reset"}[self.ended]
            self._fail(f"{how} after {total}", "all of them", before + wrong, "short")
        got = self.harness.give_up(self.harness.patience, f"{total}, and the connection still open")
        self._fail(got, "all of them", before + wrong, "silent")

    async def hello(self) -> bytes:
        """Reads and checks a client's hello: the magic and three bytes."""
        self._act("expect", "8")
        octets = await self.read(8)
        self.wanted += b"KCOM5"
        if octets[:5] != b"KCOM5" or len(octets) < 8:
            wrong = _first_difference(octets, b"KCOM5")
            got = octets.hex(" ") or "no octet"
            saw: Saw = "octets"
            if len(octets) < 8 and wrong == min(len(octets), 5):
                saw = "short" if self.ended else "silent"
            if len(octets) < 8 and not self.ended:
                got += ", and " + self.harness.give_up(self.harness.patience, "the connection still open")
            elif len(octets) < 8:
                got += {"end": ", and the end of the stream", "reset": ", and a reset"}[self.ended]
            self._fail(got, "4b 43 4f 4d 35 and three octets", wrong, saw)
        self.wanted += octets[5:]
        self.greeting = octets
        return octets

    async def expect_nothing(self) -> None:
        """Checks that no byte arrives for a tick. The end of the stream is allowed."""
        self.look(self.harness.tick)
        with trio.move_on_after(self.harness.tick):
            octets = await self.some()
            if octets:
                self._surplus(octets, "", "nothing")

    async def expect_end(self, *, or_reset: bool = False) -> None:
        """Checks that the implementation ends its side and sends nothing before."""
        await self._ends("end", "reset") if or_reset else await self._ends("end")

    async def expect_reset(self) -> None:
        """Checks that the implementation resets the connection."""
        await self._ends("reset")

    async def _ends(self, *ways: str) -> None:
        octets = b""
        self.look()
        if not self.ended:
            with trio.move_on_after(self.harness.patience):
                octets = await self.some()
        if self.ended == "end" and ways == ("reset",):
            await self.look_for_reset()
        wanted = " or ".join({"end": "the end of the stream", "reset": "a reset"}[way] for way in ways)
        if octets:
            self._surplus(octets, " more", wanted)
        if not self.ended:
            got = self.harness.give_up(self.harness.patience, "the connection is still open")
            raise Mismatch(self._problem("ended", got, wanted, saw="open"))
        if self.ended == "end" and self.ended not in ways:
            raise Mismatch(self._problem("ended", "an orderly end", wanted, saw="orderly"))
        if self.ended not in ways:
            raise Mismatch(self._problem("ended", "a reset", wanted, saw="reset"))

    async def look_for_reset(self) -> None:
        """Checks the socket's error for a reset after an early half-close, because recv() does not report it."""
        if self.harness.calls:
            with trio.move_on_after(self.harness.patience):
                await self.harness.calls[-1].ended.wait()
        if self.via != "unix" and self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.ended = "reset"

    def half_close(self) -> None:
        self.harness.log("suite", "end")
        self._act("half-close")
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.harness.log("suite", "close")
        self._act("close")
        self.raw.close()

    async def reset(self) -> None:
        """Closes with a reset. On a Unix-domain socket this is only a reset if bytes are unread.

        A server may ignore a connection that is reset before accept(), so this waits for the accept.
        """
        with trio.move_on_after(self.harness.patience):
            while self.port and not self.received and procfs.queued(self.port):
                await trio.sleep(0.002)
        self.harness.log("suite", "reset")
        self._act("reset")
        with suppress(OSError):
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def _surplus(self, octets: bytes, more: str, expected: str) -> NoReturn:
        where = " on a second connection" if self.is_second else more
        got = f"{len(octets)} octets{where}: {octets[:16].hex(' ')}"
        self._fail(got, expected, self.received - len(octets), "connects" if self.is_second else "surplus")

    def _problem(self, axis: Axis, got: str, expected: str, at: int | None = None, saw: Saw = "") -> Problem:
        case, stream, wanted = self.harness.case, bytes(self.got).hex(), bytes(self.wanted).hex()
        return Problem(case.rule, case.level, axis, got, expected, stream, wanted, at, saw)

    def _fail(self, got: str, expected: str, at: int | None = None, saw: Saw = "") -> NoReturn:
        raise Mismatch(self._problem("wire", got, expected, at, saw))


def _first_difference(octets: bytes, expected: bytes) -> int:
    """Returns the offset of the first byte that differs or is missing."""
    pairs = enumerate(zip(octets, expected, strict=False))
    return next((i for i, (octet, other) in pairs if octet != other), len(octets))
