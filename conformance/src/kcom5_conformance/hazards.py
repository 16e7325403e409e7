"""Cases that no vector can say: those that measure a process from outside, stop it, or need more than one end.

Each stands for a hazard of an exchange on loopback that was seen in real programs; its note says which.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import random
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any

import trio

from . import process
from .bench import HELLO, HOSTS, Bench, Call, Case, Connection, NotRun, TooBusy, Unsupported, clip, frame
from .conversation import refused
from .model import Level, Role
from .vectors import VIAS

TCP = ("tcp6", "tcp4")
MIB = 1 << 20
BIG = 16 * MIB
COUNTER = {"size": BIG, "fill": "counter251"}
LEAST_FREE = 5 << 30
"""Octets of memory without which a message of 4 GiB is not asked for."""
LEAST_LEFT = 512 * MIB
"""Octets of memory that are left to the machine whatever an adapter takes."""

Run = Callable[[Bench], Awaitable[None]]
_CASES: list[Case] = []


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from _CASES


def add(slug: str, role: Role, note: str, run: Run, via: tuple[str, ...] = VIAS, **more: Any) -> None:
    """A case over each transport."""
    ops = {"server": {"send"}, "client": {"receive"}, "address": {"pack"}, "both": {"send", "receive"}}[role]
    needs = {*ops, *more.pop("needs", ())}
    level: Level = more.pop("level", "MUST")
    for one in via:
        _CASES.append(
            Case(f"{slug}@{one}", slug.split("/")[0], level, role, one, note, run, frozenset({*needs, one}), **more)
        )


def hazard(slug: str, role: Role, note: str, via: tuple[str, ...] = VIAS, **more: Any) -> Callable[[Run], Run]:
    """Makes a case of a function."""

    def register(run: Run) -> Run:
        add(slug, role, note, run, via, **more)
        return run

    return register


@cache
def counter(size: int) -> bytes:
    """Octet i is i mod 251: an octet that is lost or doubled shows."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@asynccontextmanager
async def receiving(bench: Bench, **keys: Any) -> AsyncIterator[tuple[Call, Connection, bytes]]:
    """A client of the implementation that has said its hello."""
    async with bench.listen() as listener:
        call = await bench.call("receive", listener.place, **keys)
        connection = await listener.accept()
        yield call, connection, await connection.hello()


async def quiet(bench: Bench, call: Call, what: str, ticks: int = 10) -> None:
    """The call does not end for some ticks."""
    with trio.move_on_after(ticks * bench.tick):
        await call.ended.wait()
        if call.error:
            raise call.error
        bench.fail("delivered", f"the answer {call.told} {what}", "no answer yet")


# ---- cuts of the stream, beyond one at a time


def _pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(octets)]
    return [octets[start:end] for start, end in itertools.pairwise(places) if end > start]


_MESSAGE = "h\u00e9llo \u4f60\u597d \U0001f600"


def _in_pieces(seed: int | None) -> Run:
    async def run(bench: Bench) -> None:
        data = bytes(range(40))
        async with receiving(bench) as (call, connection, hello):
            octets = hello + frame(_MESSAGE.encode(), data)
            if seed is None:
                cuts = list(range(1, len(octets)))
            else:
                chooser = random.Random(seed)
                cuts = chooser.sample(range(1, len(octets)), chooser.randrange(2, 12))
            if bench.via != "unix":
                connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in _pieces(octets, cuts):
                await connection.send(piece)
                await trio.sleep(bench.tick if len(cuts) < 20 else bench.tick / 8)
            await connection.expect_end()
            connection.close()
            await call.expect_ok(_MESSAGE, data)

    return run


add(
    "frame.segments/each-octet-apart",
    "client",
    "one recv per field, and a read that looks for a length",
    _in_pieces(None),
)
for _seed in range(8):
    add(f"frame.segments/random-cuts-{_seed}", "client", "any cut is the stream's business", _in_pieces(_seed))


@hazard("hello.segments/octet-by-octet", "server", "one recv(8) takes the first octet for the hello")
async def _(bench: Bench) -> None:
    call = await bench.send()
    connection = await bench.connect(call.place)
    for octet in HELLO:
        await connection.send(bytes([octet]))
        await trio.sleep(bench.tick)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


# ---- other programs: what they say first, in both directions

