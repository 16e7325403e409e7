"""What a case is given: calls of the implementation through its adapter, raw connections that keep a transcript, and
the words to say what is wrong.

The octets of a right exchange are put together here, by spec/kcom5.md, "Wire format", and by nobody else's code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import random
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NoReturn

import trio

from . import diagnose
from .adapter import Adapter, AdapterError
from .model import KEPT, Axis, Event, Json, Level, Problem, Role

HOSTS = {"tcp6": (socket.AF_INET6, "::1"), "tcp4": (socket.AF_INET, "127.0.0.1")}
HELLO = b"KCOM5\xaa\xbb\xcc"
MOST_TAKEN = 256 << 10
"""Octets of the receive buffer of the suite's end: what it does not read its system does not take for it."""
MOST_WRITTEN = 65536
"""Octets of a send that a reproduction has."""
USAGE = {"invalid-port", "message-not-utf8", "message-too-long"}
"""What a server refuses before it opens a socket."""
NO_BOUND = 30
"""T, in seconds, where it must not matter."""


def frame(message: bytes, data: bytes) -> bytes:
    """All that follows the echo."""
    return struct.pack("<I", len(message)) + message + struct.pack("<Q", len(data)) + data


class Mismatch(Exception):
    """The implementation did what the spec does not allow."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.rule}: got {problem.got}, expected {problem.expected}")
        self.problem = problem


class NotRun(Exception):
    """This cannot be tried here; the text says why."""


class Unsupported(Exception):
    """The implementation turned out not to have what this asks about; the text says what."""


class TooBusy(Exception):
    """The machine did not let the suite keep its own times: nothing is said about the implementation."""


@dataclass(frozen=True)
class Case:
    """One thing to try, over one transport."""

    id: str
    rule: str
    level: Level
    role: Role
    """server or client: that of the implementation; address for pack and unpack; both."""
    via: str
    note: str
    run: Callable[[Bench], Awaitable[None]]
    needs: frozenset[str] = frozenset()
    """What the adapter has to support."""
    takes: float = 0
    """About how many seconds it takes, if it is one or more, in which the processor has little to do."""
    is_hostile: bool = True
    """The implementation is to serve again afterwards, and that is tried."""
    lock: str = ""
    """Something of the machine that one case at a time may use."""
    is_heavy: bool = False
    """It takes much of the machine: it is run after the others, alone, and once."""
    is_alone: bool = False
    """The adapter has to be in a network of its own, where the only free port is `ALONE_PORT`."""


ALONE_PORT = 40000


@cache
def why_not(via: str) -> str:
    """Why this machine has no such transport; empty if it has. Addresses need none."""
    if via == "unix":
        return "" if hasattr(socket, "AF_UNIX") else "this system has no Unix-domain sockets"
    if not via:
        return ""
    family, host = HOSTS[via]
    try:
        with socket.socket(family) as probe:
            probe.bind((host, 0))
    except OSError as error:
        return f"this machine has no loopback address {host} ({error.strerror})"
    return ""


@dataclass
class Bench:
    """The place of one case."""

    case: Case
    adapter: Adapter
    nursery: trio.Nursery
    tick: float
    patience: float
    """Seconds within which what must come at once has to come."""
    started: float = field(default_factory=trio.current_time)
    rungs: list[tuple[float, Any, Any, bytes, int, str | Json]] = field(default_factory=list)
    """What passed, to be made into events if the case fails: most do not."""
    acts: list[tuple[str, str]] = field(default_factory=list)
    """What the suite's end did, for a reproduction."""
    calls: list[Call] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    others: list[Adapter] = field(default_factory=list)
    _reserved: dict[int, socket.socket] = field(default_factory=dict)
    _temporary: tempfile.TemporaryDirectory[str] | None = None

    @cached_property
    def folder(self) -> Path:
        """A directory of its own, empty at the start."""
        self._temporary = tempfile.TemporaryDirectory(prefix="kcom5-")
        return Path(self._temporary.name)

    @property
    def via(self) -> str:
        return self.case.via

    @property
    def path(self) -> Path:
        """Where the socket file is to be, of a Unix-domain socket."""
        return self.folder / "s"

    def log(self, who: Any, what: Any, octets: bytes = b"", text: str | Json = "") -> None:
        self.rungs.append((trio.current_time(), who, what, octets[:KEPT], len(octets), text))

    @property
    def events(self) -> list[Event]:
        """The ladder."""
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

    def fail(self, axis: Axis, got: str, expected: str) -> NoReturn:
        """Ends the case: the implementation is wrong."""
        raise Mismatch(Problem(self.case.rule, self.case.level, axis, got, expected))

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
            request["port"] = 0
        request = {key: value for key, value in request.items() if value is not None}
        call = Call(self, request, adapter or self.adapter)
        self.calls.append(call)
        await call.begin()
        return call

    async def another(self) -> Adapter:
        """A second process of the adapter, which ends with the case."""
        adapter = Adapter(self.adapter.command)
        await adapter.start()
        self.others.append(adapter)
        return adapter

    async def send(self, message: Any = "hi", data: Any = b"\x00\x01\x02", **keys: Any) -> Call:
        """A server of the implementation that listens. `data` may be octets."""
        if isinstance(data, bytes):
            data = {"hex": data.hex()}
        call = await self.call("send", keys.pop("place", None), message=message, data=data, **keys)
        await call.listening()
        return call

    # ---- raw ends

    async def connect(self, place: int | str, host: str = "", via: str = "", *, buffer: int = MOST_TAKEN) -> Connection:
        """A raw client, `buffer` octets of receive buffer. OSError comes through."""
        via = via or self.via
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
        connection = Connection(self, raw, via)
        self.connections.append(connection)
        self.log("suite", "connect")
        return connection

    @asynccontextmanager
    async def listen(self, place: int | str = 0, backlog: int = 8) -> AsyncIterator[Listener]:
        """A raw server."""
        via = self.via
        raw = trio.socket.socket(socket.AF_UNIX if via == "unix" else HOSTS[via][0])
        with raw:
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_TAKEN)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            here = str(place or self.path) if via == "unix" else (HOSTS[via][1], place)
            # A program that is just being started has, for a moment, a copy of a listener that was closed here.
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
            try:
                yield Listener(self, raw, str(here) if via == "unix" else raw.getsockname()[1])
            finally:
                if via == "unix":
                    Path(str(here)).unlink(missing_ok=True)

    async def nowhere(self) -> int | str:
        """A place where nobody listens, and nobody else can until the case is over."""
        if self.via == "unix":
            return str(self.path)
        family, host = HOSTS[self.via]
        raw = trio.socket.socket(family)
        self.connections.append(Connection(self, raw, self.via))
        await raw.bind((host, 0))  # and it does not listen
        return int(raw.getsockname()[1])

    async def own_place(self) -> int | str:
        """A free place that can be used again and again: the system gives its port to nobody in between."""
        if self.via == "unix":
            return str(self.path)
        while True:
            port = random.randrange(15000, 30000)  # below the ports that systems choose from
            with suppress(OSError):
                self.reserve(port)
                return port

    def reserve(self, port: int) -> None:
        """Takes a port on which nobody listens from all other cases, also those of another suite, until this one is
        over. OSError: it is taken.

        The sign is a datagram socket, which is in nobody's way. What is bound to see whether somebody listens never
        listens itself: a program that is just being started may have a copy of it for a moment.
        """
        family, host = HOSTS[self.via]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        if port not in self._reserved:
            sign = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sign.bind((host, port))
            except OSError:
                sign.close()
                raise
            self._reserved[port] = sign

    @property
    def answer(self) -> Json | None:
        """The adapter's last answer, as it came."""
        return next((call.answer for call in reversed(self.calls) if call.answer is not None), None)

    def close(self) -> None:
        """Leaves nothing of its connections."""
        for connection in self.connections:
            connection.raw.close()

    def clean(self) -> None:
        """Leaves nothing of its directory, and no port reserved."""
        for sign in self._reserved.values():
            sign.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def reproduction(self) -> str:
        """A program that does the same without the suite; empty where there was one connection too few or too many."""
        role, roles = self.case.role, ("server", "client")
        return diagnose.reproduction(role, self.via, self.acts) if role in roles and len(self.connections) == 1 else ""

    # ---- whole exchanges

    async def exchange_with_server(self, message: str = "hi", data: bytes = b"\x00\x01\x02") -> None:
        """One right exchange with the implementation as server."""
        call = await self.send(message, data)
        connection = await self.connect(call.place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(message.encode(), data))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()

    async def exchange_with_client(self, message: str = "hi", data: bytes = b"\x00\x01\x02") -> None:
        """One right exchange with the implementation as client."""
        async with self.listen() as listener:
            call = await self.call("receive", listener.place)
            connection = await listener.accept()
            hello = await connection.hello()
            await connection.send(hello + frame(message.encode(), data))
            await connection.expect_end()
            connection.close()
            await call.expect_ok(message, data)

    async def exchange(self, role: str) -> None:
        """One right exchange."""
        await (self.exchange_with_server() if role == "server" else self.exchange_with_client())


