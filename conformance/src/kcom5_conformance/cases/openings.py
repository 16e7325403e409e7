"""Cases of other programs' first bytes, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

from ..harness.harness import Harness
from ..results import Json, Level
from .registry import Run, add, case
from .steps import receiving
from .vectors import Step, Vector

REJECT: tuple[str, Level, str] = ("hello.reject", "MUST", "an old address reaches a foreign client")
ALONE: tuple[str, Level, str] = ("hello.alone", "SHOULD", "a web page makes a browser fetch the data")
METHODS = ("http-method-kcom5",)
"""The openings that begin with a hello."""

OPENINGS = {
    "http-method-kcom5": b"KCOM5abc / HTTP/1.1\r\nHost: x\r\n\r\n",
    "http-get": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "http-post": b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nKCOM5",
    "http-options": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n",
    "http-connect": b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
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
    async def run(harness: Harness) -> None:
        call = await harness.send("secret", b"secret")
        connection = await harness.connect(call.place)
        await connection.send(octets, may_fail=True)
        connection.half_close()
        await connection.expect_end(or_reset=True)
        await call.expect_error("invalid-connection")

    return run


def _greeting(octets: bytes) -> Run:
    async def run(harness: Harness) -> None:
        async with receiving(harness) as (call, connection, _hello):
            await connection.send(octets, may_fail=True)
            await call.expect_error("invalid-connection")

    return run


def as_vectors() -> Iterator[Vector]:
    """Yields the conversations of these cases in the notation of the vectors."""
    outcome: Json = {"error": "invalid-connection"}
    for name, octets in OPENINGS.items():
        rule, level, note = ALONE if name in METHODS else REJECT
        steps: tuple[Step, ...] = (("send", octets.hex(" ")), ("half-close",))
        yield Vector(f"{rule}/opening-of-{name}", rule, level, "server", note, outcome, steps)
    for name, octets in GREETINGS.items():
        steps = (("expect", "4b 43 4f 4d 35 n0 n1 n2"), ("send", octets.hex(" ")))
        note = "an old address reaches a foreign server"
        yield Vector(f"echo.mismatch/greeting-of-{name}", "echo.mismatch", "MUST", "client", note, outcome, steps)


for _vector in as_vectors():
    _run = _opening if _vector.role == "server" else _greeting
    _octets = bytes.fromhex(next(step[1] for step in _vector.steps if step[0] == "send"))
    add(
        _vector.id, "server" if _vector.role == "server" else "client", _vector.note, _run(_octets), level=_vector.level
    )


@case(
    "time.stall/an-echo-service", "client", "any echo service passes the handshake: what follows must not hang",
    takes=1,
)  # fmt: skip
async def an_echo_service(harness: Harness) -> None:
    async with receiving(harness, close=1) as (call, connection, hello):
        await connection.send(hello)
        await call.expect_error("timeout", within=1 + harness.patience)
