"""Plays a word of abstract inputs. Each letter is an act of the peer, and its output is the peer's next observation."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import trio

from ..harness.call import Call
from ..harness.case import Mismatch
from ..harness.connection import Connection
from ..harness.harness import Harness
from ..harness.ports import HOSTS
from .machine import NOTHING, Word
from .script import HELLO

SIZE = 16 << 20
"""Bytes of data of a server: more than any kernel buffers unread."""
MESSAGE = b"hi!!"
DATA = b"data"
LIMIT = 16
LATE = 1.5
"""Seconds after T to wait for a timeout."""
_FIELDS = (bytes(8), len(MESSAGE).to_bytes(4, "little"), MESSAGE, len(DATA).to_bytes(8, "little"), DATA)
"""The fields that a server sends, with the echo relative to the hello."""


def acts(role: str, word: Word) -> Word:
    """Returns the letters of a word that the peer can do at their position."""
    return _acts_on_server(word) if role == "server" else _acts_on_client(word)


def _acts_on_server(word: Word) -> Word:
    done: list[str] = []
    for letter in word:
        is_open, has_hello = "connect" in done, "whole" in done or "wrong" in done
        can = {
            "connect": not is_open,
            "more": is_open and (has_hello or "more" not in done),
            "whole": is_open and not has_hello,
            "wrong": is_open and not has_hello,
            "read": "whole" in done and "read" not in done,
            "end": is_open and not _is_ended(done),
            "reset": is_open and "reset" not in done,
            "timeout": True,
        }
        done += [letter] if can[letter] else []
    return tuple(done)


def _acts_on_client(word: Word) -> Word:
    done: list[str] = []
    fields, has_begun = 0, False
    for letter in word:
        is_open = "connect" in done and not _is_ended(done)
        can = {
            "connect": not done,
            "refused": not done,
            "more": is_open and not has_begun and fields < len(_FIELDS),
            "whole": is_open and fields < len(_FIELDS),
            "wrong": is_open and fields in (0, 2),
            "over": is_open and fields in (1, 3),
            "end": is_open,
            "reset": "connect" in done and "reset" not in done,
            "timeout": True,
        }
        if can[letter]:
            done.append(letter)
            fields += letter in ("whole", "wrong", "over")
            has_begun = letter == "more" or (has_begun and letter not in ("whole", "wrong", "over"))
    return tuple(done)


def _is_ended(done: list[str]) -> bool:
    return "end" in done or "reset" in done


@dataclass
class Run:
    """One run of a word."""

    harness: Harness
    role: str
    word: Word
    moment: float
    """Seconds within which a response becomes visible."""
    timeout: int = 1
    """T in seconds, for a word that waits for a timeout."""
    outputs: list[str] = field(default_factory=list)
    call: Call | None = None
    connection: Connection | None = None
    field: int = 0
    """The number of complete fields that a server sent, or 1 when the hello was sent."""
    at: int = 0
    """Sent bytes of the current field."""
    is_answered: bool = False
    has_ended: bool = False

    async def run(self) -> None:
        """Plays all letters and adds one entry to `outputs` for each."""
        async with AsyncExitStack() as stack:
            if self.role == "server":
                self.call = await self.harness.send(
                    "", {"size": SIZE, "fill": "00"}, close=self.timeout if "timeout" in self.word else 30
                )
            for letter in self.word:
                self.outputs.append(NOTHING if self.is_over else await self._step(letter, stack))

    @property
    def is_over(self) -> bool:
        return self.is_answered

    async def _step(self, letter: str, stack: AsyncExitStack) -> str:
        if letter == "timeout":
            if self.call is None:
                await self._full(stack)
            return await self._answer(self.timeout + LATE)
        if self.connection is None:
            return await self._first(letter, stack)
        if letter in ("end", "reset"):
            if letter == "end" and self.has_ended:
                return NOTHING
            self.has_ended = True
            if letter == "end":
                self.connection.half_close()
            else:
                await self.connection.reset()
            return await self._answer(self.moment)
        act = self._act_on_server if self.role == "server" else self._act_on_client
        return await act(letter, self.connection)

    async def _first(self, letter: str, stack: AsyncExitStack) -> str:
        """Plays a letter before there is a connection."""
        harness = self.harness
        if self.role == "server":
            if letter == "connect" and self.call is not None:
                self.connection = await harness.connect(self.call.place)
                return await self._answer(0)
            return NOTHING
        if letter == "refused":
            self.call = await self._receive(await harness.nowhere())
            return await self._answer(harness.patience)
        if letter != "connect":
            return NOTHING
        listener = await stack.enter_async_context(harness.listen())
        self.call = await self._receive(listener.place)
        self.connection = await listener.accept()
        with suppress(Mismatch):
            await self.connection.hello()
        is_hello = self.connection.greeting[:5] == b"KCOM5"
        return "hello" if is_hello else f"{self.connection.received} octets"

    async def _receive(self, place: int | str) -> Call:
        bound = self.timeout if "timeout" in self.word else 30
        limits = {"message": LIMIT, "data": LIMIT}
        has_limits = "limits" in self.harness.case.needs
        return await self.harness.call("receive", place, close=bound, limits=limits if has_limits else None)

    async def _full(self, stack: AsyncExitStack) -> None:
        """Plays a client that cannot connect because the listener's queue is full."""
        if self.role == "server":
            return
        listener = await stack.enter_async_context(self.harness.listen(0, 0))
        family, host = HOSTS[self.harness.via]
        for _ in range(4):
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex((host, listener.place))
        self.call = await self._receive(listener.place)

    async def _act_on_server(self, letter: str, connection: Connection) -> str:
        if letter == "more":
            octets = HELLO[:1] if not self.at else b"x" if self.field else b""
            self.at += len(octets)
        elif letter == "whole" and not self.field:
            octets, self.field = HELLO[self.at :], 1
            await self._send(connection, octets)
            echo = await self._read(connection, 8)
            return "echo" if echo == HELLO else await self._answer(self.moment, echo)
        elif letter == "wrong" and not self.field:
            octets = b"\0" * (8 - self.at)
        elif letter == "read" and self.field:
            return await self._read_all(connection)
        else:
            return NOTHING
        await self._send(connection, octets)
        answer = await self._answer(self.moment)
        return answer if self.field else await self._with_octets(connection, answer)

    async def _with_octets(self, connection: Connection, answer: str) -> str:
        """Checks that a server sends nothing before the hello is complete."""
        octets = b""
        with trio.move_on_after(self.moment if self.is_answered else 0):
            octets = await connection.some()
        return f"{len(octets)} octets, {answer}" if octets else answer

    async def _read_all(self, connection: Connection) -> str:
        if connection.received >= 20 + SIZE or connection.ended:
            return NOTHING
        left = 20 + SIZE - connection.received
        octets = await self._read(connection, left)
        with trio.move_on_after(self.moment):
            if not connection.ended and await connection.some():
                return "octets after the frame"
        seen = [
            "frame"
            if octets[:12] == bytes(4) + SIZE.to_bytes(8, "little") and len(octets) == left
            else f"{len(octets)} octets"
        ]
        seen += [connection.ended] if connection.ended else []
        answer = await self._answer(self.moment)
        return ", ".join([*seen, *([answer] if answer != NOTHING else [])])

    async def _act_on_client(self, letter: str, connection: Connection) -> str:
        if self.field >= len(_FIELDS):
            return NOTHING
        rest = _FIELDS[self.field][self.at :]
        if letter == "more":
            octets = rest[:1] if not self.at else b""
        elif letter == "whole":
            octets = rest
        elif letter == "wrong" and self.field in (0, 2):
            octets = bytes([rest[0] ^ 0xFF]) + rest[1:]
        elif letter == "over" and self.field in (1, 3):
            size = 4 if self.field == 1 else 8
            octets = (LIMIT + 1 + (LIMIT + 1 << 8 * (size - 1))).to_bytes(size, "little")[self.at :]
        else:
            return NOTHING
        if self.field == 0:
            own = connection.greeting[self.at : self.at + len(octets)]
            octets = bytes(a ^ b for a, b in zip(octets, own, strict=True))
        if letter == "more":
            self.at += len(octets)
        else:
            self.field, self.at = self.field + 1, 0
        await self._send(connection, octets)
        return await self._answer(self.moment if octets else 0)

    async def _send(self, connection: Connection, octets: bytes) -> None:
        if octets:
            await connection.send(octets, may_fail=True)

    async def _read(self, connection: Connection, size: int) -> bytes:
        """Reads `size` bytes, or fewer if no more come."""
        found = bytearray()
        while len(found) < size and not connection.ended:
            piece = b""
            with trio.move_on_after(max(self.moment, 0.5)) as scope:
                piece = await connection.some(min(size - len(found), 1 << 20))
            found += piece
            if scope.cancelled_caught:
                break
        return bytes(found)

    async def _answer(self, within: float, octets: bytes = b"") -> str:
        """Returns the answer of the call, or `NOTHING` if there is none in time."""
        if self.call is None:
            return NOTHING
        with trio.move_on_after(within):
            await self.call.ended.wait()
        if self.call.error is not None:
            raise self.call.error
        seen = f"{len(octets)} octets" if octets else ""
        if self.call.answer is None:
            return seen or NOTHING
        self.is_answered = True
        answer = "ok" if "ok" in self.call.answer else str(self.call.answer.get("error"))
        return f"{seen}, {answer}" if seen else answer