OPENINGS = {
    "http-get": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "http-post": b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nKCOM5",
    "http-options": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n",
    "http-connect": b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http-method-kcom5": b"KCOM5abc / HTTP/1.1\r\nHost: x\r\n\r\n",
    "websocket": b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "tls": bytes.fromhex("16030100a5010000a10303") + bytes(range(32)),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "smtp": b"EHLO localhost\r\n",
    "redis": b"*1\r\n$4\r\nPING\r\n",
    "postgresql": bytes.fromhex("0000000804d2162f"),
    "mqtt": bytes.fromhex("100c00044d5154540402003c0000"),
    "amqp": b"AMQP\x00\x00\x09\x01",
    "socks-5": b"\x05\x01\x00",
    "rtsp": b"OPTIONS rtsp://localhost/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "d-bus": b"\x00AUTH EXTERNAL 30\r\n",
    "x11": bytes.fromhex("6c000b0000000000000000000000"),
    "memcached": b"version\r\n",
    "proxy-1": b"PROXY TCP6 ::1 ::1 40000 13600\r\nKCOM5abc",
    "proxy-2": bytes.fromhex("0d0a0d0a000d0a515549540a2000000c"),
    "git": b"0031git-upload-pack /x.git\x00host=localhost\x00",
    "ldap": bytes.fromhex("300c020101600702010304008000"),
    "dns": bytes.fromhex("001d12340100000100000000000003777777"),
    "lower-case": b"kcom5abc",
    "length-first": b"\x08\x00\x00\x00KCOM",
}

GREETINGS = {
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "smtp": b"220 localhost ESMTP\r\n",
    "ftp": b"220 (vsFTPd 3.0.5)\r\n",
    "pop3": b"+OK ready\r\n",
    "imap": b"* OK IMAP4rev1 ready\r\n",
    "mysql": bytes.fromhex("4a0000000a382e302e333600") + bytes(range(40)),
    "redis": b"-ERR unknown command 'KCOM5'\r\n",
    "http": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "vnc": b"RFB 003.008\n",
    "telnet": bytes.fromhex("fffd18fffd20fffd23fffd27"),
    "tls-alert": bytes.fromhex("15030100020232"),
    "postgresql": b"E\x00\x00\x00\x6fSFATAL\x00",
    "amqp": b"AMQP\x00\x00\x09\x01",
    "nats": b'INFO {"server_id":"x"}\r\n',
    "memcached": b"ERROR\r\n",
    "lower-case-echo": b"kcom5",
    "own-length-first": b"\x08\x00\x00\x00KCOM",
}


def _opening(octets: bytes) -> Run:
    async def run(bench: Bench) -> None:
        call = await bench.send("secret", b"secret")
        connection = await bench.connect(call.place)
        await connection.send(octets, may_fail=True)
        connection.half_close()
        await connection.expect_end(or_reset=True)
        await call.expect_error("invalid-connection")

    return run


def _greeting(octets: bytes) -> Run:
    async def run(bench: Bench) -> None:
        async with receiving(bench) as (call, connection, _hello):
            await connection.send(octets, may_fail=True)
            await call.expect_error("invalid-connection")

    return run


for _name, _octets in OPENINGS.items():
    add(f"hello.reject/opening-of-{_name}", "server", "an old address reaches a foreign client", _opening(_octets))
for _name, _octets in GREETINGS.items():
    add(f"echo.mismatch/greeting-of-{_name}", "client", "an old address reaches a foreign server", _greeting(_octets))


@hazard(
    "time.stall/an-echo-service", "client", "any echo service passes the handshake: what follows must not hang",
    takes=1,
)  # fmt: skip
async def _(bench: Bench) -> None:
    async with receiving(bench, close=1) as (call, connection, hello):
        await connection.send(hello)
        await call.expect_error("timeout", within=1 + bench.patience)


# ---- listening


@hazard("listen.exclusive/no-option-shares-the-port", "server", "a second listener takes the clients away", TCP)
async def _(bench: Bench) -> None:
    call = await bench.send()
    family, host = HOSTS[bench.via]
    options = {"no option": [], "SO_REUSEADDR": [socket.SO_REUSEADDR]}
    if hasattr(socket, "SO_REUSEPORT"):
        options["SO_REUSEPORT"] = [socket.SO_REUSEPORT]
        options["SO_REUSEADDR and SO_REUSEPORT"] = [socket.SO_REUSEADDR, socket.SO_REUSEPORT]
    for name, chosen in options.items():
        with socket.socket(family) as thief:
            for option in chosen:
                thief.setsockopt(socket.SOL_SOCKET, option, 1)
            try:
                thief.bind((host, int(call.place)))
                thief.listen()
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                bench.fail("wire", f"with {name} another socket listens on its port", "that this fails")
    await _served(bench, call)


