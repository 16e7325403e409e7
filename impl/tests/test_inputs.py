"""The same inputs, mostly invalid ones, give the same answers in every implementation.

One table drives the adapters in parallel. A row that differs is shown with the answer of each. The name of a row says
what is wrong in it. `close` (T) is 1 s where the row ends by timeout, and long otherwise.
"""

from __future__ import annotations

import os
import select
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any, Literal

import pytest

import wire
from peers import Adapter, AdapterError, Json, Pool
from wire import HELLO, VIAS, Via, frame

LONG, SHORT = 10, 1
"""T in seconds, where it must not expire and where it must."""

I32, I64 = 1 << 31, 1 << 63
KIB, MIB = 1 << 10, 1 << 20


@dataclass
class Bench:
    """One implementation under test, with its own directory."""

    adapter: Adapter
    directory: Path

    @property
    def path(self) -> Path:
        return self.directory / "socket"

    def place(self, via: Via, port: int = 0) -> Json:
        return {"via": via, "path": str(self.path)} if via == "unix" else {"via": via, "port": port}


@dataclass(frozen=True)
class Row:
    id: str
    expected: Json
    act: Callable[[Bench], Json]
    is_slow: bool = False
    """Whether it takes a second or more, because T must expire."""


Ending = Literal["hold", "close", "reset", "half-close"]
OK: Json = {"ok": True}


def error(name: str) -> Json:
    return {"error": name}


def essence(answer: Json) -> Json:
    """Returns an answer without the parts that may differ: an error's text, a hash next to the bytes, and `confirmed`.
    The last depends on the time of a client's half-close (`rows_words.py` tests it)."""
    essence = {key: value for key, value in answer.items() if key not in ("detail", "confirmed")}
    if "cannot assign requested address" in answer.get("detail", "").lower():
        essence["detail"] = answer["detail"]  # without ::1 on this machine the row does not run
    if "data" in essence:
        essence["data"] = essence["data"].get("hex", essence["data"]["size"])
    return essence


# ---- acts of a row


def ask(request: Json, *, is_valid: bool = True) -> Callable[[Bench], Json]:
    """Sends a request that needs no peer."""
    return lambda bench: essence(bench.adapter.call(request, is_valid=is_valid))


def at_path(request: Json, prepare: Callable[[Path], object] = lambda path: None) -> Callable[[Bench], Json]:
    """Sends a request for a Unix-domain socket at a path that `prepare` fills. Also returns what is left there."""

    def act(bench: Bench) -> Json:
        held = prepare(bench.path)
        answer = essence(bench.adapter.call({**request, "via": "unix", "path": str(bench.path)}))
        if isinstance(held, socket.socket):
            assert not select.select([held], [], [], 0)[0], "the test has disturbed a live server"
            held.close()
        kinds = {"link": bench.path.is_symlink(), "socket": bench.path.is_socket(), "file": bench.path.is_file()}
        left = next((kind for kind, there in kinds.items() if there), "nothing")
        return {**answer, "left": "directory" if bench.path.is_dir() else left}

    return act


def to_client(
    octets: Callable[[bytes], bytes], ending: Ending, via: Via = "tcp6", *, pause: float = 0, **more: Any
) -> Callable[[Bench], Json]:
    """The implementation receives from a raw server that sends `octets`, made from the hello, and then `ending`."""

    def act(bench: Bench) -> Json:
        with wire.listen(via, bench.path) as server:
            port = 0 if via == "unix" else server.getsockname()[1]
            bench.adapter.request({"op": "receive", **bench.place(via, port), "close": LONG, **more})
            # An implementation may fail before it connects.
            came, _, _ = select.select([server.fileno(), bench.adapter.lines.descriptor], [], [], wire.TIMEOUT)
            if server.fileno() not in came:
                return essence(bench.adapter.answer())
            with wire.accept(server) as connection:
                hello = wire.read(connection, 8)
                assert hello[:5] == HELLO[:5], hello
                sent = octets(hello)
                if pause:
                    connection.sendall(sent[:9])
                    assert not select.select([bench.adapter.lines.descriptor], [], [], pause)[0], "ended too early"
                    sent = sent[9:]
                with suppress(ConnectionError):  # it may already have closed
                    connection.sendall(sent)
                if ending == "reset":
                    wire.reset(connection)
                elif ending == "half-close":
                    connection.shutdown(socket.SHUT_WR)
                if ending in ("hold", "half-close"):
                    assert wire.read_to_end(connection)[0] == b"", "a client sends its hello and nothing else"
            return essence(bench.adapter.answer())

    return act


