"""Every server with every client, over every transport: the received data equals the sent data.

The implementations run through their adapters, and hashes are compared.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

import wire
from peers import NAMES, Adapter, Json, Pool
from wire import VIAS, Via

MIB = 1 << 20
GIB = 1 << 30
CLOSE = 10

MESSAGES = {
    0: "",
    1: "hi",
    65_535: "한국어 · 日本語 · 中文",
    65_536: "ελληνικά · русский · עברית · العربية · हिन्दी",
    MIB: "\x00 e\u0301 \u00e9 \ufeff \U0001f469\u200d\U0001f52c \U0010ffff\n",
    16 * MIB: "é" * 100_000,
}
"""A size of data in bytes, and its message: scripts, controls, combining marks, emoji."""

PAIRS = [
    pytest.param(server, client, marks=[pytest.mark.peer(server), pytest.mark.peer(client)], id=f"{server}-{client}")
    for server in NAMES
    for client in NAMES
]


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


@cache
def sha256(size: int) -> str:
    return wire.sha256(wire.counter(size))


def sha256_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


def exchange(
    server: Adapter, client: Adapter, via: Via, path: Path, send: Json, receive: Json, *, timeout: float = 20
) -> Json:
    """Runs one exchange and returns the client's answer."""
    place: Json = {"path": str(path)} if via == "unix" else {"port": 0}
    server.request({"op": "send", "via": via, **place, "close": CLOSE, **send})
    started = server.answer()
    assert "listening" in started, started
    listening = started["listening"]
    place = {"path": listening} if via == "unix" else {"port": listening}
    answer = client.call({"op": "receive", "via": via, **place, "close": CLOSE, **receive}, timeout=timeout)
    assert server.answer(timeout) == {"ok": True, "confirmed": True}
    return answer


@pytest.mark.parametrize("size", MESSAGES)
@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_what_arrives_is_what_was_sent(
    pool: Pool, server: str, client: str, via: Via, size: int, directory: Path
) -> None:
    message = MESSAGES[size]
    send = {"message": message, "data": {"size": size, "fill": "counter251"}}
    answer = exchange(pool.get(server), pool.get(client, 1), via, directory / "s", send, {})
    expected: Json = {"size": size, "sha256": sha256(size)}
    if size <= 4096:
        expected["hex"] = wire.counter(size).hex()
    assert answer == {"ok": True, "message": message, "data": expected}
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 3 * MIB + 1])
@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_a_file_arrives_as_a_file(pool: Pool, server: str, client: str, size: int, directory: Path) -> None:
    source, target = directory / "source", directory / "target"
    source.write_bytes(wire.counter(size))
    answer = exchange(
        pool.get(server),
        pool.get(client, 1),
        VIAS[size % 3],
        directory / "s",
        {"data": {"file": str(source)}},
        {"to": {"file": str(target)}},
    )
    assert answer == {"ok": True, "message": "", "data": {"size": size, "sha256": sha256(size)}}
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in directory.iterdir()) == ["source", "target"]


@pytest.fixture(scope="module")
def large_file() -> Iterator[tuple[Path, str]]:
    """Yields a file of 1 GiB + 1 bytes, mostly zeros with some other mebibytes, and its hash."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as directory:
        path = Path(directory) / "large"
        with open(path, "wb") as file:
            for number in range(0, 1024, 64):
                file.seek(number * MIB)
                file.write(wire.counter(MIB + number)[number:])
            file.seek(GIB)
            file.write(b"\x5a")
        assert path.stat().st_size == GIB + 1
        yield path, sha256_of_file(path)


@pytest.mark.large
@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_a_large_file_arrives_in_constant_memory(
    server: str, client: str, via: Via, directory: Path, large_file: tuple[Path, str]
) -> None:
    source, digest = large_file
    target = directory / "target"
    with closing(Adapter(server)) as sender, closing(Adapter(client)) as receiver:
        idle = {}
        for end in (sender, receiver):
            end.call({"op": "about"})
            idle[end] = end.peak_memory()
        send, receive = {"data": {"file": str(source)}}, {"to": {"file": str(target)}}
        answer = exchange(sender, receiver, via, directory / "s", send, receive, timeout=120)
        assert answer["data"] == {"size": GIB + 1, "sha256": digest}
        assert sha256_of_file(target) == digest
        assert os.stat(target).st_size == GIB + 1
        for role, end in (("sender", sender), ("receiver", receiver)):
            before, peak = idle[end], end.peak_memory()
            if before is None or peak is None:
                pytest.skip("this system does not tell the peak of a process's memory")
            most = 32 * MIB if end.name == "cpp" else before + 32 * MIB
            print(f"{end.name} {role}: peak {peak / MIB:.1f} MiB, idle {before / MIB:.1f}, allowed {most / MIB:.1f}")
            assert peak < most
