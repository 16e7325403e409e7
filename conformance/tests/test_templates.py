"""Tests of each adapter template, by the lines of the contract. A language without its tools is skipped."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from suite_command import VIA

from kcom5_conformance import program
from kcom5_conformance.errors import UsageError
from kcom5_conformance.templates import PEER, TEMPLATES, create, next_steps

LANGUAGES = list(TEMPLATES)
HOSTS = {"tcp6": "::1", "tcp4": "127.0.0.1"}
AWKWARD = 'a "quoted" \\ line\n\x00\x1f Grüße \U0001d11e'
WAIT = 60
"""Timeout in seconds for a template."""


class Adapter:
    """A running template."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request: dict[str, Any], *, ascii_only: bool = True) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request, ensure_ascii=ascii_only).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline().decode())


@pytest.fixture(scope="module", params=LANGUAGES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a template, built."""
    template = TEMPLATES[request.param]
    tool = (template.build or template.command)[0]
    if shutil.which(tool) is None:
        pytest.skip(f"NOT RUN: there is no {tool}")
    folder = tmp_path_factory.mktemp(request.param)
    create(request.param, folder)
    if template.build:
        done = subprocess.run(template.build, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    return folder


def start(folder: Path) -> Adapter:
    return Adapter(next(list(t.command) for t in TEMPLATES.values() if (folder / t.source).exists()), folder)


@pytest.fixture(scope="module")
def adapter(built: Path) -> Iterator[Adapter]:
    """The one process that all tests of a template use."""
    running = start(built)
    with running.process:
        yield running
        running.process.kill()


def read(connection: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size and (piece := connection.recv(size - len(octets))):
        octets += piece
    return octets


def to_the_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def frame(message: bytes, data: bytes) -> bytes:
    return len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data


def listener(via: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if via == "tcp6" else socket.AF_INET)
    made.settimeout(WAIT)
    made.bind((HOSTS[via], 0))
    made.listen()
    return made


def test_adapter_tells_what_it_is(adapter: Adapter) -> None:
    adapter.ask({"op": "about"})
    about = adapter.answer()
    assert about.keys() == {"name", "version", "language", "supports"}
    assert about["language"] in LANGUAGES
    assert set(about["supports"]) == {"send", "receive", "tcp4", "tcp6"}
    for request in ({"op": "dance"}, {"op": "send", "via": "pigeon", "port": 0}, {"op": "pack", "port": 1, "key": ""}):
        adapter.ask(request)
        assert adapter.answer() == {"unsupported": True}


def test_adapter_ends_with_its_input(built: Path) -> None:
    process = start(built).process
    output, _ = process.communicate(b'{"op":"dance"}\n', WAIT)
    assert json.loads(output) == {"unsupported": True}
    assert process.returncode == 0


@pytest.mark.parametrize("via", HOSTS)
@pytest.mark.parametrize(
    ("keys", "message", "data"),
    [
        ({}, b"", b""),
        ({"close": 3, "message": AWKWARD, "data": {"hex": "000102ff"}}, AWKWARD.encode(), b"\x00\x01\x02\xff"),
        ({"message": {"hex": "ff00"}, "data": {"size": 3, "fill": "a5"}}, b"\xff\x00", b"\xa5" * 3),
        ({"message": {"size": 3, "fill": "00"}, "data": {"size": 2, "fill": "00"}}, bytes(3), bytes(2)),
        (
            {"message": "", "data": {"size": 1_000_000, "fill": "counter251"}},
            b"",
            bytes(i % 251 for i in range(1_000_000)),
        ),
    ],
    ids=["nothing", "text", "octets", "zeros", "megabyte"],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_adapter_sends(
    adapter: Adapter, via: str, keys: dict[str, Any], message: bytes, data: bytes, ascii_only: bool
) -> None:
    adapter.ask({"op": "send", "via": via, "port": 0, **keys}, ascii_only=ascii_only)
    port = adapter.answer()["listening"]
    with socket.create_connection((HOSTS[via], port), WAIT) as client:
        client.sendall(b"KCOM5\x00\xfe\xff")
        assert to_the_end(client) == b"KCOM5\x00\xfe\xff" + frame(message, data)
    assert adapter.answer() == {"ok": True}


@pytest.mark.parametrize("via", HOSTS)
@pytest.mark.parametrize(
    ("message", "data"),
    [("", b""), (AWKWARD, b"\x00\x01\x02\xff"), ("\x7f", bytes(4096)), ("", bytes(range(251)) * 4001)],
    ids=["nothing", "text", "longest-hex", "megabyte"],
)
def test_adapter_receives(adapter: Adapter, via: str, message: str, data: bytes) -> None:
    with listener(via) as server:
        adapter.ask({"op": "receive", "via": via, "port": server.getsockname()[1], "close": 3})
        with server.accept()[0] as connection:
            hello = read(connection, 8)
            assert hello[:5] == b"KCOM5"
            connection.sendall(hello + frame(message.encode(), data))
            answer = adapter.answer()
            assert to_the_end(connection) == b""
    expected: dict[str, Any] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if len(data) <= 4096:
        expected["hex"] = data.hex()
    assert answer == {"ok": True, "message": message, "data": expected}


@pytest.mark.parametrize("size", [1, 55, 56, 63, 64, 65, 119, 120, 4097])
def test_adapter_hashes_every_length_of_block(adapter: Adapter, size: int) -> None:
    with listener("tcp4") as server:
        adapter.ask({"op": "receive", "via": "tcp4", "port": server.getsockname()[1]})
        with server.accept()[0] as connection:
            data = bytes(i * 7 % 256 for i in range(size))
            connection.sendall(read(connection, 8) + frame(b"", data))
            assert adapter.answer()["data"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_adapter_lives_on_after_failures(adapter: Adapter) -> None:
    adapter.ask({"op": "send", "via": VIA, "port": 0})
    port = adapter.answer()["listening"]
    with socket.create_connection((HOSTS[VIA], port), WAIT) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert adapter.answer()["error"] in ("invalid-connection", "error")
    with listener(VIA) as server:
        port = server.getsockname()[1]
    adapter.ask({"op": "receive", "via": VIA, "port": port})
    assert adapter.answer()["error"] == "error"
    for sent in (b"", b"\x02\x00\x00\x00h", b"\x00" * 4 + b"\xff" * 8 + b"data"):
        with listener(VIA) as server:
            adapter.ask({"op": "receive", "via": VIA, "port": server.getsockname()[1]})
            with server.accept()[0] as connection:
                connection.sendall(read(connection, 8) + sent)
        assert adapter.answer()["error"] == "error"
    with listener(VIA) as server:
        adapter.ask({"op": "receive", "via": VIA, "port": server.getsockname()[1]})
        with server.accept()[0] as connection:
            connection.sendall(bytes(b ^ 1 for b in read(connection, 8)))
            assert adapter.answer()["error"] in ("invalid-connection", "error")
    adapter.ask({"op": "about"})
    assert adapter.answer()["version"] == "0"


def test_ill_formed_message_leaves_the_answer_a_line_of_json(adapter: Adapter) -> None:
    with listener(VIA) as server:
        adapter.ask({"op": "receive", "via": VIA, "port": server.getsockname()[1]})
        with server.accept()[0] as connection:
            connection.sendall(read(connection, 8) + frame(b"a\xffb\xed\xa0\x80c\xc0\x80\xf4\x90\x80\x80\xe2\x82", b""))
            answer = adapter.answer()
    assert answer.keys() in ({"error", "detail"}, {"ok", "message", "data"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_create_writes_the_adapter_and_the_peers(language: str, tmp_path: Path) -> None:
    adapter, peers = create(language, tmp_path / "new" / "folder")
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {adapter.name, peers.name}
    command = json.dumps(list(TEMPLATES[language].command))
    assert f"\n[{PEER}]\ncommand = {command}\n" in peers.read_text()
    assert adapter.read_text().count("replace this by calls of your implementation") == 1
    steps = next_steps(language, tmp_path).splitlines()
    assert f"{program.command()} run --peers peers.toml {PEER}" in steps
    assert (" ".join(TEMPLATES[language].build) in steps) == bool(TEMPLATES[language].build)


@pytest.mark.parametrize("existing", ["adapter.py", "peers.toml"])
def test_create_overwrites_nothing(existing: str, tmp_path: Path) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(UsageError, match=f"{existing} is there already, and nothing was written"):
        create("python", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "mine"


def test_create_needs_a_known_language_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="got the language 'cobol', expected one of python, go,"):
        create("cobol", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        create("python", tmp_path / "file")