def to_file(octets: Callable[[bytes], bytes], ending: Ending, **more: Any) -> Callable[[Bench], Json]:
    """Does `to_client` into a file that already exists. Also returns the directory's files afterwards."""

    def act(bench: Bench) -> Json:
        target = bench.directory / "target"
        target.write_bytes(b"old")
        answer = to_client(octets, ending, to={"file": str(target)}, **more)(bench)
        left = {path.name: path.read_bytes().hex() for path in bench.directory.iterdir()}
        return {**answer, "files": left}

    return act


def to_server(
    octets: bytes, then: Callable[[socket.socket], str | None], via: Via = "tcp6", *, silent: bool = False, **more: Any
) -> Callable[[Bench], Json]:
    """The implementation sends to a raw client that sends these bytes. `then` returns the value to compare.

    A `silent` client neither reads nor sends nor closes afterwards, until the implementation has answered.
    """

    def act(bench: Bench) -> Json:
        bench.adapter.request({"op": "send", **bench.place(via), "close": LONG, **more})
        first = bench.adapter.answer()
        if "listening" not in first:
            return essence(first)
        with wire.connect(via, first["listening"]) as client:
            client.sendall(octets)
            got = then(client)
            if silent:
                assert select.select([bench.adapter.lines.descriptor], [], [], wire.TIMEOUT)[0]
        answer = essence(bench.adapter.answer())
        return answer if got is None else {**answer, "got": got}

    return act


# ---- acts of a raw client after it has sent


def hold(client: socket.socket) -> str:
    """Waits for the server's end and returns the bytes that it sent."""
    return wire.read_to_end(client)[0].hex()


def close(client: socket.socket) -> None:
    """Closes at once, which is an orderly close if nothing was sent to it."""


def reset(client: socket.socket) -> None:
    wire.reset(client)


def half_close(client: socket.socket) -> str:
    client.shutdown(socket.SHUT_WR)
    return hold(client)


def after(size: int, then: Callable[[socket.socket], str | None]) -> Callable[[socket.socket], str | None]:
    """Reads `size` bytes first."""

    def act(client: socket.socket) -> str | None:
        wire.read(client, size)
        return then(client)

    return act


def stay_silent(client: socket.socket) -> None:
    """Does nothing; for a `silent` client."""


def talk(client: socket.socket) -> None:
    """Reads everything, and sends more before it closes."""
    wire.read_to_end(client)
    with suppress(ConnectionError):
        client.sendall(b"thanks" * 1000)