@dataclass
class Listener:
    """A raw server of the suite."""

    bench: Bench
    raw: trio.socket.SocketType
    place: int | str

    async def accept(self) -> Connection:
        """The implementation's connection. It has to come."""
        call = self.bench.calls[-1]
        with trio.move_on_after(self.bench.patience) as scope:
            raw = await call.unless_ended(self.raw.accept)
        if scope.cancelled_caught or raw is None:
            answer = "nothing" if call.answer is None else f"the answer {call.told}"
            self.bench.fail("wire", f"no connection, but {answer}", "a connection of the client")
        connection = Connection(self.bench, raw[0], self.bench.via)
        self.bench.connections.append(connection)
        self.bench.log("implementation", "connect")
        return connection


@dataclass
class Call:
    """A call of the implementation that is under way, or has ended."""

    bench: Bench
    request: Json
    adapter: Adapter
    answer: Json | None = None
    place: int | str = ""
    """Where a server listens, once it does."""
    start: float = 0.0
    end: float = 0.0
    error: AdapterError | None = None
    _listening: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)

    async def begin(self) -> None:
        self.start = trio.current_time()
        self.bench.log("suite", "request", text=self.request)
        await self.adapter.ask(self.request, self.bench.patience)
        self.bench.nursery.start_soon(self._read)

    async def _read(self) -> None:
        try:
            kind = f"answer-{self.request['op']}" + ("-to" if "to" in self.request else "")
            definitions = [kind, "error", "unsupported"]
            if self.request["op"] == "send":
                answer = await self.adapter.answer("answer-listening", *definitions)
                if "listening" in answer:
                    self.place = await self._place(answer["listening"])
                    self.bench.log("implementation", "answer", text=answer)
                    self._listening.set()
                    answer = await self.adapter.answer(*definitions)
            else:
                answer = await self.adapter.answer(*definitions)
            self.answer = answer
            self.bench.log("implementation", "answer", text=answer)
        except AdapterError as error:
            self.error = error
        finally:
            self.end = trio.current_time()
            self._listening.set()
            self.ended.set()

    async def _place(self, told: int | str) -> int | str:
        """Where it says that it listens: a port, or the path that it was given."""
        is_right = told == self.request.get("path") if self.bench.via == "unix" else not isinstance(told, str)
        if not is_right:
            raise await self.adapter.broken(f"says that it listens on {clip(str(told))}, which it was not asked")
        return told if isinstance(told, str) else int(told)

    async def decided(self) -> bool:
        """Waits until the server listens or has ended; whether it listens."""
        with trio.move_on_after(self.bench.patience) as scope:
            await self._listening.wait()
        if scope.cancelled_caught:
            raise await self.adapter.hang(self.bench.patience)
        if self.error:
            raise self.error
        return bool(self.place)

    async def listening(self) -> int | str:
        """Waits until the server listens."""
        if not await self.decided():
            self.bench.fail("delivered", f"the answer {self.told}", "that it listens")
        return self.place

    @property
    def told(self) -> str:
        """The answer, short."""
        return shown(self.answer) if self.answer is not None else "nothing"

    async def unless_ended(self, wait: Callable[[], Awaitable[Any]]) -> Any:
        """What `wait` gives; None if the call ends before that."""
        result = None
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self.ended.wait()
                await trio.sleep(self.bench.tick)  # a connection may have been made just before
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            result = await wait()
            nursery.cancel_scope.cancel()
        if self.error:
            raise self.error
        return result

    async def result(self, within: float | None = None) -> Json:
        """Waits for the last answer; `within` are seconds beyond which it hangs."""
        bound = self.bench.patience if within is None else within
        with trio.move_on_after(bound) as scope:
            await self.ended.wait()
        if scope.cancelled_caught:
            self.bench.fail("ended", "the call does not end", f"an end within {bound:.1f} s")
        if self.error:
            raise self.error
        assert self.answer is not None
        return self.answer

    async def expect_ok(
        self, message: str | None = None, data: bytes | None = None, within: float | None = None
    ) -> None:
        """It succeeds; a client delivers exactly this."""
        answer = await self.result(within)
        if "ok" not in answer:
            self.bench.fail("delivered", self.told, "success")
        if message is None or data is None:
            return
        if answer["message"] != message:
            got, wanted = clip(answer["message"]), clip(message)
            self.bench.fail("delivered", f"the message {got}", f"the message {wanted}")
        got = answer["data"]
        if got["size"] != len(data):
            self.bench.fail("delivered", f"{got['size']:,} octets delivered as the whole", f"{len(data):,} octets")
        digest = hashlib.sha256(data).hexdigest()
        if got["sha256"] != digest or got.get("hex", data.hex()) != data.hex():
            self.bench.fail(
                "delivered",
                f"{got['size']:,} octets with SHA-256 {got['sha256'][:16]}…",
                f"the octets sent, SHA-256 {digest[:16]}…",
            )

    async def expect_error(self, *names: str, within: float | None = None) -> None:
        """It fails by one of these names; an implementation that has no names fails."""
        if USAGE.intersection(names):
            with trio.move_on_after(self.bench.patience):
                await self._listening.wait()  # or the end
            if self.place:
                got = f"it listens on {self.place}"
                self.bench.fail("wire", got, f"{' or '.join(names)} before a socket is opened")
        answer = await self.result(within)
        if answer.get("error") not in (*names, "error"):
            self.bench.fail("delivered", self.told, " or ".join(names))