async def _served(bench: Bench, call: Call, message: str = "hi", data: bytes = b"\x00\x01\x02") -> None:
    """The server serves its client."""
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(message.encode(), data))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@hazard("listen.loopback/bound-to-loopback-alone", "server", "a wildcard lets other hosts in, or other families", TCP)
async def _(bench: Bench) -> None:
    call = await bench.send()
    own = HOSTS[bench.via][1]
    if found := process.listening_addresses(int(call.place), bench.adapter.processes()) - {own}:
        bench.fail("wire", f"it listens on {', '.join(sorted(found))}", f"on {own} and nothing else")
    for host in ("127.0.0.2", "127.255.255.254", "127.0.0.1", "::1"):
        if host != own and not (host == "127.0.0.1" and bench.via == "tcp4"):
            await refused(bench, call.place, host)
    await _served(bench, call)


@hazard("listen.rebind/after-a-failed-exchange", "server", "a port in TIME_WAIT is lost for a minute", TCP)
async def _(bench: Bench) -> None:
    call = await bench.send(place=await bench.own_place())
    for _ in range(2):
        connection = await bench.connect(call.place)
        await connection.send(b"GET / HT", may_fail=True)
        await connection.expect_end(or_reset=True)
        connection.close()
        await call.expect_error("invalid-connection")
        call = await bench.send(place=call.place)
    await _served(bench, call)


@hazard("listen.one-client/two-in-the-queue", "server", "the second in the queue is served, or gets an octet")
async def _(bench: Bench) -> None:
    call = await bench.send()

    async def both() -> None:
        for connection in (await bench.connect(call.place), await bench.connect(call.place)):
            await connection.send(HELLO)

    await _frozen(bench, both)
    first, second = bench.connections
    await first.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await first.expect_end()
    first.close()
    await second.expect_end(or_reset=True)
    await call.expect_ok()


@hazard("listen.port/then-the-message", "server", "the message is looked at first, and a wrong port is not named", TCP)
async def _(bench: Bench) -> None:
    call = await bench.call("send", 65536, message={"hex": "ff"}, data={"hex": ""})
    await call.expect_error("invalid-port")


@hazard("listen.port/the-message-before-a-socket", "server", "it listens, and a client comes that gets nothing")
async def _(bench: Bench) -> None:
    call = await bench.call("send", message={"hex": "ff"}, data={"hex": ""})
    await call.expect_error("message-not-utf8")


@hazard("listen.port-zero/another-port-each-time", "server", "0 stands for the default port", TCP, level="MAY")
async def _(bench: Bench) -> None:
    call = await bench.send()
    await _served(bench, call)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(bench.listen(call.place))
        except OSError:
            raise TooBusy(f"port {call.place} has another owner already") from None
        await _served(bench, await bench.send())


@hazard("unix.stale/asks-without-connecting", "server",
        "who connects to see whether somebody listens is taken for the one client", ("unix",))  # fmt: skip
async def _(bench: Bench) -> None:
    async with bench.listen() as listener:
        await (await bench.call("send", listener.place, message="", data={"hex": ""})).expect_error("in-use")
        if select.select([listener.raw], [], [], 0)[0]:
            bench.fail("wire", "a connection in the listener's queue", "none")


@hazard("listen.refuse-others/a-silent-stranger-first", "server", "who comes later learns it at once", level="SHOULD",
        takes=1)  # fmt: skip
async def _(bench: Bench) -> None:
    call = await bench.send(close=1)
    await bench.connect(call.place)
    await trio.sleep(4 * bench.tick)
    await refused(bench, call.place)
    await call.expect_error("timeout", within=1 + bench.patience)


# ---- closing, and what is in flight then