def end_then_reset(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    wire.read(client, 8 + 1 * MIB)
    wire.reset(client)


# ---- the table

UTF8 = {
    # slug: (bytes, well-formed)
    "ascii": ("6869", True),
    "nul": ("610062", True),
    "byte-order-mark": ("efbbbf61", True),
    "two-octets-least": ("c280", True),
    "two-octets-most": ("dfbf", True),
    "three-octets-least": ("e0a080", True),
    "three-octets-most": ("efbfbf", True),
    "before-the-surrogates": ("ed9fbf", True),
    "after-the-surrogates": ("ee8080", True),
    "four-octets-least": ("f0908080", True),
    "last-code-point": ("f48fbfbf", True),
    "lone-continuation": ("80", False),
    "last-continuation": ("61bf", False),
    "overlong-nul": ("c080", False),
    "overlong-slash": ("c0af", False),
    "overlong-two-octets": ("c1bf", False),
    "overlong-three-octets": ("e09fbf", False),
    "overlong-four-octets": ("f08fbfbf", False),
    "surrogate-least": ("eda080", False),
    "surrogate-most": ("edbfbf", False),
    "surrogate-pair": ("eda081edb080", False),
    "past-the-last-code-point": ("f4908080", False),
    "five-octets": ("f888808080", False),
    "six-octets": ("fc8480808080", False),
    "octet-f5": ("f5808080", False),
    "octet-fe": ("fe", False),
    "octet-ff": ("61ff62", False),
    "cut-two-octets": ("61c3", False),
    "cut-three-octets": ("e282", False),
    "cut-four-octets": ("f09f98", False),
    "cut-then-ascii": ("c361", False),
    "cut-then-lead": ("e282c3a9", False),
    "bad-second-octet": ("e22828", False),
    "bad-fourth-octet": ("f09f9861", False),
    "latin-1": ("e9", False),
    "utf-16": ("fffe6800", False),
}

GOOD = frame(b"hi", b"\x00\x01\x02")
GOT = {"ok": True, "message": "hi", "data": "000102"}


def pack_rows() -> Iterator[Row]:
    def pack(slug: str, port: int, key: str, expected: Json) -> Row:
        return Row(f"pack-{slug}", expected, ask({"op": "pack", "port": port, "key": key}))

    for port in (1, 1023, 13600, 65535):
        yield pack(f"port-{port}", port, "0a", {"address": f"{port}.0a"})
    wrapped = {"u16": 65536 + 13600, "u32": (1 << 32) + 13600, "u32-to-0": 1 << 32, "minus-u16": 13600 - 65536}
    edges = {"i32": I32 - 1, "past-i32": I32, "least-i32": -I32, "i64": I64 - 1, "least-i64": -I64}
    for slug, port in {"0": 0, "minus-1": -1, "65536": 65536, "65537": 65537, **wrapped, **edges}.items():
        yield pack(f"port-{slug}", port, "0a", error("invalid-port"))
    for size in (1, 2, 3, 4, 6, 8, 12, 16, 24, 48):
        yield pack(f"key-of-{size}", 13600, "5a" * size, {"address": "13600" + ".5a" * size})
    for size in (0, 5, 7, 9, 10, 11, 13, 15, 17, 23, 25, 32, 47, 49, 64, 96, 256, 304):
        yield pack(f"key-of-{size}", 13600, "5a" * size, error("invalid-key"))
    yield pack("both-wrong", 0, "", error("invalid-port"))


def unpack_rows() -> Iterator[Row]:
    def unpack(slug: str, address: str, expected: Json) -> Row:
        return Row(f"unpack-{slug}", expected, ask({"op": "unpack", "address": address}))

    for port in (1, 9, 10, 65535):
        yield unpack(f"port-{port}", f"{port}.00", {"port": port, "key": "00" * 48})
    for size in (1, 2, 3, 4, 6, 8, 12, 16, 24, 48):
        key = bytes(range(0xF0 - size, 0xF0)).hex()
        groups = "".join("." + key[i : i + 2].upper() for i in range(0, len(key), 2))
        yield unpack(f"groups-{size}", "13600" + groups, {"port": 13600, "key": key * (48 // size)})
    yield unpack("mixed-case", "13600.aB.Cd", {"port": 13600, "key": "abcd" * 24})
    bad = {
        "empty": "",
        "dot": ".",
        "no-key": "13600",
        "no-group": "13600.",
        "no-port": ".00",
        "port-0": "0.00",
        "port-65536": "65536.00",
        "port-99999": "99999.00",
        "port-u32": "4294980896.00",
        "port-u64": "18446744073709565216.00",
        "port-of-100-digits": "1" * 100 + ".00",
        "leading-zero": "013600.00",
        "plus": "+13600.00",
        "minus": "-13600.00",
        "hexadecimal-port": "0x10.00",
        "exponent": "1e4.00",
        "underscore": "13_600.00",
        "space-before": " 13600.00",
        "space-after": "13600.00 ",
        "space-in-port": "13600 .00",
        "space-in-group": "13600. 0",
        "tab": "13600.00\t",
        "line-end": "13600.00\n",
        "carriage-return": "13600.00\r\n",
        "nul-after": "13600.00\x00",
        "nul-in-group": "13600.0\x00",
        "trailing-dot": "13600.00.",
        "two-dots": "13600..00",
        "comma": "13600,00",
        "one-digit": "13600.0",
        "three-digits": "13600.000",
        "four-digits": "13600.0001",
        "sign-in-group": "13600.+1",
        "underscore-in-group": "13600._1",
        "prefix-in-group": "13600.0x",
        "letter-g": "13600.0g",
        "before-digit-0": "13600.0/",
        "after-digit-9": "13600.0:",
        "before-letter-a": "13600.0@",
        "before-small-a": "13600.0`",
        "fullwidth-digit": "13600.0０",
        "fullwidth-port": "１３６００.00",
        "arabic-port": "١٣٦٠٠.00",
        "superscript": "1360².00",
        "byte-order-mark": "\ufeff13600.00",
        "letters": "kcom5.00",
        "bad-last-group": "13600" + ".00" * 47 + ".0",
    }
    for slug, address in bad.items():
        yield unpack(slug, address, error("invalid-address"))
    for groups_count in (5, 7, 9, 47, 49, 96):
        yield unpack(f"groups-{groups_count}", "13600" + ".00" * groups_count, error("invalid-address"))


def contract_rows() -> Iterator[Row]:
    """Rows of requests that an adapter does not support: it says so and does nothing."""
    requests: dict[str, Json] = {
        "op": {"op": "dance"},
        "via-in-send": {"op": "send", "via": "udp6", "port": 0, "close": 1},
        "via-in-receive": {"op": "receive", "via": "udp6", "port": 13600, "close": 1},
    }
    for slug, request in requests.items():
        yield Row(f"contract-unknown-{slug}", {"unsupported": True}, ask(request, is_valid=False))


def call_rows() -> Iterator[Row]:
    """Rows of errors in the call, or before there is a connection."""
    wrapped = {"u16": 65536 + 13600, "u32": (1 << 32) + 13600, "minus-u16": 13600 - 65536, "i64": I64 - 1}
    for slug, port in {"minus-1": -1, "65536": 65536, "i32": I32 - 1, "past-i32": I32, **wrapped}.items():
        for op in ("send", "receive"):
            request = {"op": op, "via": "tcp4", "port": port, "close": SHORT}
            yield Row(f"{op}-port-{slug}", error("invalid-port"), ask(request))
    for slug, port in {"0": 0, "u16-to-0": 65536, "u32-to-0": 1 << 32}.items():
        request = {"op": "receive", "via": "tcp6", "port": port, "close": SHORT}
        yield Row(f"receive-port-{slug}-as-the-system's-choice", error("invalid-port"), ask(request))
    for slug, (octets, is_good) in UTF8.items():
        if not is_good:
            bad: Json = {"op": "send", "via": "tcp6", "port": 0, "close": SHORT, "message": {"hex": octets}}
            yield Row(f"send-message-{slug}", error("message-not-utf8"), ask(bad))
    both: Json = {"op": "send", "via": "tcp6", "port": 65536, "close": SHORT, "message": {"hex": "ff"}}
    yield Row("send-port-and-message-wrong", error("invalid-port"), ask(both))

    def taken(via: Via, message: str, family: int, host: str) -> Callable[[Bench], Json]:
        def act(bench: Bench) -> Json:
            with socket.socket(family) as server:
                server.bind((host, 0))
                server.listen()
                port = server.getsockname()[1]
                request: Json = {"op": "send", "via": via, "port": port, "close": SHORT, "message": {"hex": message}}
                answer = essence(bench.adapter.call(request))
                assert not select.select([server], [], [], 0)[0], "the test has disturbed a live server"
                return answer

        return act

    yield Row("send-port-taken-ipv6", error("in-use"), taken("tcp6", "", socket.AF_INET6, "::1"))
    yield Row("send-port-taken-ipv4", error("in-use"), taken("tcp4", "", socket.AF_INET, "127.0.0.1"))
    yield Row("send-port-taken-wildcard", error("in-use"), taken("tcp6", "", socket.AF_INET6, "::"))
    yield Row(
        "send-port-taken-and-message-wrong", error("message-not-utf8"), taken("tcp6", "ff", socket.AF_INET6, "::1")
    )

    def bound(family: int, host: str, via: Via) -> Callable[[Bench], Json]:
        def act(bench: Bench) -> Json:
            with socket.socket(family) as silent:
                silent.bind((host, 0))
                port = silent.getsockname()[1]
                return essence(
                    bench.adapter.call({"op": "receive", "via": via, "port": port, "close": LONG}, timeout=LONG / 2)
                )

        return act

    yield Row("receive-nobody-ipv6", error("refused"), bound(socket.AF_INET6, "::1", "tcp6"))
    yield Row("receive-nobody-ipv4", error("refused"), bound(socket.AF_INET, "127.0.0.1", "tcp4"))


def path_rows() -> Iterator[Row]:
    """Rows of files at the path of a Unix-domain socket."""

    def stale(kind: int) -> Callable[[Path], None]:
        def act(path: Path) -> None:
            with socket.socket(socket.AF_UNIX, kind) as server:
                server.bind(str(path))

        return act

    def live(kind: int) -> Callable[[Path], socket.socket]:
        def act(path: Path) -> socket.socket:
            server = socket.socket(socket.AF_UNIX, kind)
            server.bind(str(path))
            if kind == socket.SOCK_STREAM:
                server.listen()
            return server

        return act

    send: Json = {"op": "send", "close": SHORT}
    in_use = error("in-use")
    yield Row(
        "path-send-live-server", {**in_use, "left": "socket"}, at_path(send, lambda path: wire.listen("unix", path))
    )
    yield Row("path-send-live-datagram", {**in_use, "left": "socket"}, at_path(send, live(socket.SOCK_DGRAM)))
    yield Row("path-send-plain-file", {**in_use, "left": "file"}, at_path(send, lambda path: path.write_text("mine")))
    yield Row("path-send-empty-file", {**in_use, "left": "file"}, at_path(send, Path.touch))
    yield Row("path-send-directory", {**in_use, "left": "directory"}, at_path(send, Path.mkdir))
    yield Row("path-send-fifo", {**in_use, "left": "nothing"}, at_path(send, os.mkfifo))
    yield Row(
        "path-send-dangling-link",
        {**in_use, "left": "link"},
        at_path(send, lambda path: path.symlink_to(path.with_name("gone"))),
    )
    # A stale socket is replaced, and removed at the end, as no client comes.
    gone = {**error("timeout"), "left": "nothing"}
    yield Row("path-send-stale-stream", gone, at_path(send, stale(socket.SOCK_STREAM)), True)
    yield Row("path-send-stale-datagram", gone, at_path(send, stale(socket.SOCK_DGRAM)), True)
    receive: Json = {"op": "receive", "close": LONG}
    refused = error("refused")
    yield Row("path-receive-nothing", {**refused, "left": "nothing"}, at_path(receive))
    yield Row(
        "path-receive-plain-file", {**refused, "left": "file"}, at_path(receive, lambda path: path.write_text("mine"))
    )
    yield Row("path-receive-stale", {**refused, "left": "socket"}, at_path(receive, stale(socket.SOCK_STREAM)))
    for op, slug, path, name in [
        ("send", "too-long", "/tmp/" + "x" * 200, "io"),
        ("receive", "too-long", "/tmp/" + "x" * 200, "io"),
        ("send", "no-directory", "/nonexistent/socket", "io"),
        ("receive", "no-directory", "/nonexistent/socket", "io"),
        ("send", "under-a-file", "/etc/passwd/socket", "io"),
        ("receive", "under-a-file", "/etc/passwd/socket", "io"),
    ]:
        request = {"op": op, "via": "unix", "path": path, "close": SHORT}
        yield Row(f"path-{op}-{slug}", error(name), ask(request))


def file_rows() -> Iterator[Row]:
    """Rows of files that cannot be read or written, and of files left after failures."""
    for slug, path in {"missing": "/nonexistent", "directory": "/", "under-a-file": "/etc/passwd/x"}.items():
        request = {"op": "send", "via": "tcp6", "port": 0, "close": SHORT, "data": {"file": path}}
        yield Row(f"file-send-{slug}", error("io"), ask(request))
        place = "/nonexistent/file" if slug == "missing" else path
        receive = to_client(lambda hello: hello + GOOD, "close", to={"file": place})
        yield Row(f"file-receive-{slug}", error("io"), receive)
    kept = {"target": b"old".hex()}
    yield Row(
        "file-receive-replaced",
        {"ok": True, "message": "hi", "data": 3, "files": {"target": "000102"}},
        to_file(lambda hello: hello + GOOD, "close"),
    )
    failures: dict[str, tuple[str, Callable[[bytes], bytes], Json]] = {
        "no-echo": ("invalid-connection", lambda hello: b"", {}),
        "cut-at-the-data": ("truncated", lambda hello: hello + frame(b"hi", b"123")[:-3], {}),
        "cut-in-the-data": ("truncated", lambda hello: hello + GOOD[:-1], {}),
        "malformed": ("malformed-message", lambda hello: hello + frame(b"\xff", b"123"), {}),
        "over-limit": ("over-limit", lambda hello: hello + GOOD, {"limits": {"data": 2}}),
    }
    for slug, (name, octets, more) in failures.items():
        yield Row(f"file-receive-{slug}", {**error(name), "files": kept}, to_file(octets, "close", **more))


def client_rows() -> Iterator[Row]:
    """Rows of a client with hostile servers."""

    def flip(index: int, bit: int) -> Callable[[bytes], bytes]:
        return lambda hello: hello[:index] + bytes([hello[index] ^ 1 << bit])

    for index in range(8):
        for bit in range(8):
            via = VIAS[(index + bit) % 3]
            act = to_client(flip(index, bit), "hold", via)
            yield Row(f"echo-octet-{index}-bit-{bit}", error("invalid-connection"), act)
    wrong: dict[str, Callable[[bytes], bytes]] = {
        "of-another-hello": lambda hello: HELLO[:5] + bytes(octet ^ 0x5A for octet in hello[5:]) + GOOD,
        "reversed": lambda hello: hello[::-1],
        "late": lambda hello: b"\x00" + hello,
        "missing": lambda hello: GOOD,
        "http": lambda hello: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "ssh": lambda hello: b"SSH-2.0-OpenSSH_9.6\r\n",
        "line-end": lambda hello: b"\n",
    }
    for slug, octets in wrong.items():
        yield Row(f"echo-{slug}", error("invalid-connection"), to_client(octets, "hold"))

    def cut(at: int) -> Callable[[bytes], bytes]:
        return lambda hello: (hello + GOOD)[:at]

    for at in range(8 + len(GOOD)):
        name = "invalid-connection" if at < 8 else "truncated"
        yield Row(f"cut-at-{at}-close", error(name), to_client(cut(at), "close", VIAS[at % 3]))
        yield Row(f"cut-at-{at}-reset", error(name), to_client(cut(at), "reset", VIAS[at % 2]))
    for at in (0, 5, 8, 11, 12, 13, 14, 20, 22, 24):
        name = "invalid-connection" if at < 8 else "truncated"
        yield Row(f"cut-at-{at}-half-close", error(name), to_client(cut(at), "half-close", VIAS[at % 3]))
    for at in (0, 7, 8, 10, 12, 13, 16, 22, 24):
        yield Row(f"cut-at-{at}-silence", error("timeout"), to_client(cut(at), "hold", VIAS[at % 3], close=SHORT), True)

    yield Row("frame-whole", GOT, to_client(lambda hello: hello + GOOD, "hold"))
    yield Row("frame-whole-then-reset", GOT, to_client(lambda hello: hello + GOOD, "reset"))
    yield Row("frame-and-more", GOT, to_client(lambda hello: hello + GOOD + b"more", "hold"))
    yield Row("frame-and-a-mebibyte-more", GOT, to_client(lambda hello: hello + GOOD + bytes(MIB), "hold"))
    yield Row(
        "frame-empty", {"ok": True, "message": "", "data": ""}, to_client(lambda hello: hello + frame(), "hold", "unix")
    )
    for slug, (octets_hex, is_good) in UTF8.items():
        text = bytes.fromhex(octets_hex)

        def receive(hello: bytes, text: bytes = text) -> bytes:
            return hello + frame(text)

        def head(hello: bytes, text: bytes = text) -> bytes:
            return hello + frame(text)[: 4 + len(text)]

        if is_good:
            expected = {"ok": True, "message": text.decode(), "data": ""}
            yield Row(f"receive-message-{slug}", expected, to_client(receive, "hold"))
        else:
            # The message is complete, so it is checked before the following bytes arrive.
            yield Row(f"receive-message-{slug}", error("malformed-message"), to_client(head, "hold"))
    yield Row(
        "receive-message-wrong-but-not-whole",
        error("truncated"),
        to_client(lambda hello: hello + b"\x03\x00\x00\x00\xffa", "close"),
    )


def limit_rows() -> Iterator[Row]:
    """Rows of lengths at and around every boundary of a type or limit."""

    def message(length: int, *, there: int = 0) -> Callable[[bytes], bytes]:
        return lambda hello: hello + length.to_bytes(4, "little") + b"a" * there

    def data(length: int, *, there: int = 0) -> Callable[[bytes], bytes]:
        return lambda hello: hello + bytes(4) + length.to_bytes(8, "little") + b"a" * there

    most = 16 * MIB
    for length in (most + 1, I32 - 1, I32, (1 << 32) - 1):
        yield Row(f"limit-default-message-{length}", error("over-limit"), to_client(message(length), "hold"))
    for length in (1, 255, 256, 65535, 65536, most - 1, most):
        yield Row(f"limit-message-{length}-not-there", error("truncated"), to_client(message(length), "close"))
    big = (65535, 65536, (1 << 24), I32 - 1, I32, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, I64 - 1, I64, (1 << 64) - 1)
    for length in big:
        act = to_client(data(length, there=KIB), "close", VIAS[length % 3])
        yield Row(f"limit-data-{length}-not-there", error("truncated"), act)
    for length in (I64 - 1, I64, (1 << 64) - 1):
        act = to_client(data(length, there=KIB), "hold", close=SHORT)
        yield Row(f"limit-data-{length}-silence", error("timeout"), act, True)
        # The length equals the limit, so it is allowed.
        act = to_client(data(length, there=KIB), "close", limits={"data": length})
        yield Row(f"limit-data-{length}-as-the-limit", error("truncated"), act)
        act = to_client(data(length), "hold", limits={"data": length - 1})
        yield Row(f"limit-data-{length}-over-by-one", error("over-limit"), act)
    for field, make in {"message": message, "data": data}.items():
        for limit in (0, 1, 255, 65536):
            act = to_client(make(limit + 1), "hold", limits={field: limit})
            yield Row(f"limit-{field}-{limit}-over-by-one", error("over-limit"), act)
        act = to_client(make(1 << 31), "hold", limits={field: 0})
        yield Row(f"limit-{field}-0-over-by-far", error("over-limit"), act)
    yield Row(
        "limit-message-reached",
        {"ok": True, "message": "hi", "data": "000102"},
        to_client(lambda hello: hello + GOOD, "hold", limits={"message": 2, "data": 3}),
    )
    yield Row(
        "limit-0-reached",
        {"ok": True, "message": "", "data": ""},
        to_client(lambda hello: hello + frame(), "hold", limits={"message": 0, "data": 0}),
    )
    yield Row(
        "limit-message-raised",
        {"ok": True, "message": "a" * (most + 1), "data": ""},
        to_client(lambda hello: hello + frame(b"a" * (most + 1)), "hold", limits={"message": (1 << 32) - 1}),
    )


def server_rows() -> Iterator[Row]:
    """Rows of a server with hostile clients. They also compare the sent bytes: none after a wrong hello."""
    rejected = {**error("invalid-connection"), "got": ""}
    for index in range(5):
        for bit in range(8):
            octets = HELLO[:index] + bytes([HELLO[index] ^ 1 << bit])
            act = to_server(octets, hold, VIAS[(index + bit) % 3], message="secret")
            yield Row(f"hello-octet-{index}-bit-{bit}", rejected, act)
    wrong = {
        "http-get": b"GET / HTTP/1.1\r\nHost: [::1]:13600\r\n\r\n",
        "http-method-kcom5": b"KCOM5abc / HTTP/1.1\r\n\r\n",
        "tls": bytes.fromhex("16030100c8010000c40303"),
        "lower-case": b"kcom5\xaa\xbb\xcc",
        "version-4": b"KCOM4\xaa\xbb\xcc",
        "late": b"\x00" + HELLO,
        "line-end": b"\n",
        "nine-octets": HELLO + b"\x00",
        "twice": HELLO * 2,
        "with-64-kib": HELLO + bytes(64 * KIB),
    }
    for slug, octets in wrong.items():
        yield Row(f"hello-{slug}", rejected, to_server(octets, hold, message="secret"))
    for at in range(8):
        via = VIAS[at % 3]
        yield Row(f"hello-cut-at-{at}-close", error("invalid-connection"), to_server(HELLO[:at], close, via))
        yield Row(f"hello-cut-at-{at}-reset", error("invalid-connection"), to_server(HELLO[:at], reset, VIAS[at % 2]))
        yield Row(f"hello-cut-at-{at}-half-close", rejected, to_server(HELLO[:at], half_close, via))
    for at in (0, 1, 7):
        act = to_server(HELLO[:at], hold, VIAS[at % 3], close=SHORT)
        yield Row(f"hello-cut-at-{at}-silence", {**error("timeout"), "got": ""}, act, True)

    whole = (HELLO + GOOD).hex()
    good: Json = {"message": "hi", "data": {"hex": "000102"}}
    for nonce in ("000000", "ffffff", "0d0a00", "4b434f"):
        octets = HELLO[:5] + bytes.fromhex(nonce)
        yield Row(f"serve-nonce-{nonce}", {**OK, "got": (octets + GOOD).hex()}, to_server(octets, hold, "tcp6", **good))
    for via in VIAS:
        yield Row(f"serve-half-closed-{via}", {**OK, "got": whole}, to_server(HELLO, half_close, via, **good))
    yield Row("serve-a-talker", OK, to_server(HELLO, talk, **good))
    for slug, (octets_hex, is_good) in UTF8.items():
        if is_good:
            text = bytes.fromhex(octets_hex)
            act = to_server(HELLO, hold, message={"hex": octets_hex})
            yield Row(f"serve-message-{slug}", {**OK, "got": (HELLO + frame(text)).hex()}, act)

    lots: Json = {"data": {"size": 16 * MIB, "fill": "counter251"}}
    unconfirmed = error("unconfirmed")
    yield Row("confirm-reset-at-the-end", unconfirmed, to_server(HELLO, after(8 + len(GOOD), reset), **good))
    yield Row("confirm-close-unread", unconfirmed, to_server(HELLO, after(9, close), **lots))
    yield Row("confirm-close-unread-unix", unconfirmed, to_server(HELLO, after(9, close), "unix", **lots))
    yield Row("confirm-close-after-the-echo", unconfirmed, to_server(HELLO, after(8, close), "tcp4", **lots))
    yield Row("confirm-reset-in-the-data", unconfirmed, to_server(HELLO, after(MIB, reset), **lots))
    yield Row("confirm-half-close-then-reset", unconfirmed, to_server(HELLO, end_then_reset, **lots))
    for via in VIAS:
        act = to_server(HELLO, after(8 + len(GOOD), stay_silent), via, silent=True, close=SHORT, **good)
        yield Row(f"confirm-no-close-{via}", unconfirmed, act, True)
        act = to_server(HELLO, stay_silent, via, silent=True, close=SHORT, **lots)
        yield Row(f"stall-client-takes-nothing-{via}", error("timeout"), act, True)


def time_rows() -> Iterator[Row]:
    yield Row(
        "wait-nobody-unix", {**error("timeout"), "left": "nothing"}, at_path({"op": "send", "close": SHORT}), True
    )
    for via in ("tcp6", "tcp4"):
        request = {"op": "send", "via": via, "port": 0, "close": SHORT}
        yield Row(f"wait-nobody-{via}", error("timeout"), ask(request), True)

    def full(via: Via) -> Callable[[Bench], Json]:
        """A listener whose queue is full."""

        def act(bench: Bench) -> Json:
            with wire.listen(via, bench.path, 0) as server:
                place = str(bench.path) if via == "unix" else server.getsockname()[1]
                waiting = []
                try:
                    for _ in range(8):
                        family = server.family
                        client = socket.socket(family)
                        client.setblocking(False)
                        waiting.append(client)
                        host = {"unix": place, "tcp6": ("::1", place), "tcp4": ("127.0.0.1", place)}[via]
                        with suppress(BlockingIOError):
                            client.connect(host)
                    port = 0 if via == "unix" else int(place)
                    return essence(bench.adapter.call({"op": "receive", **bench.place(via, port), "close": SHORT}))
                finally:
                    for client in waiting:
                        client.close()

        return act

    for via in VIAS:
        yield Row(f"connect-full-queue-{via}", error("timeout"), full(via), True)

    # A T that overflows 32 bits, or 64 bits of nanoseconds, would expire at once or in a second.
    seconds = {
        "0": 0,
        "minus-1": -1,
        "i32": I32 - 1,
        "past-i32": I32,
        "least-i32": -I32,
        "ns": 9223372037,
        "i64": I64 - 1,
    }
    for slug, close_ in seconds.items():
        yield Row(f"close-{slug}-receive", GOT, to_client(lambda hello: hello + GOOD, "hold", close=close_))
        act = to_server(HELLO, hold, close=close_)
        yield Row(f"close-{slug}-send", {**OK, "got": (HELLO + frame()).hex()}, act)
    for slug, close_ in {"u32-to-1": (1 << 32) + 1, "u64-of-ns-to-0.3": 18446744074, "0": 0, "minus-1": -1}.items():
        act = to_client(lambda hello: hello + GOOD, "hold", close=close_, pause=1.2)
        yield Row(f"close-{slug}-with-a-pause", GOT, act, True)


ROWS = [
    *pack_rows(),
    *unpack_rows(),
    *contract_rows(),
    *call_rows(),
    *path_rows(),
    *file_rows(),
    *client_rows(),
    *limit_rows(),
    *server_rows(),
    *time_rows(),
]


def outcome(row: Row, adapter: Adapter) -> Json:
    """Returns the outcome of the row. A crash or a broken contract is an outcome too."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as directory:
        try:
            return row.act(Bench(adapter, Path(directory)))
        except (AdapterError, AssertionError, OSError, EOFError) as problem:
            if adapter.process.poll() is None:
                adapter.process.kill()  # its state is unknown
                adapter.process.wait()
            return {"broken": f"{type(problem).__name__}: {problem}"}


def difference(row: Row, adapters: dict[str, Adapter]) -> str | None:
    """Runs the row with all adapters in parallel. Returns the unexpected outcomes, one line each."""
    with ThreadPoolExecutor(len(adapters)) as threads:
        outcomes = dict(
            zip(adapters, threads.map(lambda adapter: outcome(row, adapter), adapters.values()), strict=True)
        )
    if all(came == row.expected for came in outcomes.values()):
        return None
    shown = {"expected": row.expected, **outcomes}
    return "\n".join([row.id, *(f"  {name:8} {str(came)[:1000]}" for name, came in shown.items())])


QUICK = [row for row in ROWS if not row.is_slow]
SLOW = [row for row in ROWS if row.is_slow]


@pytest.mark.parametrize("row", QUICK, ids=[row.id for row in QUICK])
def test_the_same_input_gives_the_same_answer(row: Row, adapters: dict[str, Adapter]) -> None:
    if found := difference(row, adapters):
        pytest.fail(found, pytrace=False)


def test_the_same_silence_gives_the_same_answer(adapters: dict[str, Adapter]) -> None:
    """Runs the slow rows all at once, on additional adapters."""
    benches: Queue[Pool] = Queue()
    with ExitStack() as stack:
        for _ in range(8):
            benches.put(stack.enter_context(closing(Pool())))

        def run(row: Row) -> str | None:
            bench = benches.get()
            try:
                return difference(row, {name: bench.get(name) for name in adapters})
            finally:
                benches.put(bench)

        with ThreadPoolExecutor(benches.qsize()) as threads:
            found = [lines for lines in threads.map(run, SLOW) if lines]
    if found:
        pytest.fail(f"{len(found)} of {len(SLOW)} rows differ\n" + "\n".join(found), pytrace=False)


def test_the_table_has_at_least_200_rows_each_with_its_own_name() -> None:
    assert len(ROWS) >= 200
    assert len({row.id for row in ROWS}) == len(ROWS)