@dataclass
class Connection:
    """A raw connection of the suite, with a transcript."""

    bench: Bench
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

    async def send(self, octets: bytes, *, may_fail: bool = False, written: str = "") -> None:
        """Sends all. A broken connection is a mismatch, unless it may be. `written` is how a vector writes them."""
        self.bench.log("suite", "octets", octets)
        if not written and len(self.greeting) == 8 and octets.startswith(self.greeting):
            written = f"4b434f4d35n0n1n2{octets[8:MOST_WRITTEN].hex()}"
        self.bench.acts.append(("send", written or octets[:MOST_WRITTEN].hex()))
        try:
            left = memoryview(octets)
            while left:
                with trio.move_on_after(self.bench.patience) as scope:
                    left = left[await self.raw.send(left) :]
                if scope.cancelled_caught:
                    if may_fail:
                        return
                    self._fail(f"{len(octets) - len(left):,} of {len(octets):,} octets taken", "all of them taken")
        except OSError as error:
            if not may_fail:
                self._fail(f"a broken connection ({error.strerror})", "that it takes the octets")

    async def some(self, most: int = 1 << 16) -> bytes:
        """What comes next; empty at the end, and at a reset: `ended` tells."""
        try:
            octets = await self.raw.recv(most)
        except OSError as error:
            self.ended = "reset"
            self.bench.log("implementation", "reset", text=error.strerror or "")
            return b""
        if octets:
            self.received += len(octets)
            if len(self.got) < KEPT:
                self.got += octets[: KEPT - len(self.got)]
            self.bench.log("implementation", "octets", octets)
        else:
            self.ended = "end"
            self.bench.log("implementation", "end")
        return octets

    async def read(self, size: int) -> bytes:
        """So many octets; fewer if the connection ends, or nothing comes for too long."""
        octets = bytearray()
        while len(octets) < size:
            with trio.move_on_after(self.bench.patience) as scope:
                piece = await self.some(min(size - len(octets), 1 << 20))
            if scope.cancelled_caught or not piece:
                break
            octets += piece
        return bytes(octets)

    async def expect(self, expected: bytes) -> None:
        """Exactly these octets come next."""
        self.bench.acts.append(("expect", str(len(expected))))
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
        self.bench.acts.append(("expect", "8"))
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
        with trio.move_on_after(self.bench.tick):
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
            with trio.move_on_after(self.bench.patience):
                octets = await self.some()
        wanted = " or ".join({"end": "the end of the stream", "reset": "a reset"}[way] for way in ways)
        if octets:
            before = self.received - len(octets)
            self._fail(f"{len(octets)} octets more: {octets[:16].hex(' ')}", wanted, before)
        if self.ended not in ways:
            got = {"end": "an orderly end", "reset": "a reset", "": "nothing"}[self.ended]
            raise Mismatch(self._problem("ended", got, wanted))

    def half_close(self) -> None:
        self.bench.log("suite", "end")
        self.bench.acts.append(("half-close", ""))
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.bench.log("suite", "close")
        self.bench.acts.append(("close", ""))
        self.raw.close()

    def reset(self) -> None:
        """Closes with a reset: over a Unix-domain socket only if octets are unread."""
        self.bench.log("suite", "reset")
        self.bench.acts.append(("reset", ""))
        with suppress(OSError):
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def _problem(self, axis: Axis, got: str, expected: str, at: int | None = None) -> Problem:
        case = self.bench.case
        return Problem(case.rule, case.level, axis, got, expected, bytes(self.got).hex(), bytes(self.wanted).hex(), at)

    def _fail(self, got: str, expected: str, at: int | None = None) -> NoReturn:
        raise Mismatch(self._problem("wire", got, expected, at))


def _first_difference(octets: bytes, expected: bytes) -> int:
    """The offset of the first octet that differs, or at which the octets end."""
    pairs = enumerate(zip(octets, expected, strict=False))
    return next((i for i, (octet, other) in pairs if octet != other), len(octets))


def clip(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}… ({len(text):,} characters)")


def shown(line: Json) -> str:
    """A line of the adapter, with long values cut."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key[:60]: short(item) for key, item in value.items()}
        if isinstance(value, str) and len(value) > 100:
            return f"{value[:60]}… ({len(value)} characters)"
        return value

    return json.dumps(short(line), ensure_ascii=False)


def latency_to_tick(seconds: float) -> float:
    """How long a pause has to be, that what was sent before it has been read: by what an exchange takes."""
    return min(0.05, max(0.003, math.ceil(seconds * 1000) / 1000))
