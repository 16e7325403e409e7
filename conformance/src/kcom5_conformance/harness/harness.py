"""The API of a case: calls of the implementation through its adapter, and raw connections of the suite."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import trio

from ..report import reproduction
from ..report.acts import Act
from ..report.reproduction import MOST_TAKEN
from ..results import KEPT, Axis, Event, Json, Problem, Saw
from .adapter import Adapter
from .call import Call, shown
from .case import Case, Mismatch
from .connection import Connection
from .files import Files
from .frame import HELLO, frame
from .ports import HOSTS, why_not

NO_BOUND = 30
"""T in seconds for cases that do not depend on it."""


@dataclass
class Harness:
    """The environment of one case."""

    case: Case
    adapter: Adapter
    nursery: trio.Nursery
    tick: float
    patience: float
    """Timeout in seconds for a response that is expected immediately."""
    started: float = field(default_factory=trio.current_time)
    rungs: list[tuple[float, Any, Any, bytes, int, str | Json]] = field(default_factory=list)
    """The transcript, converted to events only if the case fails, because most cases pass."""
    acts: list[Act] = field(default_factory=list)
    """The acts of the suite, for a reproduction."""
    unshown: str = ""
    """The reason why no program can reproduce the case; empty if one can."""
    calls: list[Call] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    others: list[Adapter] = field(default_factory=list)
    _ends: int = 0
    """The number of connections so far."""
    _reserved: dict[tuple[int, int], socket.socket] = field(default_factory=dict)

    @cached_property
    def files(self) -> Files:
        return Files(self.acts)

    @property
    def folder(self) -> Path:
        """Returns the case's own directory, which is empty at the start."""
        return self.files.folder

    @property
    def via(self) -> str:
        return self.case.via

    @property
    def path(self) -> Path:
        """Returns the path for the socket file of a Unix-domain socket."""
        return self.folder / "s"

    def log(self, who: Any, what: Any, octets: bytes = b"", text: str | Json = "") -> None:
        self.rungs.append((trio.current_time(), who, what, octets[:KEPT], len(octets), text))

    @property
    def events(self) -> list[Event]:
        """Returns the ladder."""
        return [
            Event(
                at - self.started,
                who,
                what,
                octets.hex(),
                size,
                (text if isinstance(text, str) else shown(text))[:KEPT],
            )
            for at, who, what, octets, size, text in self.rungs
        ]

    def fail(self, axis: Axis, got: str, expected: str, saw: Saw = "") -> NoReturn:
        """Ends the case as failed."""
        raise Mismatch(Problem(self.case.rule, self.case.level, axis, got, expected, saw=saw))

    def give_up(self, seconds: float, what: str) -> str:
        """Records that a wait timed out. Returns a description of it."""
        self.log("suite", "wait", text=f"gives up after {seconds:.1f} s: {what}")
        return f"{what} after {seconds:.1f} s"

    # ---- calls of the implementation

    async def call(
        self, op: str, place: int | str | None = None, *, adapter: Adapter | None = None, **keys: Any
    ) -> Call:
        """Asks the adapter for `send` or `receive` over the case's transport; `place` is the port or path."""
        request: Json = {"op": op, "via": self.via, "close": NO_BOUND, **keys}
        if self.via == "unix":
            request["path"] = str(place if place is not None else self.path)
        elif place is not None:
            request["port"] = place
        elif op == "send" and "port" not in request:
            request["port"] = 0 if "port-zero" in (adapter or self.adapter).supports else await self.own_place()
        request = {key: value for key, value in request.items() if value is not None}
        missing = self.files.keep(request)
        self.unshown = self.unshown or missing
        self.acts.append(Act("ask", request))
        call = Call(self, request, adapter or self.adapter)
        self.calls.append(call)
        await call.begin()
        return call

    def next_end(self) -> int:
        """Returns the number for the next connection."""
        self._ends += 1
        return self._ends - 1

    async def another(self, *under: str, words: list[str] | None = None, **environment: str) -> Adapter:
        """Starts a second process of the adapter, which ends with the case.

        `under` is a program that runs it, and `words` replaces its command.
        """
        command = [*under, *(words or self.adapter.command)]
        adapter = Adapter(command, self.adapter.supports, environment, self.adapter.cwd)
        await adapter.start()
        self.others.append(adapter)
        return adapter

    async def send(self, message: Any = "hi", data: Any = b"\x00\x01\x02", **keys: Any) -> Call:
        """Starts a server of the implementation and waits until it listens. `data` may be bytes."""
        if isinstance(data, bytes):
            data = {"hex": data.hex()}
        call = await self.call("send", keys.pop("place", None), message=message, data=data, **keys)
        await call.listening()
        return call

    # ---- raw ends

    async def pause(self, seconds: float) -> None:
        """Waits, as a recorded act of the case."""
        self.acts.append(Act("wait", f"{seconds:.3f}"))
        await trio.sleep(seconds)

    async def connect(self, place: int | str, host: str = "", via: str = "", *, buffer: int = MOST_TAKEN) -> Connection:
        """Connects a raw client with a receive buffer of `buffer` bytes. Raises OSError."""
        via, number = via or self.via, self.next_end()
        self.acts.append(Act("connect", str(place) if via == "unix" else host, number))
        raw = trio.socket.socket(socket.AF_UNIX if via == "unix" else HOSTS[via][0])
        try:
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            with trio.move_on_after(self.patience) as scope:
                await raw.connect(str(place) if via == "unix" else (host or HOSTS[via][1], place))
            if scope.cancelled_caught:
                raise TimeoutError(errno.ETIMEDOUT, f"not connected within {self.patience:.1f} s")
        except BaseException:
            raw.close()
            raise
        connection = Connection(self, raw, via, place if isinstance(place, int) else 0, number=number)
        self.connections.append(connection)
        self.log("suite", "connect")
        return connection

    @asynccontextmanager
    async def listen(self, place: int | str = 0, backlog: int = 8) -> AsyncIterator[Listener]:
        """Starts a raw server."""
        via = self.via
        raw = trio.socket.socket(socket.AF_UNIX if via == "unix" else HOSTS[via][0])
        with raw:
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_TAKEN)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            here = str(place or self.path) if via == "unix" else (HOSTS[via][1], place)
            # A new process may briefly hold a copy of a closed listener, between fork() and exec().
            last = trio.current_time() + 0.2 * self.patience
            while True:
                try:
                    await raw.bind(here)
                    break
                except OSError:
                    if trio.current_time() > last:
                        raise
                    await trio.sleep(0.02)
            raw.listen(backlog)
            listener = Listener(self, raw, str(here) if via == "unix" else raw.getsockname()[1])
            self.acts.append(Act("listen", listener.place))
            try:
                yield listener
            finally:
                if via == "unix":
                    Path(str(here)).unlink(missing_ok=True)
                self.acts.append(Act("unlisten", listener.place))

    async def nowhere(self) -> int | str:
        """Returns a place without a listener, reserved until the case is over."""
        if self.via == "unix":
            self.acts.append(Act("nobody", str(self.path)))
            return str(self.path)
        family, host = HOSTS[self.via]
        raw = trio.socket.socket(family)
        self.connections.append(Connection(self, raw, self.via))
        await raw.bind((host, 0))  # bound, but not listening
        place = int(raw.getsockname()[1])
        self.acts.append(Act("nobody", place))
        return place

    async def own_place(self) -> int | str:
        """Returns a free place that can be used repeatedly: the kernel never assigns its port to another socket."""
        if self.via == "unix":
            return str(self.path)
        while True:
            port = random.randrange(15000, 30000)  # below the range of ephemeral ports
            with suppress(OSError):
                for via in HOSTS:  # a case may also look whether it listens on an address of the other family
                    if not why_not(via):
                        self.reserve(port, via)
                return port

    def reserve(self, port: int, via: str = "") -> None:
        """Reserves a free port until the case is over, also from another running suite. Raises OSError if it is taken.

        The reservation is a bound datagram socket, which does not block TCP. The TCP socket that tests for a listener
        does not listen itself, because a new process may briefly hold a copy of it.
        """
        family, host = HOSTS[via or self.via]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        if (family, port) not in self._reserved:
            sign = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sign.bind((host, port))
            except OSError:
                sign.close()
                raise
            self._reserved[family, port] = sign

    @property
    def answer(self) -> Json | None:
        """Returns the adapter's last answer, unchanged."""
        return next((call.answer for call in reversed(self.calls) if call.answer is not None), None)

    def forget(self) -> None:
        """Discards the transcript so far, for a case with many exchanges."""
        for kept in (self.connections, self.calls, self.rungs, self.acts, self.files.made):
            kept.clear()

    def close(self) -> None:
        """Closes its connections."""
        for connection in self.connections:
            connection.raw.close()

    def clean(self) -> None:
        """Removes its directory and releases its ports."""
        for sign in self._reserved.values():
            sign.close()
        self.files.clean()

    def reproduction(self, problem: Problem | None) -> tuple[str, str]:
        """Returns a program that reproduces the problem without the suite, or the reason why there is none."""
        asked = {call.adapter for call in self.calls} or {self.adapter}
        several = "two processes of the adapter take part" if len(asked) > 1 else ""
        if reason := self.unshown or several or reproduction.why_not(self.acts, problem):
            return "", reason
        adapter = asked.pop()
        return reproduction.reproduction(
            self.via, self.acts, adapter.command, str(adapter.cwd or ""), self.files.name, problem, adapter.environment
        )

    # ---- whole exchanges

    async def exchange_with_server(self, message: str = "hi", data: bytes = b"\x00\x01\x02") -> None:
        """Runs a valid exchange with the implementation as server."""
        call = await self.send(message, data)
        connection = await self.connect(call.place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(message.encode(), data))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()

    async def exchange_with_client(self, message: str = "hi", data: bytes = b"\x00\x01\x02") -> None:
        """Runs a valid exchange with the implementation as client."""
        async with self.listen() as listener:
            call = await self.call("receive", listener.place)
            connection = await listener.accept()
            hello = await connection.hello()
            await connection.send(hello + frame(message.encode(), data))
            await connection.expect_end()
            connection.close()
            await call.expect_ok(message, data)

    async def exchange(self, role: str) -> None:
        """Runs a valid exchange."""
        await (self.exchange_with_server() if role == "server" else self.exchange_with_client())


@dataclass
class Listener:
    """A raw server of the suite."""

    harness: Harness
    raw: trio.socket.SocketType
    place: int | str

    async def accept(self) -> Connection:
        """Returns the implementation's connection. The case fails if there is none in time."""
        call, number = self.harness.calls[-1], self.harness.next_end()
        self.harness.acts.append(Act("accept", "", number))
        raw = None
        with trio.move_on_after(self.harness.patience):
            raw = await call.unless_ended(self.raw.accept)
        if raw is None:
            with trio.move_on_after(self.harness.tick):  # the answer may be seen before the connection
                raw = await self.raw.accept()
        if raw is None:
            if call.answer is None:
                got = self.harness.give_up(self.harness.patience, "no connection")
            else:
                got = f"no connection, but the answer {call.told}"
            self.harness.fail("wire", got, "a connection of the client", "unreached")
        connection = Connection(self.harness, raw[0], self.harness.via, number=number)
        self.harness.connections.append(connection)
        self.harness.log("implementation", "connect")
        return connection
