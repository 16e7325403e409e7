"""The command-line program: every error has its name, its hint and its exit code."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import wire
from peers import Program, Result
from programs import (
    CODES,
    HINTS,
    MIB,
    T,
    check_error,
    check_ok,
    files_in,
    raw_client,
    raw_server,
    receive_from,
    write_to_fifo,
)
from wire import HELLO, frame


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


def refused(program: Program) -> Result:
    return program.run("receive", "--wait", "0", "--port", str(wire.free_port()), *T)


def in_use(program: Program) -> Result:
    with wire.listen("tcp6", Path()) as server:
        return program.run("send", "--port", str(server.getsockname()[1]), *T)


def timeout(program: Program) -> Result:
    return program.run("send", "--port", "0", "--timeout", "1")


def invalid_connection(program: Program) -> Result:
    with raw_client(program) as (client, sender):
        client.sendall(b"HELLO...")
        return sender.end()


def unconfirmed(program: Program) -> Result:
    with raw_client(program) as (client, sender):
        client.sendall(HELLO)
        wire.read(client, 8 + 12)
        wire.reset(client)
        return sender.end()


ERRORS: dict[str, Callable[[Program], Result]] = {
    "invalid-address": lambda program: program.run("unpack", stdin=b"x"),
    "invalid-key": lambda program: program.run("pack", stdin=b""),
    "invalid-port": lambda program: program.run("send", "--port", "65536", *T),
    "message-not-utf8": lambda program: program.run("send", "--message", b"\xff", *T),
    "in-use": in_use,
    "refused": refused,
    "timeout": timeout,
    "io": lambda program: program.run("send", "nonexistent", *T),
    "invalid-connection": invalid_connection,
    "truncated": lambda program: receive_from(program, frame()[:-1]),
    "malformed-message": lambda program: receive_from(program, frame(b"\xff")),
    "over-limit": lambda program: receive_from(program, (16 * MIB + 1).to_bytes(4, "little")),
    "unconfirmed": unconfirmed,
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_its_name_its_hint_and_its_code(program: Program, name: str) -> None:
    result = ERRORS[name](program)
    check_error(result, name)
    assert result.out == b""


@pytest.mark.large
def test_a_message_over_4_gib_is_too_long(program: Program, directory: Path) -> None:
    message = directory / "message"
    message.touch()
    os.truncate(message, 1 << 32)
    check_error(program.start("send", "--message-file", message, "--port", "0", *T).end(120), "message-too-long")


def test_the_table_above_has_every_error() -> None:
    assert ERRORS.keys() | {"message-too-long", "usage"} == CODES.keys() <= HINTS.keys()


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999"])
def test_a_port_out_of_range_is_refused_by_the_receiver(program: Program, port: str) -> None:
    check_error(program.run("receive", "--port", port, "--wait", "0", *T), "invalid-port")


def test_a_silent_sender_is_a_timeout_not_before_its_time(program: Program) -> None:
    with raw_server(program, timeout="1") as (_, _, receiver):
        start = time.monotonic()
        check_error(receiver.end(), "timeout")
        assert time.monotonic() - start > 0.9


def test_a_live_server_is_in_use_and_not_disturbed(program: Program, directory: Path) -> None:
    path = directory / "socket"
    first = program.start("send", "--unix", path, *T)
    first.listening()
    check_error(program.run("send", "--unix", path, *T), "in-use")
    check_ok(program.run("receive", "--unix", path, *T), "kcom5: received 0 bytes")
    check_ok(first.end(), "kcom5: sent 0 bytes, confirmed")
    assert files_in(directory) == []


def test_a_stale_socket_file_is_replaced_and_another_file_is_not(program: Program, directory: Path) -> None:
    path = directory / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    sender = program.start("send", "--unix", path, *T)
    sender.listening()
    check_ok(program.run("receive", "--unix", path, *T), "kcom5: received 0 bytes")
    check_ok(sender.end(), "kcom5: sent 0 bytes, confirmed")
    path.write_bytes(b"mine")
    check_error(program.run("send", "--unix", path, *T), "in-use")
    assert path.read_bytes() == b"mine"


def test_a_receiver_may_be_started_before_the_sender(program: Program, directory: Path) -> None:
    address = directory / "address"
    os.mkfifo(address)
    port = wire.free_port()
    receiver = program.start("receive", "--wait", "15", "--address", address, *T)
    write_to_fifo(address, f"{port}.00".encode())
    sender = program.start("send", "--port", str(port), "--message", "late", *T)
    assert sender.listening() == f"[::1]:{port}"
    check_ok(receiver.end(), 'kcom5: received 0 bytes, message "late"')
    check_ok(sender.end(), "kcom5: sent 0 bytes, confirmed")


def test_a_receiver_does_not_give_up_before_its_time(program: Program, directory: Path) -> None:
    start = time.monotonic()
    check_error(program.run("receive", "--wait", "1", "--unix", directory / "socket", *T), "refused")
    assert time.monotonic() - start >= 1


def test_a_web_client_gets_not_one_octet(program: Program) -> None:
    with raw_client(program, "--message", "secret") as (client, sender):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert wire.read_to_end(client)[0] == b""
        check_error(sender.end(), "invalid-connection")