def _extra(size: int) -> Run:
    async def run(bench: Bench) -> None:
        call = await bench.send("", COUNTER)
        connection = await bench.connect(call.place)
        await connection.send(HELLO)
        expected = frame(b"", counter(BIG))
        await connection.expect(HELLO)
        await connection.send(bytes(size))
        await connection.expect(expected[: BIG // 2])
        await connection.send(bytes(size))
        await connection.expect(expected[BIG // 2 :])
        await connection.send(bytes(size))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()

    return run


for _name, _size in (("one-octet", 1), ("64-kib", 65536)):
    add(
        f"close.extra/{_name}-three-times-and-16-mib",
        "server",
        "a close with octets unread resets the connection: 920,584 of 1,048,576 octets were lost",
        _extra(_size),
    )


@hazard("close.confirm/100000-octets-unread", "server", "a plain close does not know what was taken")
async def _(bench: Bench) -> None:
    call = await bench.send("", {"size": 100_000, "fill": "counter251"})
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    await trio.sleep(4 * bench.tick)
    connection.reset()
    await call.expect_error("unconfirmed")


def _reset_after(size: int) -> Run:
    async def run(bench: Bench) -> None:
        call = await bench.send("hi", COUNTER)
        connection = await bench.connect(call.place)
        await connection.send(HELLO)
        await connection.expect((HELLO + frame(b"hi", counter(BIG)))[:size])
        connection.reset()
        await call.expect_error("unconfirmed")

    return run


for _size in (*range(8, 24), 1000, 65536, MIB):
    add(
        f"close.residue/reset-after-{_size}",
        "server",
        "writing to a connection that is gone raises SIGPIPE, which kills a C program",
        _reset_after(_size),
        ("tcp6", "unix"),
    )


@hazard("close.residue/gone-before-the-echo", "server", "writing to a connection that is gone raises SIGPIPE")
async def _(bench: Bench) -> None:
    call = await bench.send("", COUNTER)

    async def come_and_go() -> None:
        connection = await bench.connect(call.place)
        await connection.send(HELLO)
        connection.close()

    await _frozen(bench, come_and_go)
    await call.expect_error("unconfirmed")


@hazard("close.half/with-the-hello", "server", "the end is there before the hello is read, and taken for a hang-up")
async def _(bench: Bench) -> None:
    call = await bench.send()

    async def come_and_end() -> None:
        connection = await bench.connect(call.place)
        await connection.send(HELLO)
        connection.half_close()

    await _frozen(bench, come_and_end)
    (connection,) = bench.connections
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


def _slow_reader(buffer: int, piece: int, size: int) -> Run:
    async def run(bench: Bench) -> None:
        call = await bench.send("", {"size": size, "fill": "counter251"})
        connection = await bench.connect(call.place, buffer=buffer)
        await connection.send(HELLO)
        expected = hashlib.sha256(HELLO + frame(b"", counter(size)))
        digest, left = hashlib.sha256(), size + 20
        while left:
            octets = b""
            with trio.move_on_after(bench.patience):
                octets = await connection.raw.recv(min(piece, left))
            if not octets:
                break
            digest.update(octets)
            left -= len(octets)
        if left:
            bench.fail("wire", f"{size + 20 - left:,} octets", f"{size + 20:,} octets")
        if digest.digest() != expected.digest():
            bench.fail("wire", "other octets", "those of the data")
        await connection.expect_end()
        connection.close()
        await call.expect_ok()

    return run


add("data.opaque/tiny-window-16-mib", "server", "a write takes a part only", _slow_reader(8192, 65536, BIG), takes=4)
add("data.opaque/reads-of-one-octet", "server", "a write takes a part only", _slow_reader(1, 1, 2000), takes=2)


# ---- when a call returns


@hazard("result.sync/send-waits-for-the-reader", "server", "what is queued is not delivered")
async def _(bench: Bench) -> None:
    call = await bench.send("", COUNTER)
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    await quiet(bench, call, "while 16 MiB were not read")
    await connection.expect(frame(b"", counter(BIG)))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@hazard("result.sync/receive-waits-for-the-last-octet", "client", "a part is delivered as the whole")
async def _(bench: Bench) -> None:
    async with receiving(bench) as (call, connection, hello):
        octets = hello + frame(b"hi", counter(1000))
        await connection.send(octets[:-1])
        await quiet(bench, call, "with 999 of 1,000 octets sent")
        await connection.send(octets[-1:])
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", counter(1000))


async def _frozen(bench: Bench, then: Callable[[], Awaitable[None]]) -> None:
    """Stops the implementation, acts, and lets it go on."""
    pids = bench.adapter.processes()
    await process.freeze(pids)
    try:
        await then()
    finally:
        process.thaw(pids)


def _frozen_server(phase: str) -> Run:
    async def run(bench: Bench) -> None:
        size = MIB
        call = await bench.send("hi", {"size": size, "fill": "counter251"})
        octets = HELLO + frame(b"hi", counter(size))

        async def nothing() -> None:
            await trio.sleep(bench.tick)

        if phase == "listening":
            await _frozen(bench, nothing)
        connection = await bench.connect(call.place)
        if phase == "hello":
            await connection.send(HELLO[:4])
            await trio.sleep(bench.tick)
            await _frozen(bench, lambda: connection.send(HELLO[4:]))
        else:
            await connection.send(HELLO)
        if phase == "sending":
            await connection.expect(octets[:1000])
            await _frozen(bench, nothing)
            await connection.expect(octets[1000:])
        else:
            await connection.expect(octets)
        await connection.expect_end()
        if phase == "confirming":
            await _frozen(bench, nothing)
        connection.close()
        await call.expect_ok()

    return run


def _frozen_client(phase: str) -> Run:
    async def run(bench: Bench) -> None:
        data = counter(MIB)
        async with receiving(bench) as (call, connection, hello):
            octets = hello + frame(b"hi", data)
            at = {"echo": 3, "length": 10, "message": 13, "data": 5000}[phase]
            await connection.send(octets[:at])
            await trio.sleep(bench.tick)
            await _frozen(bench, lambda: connection.send(octets[at : at + 1]))
            await connection.send(octets[at + 1 :])
            await connection.expect_end()
            connection.close()
            await call.expect_ok("hi", data)

    return run


_FROZEN = "stop and continue interrupt a system call"
for _phase in ("listening", "hello", "sending", "confirming"):
    add(f"result.sync/frozen-in-{_phase}", "server", _FROZEN, _frozen_server(_phase))
for _phase in ("echo", "length", "message", "data"):
    add(f"result.sync/frozen-in-{_phase}", "client", _FROZEN, _frozen_client(_phase))


def _keeps_message(octets: bytes, error: str) -> Run:
    async def run(bench: Bench) -> None:
        async with receiving(bench, message="before") as (call, connection, hello):
            await connection.send(hello + octets, may_fail=True)
            connection.close()
            await call.expect_error(error)
        assert call.answer is not None
        if "message" not in call.answer:
            raise Unsupported("it does not tell the field after a failure")
        if call.answer["message"] != "before":
            bench.fail("delivered", f"the message field {clip(call.answer['message'])}", "'before'")

    return run


for _name, _octets, _error in (
    ("in-the-data", frame(b"after", b"123")[:-1], "truncated"),
    ("in-the-data-length", frame(b"after", b"")[:-1], "truncated"),
    ("an-ill-formed-message", frame(b"after\xff", b""), "malformed-message"),
):
    add(
        f"result.message/unchanged-by-a-failure-{_name}",
        "client",
        "the program acts on a message whose data never came",
        _keeps_message(_octets, _error),
        needs=("message",),
    )


# ---- the names of failures


async def _name_of(bench: Bench, call: Call, name: str) -> None:
    answer = await call.result(1 + bench.patience)
    if answer.get("error") == "error":
        raise Unsupported("it has no names of failures")
    await call.expect_error(name)


def _named(name: str, role: Role, via: tuple[str, ...] = VIAS, **more: Any) -> Callable[[Run], Run]:
    return hazard(f"result.class/{name}", role, "a caller tells failures apart by their names", via, **more)


@_named("in-use", "server")
async def _(bench: Bench) -> None:
    async with bench.listen() as listener:
        await _name_of(bench, await bench.call("send", listener.place, message="", data={"hex": ""}), "in-use")


@_named("message-not-utf8", "server")
async def _(bench: Bench) -> None:
    call = await bench.call("send", message={"hex": "ff"}, data={"hex": ""})
    await _name_of(bench, call, "message-not-utf8")


@_named("invalid-port", "server", TCP)
async def _(bench: Bench) -> None:
    await _name_of(bench, await bench.call("send", 65536, message="", data={"hex": ""}), "invalid-port")


@_named("refused", "client")
async def _(bench: Bench) -> None:
    await _name_of(bench, await bench.call("receive", await bench.nowhere()), "refused")


@_named("timeout", "client", takes=1)
async def _(bench: Bench) -> None:
    async with receiving(bench, close=1) as (call, _connection, _hello):
        await _name_of(bench, call, "timeout")


@_named("io", "client", needs=("file",))
async def _(bench: Bench) -> None:
    target = bench.folder / "missing" / "file"
    async with bench.listen() as listener:
        call = await bench.call("receive", listener.place, to={"file": str(target)})

        async def serve() -> None:
            # Whether it looks at the file before or after it connects is its own business.
            connection = await listener.accept()
            await connection.send(await connection.hello() + frame(b"", b"1"), may_fail=True)

        await call.unless_ended(serve)
        await _name_of(bench, call, "io")


@_named("invalid-connection", "client")
async def _(bench: Bench) -> None:
    async with receiving(bench) as (call, connection, _hello):
        await connection.send(b"HTTP/1.1", may_fail=True)
        await _name_of(bench, call, "invalid-connection")


@_named("truncated", "client")
async def _(bench: Bench) -> None:
    async with receiving(bench) as (call, connection, hello):
        await connection.send(hello + b"\x05\x00")
        connection.close()
        await _name_of(bench, call, "truncated")


@_named("malformed-message", "client")
async def _(bench: Bench) -> None:
    async with receiving(bench) as (call, connection, hello):
        await connection.send(hello + frame(b"\xc0\xaf", b""), may_fail=True)
        await _name_of(bench, call, "malformed-message")


@_named("over-limit", "client")
async def _(bench: Bench) -> None:
    async with receiving(bench) as (call, connection, hello):
        await connection.send(hello + b"\xff\xff\xff\xff", may_fail=True)
        await _name_of(bench, call, "over-limit")


@_named("unconfirmed", "server")
async def _(bench: Bench) -> None:
    call = await bench.send("", COUNTER)
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    connection.reset()
    await _name_of(bench, call, "unconfirmed")


# ---- files


@hazard("data.truncated/no-part-of-a-file", "client", "half of a file under its final name", needs=("file",))
async def _(bench: Bench) -> None:
    target = bench.folder / "out" / "file"
    target.parent.mkdir()
    target.write_bytes(b"before")
    async with receiving(bench, to={"file": str(target)}) as (call, connection, hello):
        await connection.send(hello + frame(b"", counter(MIB))[:-1])
        connection.close()
        await call.expect_error("truncated")
    if target.read_bytes() != b"before":
        bench.fail("delivered", f"the file has {target.stat().st_size:,} octets", "the file as it was")
    if left := sorted(path.name for path in target.parent.iterdir() if path != target):
        bench.fail("residue", f"left beside the file: {', '.join(left)}", "nothing")


@hazard("close.residue/no-file-after-a-failure", "client", "what was stored stays in the folder", needs=("file",))
async def _(bench: Bench) -> None:
    folder = bench.folder / "out"
    folder.mkdir()
    async with receiving(bench, to={"file": str(folder / "file")}) as (call, connection, hello):
        await connection.send(hello + frame(b"", counter(MIB))[:-1])
        connection.close()
        await call.expect_error("truncated")
    if left := sorted(path.name for path in folder.iterdir()):
        bench.fail("residue", f"left in the folder: {', '.join(left)}", "nothing")


@hazard("limit.memory/64-mib-from-a-file", "server", "the file is read as a whole", ("tcp6",), needs=("file",))
async def _(bench: Bench) -> None:
    source, size = bench.folder / "in", 64 * MIB
    source.write_bytes(counter(size))
    pids = bench.adapter.processes()
    process.forget_peak(pids)
    before = process.usage(pids)
    call = await bench.send("", {"file": str(source)})
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"", counter(size)))
    await connection.expect_end()
    connection.close()
    await call.expect_ok()
    _grew_less(bench, before, pids, 48 * MIB)


@hazard("limit.memory/64-mib-to-a-file", "client", "the data is held as a whole", ("tcp6",), needs=("file",))
async def _(bench: Bench) -> None:
    target, size = bench.folder / "out", 64 * MIB
    pids = bench.adapter.processes()
    process.forget_peak(pids)
    before = process.usage(pids)
    async with receiving(bench, to={"file": str(target)}) as (call, connection, hello):
        await connection.send(hello + frame(b"", counter(size)))
        await connection.expect_end()
        connection.close()
        await call.expect_ok()
    if hashlib.sha256(target.read_bytes()).digest() != hashlib.sha256(counter(size)).digest():
        bench.fail("delivered", "another file", "the octets sent")
    _grew_less(bench, before, pids, 48 * MIB)


# ---- memory by what is declared


def _grew_less(bench: Bench, before: process.Usage, pids: list[int], most: int) -> None:
    after = process.usage(pids)
    if after.peak - before.resident >= most:
        grown = (after.peak - before.resident) / MIB
        bench.fail("memory", f"the process grew by {grown:,.0f} MiB", f"less than {most // MIB} MiB")


def _declared(declared: int) -> Run:
    async def run(bench: Bench) -> None:
        pids = bench.adapter.processes()
        process.forget_peak(pids)
        before = process.usage(pids)
        async with receiving(bench, close=1) as (call, connection, hello):
            await connection.send(hello + bytes(4) + declared.to_bytes(8, "little") + counter(1024))
            await quiet(bench, call, f"with 1,024 of {declared:,} octets sent", round(0.4 / bench.tick))
            _grew_less(bench, before, pids, 64 * MIB)
            committed = process.usage(pids).committed - before.committed
            if committed >= min(declared // 2, 1 << 40) and declared >= 1 << 30:
                got = f"memory for {committed:,} octets reserved"
                bench.fail("memory", got, "memory bounded by what has arrived: 1,024 octets")
            await call.expect_error("timeout", within=1 + bench.patience)

    return run


for _power in (31, 32, 40, 52, 53, 62, 63, 64):
    for _slug, _declared_size in (("minus-1", (1 << _power) - 1), ("", 1 << _power), ("plus-1", (1 << _power) + 1)):
        if _declared_size < 1 << 64:
            add(
                f"limit.memory/declared-2-to-the-{_power}" + (f"-{_slug}" if _slug else ""),
                "client",
                "lengths from the wire are allocated as declared",
                _declared(_declared_size),
                ("tcp6",),
                takes=1,
            )


# ---- what is left afterwards


@hazard("close.residue/alive-two-t-after-a-success", "server", "a timer that ends the process T after an exchange",
        takes=2.2)  # fmt: skip
async def _(bench: Bench) -> None:
    call = await bench.send(close=1)
    await _served(bench, call)
    await trio.sleep(2.1)
    await bench.exchange_with_server()


@hazard("close.residue/alive-two-t-after-receiving", "client", "a timer that ends the process T after an exchange",
        takes=2.2)  # fmt: skip
async def _(bench: Bench) -> None:
    async with receiving(bench, close=1) as (call, connection, hello):
        await connection.send(hello + frame(b"hi", b""))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", b"")
    await trio.sleep(2.1)
    await bench.exchange_with_client()


@hazard("close.residue/nobody-comes-three-times", "server", "a listening socket is left where no client came",
        takes=4.4)  # fmt: skip
async def _(bench: Bench) -> None:
    async def alone() -> None:
        await (await bench.send(close=1)).expect_error("timeout", within=1 + bench.patience)

    await alone()
    before = process.usage(bench.adapter.processes())
    for _ in range(3):
        await alone()
    after = await _settled(bench, before)
    if after.descriptors > before.descriptors:
        bench.fail("residue", f"{after.descriptors - before.descriptors} more descriptors after 3 servers", "none")


async def _settled(bench: Bench, before: process.Usage) -> process.Usage:
    """A thread or a descriptor that is on its way out has a moment to be gone."""
    for _ in range(50):
        after = process.usage(bench.adapter.processes())
        if after.descriptors <= before.descriptors and after.threads <= before.threads:
            break
        await trio.sleep(bench.tick)
    return after


async def _server_outcome(bench: Bench, kind: int) -> None:
    """One exchange of one outcome."""
    if kind == 4:
        async with bench.listen() as listener:
            await (await bench.call("send", listener.place, message="", data={"hex": ""})).expect_error("in-use")
        return
    call = await bench.send("hi", b"123")
    connection = await bench.connect(call.place)
    if kind == 0:
        await connection.send(b"GET / HTTP/1.1\r\n\r\n", may_fail=True)
        await connection.expect_end(or_reset=True)
    elif kind == 1:
        await connection.send(b"KCOM")
        connection.close()
    else:
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"hi", b"123"))
        if kind == 2:
            connection.reset()
        else:
            await connection.expect_end()
    connection.close()
    await call.result()


async def _client_outcome(bench: Bench, kind: int) -> None:
    """One exchange of one outcome."""
    if kind == 4:
        await (await bench.call("receive", await bench.nowhere())).expect_error("refused")
        return
    async with receiving(bench) as (call, connection, hello):
        octets = {
            0: b"HTTP/1.1 400",
            1: hello + frame(b"hi", b"123")[:9],
            2: hello + frame(b"\xff", b""),
            3: hello + frame(b"hi", b"123"),
        }[kind]
        await connection.send(octets, may_fail=True)
        connection.close()
        await call.result()


def _flat(outcome: Callable[[Bench, int], Awaitable[None]]) -> Run:
    async def run(bench: Bench) -> None:
        async def rounds(count: int) -> None:
            for _ in range(count):
                for kind in range(5):
                    await outcome(bench, kind)
                    bench.close()
                    for kept in (bench.connections, bench.calls, bench.rungs, bench.acts):
                        kept.clear()

        await rounds(20)
        pids = bench.adapter.processes()
        before = process.usage(pids)
        await rounds(80)
        after = await _settled(bench, before)
        if after.descriptors > before.descriptors:
            bench.fail(
                "residue", f"{after.descriptors - before.descriptors} more descriptors after 400 exchanges", "none"
            )
        if after.threads > before.threads + 8:
            bench.fail("residue", f"{after.threads - before.threads} more threads after 400 exchanges", "none")
        if after.resident > before.resident + 16 * MIB:
            grown = (after.resident - before.resident) / MIB
            bench.fail("residue", f"{grown:.0f} MiB more after 400 exchanges", "memory that stays the same")

    return run


add("close.residue/500-sends-of-every-outcome", "server", "a rejected hello is where leaks hide",
    _flat(_server_outcome), ("tcp6", "unix"), takes=8)  # fmt: skip
add("close.residue/500-receives-of-every-outcome", "client", "a failed receive is where leaks hide",
    _flat(_client_outcome), ("tcp6", "unix"), takes=8)  # fmt: skip


@hazard("close.residue/sockets-of-a-server-are-not-inherited", "server", "a child of the program holds the port",
        level="SHOULD")  # fmt: skip
async def _(bench: Bench) -> None:
    pids = bench.adapter.processes()
    before = process.sockets(pids)
    call = await bench.send()
    _not_inherited(bench, before, pids, "listens")
    connection = await bench.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    _not_inherited(bench, before, pids, "sends")
    await connection.expect_end()
    connection.close()
    await call.expect_ok()


@hazard("close.residue/sockets-of-a-client-are-not-inherited", "client", "a child of the program holds the connection",
        level="SHOULD")  # fmt: skip
async def _(bench: Bench) -> None:
    pids = bench.adapter.processes()
    before = process.sockets(pids)
    async with receiving(bench) as (call, connection, hello):
        _not_inherited(bench, before, pids, "receives")
        await connection.send(hello + frame(b"", b""))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("", b"")


def _not_inherited(bench: Bench, before: dict[str, bool], pids: list[int], when: str) -> None:
    new = {name: inherited for name, inherited in process.sockets(pids).items() if name not in before}
    if not new:
        raise NotRun("none of its sockets is seen: they are in a process that is not the adapter's")
    if any(new.values()):
        bench.fail("residue", f"a socket that a child inherits, while it {when}", "close-on-exec on every socket")


# ---- what takes memory of the machine


@hazard("message.too-long/four-gib", "server", "a length of 32 bits wraps to zero", ("tcp6",), is_heavy=True)
async def _(bench: Bench) -> None:
    if (free := process.free_memory()) < LEAST_FREE:
        raise NotRun(f"it needs {LEAST_FREE >> 30} GiB of free memory, and {free / (1 << 30):.1f} are free")
    # Zeros cost an adapter nothing: the system gives them without touching memory.
    call = await bench.call("send", message={"size": 1 << 32, "fill": "00"}, data={"hex": ""})

    async def memory_is_short() -> bool:
        while process.free_memory() >= LEAST_LEFT:
            if call.place:
                return False
            await trio.sleep(0.02)
        return True

    with trio.move_on_after(20 * bench.patience):
        if await call.unless_ended(memory_is_short):
            await bench.adapter.kill()
            raise NotRun("the adapter takes more memory than there is for a message of 4 GiB")
    if call.answer == {"unsupported": True}:
        raise Unsupported("its adapter cannot make a message of 4 GiB")
    await call.expect_error("message-too-long")
